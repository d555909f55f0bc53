"""Tables of rows: what is looked up in them, and their gradients as the sums of the rows that were used."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy

from trainctl.autograd.ops.embedding import Embedding, SumRows, check_index
from trainctl.autograd.tensor import Tensor
from trainctl.backend import jit
from trainctl.backend.arrays import Array
from trainctl.plan.lowering import Context, Run, checked, cut, lowers, plain_float
from trainctl.plan.table_gradient import RowSums
from trainctl.plan.trace import Apply

_TABLE_PARTS = 4  # of a table whose gradient is summed: each looks at all indices
_PART = 1 << 14  # elements that one thread copies at a time


@jit.kernel("i8(f4[:,::1], i8[::1], f4[:,::1])", exact=True)
def take_rows(table: Any, index: Any, out: Any) -> int:
    """Leave the rows of a table; return -1 where an index is none of its rows."""
    for number in range(index.size):
        if index[number] < 0 or index[number] >= table.shape[0]:
            return -1
        given, row = table[index[number]], out[number]
        for i in range(row.size):
            row[i] = given[i]
    return 0


@jit.kernel("i8(f4[:,:,:], i8[:,:], i8, i4[::1], f4[:,::1], i8[::1], i8[::1])", exact=True)
def add_rows(x: Any, index: Any, skipped: int, place: Any, sums: Any, used: Any, counts: Any) -> int:
    """Sum the rows of ``x`` that go to one row of the table.

    ``counts`` holds how many rows of it were used: first those of the call before, whose places are forgotten. Where an
    index is no row nothing is done, and -1 returned.
    """
    for i in range(index.shape[0]):
        for j in range(index.shape[1]):
            if index[i, j] < 0 or index[i, j] >= place.size:
                return -1
    for number in range(counts[0]):
        place[used[number]] = -1
    count = 0
    for i in range(index.shape[0]):
        for j in range(index.shape[1]):
            row, given = index[i, j], x[i, j]
            if row == skipped:
                continue
            if place[row] < 0:
                place[row] = count
                used[count] = row
                total = sums[count]
                for k in range(total.size):
                    total[k] = given[k]
                count += 1
            else:
                total = sums[place[row]]
                for k in range(total.size):
                    total[k] += given[k]
    counts[0] = count
    return count


@jit.kernel("i8(f4[:,:,:], i8[:,:], i8, i8, i8, f4[:,::1])", exact=True)
def add_up_rows(x: Any, index: Any, skipped: int, rows: int, first: int, out: Any) -> int:
    """Leave the sums of the rows of ``x`` that go to some of the ``rows`` of a table, from number ``first`` on.

    Return -1 where an index is none of them.
    """
    for row in range(out.shape[0]):
        total = out[row]
        for k in range(total.size):
            total[k] = 0
    for i in range(index.shape[0]):
        for j in range(index.shape[1]):
            row = index[i, j] - first
            if index[i, j] < 0 or index[i, j] >= rows:
                return -1
            if 0 <= row < out.shape[0] and index[i, j] != skipped:
                total, given = out[row], x[i, j]
                for k in range(total.size):
                    total[k] += given[k]
    return 0


@lowers(SumRows)
def summed_rows(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """Some rows of the table at a time; each is a sum in order, with the bits of the op's own."""
    (x, index), (out,) = arrays, outs
    if not context.compiled or out is None or not plain_float(x, out) or not out.flags.c_contiguous or not x.size:
        return None
    numbers, given, skipped = _in_two_dims(index), _in_two_dims(x, 1), record.params["skipped"]
    if numbers is None or given is None or numbers.dtype != numpy.int64:
        return None
    complain, loop = partial(_complain, index, len(out)), add_up_rows
    args = given, numbers, -1 if skipped is None else skipped, len(out)
    some = cut(len(out), max(1, -(-len(out) // _TABLE_PARTS)))
    return [context.in_parts([checked(complain, loop, *args, part.start, out[part]) for part in some])]


@lowers(Embedding)
def rows(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """The rows, after a look at the indices: the step's own check is not part of the plan."""
    (weight, index), (out,) = arrays, outs
    if out is None or not out.flags.c_contiguous or not out.size:
        return None
    if not context.compiled or not plain_float(weight, out) or not weight.flags.c_contiguous or not _is_plain(index):
        return [partial(_look_up, weight, index, out)]
    numbers, found = index.reshape(-1), out.reshape(-1, weight.shape[1])
    complain = partial(_complain, index, len(weight))
    some = cut(len(numbers), max(1, _PART // max(1, weight.shape[1])))
    return [context.in_parts([checked(complain, take_rows, weight, numbers[p], found[p]) for p in some])]


def _is_plain(index: Array) -> bool:
    return index.dtype == numpy.int64 and index.flags.behaved and index.flags.c_contiguous


def _complain(index: Array, rows: int) -> None:
    check_index("embedding", Tensor._wrap(index), rows, IndexError)


def _look_up(weight: Array, index: Array, out: Array) -> None:
    if index.size and not 0 <= index.min() <= index.max() < len(weight):
        _complain(index, len(weight))
    numpy.take(weight, index, 0, out, "clip")  # several times as fast as with another look at the indices


def sum_rows(record: Apply, arrays: list[Any]) -> tuple[RowSums, list[Run]]:
    """Return the sums of rows that a record's gradient is, and the calls that make them anew.

    Sums have the bits of the op's own: rows are added in their order. A forward that nobody reads is not part of the
    plan, nor is its look at the indices, so they are looked at here.
    """
    x, index = arrays
    rows = RowSums(record.params["rows"], x.shape[-1], index.size)
    skipped = record.params["skipped"]
    numbers, given, copies = _in_two_dims(index), _in_two_dims(x, 1), []
    if numbers is None or given is None:
        numbers, given = numpy.empty(index.shape, numpy.int64), numpy.empty(x.shape, x.dtype)
        copies = [partial(numpy.copyto, given, x), partial(numpy.copyto, numbers, index)]
        given, numbers = given.reshape(1, -1, x.shape[-1]), numbers.reshape(1, -1)
    args = -1 if skipped is None else skipped, rows.place, rows.sums, rows.used, rows.counts
    complain = partial(_complain, index, rows.place.size)
    return rows, [*copies, checked(complain, add_rows, given, numbers, *args)]


def _in_two_dims(array: Array, more: int = 0) -> Array | None:
    """Return an array with its first dims (all but ``more``) seen as two; None where that takes a copy."""
    if array.dtype not in (numpy.int64, numpy.float32) or not array.flags.behaved:
        return None
    lead = array.ndim - more
    if lead == 2:
        return array
    if lead < 2:
        return array.reshape(1, *array.shape) if lead else array.reshape(1, 1, *array.shape)
    return array.reshape(1, -1, *array.shape[lead:]) if array.flags.c_contiguous else None
