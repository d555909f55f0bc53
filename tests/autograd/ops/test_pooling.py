"""Pooling over windows against PyTorch and against differences."""

from __future__ import annotations

import math

import numpy as np
import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, check_values, table, torch
from trainctl.autograd.gradcheck import gradgradcheck
from trainctl.nn import functional as F


def shapes(n: int) -> tuple[A, A]:
    """A batch and an image without one, of ``n`` spatial dims."""
    return A(2, 3, *(6, 5, 4)[:n]), A(3, *(6, 5, 4)[:n])


def options(n: int):
    x, single = shapes(n)
    last = {1: A(2, 3, 7), 2: A(1, 2, 7, 8), 3: A(1, 1, 5, 4, 5)}[n]
    return [
        case(x, 2), case(x, (2,) * n), case(x, [3]), case(x, 3, 1), case(x, 3, 2, 1), case(x, 2, None), case(x, 2, ()), case(x, 3, 2, ceil_mode=True), case(x, 4, 3, 2, ceil_mode=True), case(x, 1, 2), case(x, 4, 4),
        case(single, 2), case(single, 3, 2, 1), case(A(0, 3, *x.shape[2:]), 2), case(A(*x.shape, layout="T"), 2), case(A(*x.shape, layout="step"), 2, 1), case(A(*x.shape, dtype="float64"), 3, 2, 1),
        case(last, 3, 2, ceil_mode=True), case(last, 2, 3, 1, ceil_mode=True), case(last, tuple(range(2, 2 + n)), tuple(range(1, 1 + n))), case(input=x, kernel_size=2, stride=1, padding=1),
    ]  # fmt: skip


def max_options(n: int):
    x = shapes(n)[0]
    return [
        *options(n), case(x, 2, 1, 0, 2), case(x, 3, 1, 1, dilation=2), case(x, 2, 2, 1, 2, ceil_mode=True), case(x, 2, return_indices=True), case(x, 3, 2, 1, return_indices=True), case(x, 2, 1, 0, 1, True, True),
    ]  # fmt: skip


# equal elements and those that are no numbers: which one counts as the largest shows in the indices and in the gradient
NAN, INF = math.nan, math.inf
ODD = [
    [[[1, 1, 1], [1, 1, 1], [1, 1, 1]]], [[[0, 2, 1], [2, 2, 0], [2, 1, 2]]], [[[NAN, 1, 2], [3, 4, NAN], [5, NAN, 6]]], [[[NAN, NAN, 1], [NAN, NAN, 2], [3, 4, 5]]],
    [[[-INF, -INF, -INF], [-INF, -INF, -INF], [-INF, -INF, 0]]], [[[INF, INF, 0], [0, INF, NAN], [0, 0, 0]]],
]  # fmt: skip


def ties(kernel, stride, padding):
    return [case(A(1, 3, 3, values=each), kernel, stride, padding, return_indices=True) for each in ODD]


ROWS = [
    *(Row(f"nn.functional.max_pool{n}d", max_options(n), gradcheck=n == 2) for n in (1, 2, 3)),
    Row("ties", [*ties(2, 1, 0), *ties(2, 2, 1), *ties(3, 1, 1)], gradcheck=False, call=lambda lib, *args, **kwargs: lib.nn.functional.max_pool2d(*args, **kwargs)),
    Row("max_pool2d", [case(A(1, 2, 4, 4, dtype=kind, low=0, high=9), 2) for kind in ("int64", "int32", "uint8", "float16")]),
    Row("avg_pool1d", [*options(1), case(shapes(1)[0], 3, 2, 1, False, False), case(shapes(1)[0], 3, 2, 1, True, False), case(A(1, 2, 6, dtype="int64", low=-9, high=9), 2)]),
    *(Row(f"nn.functional.avg_pool{n}d", [
        *options(n), case(shapes(n)[0], 3, 2, 1, False, False), case(shapes(n)[0], 3, 2, 1, True, False), case(shapes(n)[0], 3, 2, 1, True, True), case(shapes(n)[0], 2, divisor_override=3),
        case(shapes(n)[0], 3, 2, 1, True, False, -2), case(A(1, 2, 4, 4, 4, dtype="int64", low=-9, high=9)if n == 3 else A(2, 4, 4, dtype="int64", low=-9, high=9), 2),
    ]) for n in (2, 3)),
    *(Row(f"nn.functional.max_pool{n}d_with_indices", [case(A(1, 2, *(5,) * n), 2), case(A(1, 2, *(5,) * n), 2, 1, 1, 1, True, False), case(A(2, *(5,) * n), 3, ceil_mode=True, return_indices=False)]) for n in (1, 2, 3)),
    Row("max_pool1d_with_indices", [case(A(1, 2, 5), 2, 1)]),
    *(Row(f"nn.functional.lp_pool{n}d", [
        case(A(1, 2, *(4,) * n, low=0.1), p, 2) for p in (1, 2, 3.0, 2.5)
    ] + [case(A(1, 2, *(4,) * n), 2, 3, 1), case(A(2, *(4,) * n), 2, 3, stride=2, ceil_mode=True), case(A(1, 2, *(4,) * n), math.inf, 2), case(A(1, 2, *(4,) * n), -math.inf, 2, 1)]) for n in (1, 2, 3)),
]  # fmt: skip

