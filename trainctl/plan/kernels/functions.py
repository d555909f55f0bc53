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
