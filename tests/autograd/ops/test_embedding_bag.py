"""Sums, means and maxima of bags of rows."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
import trainctl.nn.functional as F
from tests.autograd.ops.harness import A, Refusal, Row, case, table
from tests.autograd.ops.test_embedding import W, at, these, with_weight
from trainctl.autograd.gradcheck import gradgradcheck

FRAMED = these(1, 2, 4, 4, 0, 3)
ROWS = [
    Row("nn.functional.embedding_bag", [
        case(FRAMED, W, these(0, 2, 2, 5)), case(FRAMED, W, these(0, 2, 2, 5), mode="sum"), case(at(3, 2), W), case(at(3, 2), W, mode="sum"), case(at(3, 2), W, mode="max"),
        case(FRAMED, W, these(0, 2, 6), include_last_offset=True), case(FRAMED, W, these(0, 3, 6), include_last_offset=True, mode="sum"),
        case(FRAMED, W, these(0, 3), mode="sum", per_sample_weights=A(6)), case(at(2, 4), W, mode="sum", per_sample_weights=A(2, 4)), case(these(1, 1, 2, dtype="int32"), W, these(0, 1, dtype="int32"), mode="sum"),
        case(at(1, 1), A(5, 1)), case(at(0), W, these(0, 0)), case(at(0), W, these(0, 0), mode="max"), case(at(0), W, at(0)), case(at(0, 2), W), case(at(4, 3, layout="T"), A(5, 3, layout="T")), case(at(2, 3), A(5, 2, dtype="float64"), mode="max"),
    ]),
    Row("largest_in_ragged_bags", [
        case(FRAMED, W, these(0, 2, 2, 5)), case(FRAMED, W, these(0, 0, 6), include_last_offset=True), case(FRAMED, W, these(0)), case(these(2, 2), W, these(0, 1, 2, 2)),
    ], call=lambda lib, *args, **options: lib.nn.functional.embedding_bag(*args, mode="max", **options)),
    Row("largest_in_ragged_bags with padding", [
        case(FRAMED, W, these(0, 2, 4), padding_idx=4), case(these(4, 4), W, these(0, 1), padding_idx=4),
    ], gradcheck=False, call=lambda lib, *args, **options: lib.nn.functional.embedding_bag(*args, mode="max", **options)),
    Row("half embedding_bag", [
        case(at(2, 3), A(5, 2, dtype="float16")), case(at(2, 3), A(5, 2, dtype="float16"), mode="sum", per_sample_weights=A(2, 3, dtype="float16")),
    ], rtol=2e-3, atol=2e-3, call=lambda lib, *args, **options: lib.nn.functional.embedding_bag(*args, **options)),
    Row("embedding_bag with padding", [
        case(FRAMED, W, these(0, 2, 2, 5), padding_idx=4), case(FRAMED, W, these(0, 2, 4), padding_idx=-1, mode="sum"), case(at(2, 3), W, padding_idx=0, mode="max"),
        case(FRAMED, W, these(0, 2), padding_idx=1, mode="sum", per_sample_weights=A(6)), case(at(2, 3), W, padding_idx=2),
    ], gradcheck=False, call=lambda lib, *args, **options: lib.nn.functional.embedding_bag(*args, **options)),
    Row("embedding_bag with max_norm", [
        case(at(2, 2), A(5, 3, grad=False), max_norm=1.0), case(FRAMED, A(5, 3, grad=False), these(0, 3), 0.7, 1.0, mode="sum"), case(at(2, 2), A(5, 3, grad=False), max_norm=1.0, mode="max"),
    ], call=with_weight("embedding_bag")),
]  # fmt: skip

REFUSALS = [
    Refusal("nn.functional.embedding_bag", case(at(2), W), ValueError, "1D Tensor but got None"),
    Refusal("nn.functional.embedding_bag", case(at(2, 2), W, these(0, 1)), ValueError, "offsets has to be None"),
    Refusal("nn.functional.embedding_bag", case(at(1, 2, 2), W), ValueError, "1D or 2D.*dimension 3"),
    Refusal("nn.functional.embedding_bag", case(at(2), W, at(1, 1)), ValueError, r"1D Tensor but got shape \[1, 1\]"),
    Refusal("nn.functional.embedding_bag", case(at(2, 2), A(3)), ValueError, "2D Tensor, but got.*dimension 1"),
    Refusal("nn.functional.embedding_bag", case(at(2, 2), W, mode="min"), ValueError, "sum, mean or max, got 'min'"),
    Refusal("nn.functional.embedding_bag", case(at(2, 2), W, mode="max", scale_grad_by_freq=True), ValueError, "frequency"),
    Refusal("nn.functional.embedding_bag", case(at(2, 2), W, mode="max", sparse=True), ValueError, "sparse"),
    Refusal("nn.functional.embedding_bag", case(at(2, 2), W, per_sample_weights=A(2, 2)), NotImplementedError, "mode='mean'"),
    Refusal("nn.functional.embedding_bag", case(at(2, 2), W, mode="sum", per_sample_weights=A(4)), ValueError, r"\[4\].*\[2, 2\]"),
    Refusal("nn.functional.embedding_bag", case(at(2, 2), W, mode="sum", per_sample_weights=A(2, 2, dtype="float64")), RuntimeError, "float64 and float32"),
    Refusal("nn.functional.embedding_bag", case(at(2, 2), A(5, 3, dtype="int32")), RuntimeError, "floating-point type, but got int32"),
    Refusal("nn.functional.embedding_bag", case(these(1, 2), W, these(1)), RuntimeError, r"offsets\[0\] has to be 0.*1"),
    Refusal("nn.functional.embedding_bag", case(these(1, 2), W, these(0, 3)), RuntimeError, "greater than input's length 2.*3"),
    Refusal("nn.functional.embedding_bag", case(these(1, 2), W, at(0), include_last_offset=True), RuntimeError, "at least 1"),
    Refusal("nn.functional.embedding_bag", case(these(1, 7), W, these(0)), RuntimeError, "index 7 is out of range"),
    Refusal("nn.functional.embedding_bag", case(at(2, 2), W, padding_idx=5), RuntimeError, "-5 through 4, but got 5"),
]  # fmt: skip

test_values, test_gradient, test_refusal = table("embedding_bag", ROWS, REFUSALS)


def test_offsets_that_fall_are_refused():  # PyTorch refuses them on two threads; on one it reads what lies behind the input
    weight, index, offsets = trainctl.ones(5, 3), trainctl.tensor([1, 2]), trainctl.tensor([0, 2, 1])
    with pytest.raises(RuntimeError, match="have to rise"):
        trainctl.nn.functional.embedding_bag(index, weight, offsets, mode="sum")


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_gradients_of_gradients_of_bags(mode):
    weight = trainctl.randn(4, 2, dtype=trainctl.float64, requires_grad=True)
    index, offsets = trainctl.tensor([1, 1, 3]), trainctl.tensor([0, 2])
    assert gradgradcheck(lambda weight: F.embedding_bag(index, weight, offsets, mode=mode) ** 2, (weight,))


@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_a_bag_s_gradient_by_frequency_is_divided_by_how_often_the_row_itself_occurs(mode):
    # PyTorch 2.13 divides by how often another row occurs: that at the sorted indices' place number k for the k-th row
    index = trainctl.tensor([[2, 2], [2, 1]])
    grads = []
    for by_frequency in (False, True):
        weight = trainctl.ones(4, 1, requires_grad=True)
        F.embedding_bag(index, weight, mode=mode, scale_grad_by_freq=by_frequency).sum().backward()
        grads.append(weight.grad.flatten().numpy())
    np.testing.assert_allclose(grads[1], grads[0] / np.array([1, 1, 3, 1]), rtol=1e-6)


def test_a_bag_s_largest_element_is_the_first_of_equals_and_nan_wins():
    weight = trainctl.ones(3, 1, requires_grad=True)
    F.embedding_bag(trainctl.tensor([[2, 0, 1]]), weight, mode="max").sum().backward()
    assert weight.grad.flatten().tolist() == [0, 0, 1]
    for rows in ([[0, 1]], [[1, 0]]):
        table = trainctl.tensor([[float("nan")], [5.0]])
        assert F.embedding_bag(trainctl.tensor(rows), table, mode="max").isnan().all()


def test_a_padding_row_of_nan_does_not_spread():
    weight = trainctl.tensor([[float("nan")], [1.0], [2.0]])
    for mode, want in (("sum", 3.0), ("mean", 1.5), ("max", 2.0)):
        assert F.embedding_bag(trainctl.tensor([[0, 1, 2]]), weight, mode=mode, padding_idx=0).item() == want


def test_the_old_order_of_arguments_is_understood():
    weight, index = trainctl.eye(3), trainctl.tensor([[0, 1]])
    with pytest.warns(UserWarning, match="not \\(weight, input\\)"):
        y = F.embedding_bag(weight, index)
    assert trainctl.equal(y, F.embedding_bag(index, weight))
