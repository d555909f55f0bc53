"""Broadcasting against PyTorch and against differences."""

from __future__ import annotations

import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table

ROWS = [
    Row("Tensor.expand", [
        case(A(3, 1), 3, 4), case(A(3, 1), (2, 3, 4)), case(A(3, 1), -1, 4), case(A(3, 1), 2, -1, -1), case(A(), 2, 3), case(A(), ()), case(A(1, 3), 0, 3), case(A(2, 3), 2, 3),
        case(A(1, 3, layout="T"), 2, 3), case(A(3, 1), size=(3, 2)), case(A(1, dtype="int64"), 3),
    ]),
    Row("Tensor.expand_as", [case(A(3, 1), A(2, 3, 4)), case(A(), A(0, 2))]),
    Row("Tensor.sum_to_size", [
        case(A(2, 3), 1, 3), case(A(2, 3), (2, 1)), case(A(2, 3), 3), case(A(2, 3), 1), case(A(2, 3), 2, 3), case(A(2, 3), ()), case(A(4, 2, 3), 2, 1), case(A(0, 3), 1, 3),
        case(A(2, 3, dtype="int64"), 3), case(A(2, 3, dtype="bool"), 3), case(A(2, dtype="uint8"), 2), case(A(2, 3, dtype="float16"), 3),
    ]),
    *(Row(name, [case(A(3, 1), (3, 4)), case(A(3, 1), (2, -1, 4)), case(A(), (2, 3)), case(A(), ()), case(A(1, 3, layout="T"), [2, 3]), case(A(1, dtype="int64"), size=(3,)), case(A(1, 3), (0, 3))]) for name in ("broadcast_to", "Tensor.broadcast_to")),
    Row("broadcast_to_one_by_one", [case(A(3, 1))], call=lambda lib, x: x.broadcast_to(2, 3, 4)),
    Row("broadcast_tensors", [case(A(3, 1), A(2, 1, 4)), case(A(), A(2, 3), A(3)), case(A(2)), case(), case(A(0, 1), A(3)), case(A(2, 1, dtype="int64"), A(3, layout="step"))]),
    Row("broadcast_shapes", [case((2, 1), (3,)), case((), (2,)), case((1, 3), (2, 1), (1,)), case(2, (3, 1)), case((0,), (1,)), case()], grad=False),
]  # fmt: skip

REFUSALS = [
    Refusal("Tensor.expand", case(A(2, 3), 2), RuntimeError, r"\[2, 3\], size=\[2\]"),
    Refusal("Tensor.expand", case(A(2, 3), 3, 3), RuntimeError, r"\(3\).*\(2\).*dimension 0.*\[3, 3\].*\[2, 3\]"),
    Refusal("Tensor.expand", case(A(2, 3), -1, 2, 3), RuntimeError, "-1"),
    Refusal("Tensor.sum_to_size", case(A(2, 3), 4), RuntimeError, r"\[4\].*\[2, 3\]"),
    Refusal("Tensor.sum_to_size", case(A(2), 2, 2), RuntimeError, r"\[2, 2\].*\[2\]"),
    Refusal("broadcast_to", case(A(2, 3), (3,)), RuntimeError, r"\[2, 3\], size=\[3\]"),
    Refusal("broadcast_tensors", case(A(2), A(3)), RuntimeError, r"\(2,\), \(3,\)"),
    Refusal("broadcast_tensors", case(A(2), 2), TypeError, "int"),
    Refusal("broadcast_shapes", case((2,), (3,)), RuntimeError, r"\(2,\), \(3,\)"),
]

test_values, test_gradient, test_refusal = table("broadcasting", ROWS, REFUSALS)


def test_an_expanded_tensor_takes_a_write_only_where_each_element_has_its_own_place():
    x = trainctl.zeros(3)
    x.expand(1, 3).add_(1)
    assert x.tolist() == [1, 1, 1]
    with pytest.raises(RuntimeError, match="single memory location"):
        x.expand(2, 3).add_(1)


def test_a_tensor_that_has_the_shape_is_returned_itself():
    x = trainctl.zeros(2, 3)
    assert trainctl.broadcast_tensors(x, trainctl.zeros(3))[0] is x
