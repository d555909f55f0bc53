"""Triangular decompositions of matrices: Cholesky and QR.

The gradients follow "Differentiation of the Cholesky decomposition" (Murray 2016) and "Auto-differentiating linear
algebra" (Seeger et al. 2017).
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, NamedTuple

from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import add, mul, neg, sub, zeros_as
from trainctl.autograd.ops.cast import cast
from trainctl.autograd.ops.diagonal import adjoint, diag_embed, diagonal, tril
from trainctl.autograd.ops.joining import cat
from trainctl.autograd.ops.linalg import matmul
from trainctl.autograd.ops.matrices import LinAlgError, check_matrices, check_square, failing_element, fails
from trainctl.autograd.ops.shape import narrow
from trainctl.autograd.ops.solving import solve_triangular
from trainctl.autograd.tensor import Tensor

METHODS = "cholesky qr=legacy_qr"
FUNCTIONS = "cholesky qr=legacy_qr"
LINALG = "cholesky=linalg_cholesky qr"


class QR(NamedTuple):
    Q: Tensor
    R: Tensor


class Cholesky(Op):
    """The triangular factor of a Hermitian positive definite matrix, of which one triangle is read."""

    saves_output = True
    upper: bool

    def forward(self, A: Any, out: Any = None) -> Any:
        xp = self.xp
        A = self.flipped(A)
        try:
            return self.flipped(xp.linalg.cholesky(A))
        except xp.linalg.LinAlgError:
            raise LinAlgError(f"linalg.cholesky: {_why_not_definite(xp, A)}") from None

    def flipped(self, A: Any) -> Any:
        """Return the conjugate transpose where the upper triangle is meant."""
        return self.xp.conjugate(self.xp.swapaxes(A, -2, -1)) if self.upper else A

    def backward(self, gL: Tensor) -> Any:
        (L,) = self.saved
        if self.upper:
            L, gL = adjoint(L), adjoint(gL)
        lower = tril(matmul(adjoint(L), gL))
        middle = add(lower, adjoint(tril(lower, -1)))
        left = solve_triangular(adjoint(L), mul(middle, 0.5), upper=True)
        return solve_triangular(L, left, upper=False, left=False)


def _why_not_definite(xp: Any, A: Any) -> str:
    """Return which matrix of a batch is not positive definite, and the order of its first minor that is not."""
    cholesky = xp.linalg.cholesky
    element, (one,) = failing_element(xp, cholesky, A)
    orders = range(1, one.shape[-1] + 1)
    order = orders[bisect_left(orders, True, key=lambda order: fails(xp, cholesky, one[:order, :order]))]
    return (
        f"{element}The factorization could not be completed because the input is not positive-definite "
        f"(the leading minor of order {order} is not positive-definite)."
    )


def _mirrored(lower: Tensor) -> Tensor:
    """Return the Hermitian matrix with this lower triangle, of the diagonal the real part."""
    main = diagonal(lower, 0, -2, -1)
    return sub(add(lower, adjoint(lower)), diag_embed(cast(cast(main, main.dtype.to_real()), main.dtype)))


def linalg_cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """Return the lower triangular ``L`` with ``A = L @ L.mH``, or ``upper`` the upper one with ``A = U.mH @ U``.

    Args:
        A: Hermitian positive definite, ``[*, n, n]``; only the triangle asked for is read.
        upper: which factor.

    Raises:
        LinAlgError: a matrix is not positive definite.
        RuntimeError: no square matrices, or no floating-point or complex type.

    Example:
        >>> import trainctl
        >>> linalg_cholesky(trainctl.tensor([[4.0, 2.0], [2.0, 10.0]]))
        tensor([[2., 0.],
                [1., 3.]])
    """
    check_square("linalg.cholesky", A)
    return Cholesky.apply(A, upper=upper)


def cholesky(input: Tensor, upper: bool = False) -> Tensor:
    """Return the Cholesky factor, see :func:`trainctl.linalg.cholesky`."""
    return linalg_cholesky(input, upper=upper)


class QRDecomposition(Op):
    saves = (0,)
    saves_output = True
    materializes_gradients = False
    mode: str

    def forward(self, A: Any, out: Any = None) -> Any:
        if self.mode == "r":
            return self.xp.zeros((0,), A.dtype), self.xp.linalg.qr(A, "r")
        return tuple(self.xp.linalg.qr(A, self.mode))

    def backward(self, gQ: Tensor | None, gR: Tensor | None) -> Any:
        A, Q, R = self.saved
        rows, columns = A._array.shape[-2:]
        _check_differentiable(self.mode, rows, columns)
        if rows >= columns:
            return _qr_gradient(Q, R, gQ, gR)
        # A = [first | rest]: as the rest is Q @ [rest of R], its part of gR reaches Q, too
        rest = narrow(A, -1, rows, columns - rows)
        if gR is None:
            gfirst, grest = None, zeros_as(rest)
        else:
            gfirst, grest = narrow(gR, -1, 0, rows), narrow(gR, -1, rows, columns - rows)
            through = matmul(rest, adjoint(grest))
            gQ, grest = through if gQ is None else add(gQ, through), matmul(Q, grest)
        return cat((_qr_gradient(Q, narrow(R, -1, 0, rows), gQ, gfirst), grest), -1)


def _check_differentiable(mode: str, rows: int, columns: int) -> None:
    if mode == "r":
        raise RuntimeError(
            "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. "
            "Please use linalg.qr(A, mode='reduced') if you are going to require gradients."
        )
    if mode == "complete" and rows > columns:
        raise RuntimeError(
            "The QR decomposition is not differentiable when mode='complete' and nrows > ncols "
            f"({rows} > {columns}); use mode='reduced'."
        )


def _qr_gradient(Q: Tensor, R: Tensor, gQ: Tensor | None, gR: Tensor | None) -> Tensor:
    """Return the gradient of ``A = Q @ R`` with square ``R``."""
    middle = None if gR is None else matmul(R, adjoint(gR))
    if gQ is not None:
        turning = matmul(adjoint(gQ), Q)
        middle = neg(turning) if middle is None else sub(middle, turning)
    assert middle is not None
    left = matmul(Q, _mirrored(tril(middle)))
    return solve_triangular(adjoint(R), left if gQ is None else add(gQ, left), upper=False, left=False)


def qr(A: Tensor, mode: str = "reduced") -> QR:
    """Return orthonormal ``Q`` and upper triangular ``R`` with ``A = Q @ R``.

    Args:
        A: ``[*, m, n]``.
        mode: ``reduced`` (``Q [*, m, k], R [*, k, n]`` with k the smaller of m and n), ``complete``
            (``[*, m, m], [*, m, n]``), or ``r`` (``R`` of the reduced form alone; ``Q`` is empty).

    Raises:
        RuntimeError: no matrices, no floating-point or complex type, an unknown mode; in backward a form without gradient.

    Example:
        >>> import trainctl
        >>> Q, R = qr(trainctl.ones(3, 2))
        >>> Q.shape, R.shape
        (trainctl.Size([3, 2]), trainctl.Size([2, 2]))
    """
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'"
        )
    check_matrices("linalg.qr", A)
    return QR(*QRDecomposition.apply(A, mode=mode))


def legacy_qr(input: Tensor, some: bool = True) -> QR:
    """Return the reduced (``some``) or complete QR decomposition, see :func:`trainctl.linalg.qr`."""
    return qr(input, "reduced" if some else "complete")
