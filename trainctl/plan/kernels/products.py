"""Matrix products, cut into parts for the threads: by :mod:`trainctl.plan.kernels.tile` where it is compiled, else by BLAS.

The sums are formed in another order than BLAS forms them: results differ by rounding from eager mode's. BLAS gives the
same bits for blocks of 16 rows as for the whole product.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy

from trainctl.autograd.ops.linalg import Linear, MatMul
from trainctl.backend.arrays import Array
from trainctl.plan.kernels import tile
from trainctl.plan.lowering import Context, Run, cut, lowers, one_by_one, plain_float
from trainctl.plan.trace import Apply

_SMALL = 1 << 10  # multiplications from which a compiled loop costs no more than the interpreter's call of another
_LARGE = 1 << 19  # multiplications from which a product is worth parts
_PARTS = 8  # of a product, at least, where they are large enough
_ROWS = 256  # of a part, at most: with its part of the inner dim it stays in the second level of cache
_PACKED = 1 << 14  # elements of panels that one thread packs at a time
_BATCH = 1 << 18  # multiplications that one thread does at a time, of many small products
_NOTHING = numpy.empty(0, numpy.float32)


@lowers(MatMul)
def matmul(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """Parts of one matrix, or a few of many matrices at a time."""
    (x, y), (out,) = arrays, outs
    if out is None or out.size * x.shape[-1] < _least(context):
        return None
    if out.ndim == 2:
        return product(x, y, out, None, context)
    return _batches(x, y, out, context) if out.size * x.shape[-1] >= _LARGE else None


@lowers(Linear)
def linear(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """The product with the weight, and the bias added while a part is in the cache."""
    (x, weight, *bias), (out,) = arrays, outs
    if out is None or out.size * x.shape[1] < _least(context):
        return None
    return product(x, weight.T, out, bias[0] if bias else None, context)


def _least(context: Context) -> int:
    """Return from how many multiplications a product is worth more than NumPy's call."""
    return _SMALL if context.compiled and tile.pays() else _LARGE


def product(x: Array, y: Array, out: Array, bias: Array | None, context: Context) -> list[Run]:
    """Return the calls that leave ``x @ y + bias`` in ``out``: ``[n, k], [k, m], [m] -> [n, m]``."""
    if not context.compiled or not tile.pays() or not _for_tiles(x, y, out, *([] if bias is None else [bias])):
        return [_by_blas(x, y, out, bias, context)]
    direct, shift = tile.as_panels(y), _NOTHING if bias is None else bias
    whole = 0 if direct is None else len(direct) * direct.shape[2]
    parts = [] if direct is None or not whole else _by_tiles(x, direct, out[:, :whole], shift[:whole])
    rest, target, shift = y[:, whole:], out[:, whole:], shift[whole:]
    if whole == out.shape[1]:
        return [context.in_parts(parts)]
    if len(x) <= _ROWS:  # each panel is of use to one part alone
        return [context.in_parts([*parts, *_packed_once(x, rest, target, shift, context)])]
    packed = tile.panels(*rest.shape)
    return [packing(rest, packed, context), context.in_parts([*parts, *_by_tiles(x, packed, target, shift)])]


def _for_tiles(x: Array, y: Array, out: Array, *bias: Array) -> bool:
    """Return whether the compiled loops are for such arrays."""
    if not plain_float(x, y, out, *bias) or any(each.strides[0] != each.itemsize for each in bias):
        return False
    return out.strides[-1] == out.itemsize and out.size > 0 and x.shape[-1] > 0


def _panels_of(y: Array, room: Array | None) -> list[tuple[Array, slice, Array | None]]:
    """Return a right factor in panels: each lot, the columns that it stands for, and what is to be packed in it.

    Whole panels of a factor whose rows lie well are read where they are (None: nothing to pack). ``room`` is where the
    rest is packed, if it is large enough.
    """
    direct = tile.as_panels(y)
    whole = 0 if direct is None else len(direct) * direct.shape[2]
    lots: list[tuple[Array, slice, Array | None]] = [] if not whole else [(direct, slice(0, whole), None)]
    if whole < y.shape[1]:
        rest = y[:, whole:]
        packed = room if room is not None and not whole else tile.panels(*rest.shape)
        lots.append((packed, slice(whole, y.shape[1]), rest))
    return lots


