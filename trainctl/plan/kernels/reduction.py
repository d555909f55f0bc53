"""Sums over what comes first in memory: gradients of biases, of whatever was added to every row.

Blocks of rows are summed in float32 (with NumPy alone as a product with ones) and the blocks in float64; eager mode
sums in float32 throughout.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy

from trainctl.autograd.ops.broadcasting import SumTo
from trainctl.autograd.ops.reduction import Mean, Sum, size_of
from trainctl.backend import jit
from trainctl.backend.arrays import Array
from trainctl.plan.kernels.column_sums import column_sums
from trainctl.plan.kernels.copying import copied
from trainctl.plan.kernels.table import Table
from trainctl.plan.lowering import Context, Run, cut, lowers, plain_float
from trainctl.plan.memory import memory_order
from trainctl.plan.trace import Apply

_LARGE = 1 << 14  # elements from which it is worth more than a call
_BLOCK = 32  # rows summed in float32


@jit.kernel("void(f4[:,::1], f8[::1], f4[:,::1])")
def column_totals(x: Any, total: Any, scratch: Any) -> None:
    """Leave the sum of each column."""
    some = scratch[0]
    total[:] = 0
    for start in range(0, x.shape[0], _BLOCK):
        some[:] = 0
        for i in range(start, min(start + _BLOCK, x.shape[0])):
            row = x[i]
            for j in range(row.size):
                some[j] += row[j]
        for j in range(some.size):
            total[j] += some[j]


@lowers(SumTo)
def sum_to(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """The sum over what a broadcast added or stretched."""
    (x,), (out,), shape = arrays, outs, record.params["shape"]
    lead = x.ndim - len(shape)
    dims = tuple(dim for dim in range(x.ndim) if dim < lead or (shape[dim - lead] == 1 and x.shape[dim] != 1))
    if (
        context.compiled
        and plain_float(x, out)
        and x.size == out.size
        and x.flags.c_contiguous
        and out.flags.c_contiguous
    ):
        return [copied(x, out)]
    found = column_sums(record, arrays, outs, context) or _over_rows(x, dims, out, 1, context)
    return found or _between(x, dims, out, 1, context)


@lowers(Sum)
def sum(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """The sum over some dims."""
    (x,), (out,), dims = arrays, outs, record.params["dims"]
    return _over_rows(x, dims, out, 1, context) or _between(x, dims, out, 1, context)


@lowers(Mean)
def mean(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """The mean over some dims."""
    (x,), (out,), dims = arrays, outs, record.params["dims"]
    count = size_of(x.shape, dims)
    return _over_rows(x, dims, out, count, context) or _between(x, dims, out, count, context)


def _over_rows(x: Array, dims: tuple[int, ...], out: Any, count: int, context: Context) -> list[Run] | None:
    """Return the calls for a sum over dims, divided by ``count``; None where they are not the first in memory."""
    if not plain_float(x, out) or x.size < _LARGE or not out.flags.c_contiguous:
        return None
    table = Table(x, dims)
    rows = table.rows(x) if table.fits and table.over_rows else None
    if rows is None:
        return None
    kept = [dim for dim in range(x.ndim) if dim not in dims]
    order = [kept.index(dim) for dim in table.order if dim in kept]
    target = out.reshape([x.shape[dim] for dim in kept]).transpose(order)
    totals = numpy.empty((len(table.parts), rows.shape[1]))
    finish = _finish(totals.reshape(-1, table.columns), count, target, context)

    if context.compiled:
        call, scratch = column_totals, table.scratch(1)
        parts: list[Run] = [partial(call, rows[part], totals[i], scratch[i]) for i, part in enumerate(table.parts)]
    else:
        ones, sums = numpy.ones(len(rows), numpy.float32), table.scratch(1)[:, 0]
        parts = [partial(_by_ones, ones[part], rows[part], sums[i], totals[i]) for i, part in enumerate(table.parts)]
    return [context.in_parts(parts), finish]


@jit.kernel("void(f4[:,:,:], i8, f4[:,:])", exact=True)
def sums_between(x: Any, count: int, sums: Any) -> None:
    """Leave the sums over the dim in the middle, in its order, divided by ``count``."""
    for i in range(x.shape[0]):
        total = sums[i]
        for k in range(total.size):
            total[k] = 0
        for j in range(x.shape[1]):
            row = x[i, j]
            for k in range(total.size):
                total[k] += row[k]
        for k in range(total.size):
            total[k] /= numpy.float32(count)


def _between(x: Array, dims: tuple[int, ...], out: Any, count: int, context: Context) -> list[Run] | None:
    """Return the calls for a sum over what lies between other dims in memory, as a pooling's pixels do."""
    if not context.compiled or not plain_float(x, out) or not x.size or not dims or not out.flags.c_contiguous:
        return None
    order = memory_order(x.shape, x.strides)
    where = sorted(order.index(dim) for dim in dims)
    first, last = where[0], where[-1]
    whole = x.transpose(order)
    kept = [dim for dim in order if dim not in dims]
    if last - first + 1 != len(where) or last == x.ndim - 1 or not whole.flags.c_contiguous or kept != sorted(kept):
        return None
    lead, inside = math.prod(whole.shape[:first]), math.prod(whole.shape[first : last + 1])
    rows = whole.reshape(lead, inside, -1)
    sums = out.reshape(lead, -1)
    dim = 0 if lead > 1 else 2
    some = cut(rows.shape[dim], max(1, _LARGE * rows.shape[dim] // x.size))
    places = [(part,) if lead > 1 else (slice(None), part) for part in some]
    parts = [partial(sums_between, rows[(*at[:1], slice(None), *at[1:])], count, sums[at]) for at in places]
    return [context.in_parts(parts)]


@jit.kernel("void(f8[:,::1], i8, f4[::1])", exact=True)
def add_totals(totals: Any, count: int, target: Any) -> None:
    """Leave the sums of the parts' totals, divided by ``count``."""
    for j in range(target.size):
        total = totals[0, j]
        for part in range(1, totals.shape[0]):
            total += totals[part, j]
        target[j] = total / count


def _finish(totals: Array, count: int, target: Array, context: Context) -> Run:
    """Return the call for what the parts left."""
    if context.compiled and target.flags.c_contiguous:
        return partial(add_totals, totals, count, target.reshape(-1))

    def finish() -> None:
        target[...] = (totals.sum(0) / count).reshape(target.shape)

    return finish


def _by_ones(ones: Array, rows: Array, sums: Array, total: Array) -> None:
    numpy.matmul(ones, rows, out=sums)
    total[...] = sums
