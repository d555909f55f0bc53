"""Writing into a tensor against PyTorch; the in-place forms of the ops are in their families' tables."""

from __future__ import annotations

import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table

ROWS = [
    Row("Tensor.copy_", [case(A(2, 3), A(2, 3)), case(A(2, 3), A(3)), case(A(2, 3), A()), case(A(2, 3), A(2, 1, dtype="float64")), case(A(2, dtype="int64"), A(2, grad=False)), case(A(2, 3, layout="T"), A(2, 3)), case(A(0, 3), A(3))], gradcheck=False),
    Row("Tensor.fill_", [case(A(2, 3), 1.5), case(A(2), 2), case(A(2, dtype="int64"), 1.7), case(A(2, dtype="uint8"), -1), case(A(2, dtype="bool"), 3), case(A(2, 3), A()), case(A(), 2), case(A(0), 2)]),
    Row("fill", [case(A(2, 3), 1.5), case(A(2, dtype="int64"), 1.7), case(A(2, dtype="bool"), 3), case(A(2, 3), A()), case(A(2, dtype="int64"), A(dtype="float64", grad=False)), case(A(), 2), case(A(0), 2), case(A(2, 3, layout="T"), value=2)]),
    Row("Tensor.zero_", [case(A(2, 3)), case(A(2, dtype="int64")), case(A()), case(A(0))]),
]  # fmt: skip

REFUSALS = [
    Refusal("Tensor.copy_", case(A(2), A(3)), RuntimeError, r"\[2\].*\[3\]"),
    Refusal("Tensor.fill_", case(A(2), 1j), RuntimeError, "float32 without overflow"),
    Refusal("Tensor.fill_", case(A(2, dtype="uint8"), 300), RuntimeError, "uint8 without overflow: 300"),
    Refusal("fill", case(A(2), A(1)), RuntimeError, "0-dimension value tensor but got tensor with 1"),
    Refusal("fill", case(A(2), 1j), RuntimeError, "float32 without overflow"),
    Refusal("Tensor.fill_", case(A(2), A(1)), RuntimeError, "0-dimension value tensor but got tensor with 1"),
]

test_values, test_gradient, test_refusal = table("assign", ROWS, REFUSALS)


@pytest.mark.parametrize("name", ["mul_", "atan2_", "div_"])
def test_an_argument_s_gradient_reads_what_was_there_before(name):
    x, y = trainctl.tensor([2.0, 3.0]), trainctl.tensor([4.0, 5.0], requires_grad=True)
    (wanted,) = trainctl.autograd.grad(getattr(trainctl, name[:-1])(x, y).sum(), y)
    (found,) = trainctl.autograd.grad(getattr(x, name)(y).sum(), y)
    assert found.tolist() == wanted.tolist()