def packing(y: Array, packed: Array, context: Context) -> Run:
    """Return the call that leaves a right factor in panels."""
    some = cut(len(packed), max(1, _PACKED // packed[0].size))
    return context.in_parts([partial(tile.pack, y, packed[each], each.start) for each in some])


def _by_tiles(x: Array, right: Array, out: Array, bias: Array) -> list[Run]:
    """Return the calls for panels of a right factor: blocks of rows, and of panels where the rows are few."""
    (count, columns), width = out.shape, right.shape[2]
    most = max(1, min(_PARTS, out.size * x.shape[1] // _LARGE))
    size = min(_ROWS, -(-count // most // 16) * 16)
    blocks = -(-count // size)
    group = -(-len(right) // max(1, -(-most // blocks)))

    def part(rows: slice, panels: slice) -> Run:
        seen = slice(panels.start * width, min(panels.stop * width, columns))
        return partial(tile.multiply, x[rows], right[panels], out[rows, seen], bias[seen])

    return [part(rows, panels) for panels in cut(len(right), group) for rows in cut(count, size)]


def _packed_once(x: Array, y: Array, out: Array, bias: Array, context: Context) -> list[Run]:
    """Return the calls for some panels at a time, which a part packs for itself."""
    columns, width = out.shape[1], tile.shape_for(out.shape[1])[1]
    most = max(1, min(_PARTS, out.size * x.shape[1] // _LARGE))
    some = cut(columns, width * -(-columns // (width * most)))
    rooms = [context.room(number, tile.patch(columns)) for number in range(len(some))]
    return [
        partial(tile.multiply_once, x, y[:, seen], room, out[:, seen], bias[seen])
        for seen, room in zip(some, rooms, strict=True)
    ]


def _by_blas(x: Array, y: Array, out: Array, bias: Array | None, context: Context) -> Run:
    """Return the call for blocks of rows, or of columns where the rows are few."""
    count, columns = out.shape
    most = max(1, min(_PARTS, out.size * x.shape[1] // _LARGE))

    def part(rows: slice, seen: slice) -> Run:
        left, right, target = x[rows], y[:, seen], out[rows, seen]
        shift = None if bias is None else bias[seen]

        def run() -> None:
            numpy.matmul(left, right, out=target)
            if shift is not None:
                numpy.add(target, shift, out=target)

        return run

    if count >= columns:
        return context.in_parts(
            [part(rows, slice(0, columns)) for rows in cut(count, max(16, -(-count // most // 16) * 16))]
        )
    return context.in_parts(
        [part(slice(0, count), seen) for seen in cut(columns, max(16, -(-columns // most // 16) * 16))]
    )


def _batches(x: Array, y: Array, out: Array, context: Context) -> list[Run]:
    """Return the call for a stack of products."""
    if context.compiled and tile.pays() and _for_tiles(x, y, out):
        return [_batches_by_tiles(x, y, out, context)]
    return [_batches_by_blas(x, y, out, context)]


def _batches_by_tiles(x: Array, y: Array, out: Array, context: Context) -> Run:
    """Return the call for a few matrices at a time; a part packs each right factor in the same place."""
    places = list(numpy.ndindex(out.shape[:-2]))
    each = max(1, _BATCH * len(places) // (out.size * x.shape[-1]))

    def part(some: slice) -> Run:
        packed, calls = tile.panels(*y.shape[-2:]), []
        for place in places[some]:
            left, right, target = (_matrix(array, place) for array in (x, y, out))
            lots = _panels_of(right, packed)
            calls += [partial(tile.pack, rest, panels, 0) for panels, _, rest in lots if rest is not None]
            calls += [partial(tile.multiply, left, panels, target[:, seen], _NOTHING) for panels, seen, _ in lots]
        return one_by_one(calls)

    return context.in_parts([part(some) for some in cut(len(places), each)])


def _matrix(stack: Array, place: tuple[int, ...]) -> Array:
    """Return a matrix of a stack that is stretched to where the place is."""
    lead = stack.shape[:-2]
    return stack[tuple(0 if size == 1 else at for size, at in zip(lead, place[len(place) - len(lead) :], strict=True))]


def _batches_by_blas(x: Array, y: Array, out: Array, context: Context) -> Run:
    """Return the call for some matrices at a time, cut along the largest of the leading dims."""
    lead = out.shape[:-2]
    dim = lead.index(max(lead))
    size = max(1, lead[dim] * _LARGE // (out.size * x.shape[-1]))

    def some(array: Array, which: slice) -> Array:
        place = array.ndim - out.ndim + dim
        whole = place < 0 or array.shape[place] == 1
        return array if whole else array[(slice(None),) * place + (which,)]

    parts = [
        partial(numpy.matmul, some(x, which), some(y, which), out=some(out, which)) for which in cut(lead[dim], size)
    ]
    return context.in_parts(parts)
