"""Norms against PyTorch and against differences."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table
from trainctl.autograd.gradcheck import gradgradcheck

INF, NAN = float("inf"), float("nan")
ORDERS = (0, 1, 2, 3, 0.5, 1.5, 2.5, -1, -2, -0.5, INF, -INF)


def complexes(*shape):
    return A(*shape, dtype="complex64")


def ints(*shape):
    return A(*shape, dtype="int64", low=-4, high=5)


WITH_ZEROS, TIES = A(2, 3, values=[[0, 1, -2], [0, 0, 0]]), A(2, 3, values=[[2, -2, 1], [1, 1, 1]])
VECTORS = [case(A(3)), case(A()), case(A(2, 3)), case(A(2, 3), dim=1), case(A(2, 3, 2), dim=(0, -1), keepdim=True), case(A(1, 1)), case(complexes(2, 3), dim=0), case(A(2, 3, layout="T"), dim=-1), case(A(2, 3, layout="step"))]  # fmt: skip
OPTIONS = [
    case(A(2, 3), 2, None, True), case(A(2, 3), dim=()), case(A(2, 3), 1, [0, 1], keepdim=True), case(A(), dim=-1), case(A(), 1, dim=0, keepdim=True), case(A(0)), case(A(0), 0), case(A(0, 3), INF, dim=1), case(A(0, 3), -1, dim=-1), case(A(0, 3), 3, dim=0),
    case(A(2, 3), dtype="dtype:float64"), case(complexes(3), 1, dtype="dtype:complex128"), case(A(2, 3, dtype="float16")), case(A(2, 3, dtype="float16"), 3, dtype="dtype:float32"), case(A(2, 3, dtype="float64"), True),
    case(A(2, values=[NAN, 1], grad=False), 0), case(A(2, values=[NAN, 1], grad=False), INF), case(WITH_ZEROS, dim=1), case(WITH_ZEROS, 0, 1), case(WITH_ZEROS, 3, 1), case(WITH_ZEROS, -1, 1), case(TIES, INF, 1), case(TIES, -INF, 1),
]  # fmt: skip

SUMS = ("fro", 1, -1, INF, -INF)  # of these the gradient is known where elements are equal, too
MATRICES = [case(A(2, 3)), case(A(3, 2)), case(A(2, 3, 4)), case(A(2, 3, 4), dim=(0, 2)), case(A(2, 3, 4), dim=(2, 0), keepdim=True), case(A(1, 1)), case(complexes(2, 3)), case(A(0, 2, 3)), case(A(2, 3, layout="T"))]  # fmt: skip


def vector_norm(order):
    return lambda lib, x, **how: lib.linalg.vector_norm(x, order, **how)


def matrix_norm(order):
    return lambda lib, x, **how: lib.linalg.matrix_norm(x, order, **how)


ROWS = [
    *(Row(f"linalg.vector_norm {order}", VECTORS, call=vector_norm(order)) for order in ORDERS),
    Row("linalg.vector_norm", OPTIONS, gradcheck=False),
    Row("linalg.vector_norm of NaN", [case(A(2, 3, values=[[1, NAN, -3], [NAN, 2, -2]]), dim=1), case(A(3, values=[NAN, 1, NAN]))], call=vector_norm(INF), gradcheck=False),
    *(Row(f"linalg.matrix_norm {order}", MATRICES, call=matrix_norm(order), rtol=1e-4, atol=1e-5) for order in (*SUMS, "nuc", 2, -2)),
    Row("linalg.matrix_norm", [
        case(A(2, 3)), case(A(2, 3), "fro", (0, 1), True), case(A(2, 3), ord=1, dim=[-2, -1]), case(A(2, 3, dtype="float16"), 1), case(A(2, 3), "nuc", dtype="dtype:float64"), case(A(2, 3), -1, dtype="dtype:float64"),
        *(case(A(0, 3, grad=False), order) for order in ("fro", "nuc", 1, -1, 2, INF)), *(case(A(3, 0, grad=False), order) for order in (1, INF, -INF, 2)), case(A(2, 0, 3, grad=False), 2, keepdim=True), case(TIES, 1), case(TIES, -INF),
    ], gradcheck=False),
    Row("linalg.norm", [
        case(A(2, 3)), case(A(2, 3, 4)), case(A()), case(A(3), 3), case(A(2, 3), 2), case(A(2, 3), "nuc"), case(A(2, 3), "fro"), case(A(2, 3), 3, dim=1), case(A(2, 3), None, 0), case(A(2, 3), dim=(0, 1)), case(A(2, 3), 1, dim=(0, 1)),
        case(A(2, 3), INF, [1], True), case(A(2, 3), keepdim=True), case(A(2, 3, 2), -1, (1, 2)), case(A(2, 3), dtype="dtype:float64"), case(complexes(2, 3), 2), case(A(0)),
    ], rtol=1e-4, atol=1e-5),
    Row("norm", [
        case(A(2, 3)), case(A(2, 3, 4)), case(A()), case(A(2, 3), 1), case(A(2, 3), 3, (0, 1)), case(A(2, 3), p=INF, dim=1), case(A(2, 3), p=0), case(A(2, 3), "fro", 1), case(A(2, 3, 4), "fro", (0, 2), True), case(A(2, 3), "fro", dim=()), case(A(2, 3), None, 0),
        case(A(2, 3), "nuc"), case(A(2, 3, 4), "nuc", (1, 2)), case(A(2, 3, 4), "nuc", dim=(2, 0), keepdim=True), case(A(2, 3), 2, keepdim=True), case(A(2, 3), dtype="dtype:float64"), case(A(2, 3, dtype="float16"), 3), case(complexes(2, 3), 3), case(A(0)),
    ], rtol=1e-4, atol=1e-5),
    Row("Tensor.norm", [case(A(2, 3)), case(A(2, 3), 1), case(A(2, 3), 2, 1), case(A(2, 3), 2, (0, 1), True), case(A(2, 3), dim=1), case(A(2, 3), p=1.5, dim=1, keepdim=True)]),
]  # fmt: skip

REFUSALS = [
    Refusal("linalg.vector_norm", case(A(2), "fro"), TypeError, "must be a number, not str"),
    Refusal("linalg.vector_norm", case(A(2), None), TypeError, "not NoneType"),
    Refusal("linalg.vector_norm", case(ints(2)), RuntimeError, "Got int64"),
    Refusal("linalg.vector_norm", case(A(0), INF), RuntimeError, r"inf norm over dimension 0 .* shape \[0\]"),
    Refusal("linalg.vector_norm", case(A(0, 3), -1, 0), RuntimeError, r"-1 norm over dimension 0 .* shape \[0, 3\]"),
    Refusal("linalg.vector_norm", case(A(2, 3), dim=(0, 0)), RuntimeError, "multiple times"),
    Refusal("linalg.vector_norm", case(A(2, 3), dim=2), IndexError, "out of range"),
    Refusal("linalg.vector_norm", case(A(2, dtype="float64"), dtype="dtype:float32"), RuntimeError, "float64.*without narrowing.*float32"),
    Refusal("linalg.vector_norm", case(A(2), dtype="dtype:complex64"), RuntimeError, "real for real inputs, but got complex64"),
    Refusal("linalg.vector_norm", case(complexes(2), dtype="dtype:float32"), RuntimeError, "complex for complex inputs"),
    Refusal("linalg.matrix_norm", case(A(3)), RuntimeError, r"at least 2 dimensions, got shape \[3\]"),
    Refusal("linalg.matrix_norm", case(A(2, 3), 3), RuntimeError, "Order 3 not supported"),
    Refusal("linalg.matrix_norm", case(A(2, 3), "x"), RuntimeError, "Order x not supported"),
    Refusal("linalg.matrix_norm", case(A(2, 3), 1, (0,)), RuntimeError, "2-tuple"),
    Refusal("linalg.matrix_norm", case(A(2, 3), 1, (0, -2)), RuntimeError, "must be different"),
    Refusal("linalg.matrix_norm", case(ints(2, 3)), RuntimeError, "Got int64"),
    Refusal("linalg.matrix_norm", case(A(2, 3, dtype="float16"), 2), RuntimeError, "Low precision"),
    Refusal("linalg.matrix_norm", case(A(0, 3), -2), IndexError, "non-zero size"),
    Refusal("linalg.norm", case(A(2, 3, 4), 2), RuntimeError, "must be 1D or 2D. Got 3D"),
    Refusal("linalg.norm", case(A(), 2), RuntimeError, "Got 0D"),
    Refusal("linalg.norm", case(A(3), "fro"), RuntimeError, "at least 2 dimensions"),
    Refusal("linalg.norm", case(A(2, 3, 4), dim=(0, 1, 2)), RuntimeError, "length 1 or 2"),
    Refusal("linalg.norm", case(A(2, 3), 0), RuntimeError, "Order 0 not supported"),
    Refusal("norm", case(A(2, 3, 4), "nuc"), RuntimeError, "2-tuple"),
    Refusal("norm", case(A(2, 3, 4), "fro", (0, 1, 2)), RuntimeError, "2-tuple"),
    Refusal("norm", case(A(2, 3), "inf"), RuntimeError, "Order inf not supported"),
    Refusal("norm", case(ints(2)), RuntimeError, "Got int64"),
]  # fmt: skip

test_values, test_gradient, test_refusal = table("norms", ROWS, REFUSALS)


@pytest.mark.parametrize("order", ORDERS)
def test_the_gradient_at_zero_is_zero(order):
    x = trainctl.zeros(3, requires_grad=True)
    trainctl.linalg.vector_norm(x, order).backward()
    assert x.grad.tolist() == [0.0, 0.0, 0.0]


def test_a_gradient_does_not_overflow_where_the_norm_does_not():
    x = trainctl.tensor([3.0, 4.0], requires_grad=True)
    trainctl.linalg.vector_norm(x * 1e-10, 2.5).backward()
    np.testing.assert_allclose(np.linalg.norm(x.grad.numpy(), 5 / 3), 1e-10, rtol=1e-5)


@pytest.mark.parametrize("order", [1, 2, 3, 0.5, -1])
def test_second_derivatives(order):
    x = (trainctl.rand(2, 3, dtype=trainctl.float64) + 0.5).requires_grad_()
    assert gradgradcheck(lambda x: trainctl.linalg.vector_norm(x, order, 1), (x,))
