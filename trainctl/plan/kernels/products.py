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
from trainctl.plan.lowering import Context, Run, Workspace, cut, lowers, plain_float
from trainctl.plan.trace import Apply

_LARGE = 1 << 19  # multiplications from which a product is worth parts
_PARTS = 8  # of a product, at least, where they are large enough
_ROWS = 256  # of a part, at most: with its part of the inner dim it stays in the second level of cache
_NOTHING = numpy.empty(0, numpy.float32)


@lowers(MatMul)
def matmul(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """Parts of one matrix, or a few of many matrices at a time."""
    (x, y), (out,) = arrays, outs
    if out is None or out.size * x.shape[-1] < _LARGE:
        return None
    if out.ndim == 2:
        return product(x, y, out, None, context)
    return [_batches(x, y, out, context)]


@lowers(Linear)
def linear(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """The product with the weight, and the bias added while a part is in the cache."""
    (x, weight, *bias), (out,) = arrays, outs
    if out is None or out.size * x.shape[1] < _LARGE:
        return None
    return product(x, weight.T, out, bias[0] if bias else None, context)


def product(x: Array, y: Array, out: Array, bias: Array | None, context: Context) -> list[Run]:
    """Return the calls that leave ``x @ y + bias`` in ``out``: ``[n, k], [k, m], [m] -> [n, m]``."""
    given = [x, y, out] if bias is None else [x, y, out, bias]
    tiles = context.compiled and tile.pays() and plain_float(*given) and out.strides[1] == out.itemsize
    if not tiles or not out.size or not x.shape[1]:
        return [_by_blas(x, y, out, bias, context)]
    right, runs = tile.as_panels(y), []
    if right is None:
        right = tile.panels(*y.shape)
        pack = tile.pack.compiled
        each = max(1, _LARGE // 4 // right[0].size)
        packed: list[Run] = [partial(pack, y, right[some], some.start) for some in cut(len(right), each)]
        runs.append(context.in_parts(packed))
    return [*runs, _by_tiles(x, right, out, _NOTHING if bias is None else bias, context)]


def _by_tiles(x: Array, right: Array, out: Array, bias: Array, context: Context) -> Run:
    """Return the call for a packed right factor: blocks of rows, and of panels where the rows are few."""
    (count, columns), width = out.shape, right.shape[2]
    most = max(1, min(_PARTS, out.size * x.shape[1] // _LARGE))
    size = min(_ROWS, -(-count // most // 16) * 16)
    blocks = -(-count // size)
    group = -(-len(right) // max(1, -(-most // blocks)))
    workspace, multiply = Workspace(partial(tile.corner, columns)), tile.multiply.compiled

    def part(rows: slice, panels: slice) -> Run:
        seen = slice(panels.start * width, min(panels.stop * width, columns))
        args = x[rows], right[panels]
        target, shift = out[rows, seen], bias[seen]

        def run() -> None:
            spare = workspace.take()
            multiply(*args, spare, target, shift)
            workspace.give_back(spare)

        return run

    return context.in_parts([part(rows, panels) for panels in cut(len(right), group) for rows in cut(count, size)])


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


def _batches(x: Array, y: Array, out: Array, context: Context) -> Run:
    """Return the call for a stack of products, cut along the largest of the leading dims."""
    lead = out.shape[:-2]
    dim = lead.index(max(lead))
    size = max(1, lead[dim] * _LARGE // (out.size * x.shape[-1]))

    def some(array: Array, which: slice) -> Array:
        place = array.ndim - out.ndim + dim
        whole = place < 0 or array.shape[place] == 1
        return array if whole else array[(slice(None),) * place + (which,)]

    return context.in_parts(
        [partial(numpy.matmul, some(x, which), some(y, which), out=some(out, which)) for which in cut(lead[dim], size)]
    )
