"""The error function, its complement and its inverse, in plain array arithmetic (no array library has them).

``erf(x) = tanh(x g(x^2))`` with a smooth ``g``, here as one rational function: ``g = 1 + P / Q``. What has to be
right to the last digits is then small next to 1, and ``tanh`` saturates by itself. The complement keeps its relative
precision far out by ``erfc(x) = exp(-x^2) R(x)``. The coefficients are fits of minimal largest error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import mul, neg
from trainctl.autograd.ops.elementary import real_valued
from trainctl.autograd.ops.elementwise import exp, square
from trainctl.autograd.tensor import Tensor

METHODS = "erf erfc erfinv"
IN_PLACE = METHODS
FUNCTIONS = METHODS

# g for x^2 up to 15.5 (from there erf is 1 in float32; largest error 3e-9), constant term first
_P32 = (0.12837917105293678, 0.12291360915281681, 0.018955660604297115, 0.0018529537095051355)
_Q32 = (1.0, 0.15688761395044765, 0.023686251774771027, 0.0003248176179636985)
# ... and for x^2 up to 36, for float64 (1e-17)
_P64 = (
    0.1283791670955126, 0.16362490017834125, 0.06600478711929311, 0.0165650229967771, 0.002777316265226917,
    0.00032619867666117315, 2.7073172545143375e-05, 1.500646140390117e-06, 5.1374198024264706e-08, 4.4474140253660853e-10,
)  # fmt: skip
_Q64 = (
    1.0, 0.4740044530054456, 0.13630957844168062, 0.025279919525122464, 0.0032945452113267667, 0.00030586590930893685,
    1.927978617450577e-05, 8.153815973567383e-07, 1.400150161116044e-08, 2.904483042644732e-11,
)  # fmt: skip
# R for x from 0.45 on (3e-16)
_TAIL_P = (
    1.0000000003224714, 2.1065829181978546, 2.1830123432034445, 1.422717073022674, 0.632572027818963,
    0.19624681766888952, 0.041682125710034115, 0.005608419396615012, 0.00037660341722326867,
)  # fmt: skip
_TAIL_Q = (
    1.0, 3.2349620902066136, 4.833276137248534, 4.393776017404962, 2.690649951276789,
    1.1578107526140675, 0.35280876159829944, 0.07421340027353986, 0.009940664557729394, 0.0006675121771164529,
)  # fmt: skip
_SPLIT = 2.0**27 + 1


def _polynomial(xp: Any, coefficients: Sequence[float], x: Any) -> Any:
    """Return a polynomial, the constant term first, by Horner's rule in place."""
    y = xp.asarray(xp.multiply(x, coefficients[-1]))
    for each in coefficients[-2:0:-1]:
        y += each
        y *= x
    y += coefficients[0]
    return y


def erf_array(xp: Any, x: Any, out: Any = None) -> Any:
    """Return the error function of float32 or float64 elements, to about 2 units in the last place."""
    limit, p, q = (15.5, _P32, _Q32) if x.dtype == xp.float32 else (36.0, _P64, _Q64)
    z = xp.asarray(xp.multiply(x, x))
    xp.minimum(z, limit, out=z)
    y = _polynomial(xp, p, z)
    y /= _polynomial(xp, q, z)
    y *= x
    y += x
    return xp.tanh(y, out=y if out is None else out)


def _tail(xp: Any, x: Any) -> Any:
    """Return ``erfc`` of float64 elements from 0.5 on, to about 1e-15 relative: ``exp`` gets the square exactly."""
    high = x * _SPLIT
    high = high - (high - x)  # half the digits, whose square has no rounding error
    squares = xp.exp(-high * high) * xp.exp((high - x) * (high + x))
    return squares * _polynomial(xp, _TAIL_P, x) / _polynomial(xp, _TAIL_Q, x)


def _erfc64(xp: Any, x: Any) -> Any:
    """Return the complement of float64 elements."""
    tail = _tail(xp, xp.clip(xp.abs(x), 0.5, 30.0))
    return xp.where(x < -0.5, 2 - tail, xp.where(x > 0.5, tail, 1 - erf_array(xp, x)))


def _erfinv64(xp: Any, y: Any) -> Any:
    """Return the inverse of float64 elements: Winitzki's approximation, good to 0.2 %, and two of Halley's steps."""
    logs = xp.log1p(-xp.abs(y)) + xp.log1p(xp.abs(y))
    middle = 2 / (math.pi * 0.147) + logs / 2
    x = xp.copysign(xp.sqrt(xp.maximum(xp.sqrt(middle * middle - logs / 0.147) - middle, 0)), y)
    for _ in range(2):
        beyond = xp.copysign(1 - xp.abs(y), y) - xp.copysign(_erfc64(xp, xp.abs(x)), x)
        error = xp.where(xp.abs(y) < 0.5, erf_array(xp, x) - y, beyond) * xp.exp(x * x) * (math.sqrt(math.pi) / 2)
        x = x - error / (1 + x * error)
    return xp.where(xp.abs(y) == 1, xp.copysign(xp.inf, y), x)


class Erf(Op):
    saves = (0,)

    def forward(self, x: Any, out: Any = None) -> Any:
        return erf_array(self.xp, x, out)

    def backward(self, gy: Tensor) -> Any:
        (x,) = self.saved
        return mul(gy, mul(exp(neg(square(x))), 2 / math.sqrt(math.pi)))


def erf(input: Tensor) -> Tensor:
    """Return the error function of each element, ``2 / sqrt(pi)`` times the integral of ``exp(-t^2)`` from 0."""
    return real_valued(Erf, "erf", input)


class Erfc(Op):
    saves = (0,)

    def forward(self, x: Any, out: Any = None) -> Any:
        return _erfc64(self.xp, x.astype(self.xp.float64)).astype(x.dtype)

    def backward(self, gy: Tensor) -> Any:
        (x,) = self.saved
        return mul(gy, mul(exp(neg(square(x))), -2 / math.sqrt(math.pi)))


def erfc(input: Tensor) -> Tensor:
    """Return ``1 - erf(x)`` for each element, precise however small it is."""
    return real_valued(Erfc, "erfc", input)


class Erfinv(Op):
    saves_output = True

    def forward(self, x: Any, out: Any = None) -> Any:
        return _erfinv64(self.xp, x.astype(self.xp.float64)).astype(x.dtype)

    def backward(self, gy: Tensor) -> Any:
        (y,) = self.saved
        return mul(gy, mul(exp(square(y)), math.sqrt(math.pi) / 2))


def erfinv(input: Tensor) -> Tensor:
    """Return the number whose error function each element is: infinite for -1 and 1, NaN beyond."""
    return real_valued(Erfinv, "erfinv", input)