X = A(1, 3, 6, 6)
REFUSALS = [
    *(Refusal(f"nn.functional.{name}2d", each, RuntimeError, match) for name in ("max_pool", "avg_pool") for each, match in (
        (case(X, 0), r"kernel_size must be greater than zero, got \[0, 0\]"), (case(X, 2, 0), "stride must be greater than zero"), (case(X, 2, padding=-1), "padding must be non-negative"),
        (case(X, 2, padding=2), r"half of kernel size.*pad=\[2, 2\]"), (case(X, 7), r"\[1, 3, 6, 6\].*\[0, 0\]. Output size is too small"), (case(A(1, 1, 1, 6, 6), 2), r"got: \[1, 1, 1, 6, 6\]"),
        (case(A(2, 0, 6, 6), 2), r"\[2, 0, 6, 6\]"), (case(A(2, 3, 6, 0), 2), r"\[2, 3, 6, 0\]"), (case(X, (2, 2, 2)), r"kernel_size=\[2, 2, 2\]"),
    )),
    Refusal("nn.functional.max_pool2d", case(X, 2, dilation=0), RuntimeError, "dilation must be greater than zero"),
    Refusal("nn.functional.max_pool2d", case(X, 2.0), TypeError, "kernel_size must be an int"),
    Refusal("nn.functional.max_pool2d", case(A(1, 3, 6, 6, dtype="bool"), 2), NotImplementedError, "bool"),
    Refusal("nn.functional.max_pool1d", case(A(1, 3, 6, dtype="complex64"), 2), NotImplementedError, "complex64"),
    Refusal("nn.functional.avg_pool2d", case(X, 2, divisor_override=0), RuntimeError, "divisor must be not zero"),
    Refusal("nn.functional.avg_pool2d", case(A(1, 3, 6, 6, dtype="int32"), 2), NotImplementedError, "int32"),
    Refusal("nn.functional.avg_pool3d", case(A(1, 1, 2, 4, 4), 3, ceil_mode=True), RuntimeError, r"\[2, 4, 4\] is smaller"),
]  # fmt: skip

test_values, test_gradient, test_refusal = table("pooling", ROWS, REFUSALS)


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d", "lp_pool2d"])
@pytest.mark.parametrize("given", [(2,), (3, 1)])
def test_gradients_of_gradients_are_those_of_differences(name, given):
    trainctl.manual_seed(0)
    apart = trainctl.randperm(16).double() / 4  # no step of a difference makes another element the largest
    x = apart.reshape(1, 1, 4, 4).requires_grad_()
    norm = (2.0,) if name == "lp_pool2d" else ()
    assert gradgradcheck(lambda x: getattr(F, name)(x * x, *norm, *given), (x,))


def random_cases(n: int, count: int, largest: bool):
    draw = np.random.RandomState(n)
    for _ in range(count):
        kernel = tuple(draw.randint(1, 5, n).tolist())
        padding = tuple(int(draw.randint(0, k // 2 + 1)) for k in kernel)
        stride, ceil_mode = tuple(draw.randint(1, 5, n).tolist()), bool(draw.rand() < 0.5)
        x = A(
            draw.randint(1, 3),
            2,
            *(int(k + draw.randint(0, 5)) for k in kernel),
            dtype="float64",
            layout=draw.choice(["", "T"]),
        )
        more = (1, ceil_mode, True) if largest else (ceil_mode, bool(draw.rand() < 0.5))
        yield case(x, kernel, stride, padding, *more)


@pytest.mark.skipif(torch is None, reason="needs the extra `parity`")
@pytest.mark.parametrize("name", [f"{kind}_pool{n}d" for kind in ("max", "avg") for n in (1, 2, 3)])
def test_options_drawn_at_random(name):
    row = Row(
        f"nn.functional.{name}", list(random_cases(int(name[-2]), 40, name.startswith("max"))), rtol=1e-12, atol=1e-12
    )
    for number in range(len(row.cases)):
        check_values(row, number, "pooling")


def test_the_output_may_be_changed_before_backward():
    x = trainctl.rand(1, 1, 4, 4, requires_grad=True)
    F.max_pool2d(x * 1, 2).relu_().sum().backward()
    assert x.grad.sum() == 4


def test_a_gradient_that_is_no_number_stays_in_its_window_s_maximum():
    x = trainctl.arange(4.0).reshape(1, 1, 4).requires_grad_()
    F.max_pool1d(x, 2).backward(trainctl.tensor([[[math.nan, 1.0]]]))
    assert x.grad.isnan().tolist() == [[[False, True, False, False]]]


def test_windows_wider_than_a_byte_can_count():
    x = trainctl.arange(600.0).reshape(1, 1, 600).requires_grad_()
    y, where = F.max_pool1d(x, 300, return_indices=True)
    assert where.tolist() == [[[299, 599]]]
    y.sum().backward()
    assert x.grad.nonzero()[:, 2].tolist() == [299, 599]
