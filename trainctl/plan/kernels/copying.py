"""Small arrays put where a loop will work on them, without NumPy's call."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy

from trainctl.backend import jit
from trainctl.backend.arrays import Array
from trainctl.plan.lowering import Run


@jit.kernel("void(f4[::1], f4[::1])", exact=True)
def copy_elements(x: Any, y: Any) -> None:
    """Copy each element."""
    for i in range(y.size):
        y[i] = x[i]


@jit.kernel("void(f4[::1], f4[::1], f4[::1])", exact=True)
def add_elements(x: Any, y: Any, z: Any) -> None:
    """Leave the sum of each two elements."""
    for i in range(z.size):
        z[i] = x[i] + y[i]


def copied(given: Array | None, target: Array) -> Run:
    """Return the call that copies float32 arrays without gaps; None stands for zeros."""
    source = numpy.zeros(target.size, numpy.float32) if given is None else given.reshape(-1)
    return partial(copy_elements.compiled, source, target.reshape(-1))
