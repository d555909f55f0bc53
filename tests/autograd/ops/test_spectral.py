"""Singular values, and eigenvalues of Hermitian matrices, against PyTorch and against differences.

Vectors are known up to a sign (a phase): compared is only what does not depend on it.
"""

from __future__ import annotations

import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table
from trainctl.autograd.gradcheck import gradgradcheck


def complexes(*shape, dtype="complex64"):
    return A(*shape, dtype=dtype)


SHAPES = [
    case(A(3, 3)), case(A(4, 2)), case(A(2, 4)), case(A(1, 1)), case(A(0, 3)), case(A(3, 0)), case(A(2, 3, 2)), case(A(0, 2, 2)), case(A(4, 2, dtype="float64")), case(complexes(3, 2)), case(complexes(2, 3)), case(complexes(2, 2, 2)),
    case(A(4, 2, layout="T")), case(A(3, 3, layout="step")),
]  # fmt: skip
SQUARE = [
    case(A(3, 3)), case(A(1, 1)), case(A(0, 0)), case(A(2, 3, 3)), case(A(0, 3, 3)), case(A(3, 3, dtype="float64")), case(complexes(3, 3)), case(complexes(2, 2, 2)), case(A(3, 3, layout="T")), case(A(3, 3, layout="step")),
]  # fmt: skip


def factors(lib, x, full):
    """Return products of the factors of a singular value decomposition in which the signs cancel."""
    U, S, Vh = lib.linalg.svd(x, full_matrices=full)
    size = S.shape[-1]
    shapes = [U.new_zeros(each.shape).real for each in (U, Vh)]
    U, Vh, weights = U[..., :size], Vh[..., :size, :], S.cos()
    return S, (U * weights[..., None, :]) @ Vh, (U * U.conj()).real, (Vh * Vh.conj()).real, *shapes


def eigen(lib, x, **how):
    L, V = lib.linalg.eigh(x, **how)
    return L, (V * L.cos()[..., None, :]) @ V.mH, (V * V.conj()).real


def symmetric(x):
    return x + x.mH


ROWS = [
    Row("linalg.svd", SHAPES, call=lambda lib, x: factors(lib, x, True), rtol=1e-4, atol=1e-4, gradcheck=False),
    Row("linalg.svd reduced", SHAPES, call=lambda lib, x: factors(lib, x, False), rtol=1e-4, atol=1e-4),
    Row("linalg.svd of S alone", SHAPES, call=lambda lib, x: lib.linalg.svd(x).S, atol=1e-4),
    Row("svd", SHAPES[:3], call=lambda lib, x: (x.svd().U @ lib.diag(x.svd().S) @ x.svd().V.mH, lib.svd(x, some=False).V.abs().sum() * 0, lib.svd(x, compute_uv=False)), atol=1e-4, gradcheck=False),
    Row("linalg.svdvals", SHAPES, atol=1e-4),
    Row("linalg.eigh", SQUARE, call=lambda lib, x: eigen(lib, symmetric(x)), rtol=1e-4, atol=1e-4),
    Row("linalg.eigh of one triangle", [case(A(3, 3)), case(A(3, 3), UPLO="U"), case(A(3, 3), UPLO="l"), case(complexes(2, 2), UPLO="u")], call=eigen, rtol=1e-4, atol=1e-4, gradcheck=False),
    Row("linalg.eigvalsh", SQUARE, call=lambda lib, x: lib.linalg.eigvalsh(symmetric(x)), atol=1e-4),
    Row("linalg.eigvalsh of one triangle", [case(A(3, 3), "U"), case(complexes(2, 2), UPLO="L")], call=lambda lib, x, *how, **more: lib.linalg.eigvalsh(x, *how, **more), atol=1e-4, gradcheck=False),
]  # fmt: skip

REFUSALS = [
    Refusal("linalg.svd", case(A(3)), RuntimeError, r"at least 2 dimensions, got shape \[3\]"),
    Refusal("linalg.svd", case(A(2, 2, dtype="int64")), RuntimeError, "Got int64"),
    Refusal("linalg.svd", case(A(2, 2), driver="gesvd"), RuntimeError, "CUDA inputs"),
    Refusal("linalg.svd", case(A(2, 2, values=[[float("nan")] * 2] * 2)), RuntimeError, "failed to converge"),
    Refusal("linalg.svdvals", case(A(2, 2, values=[[float("nan")] * 2] * 2)), RuntimeError, "failed to converge"),
    Refusal("linalg.svdvals", case(A(2, 2), driver="gesvd"), RuntimeError, "CUDA inputs"),
    Refusal("linalg.eigh", case(A(2, 3)), RuntimeError, "2 by 3"),
    Refusal("linalg.eigh", case(A(2, 2), UPLO="X"), RuntimeError, "got X"),
    Refusal("linalg.eigvalsh", case(A(2, 2), UPLO="X"), RuntimeError, "got X"),
    Refusal("linalg.eigvalsh", case(A(2)), RuntimeError, "at least 2 dimensions"),
]

test_values, test_gradient, test_refusal = table("spectral", ROWS, REFUSALS)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 3, 2), (0, 3), (3, 0)])
def test_the_factors_give_the_matrix_and_are_orthonormal(shape, full):
    x = trainctl.randn(*shape, dtype=trainctl.float64)
    U, S, Vh = trainctl.linalg.svd(x, full_matrices=full)
    size = S.shape[-1]
    assert trainctl.allclose(U[..., :size] * S[..., None, :] @ Vh[..., :size, :], x)
    for each in (U.mH @ U, Vh @ Vh.mH):
        assert trainctl.allclose(each, trainctl.eye(each.shape[-1], dtype=x.dtype).expand(each.shape))


def test_equal_singular_values_have_a_gradient_of_their_own():
    x = trainctl.eye(2, dtype=trainctl.float64).requires_grad_()
    trainctl.linalg.svd(x).S.sum().backward()
    assert x.grad.tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_second_derivatives():
    matrices = [[3.0, 1.0], [0.5, 1.0]], [[1.0, 2.0], [0.0, 1.0], [3.0, 0.5]]
    x, tall = (trainctl.tensor(each, dtype=trainctl.float64, requires_grad=True) for each in matrices)
    for each in (x, tall):
        assert gradgradcheck(lambda x: trainctl.linalg.svdvals(x), (each,), atol=1e-4)
        assert gradgradcheck(lambda x: factors(trainctl, x, False)[1], (each,), atol=1e-4)
    assert gradgradcheck(lambda x: eigen(trainctl, symmetric(x))[:2], (x,), atol=1e-4)
    assert gradgradcheck(lambda x: trainctl.linalg.eigvalsh(symmetric(x)), (x,), atol=1e-4)
