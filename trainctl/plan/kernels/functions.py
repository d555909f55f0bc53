"""Functions of one float32 number for compiled loops, in arithmetic that vectorises: what Numba calls itself does not."""

from __future__ import annotations

from typing import Any

import numpy

from trainctl.backend import jit

_f4 = numpy.float32
# tanh(x) / x as a rational function of x^2 up to 81, from where it is 1: a fit of least largest relative error (2e-8)
_P0, _P1, _P2 = _f4(0.9999999794467642), _f4(0.13381022822729136), _f4(0.003495584849591125)
_P3, _P4 = _f4(2.0609030975211256e-05), _f4(1.3354595223529387e-08)
_Q1, _Q2 = _f4(0.46714338412176337), _f4(0.025876969556453543)
_Q3, _Q4 = _f4(0.00032856295706785044), _f4(7.776530145271017e-07)
_ONE, _HALF, _FAR = _f4(1), _f4(0.5), _f4(9)


@jit.inline
def tanh(x: Any) -> Any:
    """Return the hyperbolic tangent, to 3e-7."""
    x = _FAR if x > _FAR else x  # so written a NaN stays
    x = -_FAR if x < -_FAR else x
    z = x * x
    above = _P0 + z * (_P1 + z * (_P2 + z * (_P3 + z * _P4)))
    below = _ONE + z * (_Q1 + z * (_Q2 + z * (_Q3 + z * _Q4)))
    y = x * above / below
    y = _ONE if y > _ONE else y
    return -_ONE if y < -_ONE else y


@jit.inline
def sigmoid(x: Any) -> Any:
    """Return ``1 / (1 + exp(-x))``, to 2e-7."""
    return _HALF * tanh(_HALF * x) + _HALF


# exp(x) = 2^n exp(r) with |r| <= log(2) / 2, log(2) in two parts; the series of exp(r), its end fitted (1e-8)
_LOG2_E, _LOG_2_HIGH, _LOG_2_LOW = _f4(1.4426950408889634), _f4(0.693359375), _f4(-2.12194440e-4)
_E2, _E3, _E4 = _f4(0.5), _f4(1 / 6), _f4(1 / 24)
_E5, _E6 = _f4(1 / 120), _f4(1 / 720)
_LEAST, _MOST, _ZERO = _f4(-87.3), _f4(88.7), _f4(0)


@jit.inline
def exp(x: Any) -> Any:
    """Return the exponential, to 2e-7 of it; 0 from -87.3 down."""
    bounded = _MOST if x > _MOST else x
    bounded = _LEAST if bounded < _LEAST else bounded
    n = numpy.floor(bounded * _LOG2_E + _HALF)
    r = bounded - n * _LOG_2_HIGH - n * _LOG_2_LOW
    y = _ONE + r * (_ONE + r * (_E2 + r * (_E3 + r * (_E4 + r * (_E5 + r * _E6)))))
    power = numpy.int32((numpy.int32(n) + numpy.int32(127)) << numpy.int32(23)).view(numpy.float32)
    return _ZERO if x < _LEAST else y * power
