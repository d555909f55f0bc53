"""Exponentials and logarithms beyond ``exp`` and ``log``, written so that they neither overflow nor cancel."""

from __future__ import annotations

import math
from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import add, clamp, conj, div, mul, rsub, sub
from trainctl.autograd.ops.cast import check_tensor, refuse, to_float
from trainctl.autograd.ops.comparison import where
from trainctl.autograd.ops.elementary import elementary, of_two_floats, of_two_tensors, real_valued
from trainctl.autograd.ops.elementwise import exp, reciprocal
from trainctl.autograd.tensor import Tensor

METHODS = "exp2 expm1 log10 log1p log2 logaddexp logaddexp2 logit xlogy"
IN_PLACE = "exp2 expm1 log10 log1p log2 logit xlogy"
FUNCTIONS = METHODS


def _exp2_derivative(x: Tensor) -> Tensor:
    return mul(exp2(x), math.log(2))


exp2 = elementary("exp2", "exp2", "2 to the power of each element", _exp2_derivative)
log2 = elementary("log2", "log2", "the logarithm to base 2", lambda x: reciprocal(mul(x, math.log(2))))
log10 = elementary("log10", "log10", "the logarithm to base 10", lambda x: reciprocal(mul(x, math.log(10))))


class Expm1(Op):
    saves_output = True

    def forward(self, x: Any, out: Any = None) -> Any:
        return self.xp.expm1(x, out=out)

    def backward(self, gy: Tensor) -> Any:
        (y,) = self.saved
        return mul(gy, conj(add(y, 1)))


def expm1(input: Tensor) -> Tensor:
    """Return ``exp(x) - 1``, exact for small elements; integers become the default floating-point dtype."""
    return real_valued(Expm1, "expm1", input, complex=True)


class Log1p(Op):
    saves = (0,)

    def forward(self, x: Any, out: Any = None) -> Any:
        return log1p_array(self.xp, x, out)

    def backward(self, gy: Tensor) -> Any:
        (x,) = self.saved
        return div(gy, conj(add(x, 1)))


def log1p_array(xp: Any, z: Any, out: Any = None) -> Any:
    """Return ``log(1 + z)``; the real part is exact for small complex numbers too, which NumPy's is not."""
    if z.dtype.kind != "c":
        return xp.log1p(z, out=out)
    x, y = z.real, z.imag
    size = xp.where(xp.abs(z) < 0.5, xp.log1p(x * (x + 2) + y * y) / 2, xp.log(xp.hypot(x + 1, y)))
    result = xp.empty_like(z) if out is None else out
    result.real[...], result.imag[...] = size, xp.arctan2(y, x + 1)
    return result


def log1p(input: Tensor) -> Tensor:
    """Return ``log(1 + x)``, exact for small elements; integers become the default floating-point dtype."""
    return real_valued(Log1p, "log1p", input, complex=True)


class Logit(Op):
    saves = (0,)

    def forward(self, x: Any, out: Any = None) -> Any:
        return self.xp.log(self.xp.true_divide(x, 1 - x), out=out)

    def backward(self, gy: Tensor) -> Any:
        (x,) = self.saved
        inside = (x >= 0) & (x <= 1)
        return where(inside, div(gy, mul(x, rsub(x, 1))), math.nan)


def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """Return ``log(x / (1 - x))``, the inverse of :func:`sigmoid`; NaN outside [0, 1].

    Args:
        input: probabilities; integers become the default floating-point dtype.
        eps: limit the elements to ``[eps, 1 - eps]`` first.

    Example:
        >>> import trainctl
        >>> logit(trainctl.tensor([0.5, 0.0]), eps=0.25)
        tensor([ 0.0000, -1.0986])
    """
    check_tensor("logit", input, "input")
    refuse("c", "logit", input)
    input = to_float(input)
    return real_valued(Logit, "logit", input if eps is None or eps < 0 else clamp(input, eps, 1 - eps))


class Xlogy(Op):
    saves = (0, 1)

    def forward(self, x: Any, y: Any, out: Any = None) -> Any:
        xp = self.xp
        x, y = xp.asarray(x, xp.result_type(x, y)), xp.asarray(y, xp.result_type(x, y))
        zero = xp.logical_and(x == 0, xp.logical_not(xp.isnan(y)))
        return xp.where(zero, xp.zeros((), x.dtype), x * xp.log(y))

    def backward(self, gy: Tensor) -> Any:
        x, y = self.saved
        gx = where((x == 0) & (y <= 0), 0, xlogy(gy, y)) if self.needs(0) else None
        return gx, div(mul(gy, x), y) if self.needs(1) else None


def xlogy(input: Any, other: Any) -> Tensor:
    """Return ``input * log(other)``, 0 where ``input`` is 0 (unless ``other`` is NaN); shapes broadcast.

    Raises:
        TypeError: neither is a tensor.
        NotImplementedError: complex operands.

    Example:
        >>> import trainctl
        >>> xlogy(trainctl.tensor([0.0, 2.0]), trainctl.tensor([0.0, 1.0]))
        tensor([0., 0.])
    """
    return of_two_floats(Xlogy, "xlogy", input, other, second="")


class Logaddexp(Op):
    saves = (0, 1)

    def forward(self, x: Any, y: Any, out: Any = None) -> Any:
        xp = self.xp
        if x.dtype.kind != "c":
            return xp.logaddexp(x, y, out=out)
        swap = x.real < y.real
        return xp.add(xp.where(swap, y, x), log1p_array(xp, xp.exp(xp.where(swap, x - y, y - x))), out=out)

    def backward(self, gy: Tensor) -> Any:
        x, y = self.saved
        return _share(self, gy, exp(sub(y, x)))


class Logaddexp2(Op):
    saves = (0, 1)

    def forward(self, x: Any, y: Any, out: Any = None) -> Any:
        return self.xp.logaddexp2(x, y, out=out)

    def backward(self, gy: Tensor) -> Any:
        x, y = self.saved
        return _share(self, gy, exp2(sub(y, x)))


def _share(node: Op, gy: Tensor, ratio: Tensor) -> tuple[Any, Any]:
    """Split a gradient between two terms of a sum, of which the second is ``ratio`` times the first."""
    first = div(gy, conj(add(ratio, 1))) if node.needs(0) else None
    return first, div(gy, conj(add(reciprocal(ratio), 1))) if node.needs(1) else None


def logaddexp(input: Tensor, other: Tensor) -> Tensor:
    """Return ``log(exp(input) + exp(other))`` without overflow; shapes broadcast.

    Raises:
        NotImplementedError: integers or bools.
    """
    return of_two_tensors(Logaddexp, "logaddexp", input, other, "bui")


def logaddexp2(input: Tensor, other: Tensor) -> Tensor:
    """Return ``log2(2 ** input + 2 ** other)`` without overflow; shapes broadcast.

    Raises:
        NotImplementedError: integers, bools or complex numbers.
    """
    return of_two_tensors(Logaddexp2, "logaddexp2", input, other, "buic")
