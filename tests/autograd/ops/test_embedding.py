"""Rows of a table by index, and bags of them."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
import trainctl.nn.functional as F
from tests.autograd.ops.harness import A, Refusal, Row, case, table
from trainctl.autograd.gradcheck import gradgradcheck


def at(*shape, rows=5, **options):
    """Random indices."""
    return A(*shape, dtype=options.pop("dtype", "int64"), low=0, high=rows, **options)


def these(*values, dtype="int64"):
    return A(dtype=dtype, values=values)


def with_weight(function):
    """Return a call that gives the table after it, too."""

    def call(library, input, weight, *args, **options):
        return [getattr(library.nn.functional, function)(input, weight, *args, **options), weight]

    return call


W = A(5, 3)
FRAMED = these(1, 2, 4, 4, 0, 3)
ROWS = [
    Row("nn.functional.embedding", [
        case(at(2, 3), W), case(at(), W), case(at(0, 2), W), case(at(2, 1, 2), W), case(at(2, 3, dtype="int32"), W), case(at(4), A(5, 1)), case(at(4, rows=1), A(1, 3)), case(at(3), A(5, 0)),
        case(these(0, 1, 0, 0), A(5, 3, layout="T")), case(at(3, layout="step"), A(5, 3, layout="step")), case(these(3, 3, 3), A(5, 3, dtype="float64")), case(at(3), A(5, 3, dtype="complex64", grad=False)), case(at(3), A(5, 3, dtype="int64")),
        case(at(3), A(5, 3, dtype="float16")), case(at(3), A(5, 3, dtype="bool")),
    ]),
    # the rows that get no gradient, or part of it, are not what differences see
    Row("embedding with padding", [
        case(these(0, 1, 2, 1), W, padding_idx=1), case(these(4, 4, 2), W, -1), case(these(1, 1, 2, 4, 4, 4), W, scale_grad_by_freq=True), case(these(1, 1, 4), W, 1, None, 2.0, True), case(these(), W, 0),
    ], gradcheck=False, call=lambda lib, *args, **options: lib.nn.functional.embedding(*args, **options)),
    Row("embedding with max_norm", [
        case(these(1, 2, 2), A(5, 3, grad=False), max_norm=1.0), case(these(1, 2), A(5, 3, grad=False), None, 2.0, 1.0), case(these(0, 3), A(5, 3, grad=False), max_norm=0.5, norm_type=float("inf")),
        case(these(0, 3), A(5, 3, grad=False), max_norm=1.0, norm_type=3.0), case(these(0, 3), A(5, 3, grad=False), max_norm=100.0), case(these(), A(5, 3, grad=False), max_norm=1.0),
    ], call=with_weight("embedding")),
    Row("nn.functional.embedding_bag", [
        case(FRAMED, W, these(0, 2, 2, 5)), case(FRAMED, W, these(0, 2, 2, 5), mode="sum"), case(FRAMED, W, these(0, 2, 2, 5), mode="max"), case(at(3, 2), W), case(at(3, 2), W, mode="sum"), case(at(3, 2), W, mode="max"),
        case(FRAMED, W, these(0, 2, 6), include_last_offset=True), case(FRAMED, W, these(0, 0, 6), include_last_offset=True, mode="max"), case(FRAMED, W, these(0, 3, 6), include_last_offset=True, mode="sum"),
        case(FRAMED, W, these(0, 3), mode="sum", per_sample_weights=A(6)), case(at(2, 4), W, mode="sum", per_sample_weights=A(2, 4)), case(these(1, 1, 2, dtype="int32"), W, these(0, 1, dtype="int32"), mode="sum"),
        case(at(1, 1), A(5, 1)), case(at(0), W, these(0, 0)), case(at(0), W, these(0, 0), mode="max"), case(at(0), W, at(0)), case(at(0, 2), W), case(at(4, 3, layout="T"), A(5, 3, layout="T")), case(at(2, 3), A(5, 2, dtype="float64"), mode="max"),
    ]),
    Row("half embedding_bag", [
        case(at(2, 3), A(5, 2, dtype="float16")), case(at(2, 3), A(5, 2, dtype="float16"), mode="sum", per_sample_weights=A(2, 3, dtype="float16")),
    ], rtol=2e-3, atol=2e-3, call=lambda lib, *args, **options: lib.nn.functional.embedding_bag(*args, **options)),
    Row("embedding_bag with padding", [
        case(FRAMED, W, these(0, 2, 2, 5), padding_idx=4), case(FRAMED, W, these(0, 2, 4), padding_idx=-1, mode="sum"), case(FRAMED, W, these(0, 2, 4), padding_idx=4, mode="max"), case(at(2, 3), W, padding_idx=0, mode="max"),
        case(these(4, 4), W, these(0, 1), padding_idx=4, mode="max"), case(FRAMED, W, these(0, 2), padding_idx=1, mode="sum", per_sample_weights=A(6)), case(at(2, 3), W, padding_idx=2),
    ], gradcheck=False, call=lambda lib, *args, **options: lib.nn.functional.embedding_bag(*args, **options)),
    Row("embedding_bag with max_norm", [
        case(at(2, 2), A(5, 3, grad=False), max_norm=1.0), case(FRAMED, A(5, 3, grad=False), these(0, 3), 0.7, 1.0, mode="sum"), case(at(2, 2), A(5, 3, grad=False), max_norm=1.0, mode="max"),
    ], call=with_weight("embedding_bag")),
]  # fmt: skip

REFUSALS = [
    Refusal("nn.functional.embedding", case(these(5), W), IndexError, r"index 5 is out of range.*\[0, 5\)"),
    Refusal("nn.functional.embedding", case(these(-1), W), IndexError, "index -1 is out of range"),
    Refusal("nn.functional.embedding", case(A(2), W), RuntimeError, "int64 or int32, but got float32"),
    Refusal("nn.functional.embedding", case(A(2, dtype="bool"), W), RuntimeError, "but got bool"),
    Refusal("nn.functional.embedding", case(at(2), A(3)), RuntimeError, r"'weight' must be 2-D.*\[3\]"),
    Refusal("nn.functional.embedding", case(at(2), W, 5), AssertionError, "within num_embeddings.*5"),
    Refusal("nn.functional.embedding", case(at(2), W, -6), AssertionError, "within num_embeddings.*-6"),
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
    Refusal("nn.functional.embedding_bag", case(these(1, 2), W, these(0, 2, 1), mode="sum"), RuntimeError, "have to rise"),
    Refusal("nn.functional.embedding_bag", case(these(1, 2), W, at(0), include_last_offset=True), RuntimeError, "at least 1"),
    Refusal("nn.functional.embedding_bag", case(these(1, 7), W, these(0)), RuntimeError, "index 7 is out of range"),
    Refusal("nn.functional.embedding_bag", case(at(2, 2), W, padding_idx=5), RuntimeError, "-5 through 4, but got 5"),
]  # fmt: skip

test_values, test_gradient, test_refusal = table("embedding", ROWS, REFUSALS)


@pytest.mark.parametrize("padding_idx", [None, 1])
def test_gradients_of_gradients(padding_idx):
    weight = trainctl.randn(4, 2, dtype=trainctl.float64, requires_grad=True)
    index = trainctl.tensor([1, 1, 3])
    assert gradgradcheck(lambda weight: F.embedding(index, weight, padding_idx) ** 2, (weight,))


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


def test_scaling_to_max_norm_is_no_part_of_the_graph_and_counts_as_a_change():
    weight = trainctl.full((2, 2), 3.0, requires_grad=True)
    version = weight._version
    y = F.embedding(trainctl.tensor([0]), weight, max_norm=1.0)
    y.sum().backward()
    assert weight.grad.tolist() == [[1, 1], [0, 0]]
    assert weight._version > version
    assert weight[1].tolist() == [3, 3]


def test_the_old_order_of_arguments_is_understood():
    weight, index = trainctl.eye(3), trainctl.tensor([[0, 1]])
    with pytest.warns(UserWarning, match="not \\(weight, input\\)"):
        y = F.embedding_bag(weight, index)
    assert trainctl.equal(y, F.embedding_bag(index, weight))
