"""Tensors taken apart, against PyTorch and against differences."""

from __future__ import annotations

import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table
from tests.scripts import Scripts
from trainctl.autograd.gradcheck import gradgradcheck

AT = [A(2, dtype="int64", values=[1, 3]), A(dtype="int64", values=3)]

ROWS = [
    *(Row(name, [
        case(A(5, 3), 2), case(A(5, 3), 5), case(A(5, 3), 9), case(A(5, 3), 1, 1), case(A(5, 3), [1, 4]), case(A(5, 3), (1, 0, 2), -1), case(A(0, 3), 2), case(A(0), 0), case(A(5, 3, layout="T"), 2), case(A(4, dtype="int64"), 3),
    ]) for name in ("split", "Tensor.split")),
    Row("split_forms", [case(A(4, 3))], call=lambda lib, x: (*lib.split(x, split_size_or_sections=2), *x.split(split_size=3, dim=0))),
    *(Row(name, [case(A(5, 3), 2), case(A(5, 3), 4), case(A(5, 3), 9), case(A(5, 3), 2, 1), case(A(5, 3), 1, -1), case(A(0, 3), 3), case(A(6, 2), chunks=3, dim=0)]) for name in ("chunk", "Tensor.chunk")),
    *(Row(name, [case(A(3, 4)), case(A(3, 4), 1), case(A(3, 4), -1), case(A(0, 2)), case(A(2, 0)), case(A(2, 0), 1), case(A(3, layout="step"))]) for name in ("unbind", "Tensor.unbind")),
    Row("iteration", [case(A(3, 2)), case(A(0, 2))], call=lambda lib, x: list(x)),
    *(Row(name, [case(A(5, 3), [1, 4]), case(A(5, 3), (1, 0, 2), -1), case(A(0, 3), [0, 0]), case(A(5, layout="step"), [5]), case(A(4, dtype="int64"), split_sizes=[1, 3], dim=0)])
      for name in ("split_with_sizes", "Tensor.split_with_sizes", "unsafe_split_with_sizes")),
    *(Row(name, [case(A(5, 3), 2), case(A(5, 3), 2, dim=-1), case(A(0, 3), 2)]) for name in ("unsafe_split", "Tensor.unsafe_split", "unsafe_chunk", "Tensor.unsafe_chunk")),
    *(Row(name, [
        case(A(5, 3), 2), case(A(5, 3), 7), case(A(5, 3), 2, -1), case(A(5, 3), (1, 3)), case(A(5, 3), [4, 1, -1, 9]), case(A(5, 3), ()), case(A(0, 3), 2), case(A(5, 1), (1,), 1), case(A(5, 3, layout="T"), (2,), dim=1),
        case(A(5, dtype="int64"), 3), *(case(A(5, 3), at) for at in AT),
    ]) for name in ("tensor_split", "Tensor.tensor_split")),
    Row("tensor_split_by_name", [case(A(5))], call=lambda lib, x: (*lib.tensor_split(x, sections=2), *x.tensor_split(indices=(1, 2)), *lib.tensor_split(x, tensor_indices_or_sections=lib.tensor(2)))),
    *(Row(name, [case(A(4), 2), case(A(3, 4), 2), case(A(3, 4, 2), (1, -1)), case(A(3, 0), 1), case(A(3, 4, layout="T"), [3]), case(A(2, 4, dtype="int64"), 4)]) for name in ("hsplit", "Tensor.hsplit")),
    *(Row(name, [case(A(4, 2), 2), case(A(3, 4, 2), (1, -1)), case(A(0, 3), 1), case(A(3, 4, layout="T"), [2]), case(A(4, 2, dtype="int64"), 4)]) for name in ("vsplit", "Tensor.vsplit")),
    *(Row(name, [case(A(2, 2, 4), 2), case(A(1, 3, 4, 2), (1, -1)), case(A(1, 3, 0), 1), case(A(3, 4, 2, layout="T"), [1]), case(A(1, 2, 4, dtype="int64"), 4)]) for name in ("dsplit", "Tensor.dsplit")),
    Row("split_by_name_or_one_by_one", [case(A(4, 4, 4))], call=lambda lib, x: (*lib.hsplit(x, sections=2), *lib.vsplit(x, indices=(1,)), *x.dsplit(1, 2), *x.hsplit(indices=[3]))),
]  # fmt: skip

