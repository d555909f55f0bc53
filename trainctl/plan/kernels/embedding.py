"""Tables of rows: what is looked up in them, and their gradients as the sums of the rows that were used."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy

from trainctl.autograd.ops.embedding import Embedding, check_index
from trainctl.autograd.tensor import Tensor
from trainctl.backend import jit
from trainctl.backend.arrays import Array
from trainctl.plan.lowering import Context, Run, lowers
from trainctl.plan.table_gradient import RowSums
from trainctl.plan.trace import Apply


@jit.kernel("i8(f4[:,:], i8[::1], i8, i4[::1], f4[:,::1], i8[::1], i8)", exact=True)
def add_rows(x: Any, index: Any, skipped: int, place: Any, sums: Any, used: Any, before: int) -> int:
    """Sum the rows of ``x`` that go to one row of the table; return how many rows of it were used.

    ``before`` is what the last call returned: the places that it left are forgotten first. Where an index is no row
    nothing is done, and -1 returned.
    """
    for number in range(index.size):
        if index[number] < 0 or index[number] >= place.size:
            return -1
    for number in range(before):
        place[used[number]] = -1
    count = 0
    for number in range(index.size):
        row = index[number]
        if row == skipped:
            continue
        given = x[number]
        if place[row] < 0:
            place[row] = count
            used[count] = row
            total = sums[count]
            for i in range(given.size):
                total[i] = given[i]
            count += 1
        else:
            total = sums[place[row]]
            for i in range(given.size):
                total[i] += given[i]
    return count


@lowers(Embedding)
def rows(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """The rows, after a look at the indices: the step's own check is not part of the plan."""
    (weight, index), (out,) = arrays, outs
    if out is None or not out.flags.c_contiguous or not len(weight):
        return None
    return [partial(_look_up, weight, index, out)]


def _look_up(weight: Array, index: Array, out: Array) -> None:
    if index.size and not 0 <= index.min() <= index.max() < len(weight):
        check_index("embedding", Tensor._wrap(index), len(weight), IndexError)
    numpy.take(weight, index, 0, out, "clip")  # several times as fast as with another look at the indices


def sum_rows(record: Apply, arrays: list[Any]) -> tuple[RowSums, Run]:
    """Return the sums of rows that a record's gradient is, and the call that makes them anew.

    Sums have the bits of the op's own: rows are added in their order.
    """
    x, index = arrays
    rows = RowSums(record.params["rows"], x.shape[-1], index.size)
    skipped = record.params["skipped"]
    numbers, given = numpy.empty(index.size, numpy.int64), numpy.empty((index.size, x.shape[-1]), x.dtype)
    call = partial(_sum, rows, x, given.reshape(x.shape), index, numbers.reshape(index.shape))
    return rows, partial(call, given, numbers, -1 if skipped is None else skipped)


def _sum(
    rows: RowSums, x: Array, x_copy: Array, index: Array, index_copy: Array, given: Array, numbers: Array, skipped: int
) -> None:
    numpy.copyto(x_copy, x)
    numpy.copyto(index_copy, index)
    count = add_rows.compiled(given, numbers, skipped, rows.place, rows.sums, rows.used, rows.count)
    if count < 0:  # a forward that nobody reads is not part of the plan, nor is its look at the indices
        check_index("embedding", Tensor._wrap(index), rows.place.size, IndexError)
    rows.count = count
