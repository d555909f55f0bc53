"""Systems of linear equations."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import neg
from trainctl.autograd.ops.broadcasting import broadcast_shapes, expand
from trainctl.autograd.ops.cast import check_broadcast, promote
from trainctl.autograd.ops.diagonal import adjoint, tril, triu
from trainctl.autograd.ops.linalg import matmul
from trainctl.autograd.ops.matrices import LinAlgError, check_matrices, check_same_types, check_square, failing_element
from trainctl.autograd.ops.shape import squeeze, transpose, unsqueeze
from trainctl.autograd.tensor import Tensor

LINALG = "solve solve_triangular"


class Solve(Op):
    """``X`` with ``A @ X = B``, both of the same batch."""

    saves = (0,)
    saves_output = True

    def forward(self, A: Any, B: Any, out: Any = None) -> Any:
        xp = self.xp
        try:
            return xp.linalg.solve(A, B)
        except xp.linalg.LinAlgError:
            element, _ = failing_element(xp, xp.linalg.solve, A, B)
            raise LinAlgError(
                f"linalg.solve: {element}The solver failed because the input matrix is singular."
            ) from None

    def backward(self, gX: Tensor) -> Any:
        A, X = self.saved
        gB = Solve.apply(adjoint(A), gX)
        return neg(matmul(gB, adjoint(X))) if self.needs(0) else None, gB


def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """Return the solution ``X`` of ``A X = B``, with ``left=False`` of ``X A = B``; batches broadcast.

    Args:
        A: ``[*, n, n]``.
        B: ``[*, n, k]`` (``[*, k, n]`` for ``left=False``); ``[n]``, or ``[*, n]`` with the very batch of ``A``: vectors.
        left: on which side of ``X`` the matrix stands.

    Raises:
        LinAlgError: a matrix is singular.
        RuntimeError: shapes or dtypes that do not fit.

    Example:
        >>> import trainctl
        >>> solve(trainctl.tensor([[2.0, 0.0], [0.0, 4.0]]), trainctl.tensor([2.0, 2.0]))
        tensor([1.0000, 0.5000])
    """
    check_square("linalg.solve", A)
    check_same_types("linalg.solve", A, B)
    shape = A._array.shape
    vectors = B._array.ndim == 1 or B._array.shape == shape[:-1]
    if vectors:
        B = unsqueeze(B, -1)
    check_matrices("linalg.solve", B, "B")
    _check_equation("linalg.solve", A, B, left)
    if vectors and not left:
        raise RuntimeError("linalg.solve: Vectors are not supported for left=False; this is B / A.squeeze(-1).")
    if not left:
        return transpose(_solve(transpose(A, -2, -1), transpose(B, -2, -1)), -2, -1)
    X = _solve(A, B)
    return squeeze(X, -1) if vectors else X


def _solve(A: Tensor, B: Tensor) -> Tensor:
    batch = broadcast_shapes(A._array.shape[:-2], B._array.shape[:-2])
    return Solve.apply(expand(A, (*batch, *A.shape[-2:])), expand(B, (*batch, *B.shape[-2:])))


def _check_equation(op: str, A: Tensor, B: Tensor, left: bool) -> None:
    """Raise RuntimeError if the rows (columns) of ``B`` are not as many as those of ``A``."""
    (rows, columns), (b_rows, b_columns) = A._array.shape[-2:], B._array.shape[-2:]
    if (rows != b_rows) if left else (columns != b_columns):
        equation = "AX = B" if left else "XA = B"
        raise RuntimeError(
            f"{op}: Incompatible shapes of A and B for the equation {equation} "
            f"({rows}x{columns} and {b_rows}x{b_columns})"
        )
    check_broadcast(A._array.shape[:-2], B._array.shape[:-2])


class SolveTriangular(Op):
    """``X`` with ``A @ X = B``, reading one triangle of ``A`` alone."""

    saves = (0,)
    saves_output = True
    upper: bool
    unitriangular: bool

    def forward(self, A: Any, B: Any, out: Any = None) -> Any:
        xp, n = self.xp, A.shape[-1]
        if self.unitriangular:
            A = xp.where(xp.eye(n, dtype=bool), 1, A).astype(B.dtype)
        if not n or not B.size:
            return xp.zeros(xp.matmul(A, B).shape, B.dtype)
        return _substitute(xp, A, B, self.upper)

    def backward(self, gX: Tensor) -> Any:
        A, X = self.saved
        gB = SolveTriangular.apply(adjoint(A), gX, upper=not self.upper, unitriangular=self.unitriangular)
        if not self.needs(0):
            return None, gB
        gA = neg(matmul(gB, adjoint(X)))
        without = 1 if self.unitriangular else 0
        return triu(gA, without) if self.upper else tril(gA, -without), gB


def _substitute(xp: Any, A: Any, B: Any, upper: bool) -> Any:
    """Return the solution by halves: one half of the unknowns, then what they leave for the other."""
    n = A.shape[-1]
    if n == 1:
        return B / A
    half = n // 2
    first, last = slice(0, half), slice(half, n)
    if upper:
        below = _substitute(xp, A[..., last, last], B[..., last, :], upper)
        above = _substitute(xp, A[..., first, first], B[..., first, :] - A[..., first, last] @ below, upper)
    else:
        above = _substitute(xp, A[..., first, first], B[..., first, :], upper)
        below = _substitute(xp, A[..., last, last], B[..., last, :] - A[..., last, first] @ above, upper)
    return xp.concatenate((above, below), axis=-2)


def solve_triangular(A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Tensor:
    """Return the solution ``X`` of ``A X = B`` (``X A = B``) for a triangular matrix; batches broadcast.

    Args:
        A: ``[*, n, n]``; the other triangle is not read.
        B: ``[*, n, k]``, for ``left=False`` ``[*, k, n]``.
        upper: whether the upper triangle counts, or the lower.
        left: on which side of ``X`` the matrix stands.
        unitriangular: take the diagonal for ones, without reading it.

    Raises:
        RuntimeError: shapes that do not fit, or no floating-point or complex types.
    """
    check_square("linalg.solve_triangular", A)
    check_matrices("linalg.solve_triangular", B, "B")
    _check_equation("linalg.solve_triangular", A, B, left)
    A, B = promote(A, B)
    if left:
        return SolveTriangular.apply(A, B, upper=upper, unitriangular=unitriangular)
    X = SolveTriangular.apply(transpose(A, -2, -1), transpose(B, -2, -1), upper=not upper, unitriangular=unitriangular)
    return transpose(X, -2, -1)