FLOATS, MATRIX = A(2), A(1, 1, dtype="int64")
REFUSALS = [
    Refusal("split", case(A(5), 0), RuntimeError, "size of 5"),
    Refusal("split", case(A(5), -1), RuntimeError, "split_size=-1"),
    Refusal("split", case(A(5), [2, 2]), RuntimeError, r"exactly to 5.*\[2, 2\]"),
    Refusal("split", case(A(5), [6, -1]), RuntimeError, r"non-negative.*\[6, -1\]"),
    Refusal("split", case(A(), 1), RuntimeError, "1-dimensional"),
    Refusal("split", case(A(5), 2.0), TypeError, "float"),
    Refusal("chunk", case(A(5), 0), RuntimeError, "greater than 0, got: 0"),
    Refusal("unbind", case(A()), IndexError, "no dimensions"),
    Refusal("unbind", case(A(2, 3), 2), IndexError, "got 2"),
    Refusal("split_with_sizes", case(A(5), [2, 2]), RuntimeError, r"exactly to 5.*\[2, 2\]"),
    Refusal("split_with_sizes", case(A(), []), RuntimeError, "1-dimensional"),
    Refusal("tensor_split", case(A(5), 0), RuntimeError, "larger than 0, got 0"),
    Refusal("tensor_split", case(A(), 1), RuntimeError, "1-dimensional tensor, but got a tensor with 0 dims"),
    Refusal("tensor_split", case(A(5), 2.0), TypeError, "float"),
    Refusal("tensor_split", case(A(5), (1, 2.0)), TypeError, "float"),
    Refusal("tensor_split", case(A(5)), TypeError, "got 0 of them"),
    Refusal("tensor_split", case(A(5), 2, sections=2), TypeError, "got 2 of them"),
    Refusal("tensor_split", case(A(5), FLOATS), RuntimeError, "dtype of long, but got .*float32"),
    Refusal("tensor_split", case(A(5), MATRIX), RuntimeError, "got a tensor with 2 dims"),
    Refusal("tensor_split", case(A(5), 2, 1), IndexError, "got 1"),
    Refusal("hsplit", case(A(), 1), RuntimeError, "at least 1 dimension, but got a tensor with 0"),
    Refusal("vsplit", case(A(4), 2), RuntimeError, "at least 2 dimension, but got a tensor with 1"),
    Refusal("dsplit", case(A(4, 4), 2), RuntimeError, "at least 3 dimension, but got a tensor with 2"),
    Refusal("hsplit", case(A(2, 3), 2), RuntimeError, "along dimension 1, but the size of the dimension 3 .* split_size 2"),
    Refusal("vsplit", case(A(3, 2), 0), RuntimeError, "along dimension 0, but the size of the dimension 3 .* split_size 0"),
    Refusal("vsplit", case(A(3, 2), -1), RuntimeError, "larger than 0, got -1"),
    Refusal("dsplit", case(A(1, 1, 4), A(2, dtype="int64")), TypeError, "single element"),
]  # fmt: skip

test_values, test_gradient, test_refusal = table("splitting", ROWS, REFUSALS)

scripts = Scripts()


@scripts.gives([[0.0, 9.0, 9.0], [0.0, 9.0, 9.0]])
def pieces_share_memory(lib):
    x = lib.zeros(2, 3)
    lib.tensor_split(x, (1,), 1)[1].fill_(9)
    return x


@scripts.gives([[0.0, 2.0], [0.0, 2.0]])
def the_gradient_of_a_piece_that_is_not_used_is_zero(lib):
    x = lib.ones(2, 2, requires_grad=True)
    _, second = x.unbind(1)
    (second * 2).sum().backward()
    return x.grad


@scripts.gives([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
def rows_of_an_iteration_give_their_gradients(lib):
    x = lib.zeros(3, 2, requires_grad=True)
    sum((i + 1) * row.sum() for i, row in enumerate(x)).backward()
    return x.grad


test_script = scripts.test()


def test_a_piece_sees_a_later_change_of_the_whole():
    x = trainctl.ones(4, requires_grad=True)
    whole = x * 1
    _, back = whole.split(2)
    whole[2:].mul_(3)
    back.sum().backward()
    assert back.tolist() == [3, 3]
    assert x.grad.tolist() == [0, 0, 3, 3]


def test_a_piece_can_be_changed_in_place_and_gradients_follow():
    x = trainctl.ones(4, requires_grad=True)
    whole = x * 1
    front, back = whole.chunk(2)
    back.mul_(3)
    assert whole.tolist() == [1, 1, 3, 3]
    (whole.sum() + front.sum()).backward()
    assert x.grad.tolist() == [2, 2, 3, 3]


@pytest.mark.parametrize("take", [lambda x: x.split(2, 1), lambda x: x.unbind(), lambda x: x.tensor_split((2, 1), 1)])
def test_gradients_of_gradients(take):
    x = trainctl.rand(2, 3, dtype=trainctl.float64).requires_grad_()
    assert gradgradcheck(lambda x: tuple(each**3 for each in take(x)), (x,))


def test_bfloat16_is_split_as_it_is():
    x = trainctl.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=trainctl.bfloat16)
    assert [each.tolist() for each in x.unbind(1)] == [[1, 3], [2, 4]]
    assert x.split(1)[1].dtype is trainctl.bfloat16
