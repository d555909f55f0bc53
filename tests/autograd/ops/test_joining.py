"""Tensors put together, against PyTorch and against differences."""

from __future__ import annotations

import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table
from trainctl.autograd.gradcheck import gradgradcheck

ROWS = [
    Row("cat", [
        case([A(2, 3), A(4, 3)]), case([A(2, 3), A(2, 1), A(2, 2)], 1), case([A(2, 3), A(2, 1)], -1), case([A(2, 3)]), case([A(3), A(0), A(2)]), case([A(0), A(2, 3)], 1), case([A(0), A(0)], 1),
        case([A(2, 3), A(0, 3)]), case((A(2, 3, layout="T"), A(2, 3, layout="step")), 0), case([A(2), A(2, dtype="float64")]), case([A(2), A(3, dtype="int64")]),
        case([A(2, dtype="bool"), A(3, dtype="int8")]), case([A(0, dtype="float64", grad=False), A(2, 3, dtype="int32")], -1), case([A(2, dtype="complex64"), A(2)]), case([A(2, 1), A(2, 2)], dim=1), case([A(2, 1), A(2, 2)], axis=1),
    ]),
    Row("stack", [
        case([A(2, 3), A(2, 3)]), case([A(2, 3), A(2, 3), A(2, 3)], 1), case([A(2, 3), A(2, 3)], -1), case([A(2, 3), A(2, 3)], 2), case([A(), A()]), case([A(0, 2), A(0, 2)], 1), case([A(3)]),
        case([A(2, dtype="int32"), A(2)], dim=-1), case([A(2, 3, layout="T"), A(2, 3)], axis=1),
    ]),
    Row("stack_of_scalars_and_rows", [case(*(A() for _ in range(5))), case(A(1, 3), A(1, 3), A(1, 3))], call=lambda lib, *xs: (lib.stack(xs), lib.stack(xs, -1))),
    Row("hstack", [case([A(2), A(3)]), case([A(2, 1), A(2, 3)]), case([A(), A(2)]), case((A(2, 0, 3), A(2, 1, 3))), case([A(2, dtype="int64"), A(1)]), case([A(0), A(2)]), case([A(2, 3, layout="T")])]),
    *(Row(name, [case([A(3), A(3)]), case([A(1, 3), A(3)]), case([A(), A()]), case((A(0, 3), A(2, 3))), case([A(1, 2, 3), A(2, 2, 3)]), case([A(2, dtype="int64"), A(2)]), case([A(3, layout="step")])]) for name in ("vstack", "row_stack")),
    Row("dstack", [case([A(3), A(3)]), case([A(2, 3), A(2, 3, 2)]), case([A(), A()]), case([A(0, 2), A(0, 2)]), case((A(2, 3, 1, 2), A(2, 3, 2, 2))), case([A(2, dtype="int64"), A(2)]), case([A(2, 3, layout="T")])]),
    Row("column_stack", [case([A(3), A(3)]), case([A(3), A(3, 2)]), case([A(), A(1)]), case([A(0), A(0, 2)]), case((A(2, 1, 2), A(2, 3, 2))), case([A(2, dtype="int64"), A(2)]), case([A(2, 3, layout="T"), A(2)])]),
    Row("block_diag", [case(A(2, 3), A(3), A()), case(A(2, 2, layout="T"), A(1, 2, layout="step")), case(A(2, 0), A(0, 2)), case(A(1, 2, dtype="int64"), A(2)), case(A(1, 1, dtype="complex64"), A(2)), case(A(3))]),
]  # fmt: skip

REFUSALS = [
    Refusal("cat", case([]), ValueError, "non-empty list"),
    Refusal("cat", case(A(2, 2)), TypeError, "must be tuple of Tensors, not Tensor"),
    Refusal("cat", case([A(2), 2]), TypeError, "element 1.*int"),
    Refusal("cat", case([A(2), A()]), RuntimeError, "position 1"),
    Refusal("cat", case([A(2), A(1, 2)]), RuntimeError, r"1 and 2.*\[2\] and \[1, 2\]"),
    Refusal(
        "cat",
        case([A(2, 2), A(2, 3)]),
        RuntimeError,
        r"except in dimension 0.*size 2.*size 3.*number 1.*\[2, 2\] and \[2, 3\]",
    ),
    Refusal("cat", case([A(2, 2), A(2, 2)], 2), IndexError, "got 2"),
    Refusal("stack", case([]), RuntimeError, "non-empty"),
    Refusal("stack", case([A(2), A(3)]), RuntimeError, r"\[2\] at entry 0 and \[3\] at entry 1"),
    Refusal("stack", case([A(2), A(2)], 3), IndexError, r"\[-2, 1\], but got 3"),
    *(Refusal(name, case([]), RuntimeError, f"{name} expects a non-empty") for name in ("hstack", "vstack", "dstack", "column_stack")),
    *(Refusal(name, case(A(2)), TypeError, "must be tuple of Tensors, not Tensor") for name in ("hstack", "vstack", "dstack", "column_stack")),
    Refusal("hstack", case([A(2), A(1, 2)]), RuntimeError, r"\[2\] and \[1, 2\]"),
    Refusal("vstack", case([A(2), A(3)]), RuntimeError, r"\[1, 2\] and \[1, 3\]"),
    Refusal("dstack", case([A(2), A(3)]), RuntimeError, r"\[1, 2, 1\] and \[1, 3, 1\]"),
    Refusal("column_stack", case([A(2), A(3)]), RuntimeError, r"\[2, 1\] and \[3, 1\]"),
    Refusal("block_diag", case(A(2), A(2, 2, 2)), RuntimeError, r"Input 1 has 3 dimensions, shape \[2, 2, 2\]"),
    Refusal("block_diag", case(A(2), 2), TypeError, "int"),
]  # fmt: skip

test_values, test_gradient, test_refusal = table("joining", ROWS, REFUSALS)


@pytest.mark.parametrize("dim", [0, 1, 2])
def test_gradients_of_gradients(dim):
    x = trainctl.rand(2, 3, dtype=trainctl.float64).requires_grad_()
    y = trainctl.rand(2, 3, dtype=trainctl.float64).requires_grad_()
    assert gradgradcheck(lambda x, y: trainctl.stack([x, y, x], dim) ** 3, (x, y))
    assert gradgradcheck(lambda x, y: trainctl.cat([x, y, x], dim % 2) ** 3, (x, y))


def test_no_blocks_make_an_empty_matrix():
    assert trainctl.block_diag().shape == (1, 0)


def test_bfloat16_is_joined_as_it_is():
    x = trainctl.tensor([1.0, 2.0], dtype=trainctl.bfloat16)
    assert trainctl.stack([x, x]).dtype is trainctl.bfloat16
    assert trainctl.stack([x, x], 1).tolist() == [[1, 1], [2, 2]]
    assert trainctl.cat([x, x]).tolist() == [1, 2, 1, 2]
