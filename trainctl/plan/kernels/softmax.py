"""Softmax over the last dim and its gradient: a row at a time, which stays in the first level of cache.

The exponential is a polynomial: results differ from eager mode's by rounding.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy

from trainctl.autograd.ops.attention import MaskedSoftmax
from trainctl.autograd.ops.softmax import Softmax, SoftmaxGradient
from trainctl.backend import jit
from trainctl.backend.arrays import Array
from trainctl.plan.kernels import softmax_blocks as blocks
from trainctl.plan.kernels.functions import exp
from trainctl.plan.lowering import Context, Run, cut, lowers, plain_float
from trainctl.plan.trace import Apply

_PART = 1 << 14  # elements that one thread takes at a time
_ROWS, _NUMBERS = "f4[:,::1]", "i8[::1]"


@jit.inline
def _larger(a: Any, b: Any) -> Any:
    """Return the larger of two numbers, or the one that is none."""
    return a if a > b or a != a else b


@jit.inline
def _largest(x: Any, y: Any) -> Any:
    """Return the largest element, found by laying halves on each other in ``y``: so the loops vectorise."""
    half = (x.size + 1) // 2
    for i in range(half):
        y[i] = _larger(x[i], x[x.size - half + i])
    while half > 8:
        size, half = half, (half + 1) // 2
        for i in range(size - half):
            y[i] = _larger(y[i], y[half + i])
    top = y[0]
    for i in range(1, half):
        top = _larger(top, y[i])
    return top


@jit.inline
def _normalize(x: Any, y: Any, spare: Any, nothing: Any) -> None:
    """Leave the softmax of ``x`` in ``y``, 0 for a row of -inf if there is to be ``nothing``."""
    top = _largest(x, spare)
    if nothing and top == -numpy.inf:
        y[:] = 0
        return
    total = numpy.float32(0)
    for i in range(x.size):
        y[i] = exp(x[i] - top)
    for i in range(x.size):
        total += y[i]
    share = numpy.float32(1) / total
    for i in range(x.size):
        y[i] *= share


@jit.kernel(f"void({_ROWS}, {_ROWS}, b1)")
def softmax_rows(x: Any, y: Any, nothing: Any) -> None:
    """Leave the softmax of each row in ``y``."""
    spare = numpy.empty(x.shape[1] // 2 + 1, numpy.float32)
    for row in range(x.shape[0]):
        _normalize(x[row], y[row], spare, nothing)


@jit.kernel(f"void({_ROWS}, {_ROWS}, {_NUMBERS}, {_ROWS})")
def added_rows(x: Any, mask: Any, which: Any, y: Any) -> None:
    """Leave the softmax of each row plus row number ``which`` of the mask."""
    spare = numpy.empty(x.shape[1] // 2 + 1, numpy.float32)
    for row in range(x.shape[0]):
        seen, masked, more = x[row], y[row], mask[which[row]]
        for i in range(seen.size):
            masked[i] = seen[i] + more[i]
        _normalize(masked, masked, spare, True)


@jit.kernel(f"void({_ROWS}, b1[:,::1], {_NUMBERS}, {_ROWS})")
def chosen_rows(x: Any, mask: Any, which: Any, y: Any) -> None:
    """Leave the softmax of what row number ``which`` of the mask lets through of each row."""
    spare = numpy.empty(x.shape[1] // 2 + 1, numpy.float32)
    for row in range(x.shape[0]):
        seen, masked, counts = x[row], y[row], mask[which[row]]
        for i in range(seen.size):
            masked[i] = seen[i] if counts[i] else numpy.float32(-numpy.inf)
        _normalize(masked, masked, spare, True)


@jit.kernel(f"void({_ROWS}, {_ROWS}, {_ROWS})")
def gradient_rows(gy: Any, y: Any, gx: Any) -> None:
    """Leave ``y * (gy - sum(gy * y))`` of each row."""
    for row in range(y.shape[0]):
        given, share, out = gy[row], y[row], gx[row]
        total = numpy.float32(0)
        for i in range(share.size):
            total += given[i] * share[i]
        for i in range(share.size):
            out[i] = share[i] * (given[i] - total)


def _rows(*arrays: Any) -> list[Array] | None:
    """Return arrays without gaps as rows along the last dim, None where one is something else."""
    if not plain_float(*arrays) or not all(each.flags.c_contiguous and each.ndim and each.size for each in arrays):
        return None
    return [each.reshape(-1, each.shape[-1]) for each in arrays]


def _parts(rows: list[Array], call: Any, context: Context, *others: Any) -> list[Run]:
    """Return the call of a loop for all rows: with the arrays' rows, and then the others."""
    size = max(1, _PART // rows[0].shape[1])
    parts: list[Run] = [partial(call, *(each[some] for each in rows), *others) for some in cut(len(rows[0]), size)]
    return [context.in_parts(parts)]


def _is_last(record: Apply, x: Array) -> bool:
    return record.params["dim"] in (-1, x.ndim - 1)


@lowers(Softmax)
def softmax(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """Blocks of rows."""
    rows = _rows(*arrays, *outs) if _is_last(record, arrays[0]) else None
    if rows is None:
        return None
    if not context.compiled:
        return blocks.softmax(record, context, *rows)
    return _parts(rows, softmax_rows, context, False)


@lowers(SoftmaxGradient)
def softmax_gradient(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """Blocks of rows."""
    rows = _rows(*arrays, *outs) if _is_last(record, arrays[0]) else None
    if rows is None:
        return None
    return _parts(rows, gradient_rows, context) if context.compiled else blocks.gradient(context, *rows)


@lowers(MaskedSoftmax)
def masked_softmax(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """Blocks of rows, each with its row of the mask."""
    (x, mask), (out,) = arrays, outs
    rows = _rows(x, out)
    if rows is None:
        return None
    if mask is None:
        if not context.compiled:
            return blocks.softmax(record, context, *rows)
        return _parts(rows, softmax_rows, context, True)
    is_known = mask.dtype in (numpy.bool_, x.dtype) and mask.flags.c_contiguous and mask.flags.behaved
    if not is_known or mask.shape[-1:] != x.shape[-1:]:
        return None
    if not context.compiled:
        return blocks.masked(record, x, mask, out, context) if x.ndim > 1 else None
    masks = mask.reshape(-1, mask.shape[-1])
    lead = mask.shape[:-1]
    which = numpy.broadcast_to(numpy.arange(len(masks)).reshape(lead), x.shape[:-1]).flatten()
    call = added_rows if mask.dtype == x.dtype else chosen_rows
    size = max(1, _PART // rows[0].shape[1])
    seen, result = rows
    return [
        context.in_parts([partial(call, seen[some], masks, which[some], result[some]) for some in cut(len(seen), size)])
    ]
