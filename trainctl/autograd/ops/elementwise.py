"""Functions of each element."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import conj, div, mul, neg, pow, rsub
from trainctl.autograd.ops.cast import to_float
from trainctl.autograd.tensor import Tensor


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
    """Return the absolute value of each element."""
    return Abs.apply(input)


class Sgn(Op):
    def forward(self, x: Any, out: Any = None) -> Any:
        return self.xp.sign(x, out=out)

    def backward(self, gy: Tensor) -> Any:
        if gy.is_complex():
            return super().backward(gy)
        return mul(gy, 0)


def sgn(input: Tensor) -> Tensor:
    """Return ``x / |x|``, 0 for 0."""
    return Sgn.apply(input)


def sign(input: Tensor) -> Tensor:
    """Return -1, 0 or 1 by the sign of each element."""
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


class Sigmoid(Op):
    saves_output = True

    def forward(self, x: Any, out: Any = None) -> Any:
        xp = self.xp
        y = xp.tanh(xp.multiply(x, 0.5), out=out)  # 1 / (1 + exp(-x)) without overflow
        y *= 0.5
        y += 0.5
        return y

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


def rsqrt(input: Tensor) -> Tensor:
    """Return ``1 / sqrt(input)``."""
    return reciprocal(sqrt(input))
