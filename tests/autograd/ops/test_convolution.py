"""Convolutions against PyTorch and against differences."""

from __future__ import annotations

from tests.autograd.ops.harness import A, Refusal, Row, case, table


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
    Refusal("conv2d", case(X, A(2, 2, 2, 2)), RuntimeError, r"\[2, 2, 2, 2\].*\[2, 3, 4, 4\] to have 2 channels, but got 3"),
    Refusal("conv2d", case(A(3, 4, 4), A(2, 2, 2, 2)), RuntimeError, "2 channels, but got 3"),
    Refusal("conv2d", case(X, A(2, 3, 5, 5)), RuntimeError, r"\(4 x 4\).*\(5 x 5\)"),
    Refusal("conv2d", case(X, A(2, 3, 2, 2), dilation=4), RuntimeError, r"\(4 x 4\).*\(5 x 5\)"),
    Refusal("conv2d", case(A(1, 3, 0, 4), W), RuntimeError, r"\(0 x 4\)"),
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
    Refusal("conv2d", case(X, A(2, 3, 2, 2, dtype="float64")), RuntimeError, r"\(float32\) and weight type \(float64\)"),
    Refusal("conv2d", case(X, W, A(2, dtype="float64")), RuntimeError, r"\(float32\) and bias type \(float64\)"),
    Refusal("conv1d", case(A(2, 3, 4, 4), A(2, 3, 2)), RuntimeError, r"3D \(batched\) input to conv1d"),
    Refusal("conv3d", case(A(1, 1, 4, 4, 4), A(1, 1, 5, 2, 2)), RuntimeError, r"\(4 x 4 x 4\).*\(5 x 2 x 2\)"),
]

test_values, test_gradient, test_refusal = table("convolution", ROWS, REFUSALS)
