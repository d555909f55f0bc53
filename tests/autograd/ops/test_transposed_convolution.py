"""Transposed convolutions against PyTorch and against differences."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, check_values, table, torch
from trainctl.autograd.gradcheck import gradgradcheck
from trainctl.nn import functional as F


def cases(n: int):
    """What every number of spatial dims has in common: ``[1, 4, 3, ...] * [4, 3, 3, 2, ...]``."""
    ones = (1,) * (n - 1)
    x, w, b = A(1, 4, 3, *(2,) * (n - 1)), A(4, 3, 3, *(2,) * (n - 1)), A(3)
    return [
        case(A(2, *x.shape[1:]), w, b), case(x, w), case(x, w, b, 2), case(x, w, b, 1, 1), case(x, w, b, 2, 1, 1), case(x, w, b, 3, padding=1, output_padding=2), case(x, w, stride=2, dilation=3, output_padding=2),
        case(x, w, b, 1, 0, 1, 1, 2), case(x, w, b, padding=1, dilation=2), case(x, A(4, 2, 2, *ones), A(4), groups=2), case(x, A(4, 1, 3, *ones), A(4), stride=2, groups=4), case(x, A(4, 8, 1, *ones)),
        case(A(0, 4, 3, *ones), w, b), case(A(4, 3, *ones), w, b, stride=2), case(A(1, 1, 1, *ones), A(1, 1, 1, *ones)), case(A(*x.shape, layout="step"), A(*w.shape, layout="T"), b),
        case(A(*x.shape, dtype="complex64"), A(*w.shape, dtype="complex64"), A(3, dtype="complex64"), stride=2), case(A(*x.shape, dtype="float64"), A(*w.shape, dtype="float64")), case(x, w, b, (2,), (1,), (1,)),
    ]  # fmt: skip


ROWS = [
    *(Row(f"conv_transpose{n}d", cases(n), rtol=1e-4, atol=1e-5) for n in (1, 2, 3)),
    Row("nn.functional.conv_transpose2d", [
        case(A(2, 3, 4, 5), A(3, 2, 3, 2), A(2), (2, 3), (1, 0), (1, 2), 1, (2, 1)), case(A(2, 4, 4, 5), A(4, 3, 2, 3), A(6), stride=[2, 1], groups=2), case(A(3, 4, 5), weight=A(3, 2, 3, 3), bias=None, padding=1),
        case(A(1, 2, 3, 3, dtype="int64", low=-3, high=4), A(2, 3, 2, 2, dtype="int64", low=-3, high=4)),
    ], rtol=1e-4, atol=1e-5),
]  # fmt: skip

X, W = A(2, 3, 4, 4), A(3, 2, 2, 2)
REFUSALS = [
    Refusal("conv_transpose2d", case(X, A(2, 3, 2, 2)), RuntimeError, r"transposed.*\[2, 3, 4, 4\] to have 2 channels, but got 3"),
    Refusal("conv_transpose2d", case(X, W, A(3)), RuntimeError, r"2 elements, but got bias of size \[3\]"),
    Refusal("conv_transpose2d", case(X, W, groups=2), RuntimeError, r"divisible by 2.*\[3, 2, 2, 2\]"),
    Refusal("conv_transpose2d", case(X, W, output_padding=1), RuntimeError, r"smaller than either.*output_padding=\[1, 1\]"),
    Refusal("conv_transpose2d", case(X, W, stride=2, output_padding=-1), RuntimeError, "negative output_padding"),
    Refusal("conv_transpose2d", case(X, W, padding=3), RuntimeError, r"\(4 x 4\).*\(-1 x -1\)"),
    Refusal("conv_transpose2d", case(X, W, stride=0), RuntimeError, "non-positive stride"),
    Refusal("conv_transpose2d", case(X, W, stride=1.5), TypeError, "stride must be an int"),
    Refusal("conv_transpose2d", case(A(2, 3), W), RuntimeError, r"3D \(unbatched\) or 4D \(batched\).*\[2, 3\]"),
    Refusal("conv_transpose2d", case(X, None), TypeError, "'weight' must be Tensor"),
    Refusal("conv_transpose2d", case(X, A(3, 2, 2, 2, dtype="float64")), RuntimeError, "float64"),
]  # fmt: skip

test_values, test_gradient, test_refusal = table("transposed_convolution", ROWS, REFUSALS)

DOUBLE = {"dtype": trainctl.float64, "requires_grad": True}


@pytest.mark.parametrize(
    "options", [{}, {"stride": 2, "padding": 1, "output_padding": 1}, {"groups": 2}, {"dilation": 2, "output_padding": 1}], ids=str
)  # fmt: skip
def test_gradients_of_gradients_are_those_of_differences(options):
    trainctl.manual_seed(0)
    operands = (trainctl.rand(1, 2, 3, 2, **DOUBLE), trainctl.rand(2, 1, 2, 2, **DOUBLE))
    assert gradgradcheck(lambda *given: F.conv_transpose2d(*given, **options), operands)


def random_cases(n: int, count: int):
    draw = np.random.RandomState(n)
    for _ in range(count):
        groups, depth, outputs = (int(draw.choice([1, 1, 2, 3])) for _ in range(3))
        stride, dilation, kernel = (tuple(draw.randint(1, 4, n).tolist()) for _ in range(3))
        extra = tuple(int(draw.randint(max(s, d))) for s, d in zip(stride, dilation, strict=True))
        x = A(
            draw.randint(1, 4), groups * depth, *draw.randint(3, 6, n), dtype="float64", layout=draw.choice(["", "T"])
        )
        weight, bias = A(groups * depth, outputs, *kernel, dtype="float64"), A(groups * outputs, dtype="float64")
        padding = tuple(draw.randint(0, 2, n).tolist())
        yield case(x, weight, bias, stride, padding, extra, groups, dilation)


@pytest.mark.skipif(torch is None, reason="needs the extra `parity`")
@pytest.mark.parametrize("n", [1, 2, 3])
def test_options_drawn_at_random(n):
    row = Row(f"nn.functional.conv_transpose{n}d", list(random_cases(n, 40)), rtol=1e-10, atol=1e-10)
    for number in range(len(row.cases)):
        check_values(row, number, "transposed_convolution")


def test_it_is_the_gradient_of_a_convolution_s_input():
    trainctl.manual_seed(0)
    x, w, gy = (trainctl.rand(*shape, **DOUBLE) for shape in ((2, 3, 7, 8), (4, 3, 3, 2), (2, 4, 3, 4)))
    (gx,) = trainctl.autograd.grad(F.conv2d(x, w, stride=2), x, gy)
    np.testing.assert_allclose(gx.numpy(), F.conv_transpose2d(gy, w, stride=2).detach().numpy(), rtol=1e-12)
