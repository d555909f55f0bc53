"""The pseudoinverse, rank and least squares solution of matrices of any shape."""

from __future__ import annotations

from typing import Any, NamedTuple

from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import add, sub
from trainctl.autograd.ops.cast import cast
from trainctl.autograd.ops.diagonal import adjoint
from trainctl.autograd.ops.elementwise import abs, square
from trainctl.autograd.ops.linalg import matmul
from trainctl.autograd.ops.matrices import LinAlgError, check_matrices, check_same_types
from trainctl.autograd.ops.reduction import sum
from trainctl.autograd.ops.shape import squeeze, unsqueeze
from trainctl.autograd.ops.spectral import converged, svdvals
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

METHODS = "pinverse"
FUNCTIONS = "pinverse"
LINALG = "pinv matrix_rank lstsq"

_DRIVERS = ("gels", "gelsy", "gelsd", "gelss")


class LeastSquares(NamedTuple):
    solution: Tensor
    residuals: Tensor
    rank: Tensor
    singular_values: Tensor


class PseudoInverse(Op):
    """The gradient is that of https://doi.org/10.1137/0710036 (Golub and Pereyra 1973), for a constant rank."""

    saves = (0,)
    saves_output = True
    atol: Any
    rtol: Any

    def forward(self, A: Any, out: Any = None) -> Any:
        xp = self.xp
        U, S, Vh = converged("svd", xp, A, False)
        kept = _counts(S, A.shape, self.atol, self.rtol)
        inverse = xp.where(kept, 1 / xp.where(kept, S, 1), 0).astype(S.dtype)
        return xp.matmul(_adjoint(xp, Vh) * inverse[..., None, :], _adjoint(xp, U))

    def backward(self, gy: Tensor) -> Any:
        A, y = self.saved
        gh, yh = adjoint(gy), adjoint(y)
        if A._array.shape[-2] <= A._array.shape[-1]:
            K = matmul(gh, y)
            through = matmul(K, yh)
            inside = sub(through, matmul(matmul(A, y), through))
            return add(sub(inside, adjoint(matmul(y, K))), matmul(matmul(yh, y), sub(gh, matmul(K, A))))
        K = matmul(y, gh)
        through = matmul(yh, K)
        inside = sub(through, matmul(matmul(through, y), A))
        return add(sub(inside, adjoint(matmul(K, y))), matmul(sub(gh, matmul(A, K)), matmul(y, yh)))


def _adjoint(xp: Any, x: Any) -> Any:
    return xp.conjugate(xp.swapaxes(x, -2, -1))


def _counts(S: Any, shape: tuple[int, ...], atol: Any, rtol: Any) -> Any:
    """Return which singular values are larger than ``max(atol, rtol * largest)``."""
    if rtol is None:
        given = isinstance(atol, Tensor) or atol
        rtol = 0.0 if given else max(shape[-2:]) * dtypes.finfo(dtypes.FROM_ARRAY[S.dtype]).eps
    return (_threshold(atol) < S) & (_threshold(rtol) * S[..., :1] < S)


def _threshold(value: Any) -> Any:
    """Return a tolerance as a number, or as an array with a dim for the singular values."""
    if isinstance(value, Tensor):
        return value._array[..., None]
    return 0.0 if value is None else value


def pinv(A: Tensor, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None) -> Tensor:
    """Return the Moore-Penrose pseudoinverse: ``[*, m, n] -> [*, n, m]``.

    Args:
        A: the matrices.
        rcond: another name for ``rtol``.
        hermitian: says that the matrices are Hermitian.
        atol: singular values up to this count as 0; a number, or a tensor ``[*]``.
        rtol: likewise, as a share of the largest; default: ``max(m, n)`` times the precision, or 0 where ``atol > 0``.

    Raises:
        RuntimeError: no matrices, or no floating-point or complex type.

    Example:
        >>> import trainctl
        >>> pinv(trainctl.tensor([[2.0, 0.0], [0.0, 0.0]]))
        tensor([[0.5000, 0.0000],
                [0.0000, 0.0000]])
    """
    check_matrices("linalg.pinv", A)
    return PseudoInverse.apply(A, atol=atol, rtol=rcond if rtol is None else rtol)


def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """Return the pseudoinverse, see :func:`trainctl.linalg.pinv`."""
    return pinv(input, rtol=rcond)


def matrix_rank(A: Tensor, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None) -> Tensor:
    """Return how many singular values count as more than 0: ``[*, m, n] -> [*]``, int64.

    Args:
        A: the matrices.
        tol: singular values up to this count as 0.
        hermitian: says that the matrices are Hermitian.
        atol: as for :func:`pinv`.
        rtol: as for :func:`pinv`.

    Raises:
        RuntimeError: no matrices, or no floating-point or complex type.
    """
    check_matrices("linalg.matrix_rank", A)
    if tol is not None:
        atol, rtol = tol, 0.0
    S = svdvals(A.detach())._array
    return Tensor._wrap(_counts(S, A._array.shape, atol, rtol).sum(axis=-1))


def lstsq(A: Tensor, B: Tensor, rcond: Any = None, *, driver: str | None = None) -> LeastSquares:
    """Return the least squares solution ``X`` of ``A X = B``, of all the one with the smallest norm.

    Args:
        A: ``[*, m, n]``.
        B: ``[*, m, k]``, or ``[*, m]``.
        rcond: as ``rtol`` of :func:`pinv`.
        driver: LAPACK's name of the method. All give one solution; ``gelsd`` and ``gelss`` give the singular values,
            these and ``gels`` the residuals ``[*, k]`` where ``m > n`` and the rank is full. Default: ``gelsy``.

    Raises:
        LinAlgError: ``gels``, and a matrix without full rank.
        RuntimeError: shapes, dtypes or a driver that do not fit.

    Example:
        >>> import trainctl
        >>> lstsq(trainctl.tensor([[2.0], [0.0]]), trainctl.tensor([4.0, 1.0])).solution
        tensor([2.])
    """
    check_matrices("linalg.lstsq", A)
    check_same_types("linalg.lstsq", A, B)
    driver = driver or "gelsy"
    if driver not in _DRIVERS:
        raise RuntimeError(f"linalg.lstsq: parameter `driver` should be one of {', '.join(_DRIVERS)}, got {driver!r}")
    vectors = B._array.ndim == A._array.ndim - 1
    if not vectors and B._array.ndim != A._array.ndim:
        raise RuntimeError(
            f"linalg.lstsq: B must have as many dimensions as A, or one less, got shapes {list(A.shape)} and {list(B.shape)}"
        )
    right = unsqueeze(B, -1) if vectors else B
    (rows, columns), given = A._array.shape[-2:], right._array.shape[-2]
    if rows != given:
        raise RuntimeError(f"linalg.lstsq: A and B must have the same number of rows, got {rows} and {given}")
    X, rank = matmul(pinv(A, rtol=rcond), right), matrix_rank(A, rtol=rcond)
    nothing = residuals = Tensor._wrap(A._xp.zeros((0,), A.dtype.to_real().array_dtype))
    if driver != "gelsy":
        full = bool((rank._array == min(rows, columns)).all())
        if driver == "gels" and not full:
            raise LinAlgError("linalg.lstsq: The input matrix does not have full rank; use another driver than gels.")
        if full and rows > columns:
            residuals = sum(square(abs(sub(matmul(A, X), right))), -2)
    return LeastSquares(
        squeeze(X, -1) if vectors else X,
        residuals,
        cast(nothing, dtypes.int64) if driver == "gels" else rank,
        svdvals(A) if driver in ("gelsd", "gelss") else nothing,
    )
