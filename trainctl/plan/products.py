"""Who has the threads: the pool, or the BLAS library in a plan of which products are nearly all the work.

Its workers wait spinning and take up a product of 0.1 ms at once, where waking a thread of the pool costs as much as
it saves. They would take the cores from the pool, so a plan has either.
"""

from __future__ import annotations

import math

from trainctl.autograd.ops.linalg import Linear, MatMul
from trainctl.plan.trace import Apply, Gradient, Record

PRODUCTS = (Linear, MatMul)

_LARGE = 1 << 20  # multiplications: from here several threads are worth it
_CUT = 1 << 14  # elements that the pool would share
_WEIGHTS = 1 << 19  # elements of parameters whose update the pool would share


def blas_threads(records: list[Record], threads: int) -> int:
    """Return how many threads BLAS is to use in a plan that may use ``threads``; above 1, the pool uses none."""
    large = False
    weights = 0
    for record in records:
        if isinstance(record, Gradient):
            weights += record.leaf.numel()
        elif isinstance(record, Apply) and not record.is_view:
            size = max((math.prod(each.shape) for each in record.outputs), default=0)
            if record.op in PRODUCTS:
                large = large or size * record.inputs[0].shape[-1] >= _LARGE
            elif size >= _CUT:
                return 1
    return threads if large and weights <= _WEIGHTS else 1
