"""Inverses and determinants."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import add, conj, mul, neg, sub
from trainctl.autograd.ops.broadcasting import expand
from trainctl.autograd.ops.cast import cast
from trainctl.autograd.ops.comparison import where
from trainctl.autograd.ops.diagonal import adjoint
from trainctl.autograd.ops.elementwise import log
from trainctl.autograd.ops.linalg import matmul
from trainctl.autograd.ops.matrices import LinAlgError, check_square, failing_element
from trainctl.autograd.ops.reduction import ProductOfOthers
from trainctl.autograd.ops.shape import clone, unsqueeze
from trainctl.autograd.ops.spectral import SingularValueDecomposition
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

METHODS = "det slogdet logdet inverse=inv matrix_power"
FUNCTIONS = "det slogdet logdet inverse=inv matrix_power"
LINALG = "det slogdet inv matrix_power"


class Slogdet(NamedTuple):
    sign: Tensor
    logabsdet: Tensor


class Inverse(Op):
    saves_output = True

    def forward(self, A: Any, out: Any = None) -> Any:
        xp = self.xp
        try:
            return xp.linalg.inv(A)
        except xp.linalg.LinAlgError:
            element, _ = failing_element(xp, xp.linalg.inv, A)
            raise LinAlgError(f"linalg.inv: {element}The input matrix is singular and has no inverse.") from None

    def backward(self, gy: Tensor) -> Any:
        (y,) = self.saved
        return neg(matmul(adjoint(y), matmul(gy, adjoint(y))))


def inv(A: Tensor) -> Tensor:
    """Return the inverse of square matrices ``[*, n, n]``.

    Raises:
        LinAlgError: a matrix is singular.
        RuntimeError: no square matrices, or no floating-point or complex type.

    Example:
        >>> import trainctl
        >>> inv(trainctl.tensor([[2.0, 0.0], [0.0, 4.0]]))
        tensor([[0.5000, 0.0000],
                [0.0000, 0.2500]])
    """
    check_square("linalg.inv", A)
    return Inverse.apply(A)


def matrix_power(input: Tensor, n: int) -> Tensor:
    """Return square matrices ``[*, k, k]`` multiplied ``n`` times; a negative ``n`` means their inverses.

    Raises:
        LinAlgError: a matrix is singular, and ``n`` negative.
        RuntimeError: no square matrices.
    """
    check_square("linalg.matrix_power", input, integers=True)
    if n < 0:
        input, n = inv(input), -n
    result = None
    while n:
        if n % 2:
            result = input if result is None else matmul(result, input)
        n //= 2
        input = matmul(input, input) if n else input
    if result is None:
        identity = Tensor._constant(input._xp.eye(input._array.shape[-1], dtype=input._array.dtype))
        return clone(expand(identity, input.shape))
    return result


class Determinant(Op):
    saves = (0,)
    saves_output = True

    def forward(self, A: Any, out: Any = None) -> Any:
        return self.xp.linalg.det(A)

    def backward(self, gy: Tensor) -> Any:
        A, det = self.saved
        singular, scale = _as_matrices(det == 0), _as_matrices(mul(gy, conj(det)))
        if not singular._array.any():
            return mul(scale, adjoint(inv(A)))
        steps = self.xp.arange(1, A._array.shape[-1] + 1)
        distinct = Tensor._wrap(self.xp.diag(steps).astype(A._array.dtype))
        cofactors = _cofactors(where(singular, A, distinct))
        return where(singular, mul(_as_matrices(gy), cofactors), mul(scale, adjoint(_inverse_if(~singular, A))))


def _as_matrices(x: Tensor) -> Tensor:
    return unsqueeze(unsqueeze(x, -1), -1)


def _inverse_if(regular: Tensor, A: Tensor) -> Tensor:
    """Return the inverses of the regular matrices, and the identity for the others."""
    identity = Tensor._constant(A._xp.eye(A._array.shape[-1], dtype=A._array.dtype))
    return inv(where(regular, A, identity))


def _cofactors(A: Tensor) -> Tensor:
    """Return the conjugate of the matrix of cofactors from the singular values, which exists for any matrix."""
    U, S, Vh = SingularValueDecomposition.apply(A, full_matrices=False)
    others = cast(ProductOfOthers.apply(S, dim=S._array.ndim - 1), A.dtype)
    phase = mul(Determinant.apply(U), Determinant.apply(Vh))
    return mul(_as_matrices(conj(phase)), matmul(mul(U, unsqueeze(others, -2)), Vh))


def det(A: Tensor) -> Tensor:
    """Return the determinant of square matrices: ``[*, n, n] -> [*]``, computed in double precision.

    Raises:
        RuntimeError: no square matrices, or no floating-point or complex type.

    Example:
        >>> import trainctl
        >>> det(trainctl.tensor([[1.0, 2.0], [3.0, 4.0]]))
        tensor(-2.)
    """
    check_square("linalg.det", A)
    return cast(Determinant.apply(_in_double(A)), A.dtype)


def _in_double(A: Tensor) -> Tensor:
    return cast(A, dtypes.complex128 if A.is_complex() else dtypes.float64)


class SignLogDeterminant(Op):
    saves = (0,)
    saves_output = True

    def forward(self, A: Any, out: Any = None) -> Any:
        return tuple(self.xp.linalg.slogdet(A))

    def backward(self, gsign: Tensor, glog: Tensor) -> Any:
        A, sign, logabsdet = self.saved
        weight = glog
        if A.is_complex():  # the phase turns with the imaginary part of the logarithm
            turned = cast(mul(mul(conj(gsign), sign), -1j), glog.dtype)
            weight = sub(cast(glog, A.dtype), mul(turned, 1j))
        regular = _as_matrices(logabsdet != -math.inf)
        return mul(_as_matrices(weight), adjoint(where(regular, _inverse_if(regular, A), math.inf)))


def slogdet(A: Tensor) -> Slogdet:
    """Return the sign and the logarithm of the absolute value of the determinant: ``[*, n, n] -> [*], [*]``.

    A singular matrix has sign 0 and logarithm -inf; of complex matrices the sign is a number of absolute value 1.

    Raises:
        RuntimeError: no square matrices, or no floating-point or complex type.
    """
    check_square("linalg.slogdet", A)
    sign, logabsdet = SignLogDeterminant.apply(_in_double(A))
    return Slogdet(cast(sign, A.dtype), cast(logabsdet, A.dtype.to_real()))


def logdet(input: Tensor) -> Tensor:
    """Return the logarithm of the determinant; NaN for a negative one, of complex matrices the principal value."""
    sign, logabsdet = slogdet(input)
    if input.is_complex():
        return add(logabsdet, log(sign))
    return where(sign == -1, math.nan, logabsdet)
