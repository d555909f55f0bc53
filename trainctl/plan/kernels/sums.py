"""Sums over all places of images that lie channels last: the gradients of biases."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy

from trainctl.autograd.ops.reduction import Sum
from trainctl.plan.lowering import Context, Run, cut, lowers, plain_float, rows_of
from trainctl.plan.trace import Apply

_ROWS = 1 << 12  # that are summed at once; their sums are then summed in order


@lowers(Sum)
def sum_of_places(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """Each channel's sum: a product of ones with the rows, block by block. It differs by rounding from the op's own."""
    (x,), (out,) = arrays, outs
    if out is None or not plain_float(x, out) or x.ndim != 4 or record.params["dims"] != (0, 2, 3) or not x.size:
        return None
    rows = rows_of(x)
    if rows is None:
        return None
    blocks = cut(len(rows), _ROWS)
    ones = numpy.ones((1, _ROWS), numpy.float32)
    partial_sums = numpy.empty((len(blocks), 1, rows.shape[1]), numpy.float32)
    parts = [
        partial(numpy.matmul, ones[:, : block.stop - block.start], rows[block], out=partial_sums[number])
        for number, block in enumerate(blocks)
    ]
    target = out.reshape(-1)
    return [context.in_parts(parts), partial(numpy.add.reduce, partial_sums[:, 0], axis=0, out=target)]
