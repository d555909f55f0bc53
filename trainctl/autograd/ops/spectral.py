"""Singular values and vectors; eigenvalues and eigenvectors of Hermitian matrices.

The gradients follow "Automatic differentiation for complex valued SVD" (Wan and Zhang 2019, arXiv:1909.02659) and "An
extended collection of matrix derivative results" (Giles 2008).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import add, div, mul, sub
from trainctl.autograd.ops.cast import cast
from trainctl.autograd.ops.comparison import where
from trainctl.autograd.ops.diagonal import adjoint, diag_embed, diagonal
from trainctl.autograd.ops.linalg import matmul
from trainctl.autograd.ops.matrices import LinAlgError, check_matrices, check_square
from trainctl.autograd.ops.shape import narrow, unsqueeze
from trainctl.autograd.tensor import Tensor

METHODS = "svd=legacy_svd"
FUNCTIONS = "svd=legacy_svd"
LINALG = "svd svdvals eigh eigvalsh"


class SVD(NamedTuple):
    U: Tensor
    S: Tensor
    Vh: Tensor


class LegacySVD(NamedTuple):
    U: Tensor
    S: Tensor
    V: Tensor


class Eigh(NamedTuple):
    eigenvalues: Tensor
    eigenvectors: Tensor


class SingularValueDecomposition(Op):
    saves_output = True
    materializes_gradients = False
    full_matrices: bool

    def forward(self, A: Any, out: Any = None) -> Any:
        return tuple(converged("svd", self.xp, A, self.full_matrices))

    def backward(self, gU: Tensor | None, gS: Tensor | None, gVh: Tensor | None) -> Any:
        U, S, Vh = self.saved
        size = S._array.shape[-1]
        U, Vh = narrow(U, -1, 0, size), narrow(Vh, -2, 0, size)
        gU = None if gU is None else narrow(gU, -1, 0, size)  # what a completed basis is, is nobody's choice
        gVh = None if gVh is None else narrow(gVh, -2, 0, size)
        return _svd_gradient(U, S, Vh, gU, gS, gVh)


def converged(function: str, xp: Any, *args: Any) -> Any:
    """Return what a function of the array library's ``linalg`` gives.

    Raises:
        LinAlgError: its iteration did not converge.
    """
    try:
        return getattr(xp.linalg, function)(*args)
    except xp.linalg.LinAlgError:
        raise LinAlgError(
            f"linalg.{function}: The algorithm failed to converge; the input matrix may hold non-finite values."
        ) from None


def _svd_gradient(U: Tensor, S: Tensor, Vh: Tensor, gU: Tensor | None, gS: Tensor | None, gVh: Tensor | None) -> Tensor:
    """Return the gradient of ``A = U @ diag(S) @ Vh``, where some of the outputs' gradients are given."""
    columns, rows = cast(unsqueeze(S, -2), U.dtype), cast(unsqueeze(S, -1), U.dtype)
    terms = [] if gS is None else [diag_embed(cast(gS, U.dtype))]
    gaps = _gaps(mul(S, S), U.dtype)
    if gU is not None:
        turning = _skew(matmul(adjoint(U), gU))
        terms.append(mul(div(turning, gaps), columns))
        if U.is_complex():
            terms.append(diag_embed(div(diagonal(turning, 0, -2, -1), mul(S, 2))))
    if gVh is not None:
        terms.append(mul(rows, div(_skew(matmul(Vh, adjoint(gVh))), gaps)))
    middle = terms[0]
    for each in terms[1:]:
        middle = add(middle, each)
    gA = matmul(U, matmul(middle, Vh))
    if gU is not None and U._array.shape[-2] > S._array.shape[-1]:
        outside = sub(gU, matmul(U, matmul(adjoint(U), gU)))
        gA = add(gA, matmul(div(outside, columns), Vh))
    if gVh is not None and Vh._array.shape[-1] > S._array.shape[-1]:
        outside = sub(gVh, matmul(matmul(gVh, adjoint(Vh)), Vh))
        gA = add(gA, matmul(U, div(outside, rows)))
    return gA


def _skew(x: Tensor) -> Tensor:
    return sub(x, adjoint(x))


def _gaps(values: Tensor, kind: Any) -> Tensor:
    """Return ``values[j] - values[i]`` at ``[i, j]``, and ones on the diagonal."""
    differences = sub(unsqueeze(values, -2), unsqueeze(values, -1))
    own = Tensor._constant(values._xp.eye(values._array.shape[-1], dtype=bool))
    return cast(where(own, 1.0, differences), kind)


def svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None) -> SVD:
    """Return the singular value decomposition ``A = U @ diag(S) @ Vh``, the values in descending order.

    ``U`` and ``Vh`` are known only up to a sign (a phase) for each value, so only what does not depend on it has a
    gradient; where two values are equal (or one is 0 and the matrix not square) their gradient is not finite.

    Args:
        A: ``[*, m, n]``.
        full_matrices: ``U [*, m, m], Vh [*, n, n]``, else ``U [*, m, k], Vh [*, k, n]``; k the smaller of m and n.
        driver: must be None; PyTorch has a choice on GPUs alone.

    Raises:
        LinAlgError: no convergence.
        RuntimeError: no matrices, no floating-point or complex type, or a driver.

    Example:
        >>> import trainctl
        >>> svd(trainctl.tensor([[0.0, 2.0], [1.0, 0.0]])).S
        tensor([2., 1.])
    """
    check_matrices("linalg.svd", A)
    _check_driver("svd", driver)
    return SVD(*SingularValueDecomposition.apply(A, full_matrices=full_matrices))


def _check_driver(op: str, driver: str | None) -> None:
    if driver is not None:
        raise RuntimeError(f"linalg.{op}: keyword argument `driver=` is only supported on CUDA inputs, got {driver!r}")


def legacy_svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> LegacySVD:
    """Return ``U, S, V`` with ``input = U @ diag(S) @ V.mH``, see :func:`trainctl.linalg.svd`.

    ``some`` asks for the reduced form; without ``compute_uv``, ``U`` and ``V`` are zeros.
    """
    if compute_uv:
        U, S, Vh = svd(input, full_matrices=not some)
        return LegacySVD(U, S, adjoint(Vh))
    shape, xp, kind = input._array.shape, input._xp, input._array.dtype
    zeros = (Tensor._constant(xp.zeros((*shape[:-2], size, size), kind)) for size in shape[-2:])
    return LegacySVD(next(zeros), svdvals(input), next(zeros))


class SingularValues(Op):
    """The singular values alone, which cost a fraction of the decomposition."""

    saves = (0,)

    def forward(self, A: Any, out: Any = None) -> Any:
        return converged("svd", self.xp, A, False, False)

    def backward(self, gS: Tensor) -> Any:
        (A,) = self.saved
        U, _, Vh = SingularValueDecomposition.apply(A, full_matrices=False)
        return matmul(mul(U, unsqueeze(gS, -2)), Vh)


def svdvals(A: Tensor, *, driver: str | None = None) -> Tensor:
    """Return the singular values in descending order: ``[*, m, n] -> [*, min(m, n)]``; see :func:`svd`."""
    check_matrices("linalg.svdvals", A)
    _check_driver("svdvals", driver)
    return SingularValues.apply(A)


class HermitianEigen(Op):
    saves_output = True
    materializes_gradients = False
    triangle: str

    def forward(self, A: Any, out: Any = None) -> Any:
        return tuple(converged("eigh", self.xp, A, self.triangle))

    def backward(self, gL: Tensor | None, gV: Tensor | None) -> Any:
        L, V = self.saved
        terms = [] if gL is None else [diag_embed(cast(gL, V.dtype))]
        if gV is not None:
            turning = mul(_skew(matmul(adjoint(V), gV)), 0.5)
            turning = sub(turning, diag_embed(diagonal(turning, 0, -2, -1)))
            terms.append(div(turning, _gaps(L, V.dtype)))
        middle = terms[0] if len(terms) == 1 else add(*terms)
        return matmul(V, matmul(middle, adjoint(V)))


class HermitianEigenvalues(Op):
    """The eigenvalues alone."""

    saves = (0,)
    triangle: str

    def forward(self, A: Any, out: Any = None) -> Any:
        return converged("eigvalsh", self.xp, A, self.triangle)

    def backward(self, gL: Tensor) -> Any:
        (A,) = self.saved
        _, V = HermitianEigen.apply(A, triangle=self.triangle)
        return matmul(mul(V, unsqueeze(gL, -2)), adjoint(V))


def eigh(A: Tensor, UPLO: str = "L") -> Eigh:
    """Return the eigenvalues (ascending) and eigenvectors (columns) of Hermitian matrices ``[*, n, n]``.

    Eigenvectors are known only up to a sign (a phase), so only what does not depend on it has a gradient; where two
    eigenvalues are equal, that of their vectors is not finite.

    Args:
        A: Hermitian; one triangle is read.
        UPLO: which: ``L`` or ``U``.

    Raises:
        RuntimeError: no square matrices, no floating-point or complex type, or another ``UPLO``.

    Example:
        >>> import trainctl
        >>> eigh(trainctl.tensor([[2.0, 0.0], [0.0, 1.0]])).eigenvalues
        tensor([1., 2.])
    """
    return Eigh(*HermitianEigen.apply(A, triangle=_triangle("linalg.eigh", A, UPLO)))


def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """Return the eigenvalues of Hermitian matrices in ascending order: ``[*, n, n] -> [*, n]``; see :func:`eigh`."""
    return HermitianEigenvalues.apply(A, triangle=_triangle("linalg.eigvalsh", A, UPLO))


def _triangle(op: str, A: Tensor, UPLO: str) -> str:
    check_square(op, A)
    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"{op}: Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    return UPLO.upper()
