"""Convolutions against PyTorch and against differences."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, check_values, table, torch
from trainctl.autograd import grad
from trainctl.autograd.gradcheck import gradgradcheck
from trainctl.autograd.ops import windows
from trainctl.nn import functional as F


def mixed(*shape):
    return A(*shape, dtype="complex64")


def ints(*shape):
    return A(*shape, dtype="int64", low=-3, high=4)


def sized(n: int, *shape: int) -> A:
    """An array whose last ``n`` sizes are spatial; those beyond the ones given are 3, which kernels of 2 and 3 fit."""
    return A(*shape, *(3,) * (n + 2 - len(shape)))


def cases(n: int):
    """What every number of spatial dims has in common."""
    x, w, b = sized(n, 2, 4, 5), A(6, 4, 3, *(2,) * (n - 1)), A(6)
    return [
        case(x, w, b), case(x, w), case(x, w, b, 2), case(x, w, b, 1, 1), case(x, w, b, stride=2, padding=1), case(x, w, b, padding=2, dilation=2), case(x, w, b, stride=3, padding=2, dilation=2),
        case(x, w, b, padding="valid"), case(x, w, b, padding="same"), case(x, w, b, padding="same", dilation=2), case(x, w, b, 2, "valid"), case(x, w, b, (2,), (1,), (1,)),
        case(x, A(6, 2, 2, *(1,) * (n - 1)), b, groups=2), case(x, A(4, 1, 3, *(2,) * (n - 1)), groups=4, padding=1), case(x, A(8, 1, 2, *(2,) * (n - 1)), A(8), stride=2, groups=4),
        case(sized(n, 0, 4, 5), w, b), case(sized(n, 1, 4, 5), A(1, 4, 1, *(1,) * (n - 1))), case(A(*x.shape[1:]), w, b), case(A(*x.shape[1:]), w, padding="same"), case(A(*x.shape[1:]), w, b, stride=2, padding=1),
        case(A(*x.shape, layout="step"), A(*w.shape, layout="T"), b), case(ints(*x.shape), ints(*w.shape), ints(6)), case(mixed(*x.shape), mixed(*w.shape), mixed(6), stride=2, padding=1),
        case(A(*x.shape, dtype="float64"), A(*w.shape, dtype="float64")), case(x, A(6, 4, 5, *(3,) * (n - 1)), b),
    ]  # fmt: skip


PLANE = [
    case(A(2, 3, 7, 5), A(4, 3, 3, 2), A(4), stride=(2, 1)), case(A(2, 3, 7, 5), A(4, 3, 3, 2), A(4), padding=(0, 2)), case(A(2, 3, 7, 5), A(4, 3, 3, 2), dilation=(3, 2)), case(A(2, 3, 7, 5), A(4, 3, 2, 4), padding="same"),
    case(A(2, 3, 7, 5), A(4, 3, 3, 2), A(4), (3, 2), (1, 1), (2, 1)), case(A(2, 6, 4, 4), A(9, 2, 3, 3), A(9), groups=3, padding=1), case(A(1, 1, 1, 1), A(1, 1, 1, 1)), case(A(1, 1, 1, 6), A(2, 1, 3, 3), padding=1),
    case(A(2, 3, 5, 5), A(4, 3, 1, 1), A(4), stride=2), case(A(2, 3, 6, 6), A(4, 3, 2, 2), stride=5), case(A(2, 3, 4, 4, dtype="float16"), A(2, 3, 2, 2, dtype="float16")), case(A(2, 3, 4, 4), weight=A(2, 3, 2, 2), bias=None, stride=[1, 2]),
]  # fmt: skip

ROWS = [
    Row("conv1d", cases(1), rtol=1e-4, atol=1e-5),
    Row("nn.functional.conv1d", cases(1)[:3], rtol=1e-4, atol=1e-5),
    Row("conv2d", cases(2), rtol=1e-4, atol=1e-5),
    Row("nn.functional.conv2d", PLANE, rtol=1e-4, atol=1e-5),
    Row("conv3d", cases(3), rtol=1e-4, atol=1e-5),
    Row("nn.functional.conv3d", [case(A(1, 2, 4, 3, 5), A(3, 2, 2, 1, 3), A(3), stride=(2, 1, 1), padding=(1, 0, 2), dilation=(1, 2, 1))], rtol=1e-4, atol=1e-5),
]  # fmt: skip

X, W = A(2, 3, 4, 4), A(2, 3, 2, 2)
REFUSALS = [
    Refusal(
        "conv2d", case(X, A(2, 2, 2, 2)), RuntimeError, r"\[2, 2, 2, 2\].*\[2, 3, 4, 4\] to have 2 channels, but got 3"
    ),
    Refusal("conv2d", case(A(3, 4, 4), A(2, 2, 2, 2)), RuntimeError, "2 channels, but got 3"),
    Refusal("conv2d", case(X, A(2, 3, 5, 5)), RuntimeError, r"\(4 x 4\).*\(5 x 5\)"),
    Refusal("conv2d", case(X, A(2, 3, 2, 2), dilation=4), RuntimeError, r"\(4 x 4\).*\(5 x 5\)"),
    Refusal("conv2d", case(A(1, 3, 0, 4), W), RuntimeError, r"\(0 x 4\)|\[1, 3, 0, 4\]"),
    Refusal("conv2d", case(X, W, A(3)), RuntimeError, r"2 elements, but got bias of size \[3\]"),
    Refusal("conv2d", case(X, W, groups=2), RuntimeError, "6 channels, but got 3"),
    Refusal("conv2d", case(A(2, 4, 4, 4), A(3, 2, 2, 2), groups=2), RuntimeError, r"divisible by 2.*\[3, 2, 2, 2\]"),
    Refusal("conv2d", case(X, W, groups=0), RuntimeError, "groups=0"),
    Refusal("conv2d", case(A(2, 4), W), RuntimeError, r"3D \(unbatched\) or 4D \(batched\).*\[2, 4\]"),
    Refusal("conv2d", case(X, A(3, 2, 2), padding="same"), RuntimeError, r"\[3, 2, 2\]"),
    Refusal("conv2d", case(X, W, stride=0), RuntimeError, "non-positive stride"),
    Refusal("conv2d", case(X, W, stride=(1, 2, 3)), RuntimeError, r"stride=\[1, 2, 3\]"),
    Refusal("conv2d", case(X, W, padding=-1), RuntimeError, "negative padding"),
    Refusal("conv2d", case(X, W, padding="full"), RuntimeError, "'full'"),
    Refusal("conv2d", case(X, W, padding="same", stride=2), RuntimeError, "strided"),
    Refusal("conv2d", case(X, W, dilation=0), RuntimeError, "non-positive dilation"),
    Refusal("conv2d", case(X, A(2, 3, 0, 2)), RuntimeError, "greater than zero"),
    Refusal(
        "conv2d", case(X, A(2, 3, 2, 2, dtype="float64")), RuntimeError, r"\(float32\) and weight type \(float64\)"
    ),
    Refusal("conv2d", case(X, W, A(2, dtype="float64")), RuntimeError, r"\(float32\) and bias type \(float64\)"),
    Refusal("conv1d", case(A(2, 3, 4, 4), A(2, 3, 2)), RuntimeError, r"3D \(batched\) input to conv1d"),
    Refusal("conv3d", case(A(1, 1, 4, 4, 4), A(1, 1, 5, 2, 2)), RuntimeError, r"\(4 x 4 x 4\).*\(5 x 2 x 2\)"),
]

test_values, test_gradient, test_refusal = table("convolution", ROWS, REFUSALS)


def random_cases(n: int, count: int):
    """Return calls with options drawn at random, so that they meet in ways that no table lists."""
    draw = np.random.RandomState(n)
    for _ in range(count):
        groups, depth, outputs = draw.choice([1, 1, 2, 3]), draw.choice([1, 1, 2, 3]), draw.choice([1, 2, 3])
        kernel = draw.randint(1, 4, n)
        options = {
            name: tuple(draw.randint(low, high, n).tolist())
            for name, low, high in (("stride", 1, 4), ("padding", 0, 3), ("dilation", 1, 3))
        }
        room = [
            max(1, d * (k - 1) + 1 - 2 * p)
            for d, k, p in zip(options["dilation"], kernel, options["padding"], strict=True)
        ]
        spatial = [int(draw.randint(least, least + 5)) for least in room]
        x = A(draw.randint(1, 4), groups * depth, *spatial, dtype="float64", layout=draw.choice(["", "", "T", "step"]))
        weight, bias = A(groups * outputs, depth, *kernel, dtype="float64"), A(groups * outputs, dtype="float64")
        yield case(x, weight, bias if draw.rand() < 0.5 else None, groups=int(groups), **options)


@pytest.mark.skipif(torch is None, reason="needs the extra `parity`")
@pytest.mark.parametrize("n", [1, 2, 3])
def test_options_drawn_at_random(n):
    row = Row(f"nn.functional.conv{n}d", list(random_cases(n, 60)), rtol=1e-10, atol=1e-10)
    for number in range(len(row.cases)):
        check_values(row, number, "convolution")


DOUBLE = {"dtype": trainctl.float64, "requires_grad": True}
CALLS = {
    "plain": (F.conv2d, (2, 2, 4, 3), (2, 2, 2, 2), {}), "strided": (F.conv2d, (1, 2, 5, 4), (2, 2, 2, 3), {"stride": 2, "padding": 1}), "dilated": (F.conv1d, (2, 1, 6), (2, 1, 3), {"dilation": 2}),
    "grouped": (F.conv1d, (1, 4, 4), (2, 2, 2), {"groups": 2}), "depthwise": (F.conv1d, (1, 2, 5), (4, 1, 2), {"groups": 2}), "pointwise": (F.conv2d, (1, 2, 8, 8), (1, 2, 1, 1), {}), "3d": (F.conv3d, (1, 1, 2, 3, 2), (1, 1, 2, 2, 1), {}),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_gradients_of_gradients_are_those_of_differences(name):
    function, x, w, options = CALLS[name]
    trainctl.manual_seed(0)
    operands = (trainctl.rand(*x, **DOUBLE), trainctl.rand(*w, **DOUBLE), trainctl.rand(w[0], **DOUBLE))
    assert gradgradcheck(lambda *given: function(*given, **options), operands)


SPLIT = {
    "plain": ((5, 3, 12, 12), (4, 3, 3, 3), {"padding": 1}), "strided": ((5, 3, 12, 12), (4, 3, 3, 3), {"stride": 2}), "grouped": ((5, 4, 12, 12), (6, 2, 3, 3), {"groups": 2, "padding": 2}),
    "depthwise": ((5, 3, 12, 12), (6, 1, 3, 3), {"groups": 3, "dilation": 2}), "more outputs than inputs": ((5, 1, 12, 12), (8, 1, 3, 3), {}), "small images": ((5, 3, 4, 4), (4, 3, 3, 3), {"padding": 1}),
}  # fmt: skip


@pytest.mark.parametrize("name", SPLIT)
@pytest.mark.parametrize("budget", [1, 20_000, 50_000])
def test_blocks_of_any_size_give_the_same(monkeypatch, name, budget):
    x, w, options = SPLIT[name]
    trainctl.manual_seed(0)
    operands = [trainctl.rand(*x, **DOUBLE), trainctl.rand(*w, **DOUBLE), trainctl.rand(w[0], **DOUBLE)]

    def run():
        y = F.conv2d(*operands, **options)
        return [y, *grad(y, operands, trainctl.ones_like(y))]

    whole = run()
    monkeypatch.setattr(windows, "_CACHED", budget)
    for mine, other in zip(run(), whole, strict=True):
        np.testing.assert_allclose(mine.detach().numpy(), other.detach().numpy(), rtol=1e-12)


def test_what_a_large_image_s_windows_see_is_never_all_in_memory():
    import tracemalloc

    x, w = trainctl.ones(1, 16, 256, 256), trainctl.ones(1, 16, 5, 5)  # 4 MiB, and 25 times as much as columns
    tracemalloc.start()
    F.conv2d(x, w, padding=2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * 2**20


def test_a_plane_s_output_is_contiguous_for_whatever_input():
    x = trainctl.ones(2, 5, 6, 3).permute(0, 3, 1, 2)
    assert F.conv2d(x, trainctl.ones(4, 3, 3, 3)).is_contiguous()
    assert F.conv2d(x, trainctl.ones(4, 3, 1, 1)).is_contiguous()
    assert F.conv2d(x, trainctl.ones(3, 1, 3, 3), groups=3).is_contiguous()
