"""Softmax over the last dim as NumPy calls on blocks of rows: what runs where nothing is compiled.

The largest element of a whole block is taken off, which is found much faster than that of each row. Results differ
from the op's by rounding, unless a row is so far below that its exponentials vanish (or holds a NaN, or nothing but
-inf): the block is then left to the op.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

import numpy

from trainctl.backend.arrays import Array
from trainctl.plan.lowering import Context, Run, Workspace, cut
from trainctl.plan.trace import Apply

_PART = 1 << 16  # elements that one thread takes at a time
_LEAST = 1e-30  # a sum of exponentials down to here has lost no digits: exp(-17) of it is still a normal number


class _Rows:
    """What blocks of rows of one length share."""

    def __init__(self, x: Array) -> None:
        self.size = max(1, _PART // x.shape[-1])
        self.parts = cut(x.size // x.shape[-1], self.size)
        self.ones = numpy.ones(x.shape[-1], numpy.float32)
        rows = min(self.size, x.size // x.shape[-1])
        self.workspace = Workspace(
            lambda: (numpy.empty((rows, x.shape[-1]), numpy.float32), numpy.empty((rows, 1), numpy.float32))
        )

    def sums(self, x: Array, out: Array) -> None:
        """Leave the sum of each row in a column."""
        numpy.matmul(x, self.ones, out=out[:, 0])


def softmax(record: Apply, context: Context, x: Array, y: Array) -> list[Run]:
    """Return the calls that leave the softmax of each row of ``x [n, m]`` in ``y``."""
    rows, forward = _Rows(x), record.node().forward
    more = [None] * (len(record.inputs) - 1)
    return [
        context.in_parts(
            [
                partial(_softmax, rows, x[some], y[some], partial(forward, x[some], *more, out=y[some]))
                for some in rows.parts
            ]
        )
    ]


def masked(record: Apply, x: Array, mask: Array, y: Array, context: Context) -> list[Run]:
    """Return the calls that leave the softmax of scores ``x [..., n, m]`` with a mask in ``y``; the mask broadcasts."""
    rows, masks, forward = _Rows(x), numpy.broadcast_to(mask, x.shape), record.node().forward
    parts: list[Run] = []
    for some in _some(x.shape):
        given, out = (x[some], masks[some]), y[some]
        parts.append(partial(_masked, rows, *given, out, partial(forward, *given, out=out)))
    return [context.in_parts(parts)]


def _some(shape: tuple[int, ...]) -> Iterator[tuple[int | slice, ...]]:
    """Yield the indices of parts of an array that are no larger than they should be, each some rows at least."""
    lead = 0
    while lead < len(shape) - 2 and math.prod(shape[lead + 1 :]) > _PART:
        lead += 1
    size = max(1, _PART // math.prod(shape[lead + 1 :]))
    for index in numpy.ndindex(shape[:lead]):
        for part in cut(shape[lead], size):
            yield *index, part


def _masked(rows: _Rows, x: Array, mask: Array, y: Array, whole: Run) -> None:
    if mask.dtype == numpy.bool_:
        numpy.copyto(y, -numpy.inf)
        numpy.copyto(y, x, where=mask)
    else:
        numpy.add(x, mask, out=y)
    flat = y.reshape(-1, y.shape[-1])
    _softmax(rows, flat, flat, whole)


def _softmax(rows: _Rows, x: Array, y: Array, whole: Run) -> None:
    """Leave the softmax of each row; ``whole`` does it with the op's own code."""
    scratch = rows.workspace.take()
    sums = scratch[1][: len(x)]
    numpy.subtract(x, numpy.maximum.reduce(x, None), out=y)
    numpy.exp(y, out=y)
    rows.sums(y, sums)
    if numpy.minimum.reduce(sums, None) > _LEAST:
        numpy.divide(1, sums, out=sums)
        numpy.multiply(y, sums, out=y)
    else:
        whole()
    rows.workspace.give_back(scratch)


def gradient(context: Context, gy: Array, y: Array, gx: Array) -> list[Run]:
    """Return the calls that leave ``y * (gy - sum(gy * y))`` of each row of ``[n, m]``."""
    rows = _Rows(y)
    return [context.in_parts([partial(_gradient, rows, gy[some], y[some], gx[some]) for some in rows.parts])]


def _gradient(rows: _Rows, gy: Array, y: Array, gx: Array) -> None:
    product, sums = scratch = rows.workspace.take()
    numpy.multiply(gy, y, out=product[: len(y)])
    rows.sums(product[: len(y)], sums[: len(y)])
    numpy.subtract(gy, sums[: len(y)], out=gx)
    numpy.multiply(gx, y, out=gx)
    rows.workspace.give_back(scratch)
