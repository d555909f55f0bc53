"""ReLU and its gradient on arrays too small to be cut: one compiled call costs a third of NumPy's several.

Large ones are runs of :mod:`trainctl.plan.elementwise`. The bits are those of the ops' own forward.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy

from trainctl.autograd.ops.activation import ReLU, ReLUGradient
from trainctl.backend import jit
from trainctl.plan.lowering import Context, Run, lowers, plain_float
from trainctl.plan.trace import Apply

_MOST = 1 << 16  # elements: 10 microseconds, not worth a second thread


@jit.kernel("void(f4[::1], f4[::1])", exact=True)
def rectify(x: Any, y: Any) -> None:
    """Leave each element where it is positive or NaN, else 0."""
    for i in range(x.size):
        y[i] = numpy.float32(0) if x[i] <= 0 else x[i]


@jit.kernel("void(f4[::1], f4[::1], f4[::1])", exact=True)
def rectify_gradient(gy: Any, y: Any, gx: Any) -> None:
    """Leave ``gy`` where ``y`` is not 0, and ``gy`` times 0 elsewhere."""
    for i in range(gy.size):
        gx[i] = gy[i] * numpy.float32(y[i] != 0)


@lowers(ReLU, ReLUGradient)
def rectified(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """One pass."""
    given = [*arrays, *outs]
    if not context.compiled or not plain_float(*given) or given[0].size > _MOST:
        return None
    if any(each.shape != outs[0].shape or not each.flags.c_contiguous for each in given):
        return None
    loop = rectify if record.op is ReLU else rectify_gradient
    return [partial(loop.compiled, *(each.reshape(-1) for each in given))]
