"""Undoing max pooling against PyTorch and against differences."""

from __future__ import annotations

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table
from trainctl.autograd.gradcheck import gradgradcheck
from trainctl.nn import functional as F


def there_and_back(n):
    def call(lib, x, kernel_size, stride=None, padding=0, sized=False):
        functional = lib.nn.functional
        y, where = getattr(functional, f"max_pool{n}d")(x, kernel_size, stride, padding, return_indices=True)
        return getattr(functional, f"max_unpool{n}d")(
            y, where, kernel_size, stride, padding, tuple(x.shape[-n:]) if sized else None
        )

    return call  # fmt: skip


def cases(n):
    x = A(2, 3, *(6, 4, 4)[:n], dtype="float64")
    return [
        case(x, 2), case(x, (2,) * n), case(A(3, *(6, 5, 4)[:n]), 2, sized=True), case(x, 2, 2, 0, True), case(A(1, 1, *(5,) * n), 1, 2, sized=True), case(A(2, 1, *(7,) * n), 2, 3, sized=True), case(A(0, 2, *(4,) * n), 2),
        case(A(1, 1, *(4,) * n, dtype="float16"), 2), case(A(2, 3, *(6, 4, 4)[:n], layout="T"), 2),
    ]  # fmt: skip


INDEX = A(1, 1, 1, 2, dtype="int64", values=[[[[5, 14]]]])
ROWS = [
    *(Row(f"there and back {n}d", cases(n), call=there_and_back(n)) for n in (1, 2, 3)),
    Row("nn.functional.max_unpool2d", [
        case(A(1, 1, 1, 2), INDEX, 2, output_size=(3, 5)), case(A(1, 1, 1, 2), INDEX, (3, 2), padding=0, output_size=(1, 1, 4, 5)), case(input=A(1, 1, 1, 2), indices=INDEX, kernel_size=4),
        case(A(1, 1, 1, 2), A(1, 1, 1, 2, dtype="int64", values=[[[[0, 7]]]]), 2, 2, [0, 0]),
    ]),
]  # fmt: skip

X = A(1, 1, 2, 2)
AT = A(1, 1, 2, 2, dtype="int64", values=[[[[0, 3], [8, 15]]]])
REFUSALS = [
    Refusal("nn.functional.max_unpool2d", case(X, AT, 2, 1), RuntimeError, r"outside \[0, 9\).*\[3, 3\]"),
    Refusal("nn.functional.max_unpool2d", case(X, A(1, 1, 2, 2, dtype="int64", values=[[[[-1, 0], [0, 0]]]]), 2), RuntimeError, "invalid max index"),
    Refusal("nn.functional.max_unpool2d", case(X, A(1, 1, 2, 2, dtype="int32", low=0), 2), RuntimeError, "int64 but got: int32"),
    Refusal("nn.functional.max_unpool2d", case(X, A(1, 1, 2, 1, dtype="int64", low=0), 2), RuntimeError, r"\[1, 1, 2, 2\].*\[1, 1, 2, 1\]"),
    Refusal("nn.functional.max_unpool2d", case(X, AT, 2, output_size=(6, 4)), ValueError, "dim 0 must be between 2 and 6"),
    Refusal("nn.functional.max_unpool2d", case(X, AT, 2, output_size=(4,)), ValueError, "2 or 4 elements.*'1'"),
    Refusal("nn.functional.max_unpool2d", case(A(2, 2), A(2, 2, dtype="int64", low=0), 2), RuntimeError, r"3d or 4d.*\[2, 2\]"),
    Refusal("nn.functional.max_unpool2d", case(A(1, 0, 2, 2), A(1, 0, 2, 2, dtype="int64", low=0), 2), RuntimeError, r"\[1, 0, 2, 2\]"),
    Refusal("nn.functional.max_unpool2d", case(A(1, 1, 2, 2, dtype="int64"), AT, 2), NotImplementedError, "int64"),
    Refusal("nn.functional.max_unpool3d", case(A(1, 1, 1, 2, 2), A(1, 1, 1, 2, 2, dtype="int64", low=0, high=3), 2, 0), RuntimeError, r"stride: \[0, 0, 0\]"),
]  # fmt: skip

test_values, test_gradient, test_refusal = table("unpooling", ROWS, REFUSALS)


def test_gradients_of_gradients_are_those_of_differences():
    x = trainctl.rand(1, 1, 2, 2, dtype=trainctl.float64, requires_grad=True)
    where = trainctl.tensor([[[[0, 3], [8, 15]]]])
    assert gradgradcheck(lambda x: F.max_unpool2d(x * x, where, 2), (x,))
