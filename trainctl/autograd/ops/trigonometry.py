"""Trigonometric and hyperbolic functions, their inverses, and angles (all in radians)."""

from __future__ import annotations

import math
from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import add, div, mul, neg, rsub, sub
from trainctl.autograd.ops.cast import check_tensor, refuse, to_float
from trainctl.autograd.ops.comparison import where
from trainctl.autograd.ops.elementary import elementary, of_two_floats, of_two_tensors, real_valued
from trainctl.autograd.ops.elementwise import cos, reciprocal, rsqrt, sin, square
from trainctl.autograd.tensor import Tensor

METHODS = (
    "acos acosh asin asinh atan atan2 atanh cosh deg2rad hypot rad2deg sinc sinh tan "
    "arccos=acos arccosh=acosh arcsin=asin arcsinh=asinh arctan=atan arctan2=atan2 arctanh=atanh"
)
IN_PLACE = METHODS
FUNCTIONS = METHODS


def _acosh_derivative(x: Tensor) -> Tensor:
    """Return ``1 / sqrt(x^2 - 1)``; for complex numbers the product of roots, which is not the root of the product."""
    return mul(rsqrt(sub(x, 1)), rsqrt(add(x, 1))) if x.is_complex() else rsqrt(sub(square(x), 1))


def _sinh_derivative(x: Tensor) -> Tensor:
    return cosh(x)


def _tan_derivative(x: Tensor) -> Tensor:
    return add(square(tan(x)), 1)


sinh = elementary("sinh", "sinh", "the hyperbolic sine of each element", _sinh_derivative)
cosh = elementary("cosh", "cosh", "the hyperbolic cosine of each element", sinh)
tan = elementary("tan", "tan", "the tangent of each element (radians)", _tan_derivative)
asin = elementary("asin", "arcsin", "the angle whose sine each element is", lambda x: rsqrt(rsub(square(x), 1)))
acos = elementary("acos", "arccos", "the angle whose cosine each element is", lambda x: neg(rsqrt(rsub(square(x), 1))))
atan = elementary("atan", "arctan", "the angle whose tangent each element is", lambda x: reciprocal(add(square(x), 1)))
asinh = elementary("asinh", "arcsinh", "the inverse hyperbolic sine", lambda x: rsqrt(add(square(x), 1)))
acosh = elementary("acosh", "arccosh", "the inverse hyperbolic cosine", _acosh_derivative)
atanh = elementary("atanh", "arctanh", "the inverse hyperbolic tangent", lambda x: reciprocal(rsub(square(x), 1)))


class Sinc(Op):
    saves = (0,)

    def forward(self, x: Any, out: Any = None) -> Any:
        xp = self.xp
        turn = xp.multiply(x, math.pi)
        return xp.where(turn == 0, 1, xp.sin(turn) / turn).astype(x.dtype)

    def backward(self, gy: Tensor) -> Any:
        (x,) = self.saved
        turn = mul(x, math.pi)
        slope = div(sub(mul(turn, cos(turn)), sin(turn)), mul(turn, x))
        return mul(gy, where(x == 0, 0, slope).conj())


def sinc(input: Tensor) -> Tensor:
    """Return ``sin(pi x) / (pi x)`` for each element, 1 for 0."""
    return real_valued(Sinc, "sinc", input, complex=True)


class Atan2(Op):
    saves = (0, 1)

    def forward(self, y: Any, x: Any, out: Any = None) -> Any:
        return self.xp.arctan2(y, x, out=out)

    def backward(self, gy: Tensor) -> Any:
        y, x = self.saved
        squares = add(square(y), square(x))
        scaled = where(squares == 0, 0, div(gy, squares))
        return mul(scaled, x) if self.needs(0) else None, neg(mul(scaled, y)) if self.needs(1) else None


def atan2(input: Tensor, other: Tensor) -> Tensor:
    """Return the angle of the point ``(x=other, y=input)``, in ``[-pi, pi]``; shapes broadcast.

    Example:
        >>> import trainctl
        >>> atan2(trainctl.tensor([1.0, -1.0]), trainctl.tensor([-1.0, -1.0]))
        tensor([ 2.3562, -2.3562])
    """
    return of_two_floats(Atan2, "atan2", input, other)


class Hypot(Op):
    saves = (0, 1)
    saves_output = True

    def forward(self, x: Any, y: Any, out: Any = None) -> Any:
        return self.xp.hypot(x, y, out=out)

    def backward(self, gy: Tensor) -> Any:
        x, y, length = self.saved
        scaled = div(gy, length)
        return mul(scaled, x) if self.needs(0) else None, mul(scaled, y) if self.needs(1) else None


def hypot(input: Tensor, other: Tensor) -> Tensor:
    """Return ``sqrt(input^2 + other^2)`` without overflow; shapes broadcast.

    Raises:
        NotImplementedError: integers, bools or complex numbers.
    """
    return of_two_tensors(Hypot, "hypot", input, other, "buic")


def deg2rad(input: Tensor) -> Tensor:
    """Return angles in degrees as radians."""
    return _scaled_angle("deg2rad", input, math.pi / 180)


def rad2deg(input: Tensor) -> Tensor:
    """Return angles in radians as degrees."""
    return _scaled_angle("rad2deg", input, 180 / math.pi)


def _scaled_angle(name: str, input: Tensor, factor: float) -> Tensor:
    check_tensor(name, input, "input")
    refuse("c", name, input)
    return mul(to_float(input), factor)
