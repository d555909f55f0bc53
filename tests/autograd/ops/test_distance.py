"""Distances and similarities against PyTorch and against differences."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table
from trainctl.autograd.gradcheck import gradgradcheck

INF = float("inf")
BY_PRODUCT, BY_DIFFERENCE = "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist"


def doubles(*shape):
    return A(*shape, dtype="float64")


PAIRS = [case(A(3), A(3)), case(A(), A()), case(A(2, 3), A(2, 3)), case(A(2, 3), A(3)), case(A(2, 3), A(4, 1, 3)), case(A(2, 3), A(2, 1)), case(doubles(2, 3), A(2, 3)), case(A(2, 3, layout="T"), A(2, 3, layout="step")), case(A(2, 0), A(2, 0))]  # fmt: skip
WITH_A_DIM = [each for each in PAIRS if each.args[0].shape]
POINTS = [
    case(A(2, 3), A(4, 3)), case(A(1, 1), A(1, 1)), case(A(5, 2, 3), A(5, 4, 3)), case(A(2, 3), A(5, 4, 3)), case(A(2, 1, 3, 4), A(5, 2, 4)), case(A(0, 3), A(4, 3)), case(A(2, 3), A(0, 3)), case(A(2, 0), A(4, 0)), case(A(0, 2, 3), A(0, 4, 3)),
    case(doubles(2, 3), doubles(4, 3)), case(A(2, 3, layout="T"), A(4, 3, layout="step")),
]  # fmt: skip
SAME = A(2, 3, values=[[0, 1, 2], [3, 3, 3]])
TIES = A(1, 3, values=[[0, 3, -3]]), A(2, 3, values=[[2, 1, -1], [0, 3, -3]])


def cdist(p, **how):
    return lambda lib, x, y: lib.cdist(x, y, p, **how)


ROWS = [
    *(Row(f"dist {p}", PAIRS[:-1], call=lambda lib, x, y, p=p: lib.dist(x, y, p)) for p in (1, 2, 3, 0.5, -1, INF)),
    Row("dist", [case(A(3), A(3)), case(A(0), A(0)), case(A(3, dtype="int64", low=1, high=9), A(3)), case(A(3, dtype="complex64"), A(3, grad=False)), case(A(3, dtype="float16"), A(3, dtype="float16"))]),
    Row("Tensor.dist", [case(A(3), A(2, 3)), case(A(3), A(3), p=1)]),
    *(Row(f"cdist {p}", POINTS, call=cdist(p)) for p in (1, 2, 3, 0.5, 1.5, INF)),
    Row("cdist by differences", POINTS, call=cdist(2.0, compute_mode=BY_DIFFERENCE)),
    Row("cdist by a product", POINTS, call=cdist(2.0, compute_mode=BY_PRODUCT), rtol=1e-4, atol=1e-5),
    Row("cdist", [case(A(27, 3), A(4, 3)), case(A(2, 3, 4), A(2, 30, 4)), case(A(2, 3), A(4, 3)), case(A(2, 3), A(4, 3), p=0), case(A(2, 3), A(4, 3), compute_mode=BY_PRODUCT, p=1), case(A(2, 0), A(3, 0), INF)], rtol=1e-4, atol=1e-5),
    *(Row(f"cdist {p} of equal points", [case(SAME, SAME)], call=cdist(p), gradcheck=False) for p in (0, 1, 2, 3, 0.5, 1.5, INF)),
    Row("cdist by a product of equal points", [case(SAME, SAME)], call=cdist(2, compute_mode=BY_PRODUCT), gradcheck=False),
    Row("cdist of ties", [case(*TIES, INF)], call=lambda lib, *args: lib.cdist(*args), gradcheck=False),
    *(Row(f"nn.functional.pairwise_distance {p}", PAIRS if p not in (-1, INF) else PAIRS[:-1], call=lambda lib, x, y, p=p: lib.nn.functional.pairwise_distance(x, y, p)) for p in (1, 2, 3, 1.5, -1, INF)),
    Row("nn.functional.pairwise_distance", [case(A(2, 3), A(2, 3), 1, 0.1, True), case(A(2, 3), A(2, 3), keepdim=True, eps=0.0), case(A(2, 3, dtype="int64", low=1, high=9), A(2, 3, dtype="int64", low=1, high=9)), case(SAME, SAME)], gradcheck=False),
    Row("nn.functional.cosine_similarity", [
        *WITH_A_DIM[1:], case(A(3), A(3), 0), case(A(), A(), dim=-1), case(A(2, 3), A(2, 3), dim=0), case(A(2, 3), A(2, 3), dim=-1, eps=2.0), case(A(2, 3, 4), A(2, 1, 4), -2), case(A(0, 3), A(0, 3)), case(A(2, 3, dtype="float16"), A(2, 3, dtype="float16")),
        case(A(2, 3, dtype="int64", low=1, high=9), A(2, 3)), case(SAME, A(2, 3), eps=0.5),
    ], gradcheck=False),
    Row("cosine_similarity", [case(A(2, 3), A(2, 3)), case(A(2, 3), A(3), -1)]),
    Row("cosine_similarity of zeros", [case(A(2, 3, values=[[0] * 3] * 2), A(2, 3))], call=lambda lib, x, y: lib.cosine_similarity(x, y, eps=0.1), gradcheck=False),
]  # fmt: skip

REFUSALS = [
    Refusal("dist", case(A(3), A(2)), RuntimeError, r"tensor a \(3\)"),
    Refusal("dist", case(A(3, dtype="int64"), A(3, dtype="int64")), RuntimeError, "int64"),
    Refusal("dist", case(A(0), A(0), INF), RuntimeError, "no identity|not have an identity"),
    Refusal("cdist", case(A(2, 3), A(4, 2)), RuntimeError, "X1: 3 X2: 2"),
    Refusal("cdist", case(A(3), A(4, 3)), RuntimeError, "X1 got: 1D"),
    Refusal("cdist", case(A(2, 3), A(3)), RuntimeError, "X2 got: 1D"),
    Refusal("cdist", case(doubles(2, 3), A(4, 3)), RuntimeError, "float64 but found float32"),
    Refusal("cdist", case(A(2, 3, dtype="int64"), A(2, 3, dtype="int64")), RuntimeError, "X1 got: int64"),
    Refusal("cdist", case(A(2, 3), A(2, 3), -1), RuntimeError, "non-negative p values, got -1"),
    Refusal("cdist", case(A(2, 3), A(2, 3), float("nan")), RuntimeError, "non-negative p values"),
    Refusal("cdist", case(A(2, 3), A(2, 3), compute_mode="x"), ValueError, "x is not a valid value"),
    Refusal("cdist", case(A(2, 3, 4), A(3, 2, 4)), RuntimeError, r"tensor a \(2\)"),
    Refusal("nn.functional.pairwise_distance", case(A(2, 3), A(4, 3)), RuntimeError, r"tensor a \(2\)"),
    Refusal("nn.functional.cosine_similarity", case(A(3), A(3)), IndexError, "got 1"),
    Refusal("nn.functional.cosine_similarity", case(A(2, 3), A(2, 4)), RuntimeError, r"tensor a \(3\)"),
    Refusal("nn.functional.cosine_similarity", case(A(2, 3, dtype="complex64"), A(2, 3)), RuntimeError, "complex64"),
    Refusal("nn.functional.cosine_similarity", case(A(2, 3, dtype="int64"), A(2, 3, dtype="int64")), RuntimeError, "int64"),
]  # fmt: skip

test_values, test_gradient, test_refusal = table("distance", ROWS, REFUSALS)


def test_many_points_are_taken_in_slices(monkeypatch):
    x, y = (np.random.RandomState(seed).rand(*shape) for seed, shape in ((0, (2, 7, 3)), (1, (5, 3))))
    whole = trainctl.cdist(trainctl.from_numpy(x), trainctl.from_numpy(y), 1.0)
    monkeypatch.setattr("trainctl.autograd.ops.distance._ELEMENTS", 100)
    parts = trainctl.cdist(trainctl.from_numpy(x), trainctl.from_numpy(y), 1.0)
    np.testing.assert_array_equal(parts.numpy(), whole.numpy())
    np.testing.assert_allclose(whole.numpy(), np.abs(x[:, :, None] - y).sum(-1))


@pytest.mark.parametrize("mode", [BY_PRODUCT, BY_DIFFERENCE])
def test_second_derivatives(mode):
    x, y = (trainctl.rand(*shape, dtype=trainctl.float64).requires_grad_() for shape in ((2, 3), (3, 3)))
    assert gradgradcheck(lambda x, y: trainctl.cdist(x, y, 2.0, mode), (x, y))
    assert gradgradcheck(lambda x, y: trainctl.cosine_similarity(x, y[:2]), (x, y))
