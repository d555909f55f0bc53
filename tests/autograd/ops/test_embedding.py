"""Rows of a table by index."""

from __future__ import annotations

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
]  # fmt: skip

REFUSALS = [
    Refusal("nn.functional.embedding", case(these(5), W), IndexError, r"index 5 is out of range.*\[0, 5\)"),
    Refusal("nn.functional.embedding", case(these(-1), W), IndexError, "index -1 is out of range"),
    Refusal("nn.functional.embedding", case(A(2), W), RuntimeError, "int64 or int32, but got float32"),
    Refusal("nn.functional.embedding", case(A(2, dtype="bool"), W), RuntimeError, "but got bool"),
    Refusal("nn.functional.embedding", case(at(2), A(3)), RuntimeError, r"'weight' must be 2-D.*\[3\]"),
    Refusal("nn.functional.embedding", case(at(2), W, 5), AssertionError, "within num_embeddings.*5"),
    Refusal("nn.functional.embedding", case(at(2), W, -6), AssertionError, "within num_embeddings.*-6"),
]

test_values, test_gradient, test_refusal = table("embedding", ROWS, REFUSALS)


@pytest.mark.parametrize("padding_idx", [None, 1])
def test_gradients_of_gradients(padding_idx):
    weight = trainctl.randn(4, 2, dtype=trainctl.float64, requires_grad=True)
    index = trainctl.tensor([1, 1, 3])
    assert gradgradcheck(lambda weight: F.embedding(index, weight, padding_idx) ** 2, (weight,))


def test_scaling_to_max_norm_is_no_part_of_the_graph_and_counts_as_a_change():
    weight = trainctl.full((2, 2), 3.0, requires_grad=True)
    version = weight._version
    y = F.embedding(trainctl.tensor([0]), weight, max_norm=1.0)
    y.sum().backward()
    assert weight.grad.tolist() == [[1, 1], [0, 0]]
    assert weight._version > version
    assert weight[1].tolist() == [3, 3]
