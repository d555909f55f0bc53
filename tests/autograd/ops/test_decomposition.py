"""Cholesky and QR decompositions against PyTorch and against differences."""

from __future__ import annotations

import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table
from trainctl.autograd.gradcheck import gradgradcheck


def complexes(*shape, dtype="complex64"):
    return A(*shape, dtype=dtype)


def definite(lib, x):
    """Return Hermitian positive definite matrices made of any square ones."""
    return x @ x.mH + lib.eye(x.shape[-1], dtype=x.dtype, device=x.device)


SQUARE = [
    case(A(3, 3)), case(A(1, 1)), case(A(0, 0)), case(A(2, 3, 3)), case(A(2, 1, 3, 3)), case(A(0, 3, 3)), case(A(2, 0, 0)), case(A(3, 3, dtype="float64")), case(complexes(3, 3)), case(complexes(2, 2, 2, dtype="complex128")),
    case(A(3, 3, layout="T")), case(A(3, 3, layout="step")),
]  # fmt: skip

SHAPES = [
    case(A(3, 3)), case(A(4, 2)), case(A(2, 4)), case(A(1, 1)), case(A(0, 3)), case(A(3, 0)), case(A(2, 3, 2)), case(A(2, 2, 3)), case(A(0, 2, 2)), case(A(4, 2, dtype="float64")), case(complexes(3, 2)), case(complexes(2, 3)), case(complexes(2, 2, 2)),
    case(A(4, 2, layout="T")), case(A(3, 3, layout="step")),
]  # fmt: skip
WIDE = [each for each in SHAPES if each.args[0].shape[-2] <= each.args[0].shape[-1]]

ROWS = [
    Row("linalg.cholesky", SQUARE, call=lambda lib, x: lib.linalg.cholesky(definite(lib, x)), atol=1e-5),
    Row("linalg.cholesky upper", SQUARE, call=lambda lib, x: lib.linalg.cholesky(definite(lib, x), upper=True), atol=1e-5),
    Row("cholesky", SQUARE[:3], call=lambda lib, x: (lib.cholesky(definite(lib, x), True), definite(lib, x).cholesky()), atol=1e-5),
    Row("linalg.cholesky reads one triangle", [case(A(2, 2, values=[[4.0, 9.0], [2.0, 10.0]])), case(A(2, 2, values=[[4.0, 2.0], [9.0, 10.0]]), upper=True)], call=lambda lib, x, **how: lib.linalg.cholesky(x, **how), gradcheck=False),
    Row("linalg.qr", SHAPES, atol=1e-4),
    Row("linalg.qr complete", SHAPES, call=lambda lib, x: lib.linalg.qr(x, "complete"), atol=1e-4, grad=False),
    Row("linalg.qr complete and wide", WIDE, call=lambda lib, x: lib.linalg.qr(x, mode="complete"), atol=1e-4),
    Row("linalg.qr r", SHAPES, call=lambda lib, x: lib.linalg.qr(x, "r"), atol=1e-4, grad=False),
    Row("linalg.qr of Q alone", SHAPES[:3], call=lambda lib, x: lib.linalg.qr(x).Q, atol=1e-4),
    Row("linalg.qr of R alone", SHAPES[:3], call=lambda lib, x: lib.linalg.qr(x).R, atol=1e-4),
    Row("qr", [case(A(3, 2)), case(A(2, 3))], call=lambda lib, x: (lib.qr(x), x.detach().qr(some=False)), atol=1e-4),
]  # fmt: skip

REFUSALS = [
    Refusal("linalg.cholesky", case(A(2, 3)), RuntimeError, "2 by 3"),
    Refusal("linalg.cholesky", case(A(3)), RuntimeError, r"at least 2 dimensions, got shape \[3\]"),
    Refusal("linalg.cholesky", case(A(2, 2, dtype="int64")), RuntimeError, "Got int64"),
    Refusal("linalg.cholesky", case(A(2, 2, dtype="float16")), NotImplementedError, "Got float16"),
    Refusal("linalg.cholesky", case(A(2, 2, values=[[1.0, 2.0], [2.0, 1.0]])), RuntimeError, "positive-definite .the leading minor of order 2 "),
    Refusal("linalg.cholesky", case(A(2, 2, 2, values=[[[1, 0], [0, 1]], [[-1, 0], [0, 1]]])), RuntimeError, r"\(Batch element 1\).*of order 1 "),
    Refusal("linalg.qr", case(A(2, 2), "raw"), RuntimeError, "'raw'"),
    Refusal("linalg.qr", case(A(3)), RuntimeError, "at least 2 dimensions"),
    Refusal("linalg.qr", case(A(2, 2, dtype="bool")), RuntimeError, "Got bool"),
    Refusal("backward of r", case(A(3, 2)), RuntimeError, "depends on Q.*mode='reduced'", lambda lib, x: lib.linalg.qr(x, "r").R.sum().backward()),
    Refusal("backward of complete", case(A(3, 2)), RuntimeError, "3 > 2", lambda lib, x: lib.linalg.qr(x, "complete").Q.sum().backward()),
]  # fmt: skip

test_values, test_gradient, test_refusal = table("decomposition", ROWS, REFUSALS)


def test_the_error_is_a_linalg_error():
    with pytest.raises(trainctl.linalg.LinAlgError):
        trainctl.linalg.cholesky(-trainctl.eye(2))


def test_the_order_of_the_first_minor_of_many():
    x = trainctl.diag(trainctl.tensor([1.0] * 20 + [-1.0] + [1.0] * 20))
    with pytest.raises(trainctl.linalg.LinAlgError, match="of order 21 "):
        trainctl.linalg.cholesky(x)


def test_second_derivatives():
    shapes = (2, 2), (3, 2), (2, 3)
    x, tall, wide = (trainctl.rand(*shape, dtype=trainctl.float64).requires_grad_() for shape in shapes)
    assert gradgradcheck(lambda x: trainctl.linalg.cholesky(definite(trainctl, x)), (x,))
    for each in (x, tall, wide):
        assert gradgradcheck(lambda x: tuple(trainctl.linalg.qr(x)), (each,), atol=1e-4)
