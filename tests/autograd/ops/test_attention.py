"""Scaled dot-product attention."""

from __future__ import annotations

import math

import pytest

import trainctl
import trainctl.nn.functional as F
from tests.autograd.ops.harness import A, Refusal, Row, case, table
from trainctl.autograd.gradcheck import gradgradcheck

F64 = {"dtype": "float64"}
INF = math.inf


def three(*lead, length=3, keys=4, size=2, out=5, **options):
    """Query, key and value."""
    return A(*lead, length, size, **options), A(*lead, keys, size, **options), A(*lead, keys, out, **options)


def mask(*shape):
    return A(*shape, dtype="bool")


NOTHING = A(3, 4, dtype="bool", values=[[True, True, False, True], [False] * 4, [False, False, False, True]])
ROWS = [
    Row("nn.functional.scaled_dot_product_attention", [
        case(*three()), case(*three(2)), case(*three(2, 3)), case(*three(1, 2, 2)), case(*three(2, length=1, keys=1, size=1, out=1)), case(*three(2, length=5), is_causal=True), case(*three(length=2, keys=5), is_causal=True),
        case(*three(2, 3), A(3, 4)), case(*three(2, 3), A(2, 1, 3, 4, grad=False)), case(*three(2, 3), mask(3, 4)), case(*three(2), mask(2, 3, 4)), case(*three(2), mask(1, 4)), case(*three(), mask(4)), case(*three(), NOTHING), case(*three(2), A(3, 4, values=[[0, -INF, 0.5, 1], [-INF] * 4, [2, -INF, -INF, -INF]], grad=False)),
        case(*three(2), scale=0.5), case(*three(2), scale=0.0), case(*three(), scale=-1.0), case(*three(2), None, 0.0, True),
        case(A(2, 6, 3, 2), A(2, 3, 4, 2), A(2, 3, 4, 5), enable_gqa=True), case(A(6, 3, 2), A(3, 4, 2), A(2, 4, 5), enable_gqa=True), case(A(4, 3, 2), A(2, 4, 2), A(2, 4, 5), mask(3, 4), enable_gqa=True), case(*three(2), enable_gqa=True),
        case(A(1, 3, 2), A(2, 4, 2), A(2, 4, 5)), case(A(2, 1, 3, 2), A(3, 4, 2), A(3, 4, 1)), case(*three(2, length=0)), case(*three(2, keys=0)), case(*three(0)), case(*three(size=0)), case(*three(2, 3, **F64), A(3, 4)), case(*three(2, layout="T")), case(*three(2, layout="step")),
    ], atol=1e-5),
    Row("half attention", [case(*three(2, dtype="float16")), case(*three(dtype="float16"), A(3, 4))], rtol=2e-3, atol=2e-3, call=lambda lib, *args: lib.nn.functional.scaled_dot_product_attention(*args)),
]  # fmt: skip

NAME = "nn.functional.scaled_dot_product_attention"
REFUSALS = [
    Refusal(NAME, case(A(2), A(4, 2), A(4, 2)), RuntimeError, r"query \[2\].*at least 2 dimensional"),
    Refusal(NAME, case(A(3, 3), A(4, 2), A(4, 2)), RuntimeError, r"query \[3, 3\], key \[4, 2\], value \[4, 2\]"),
    Refusal(NAME, case(A(3, 2), A(4, 2), A(5, 2)), RuntimeError, r"key \[4, 2\], value \[5, 2\]"),
    Refusal(NAME, case(A(2, 3, 2), A(3, 4, 2), A(3, 4, 2)), RuntimeError, "size of tensor"),
    Refusal(NAME, case(A(3, 2, **F64), A(4, 2), A(4, 2)), RuntimeError, "same dtype.*float64, float32"),
    Refusal(NAME, case(*three(dtype="int32")), RuntimeError, "floating-point tensors, but got int32"),
    Refusal(NAME, case(*three(dtype="complex64")), NotImplementedError, "complex64"),
    Refusal(NAME, case(*three()[:2], None), TypeError, "'value' must be Tensor, not NoneType"),
    Refusal(NAME, case(*three(), mask(3, 4), is_causal=True), RuntimeError, "attn_mask should not be set"),
    Refusal(NAME, case(*three(), A(3, 4, dtype="int32")), RuntimeError, "attn_mask of int32"),
    Refusal(NAME, case(*three(), A(3, 4, **F64)), RuntimeError, "attn_mask of float64 and query of float32"),
    Refusal(NAME, case(*three(), mask(3, 3)), RuntimeError, r"\(3, 3\)|\[3, 3\]"),
    Refusal(NAME, case(*three(), mask(2, 3, 4)), RuntimeError, r"\[2, 3, 4\] does not broadcast to scores \[3, 4\]"),
    Refusal(NAME, case(*three(), dropout_p=1.5), RuntimeError, "between 0 and 1, but got 1.5"),
    Refusal(NAME, case(A(5, 3, 2), A(2, 4, 2), A(2, 4, 2), enable_gqa=True), RuntimeError, "must divide.*got 2 and 5"),
    Refusal(NAME, case(*three(), enable_gqa=True), IndexError, "heads"),
]

test_values, test_gradient, test_refusal = table("attention", ROWS, REFUSALS)


def test_gradients_of_gradients():
    trainctl.manual_seed(0)
    inputs = [trainctl.randn(2, 3, 2, dtype=trainctl.float64, requires_grad=True) for _ in range(3)]
    bias = trainctl.randn(3, 3, dtype=trainctl.float64, requires_grad=True)
    assert gradgradcheck(F.scaled_dot_product_attention, (*inputs, bias))
    assert gradgradcheck(lambda *given: F.scaled_dot_product_attention(*given, is_causal=True), inputs)


def test_it_is_the_formula():
    q, k, v = (trainctl.randn(2, 5, 4, dtype=trainctl.float64) for _ in range(3))
    want = (q @ k.transpose(-2, -1) / math.sqrt(4)).softmax(-1) @ v
    assert trainctl.allclose(F.scaled_dot_product_attention(q, k, v), want, atol=1e-12)


def test_huge_scores_do_not_overflow():
    q = trainctl.full((1, 2), 1e20)
    y = F.scaled_dot_product_attention(q, trainctl.tensor([[1.0, 1.0], [-1.0, -1.0]]), trainctl.tensor([[3.0], [4.0]]))
    assert y.tolist() == [[3.0]]


def test_dropped_weights_are_made_up_for_by_the_others():
    trainctl.manual_seed(0)
    q, v = trainctl.zeros(1, 1, 4), trainctl.ones(1, 1000, 1)
    y = F.scaled_dot_product_attention(
        q.expand(2000, 1, 4), trainctl.zeros(2000, 1000, 4), v.expand(2000, 1000, 1), dropout_p=0.25
    )
    assert y.mean().item() == pytest.approx(1, abs=2e-3)
    assert y.std().item() == pytest.approx(math.sqrt(0.25 / 0.75 / 1000), rel=0.05)
    assert F.scaled_dot_product_attention(q, q, q + 1, dropout_p=1.0).tolist() == [[[0, 0, 0, 0]]]
