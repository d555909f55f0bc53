"""Functions of each element."""

from __future__ import annotations

import math
from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import conj, div, mul, neg, pow, rsub, sub, zeros_as
from trainctl.autograd.ops.cast import cast, refuse, to_float
from trainctl.autograd.tensor import Tensor

METHODS = "exp log sqrt abs sgn sign tanh sigmoid sin cos square reciprocal rsqrt absolute=abs"
IN_PLACE = "exp log sqrt abs=_real_abs sgn sign tanh sigmoid sin cos square reciprocal rsqrt absolute=_real_abs"
FUNCTIONS = "exp log sqrt abs sgn sign tanh sigmoid sin cos square reciprocal rsqrt absolute=abs"
FUNCTIONAL = "sigmoid tanh"


_LOG2_E = 1 / math.log(2)


def unary(cls: type[Op], x: Tensor) -> Tensor:
    """Apply a function of floating-point elements; integers become the default floating-point dtype."""
    return cls.apply(to_float(x))


class Exp(Op):
    saves_output = True

    def forward(self, x: Any, out: Any = None) -> Any:
        return self.xp.exp(x, out=out)

    def backward(self, gy: Tensor) -> Any:
        (y,) = self.saved
        return mul(gy, conj(y))


def exp(input: Tensor) -> Tensor:
    """Return e to the power of each element."""
    return unary(Exp, input)


class Log(Op):
    saves = (0,)

    def forward(self, x: Any, out: Any = None) -> Any:
        return self.xp.log(x, out=out)

    def backward(self, gy: Tensor) -> Any:
        (x,) = self.saved
        return div(gy, conj(x))


def log(input: Tensor) -> Tensor:
    """Return the natural logarithm of each element."""
    return unary(Log, input)


class Sqrt(Op):
    saves_output = True

    def forward(self, x: Any, out: Any = None) -> Any:
        return self.xp.sqrt(x, out=out)

    def backward(self, gy: Tensor) -> Any:
        (y,) = self.saved
        return div(gy, mul(conj(y), 2))


def sqrt(input: Tensor) -> Tensor:
    """Return the square root of each element."""
    return unary(Sqrt, input)


class Abs(Op):
    saves = (0,)

    def forward(self, x: Any, out: Any = None) -> Any:
        return self.xp.abs(x, out=out)

    def backward(self, gy: Tensor) -> Any:
        (x,) = self.saved
        return mul(gy, sgn(x))


def abs(input: Tensor) -> Tensor:
    """Return the absolute value of each element.

    Raises:
        RuntimeError: a bool tensor.
    """
    refuse("b", "abs", input)
    return Abs.apply(input)


def _real_abs(input: Tensor) -> Tensor:
    """Return :func:`abs` for its in-place form, which a complex tensor cannot hold."""
    if input.is_complex():
        raise RuntimeError("In-place abs is not supported for complex tensors.")
    return abs(input)


class Sgn(Op):
    saves = (0,)
    saves_output = True

    def forward(self, x: Any, out: Any = None) -> Any:
        if x.dtype.kind == "c":
            return self.xp.where(x == 0, x, x / self.xp.abs(x))  # NaN where a part is infinite, as PyTorch's
        if x.dtype.kind == "b":
            return self.xp.logical_and(x, x, out=out)
        return self.xp.subtract(x > 0, x < 0, out=out, dtype=x.dtype)  # 0 for NaN, as PyTorch's

    def backward(self, gy: Tensor) -> Any:
        from trainctl.autograd.ops.comparison import where

        x, y = self.saved
        if not gy.is_complex():
            return zeros_as(gy)
        along = mul(y, cast(cast(mul(gy, conj(y)), gy.dtype.to_real()), gy.dtype))
        return where(x == 0, 0, div(sub(gy, along), abs(x)))


def sgn(input: Tensor) -> Tensor:
    """Return ``x / |x|``, 0 for 0."""
    return Sgn.apply(input)


def sign(input: Tensor) -> Tensor:
    """Return -1, 0 or 1 by the sign of each element.

    Raises:
        RuntimeError: complex elements, for which there is :func:`sgn`.
    """
    refuse("c", "sign", input)
    return Sgn.apply(input)


class Tanh(Op):
    saves_output = True

    def forward(self, x: Any, out: Any = None) -> Any:
        return self.xp.tanh(x, out=out)

    def backward(self, gy: Tensor) -> Any:
        (y,) = self.saved
        return mul(gy, conj(rsub(mul(y, y), 1)))


def tanh(input: Tensor) -> Tensor:
    """Return the hyperbolic tangent of each element."""
    return unary(Tanh, input)


def sigmoid_array(xp: Any, x: Any, out: Any = None) -> Any:
    """Return ``1 / (1 + exp(-x))``; the relative precision holds for the smallest values too."""
    if x.dtype.kind == "f" and x.dtype.itemsize < 8:  # exp2 takes half of exp's time there
        y = xp.exp2(xp.multiply(x, -_LOG2_E, dtype=xp.float32))
    else:
        y = xp.exp(xp.negative(x))
    y += 1
    y = xp.true_divide(1, y, out=out)
    return y.astype(x.dtype, copy=False) if out is None else y


class Sigmoid(Op):
    saves_output = True

    def forward(self, x: Any, out: Any = None) -> Any:
        return sigmoid_array(self.xp, x, out)

    def backward(self, gy: Tensor) -> Any:
        (y,) = self.saved
        return mul(gy, conj(mul(y, rsub(y, 1))))


def sigmoid(input: Tensor) -> Tensor:
    """Return ``1 / (1 + exp(-x))`` for each element."""
    return unary(Sigmoid, input)


class Sin(Op):
    saves = (0,)

    def forward(self, x: Any, out: Any = None) -> Any:
        return self.xp.sin(x, out=out)

    def backward(self, gy: Tensor) -> Any:
        (x,) = self.saved
        return mul(gy, conj(cos(x)))


def sin(input: Tensor) -> Tensor:
    """Return the sine of each element (radians)."""
    return unary(Sin, input)


class Cos(Op):
    saves = (0,)

    def forward(self, x: Any, out: Any = None) -> Any:
        return self.xp.cos(x, out=out)

    def backward(self, gy: Tensor) -> Any:
        (x,) = self.saved
        return neg(mul(gy, conj(sin(x))))


def cos(input: Tensor) -> Tensor:
    """Return the cosine of each element (radians)."""
    return unary(Cos, input)


def square(input: Tensor) -> Tensor:
    """Return each element times itself."""
    return pow(input, 2)


def reciprocal(input: Tensor) -> Tensor:
    """Return ``1 / input``."""
    return div(1.0, input)


class Rsqrt(Op):
    saves_output = True

    def forward(self, x: Any, out: Any = None) -> Any:
        return self.xp.true_divide(1, self.xp.sqrt(x), out=out)

    def backward(self, gy: Tensor) -> Any:
        (y,) = self.saved
        return mul(gy, conj(mul(pow(y, 3), -0.5)))


def rsqrt(input: Tensor) -> Tensor:
    """Return ``1 / sqrt(input)``."""
    return unary(Rsqrt, input)
