"""Pooling along one dim: a loop over windows, with everything that lies behind the dim in memory as its innermost run."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy

from trainctl.autograd.ops.pooling_along import MaxAlong, ReturnAlong
from trainctl.backend import jit
from trainctl.backend.arrays import Array
from trainctl.plan.kernels import pooling_blocks as blocks
from trainctl.plan.lowering import Context, Run, cut, lowers, plain_float
from trainctl.plan.memory import memory_order
from trainctl.plan.trace import Apply

_PART = 1 << 16  # elements that one thread takes at a time


def around(array: Array, dim: int) -> Array | None:
    """Return an array as ``[before, size of the dim, behind]`` in the order of its memory, None if it has gaps."""
    order = memory_order(array.shape, array.strides)
    flat = array.transpose(order)
    if not flat.flags.c_contiguous:
        return None
    place = order.index(array.ndim + dim)
    sizes = flat.shape
    return flat.reshape(math.prod(sizes[:place]), sizes[place], math.prod(sizes[place + 1 :]))


@jit.kernel("void(f4[:,:,::1], f4[:,:,::1], u1[:,:,::1], i8, i8, i8, i8)")
def max_along(x: Any, y: Any, choice: Any, kernel: int, stride: int, padding: int, dilation: int) -> None:
    """Leave each window's largest element in ``y`` and its number in ``choice``: the first, or the last NaN."""
    for row in range(x.shape[0]):
        for place in range(y.shape[1]):
            best, number = y[row, place], choice[row, place]
            fresh = True
            for k in range(kernel):
                at = place * stride - padding + k * dilation
                if at < 0 or at >= x.shape[1]:
                    continue
                seen = x[row, at]
                if fresh:
                    for i in range(best.size):
                        best[i] = seen[i]
                        number[i] = k
                    fresh = False
                else:
                    for i in range(best.size):
                        better = seen[i] > best[i] or seen[i] != seen[i]
                        best[i] = seen[i] if better else best[i]
                        number[i] = k if better else number[i]


@jit.kernel("void(f4[:,:,::1], u1[:,:,::1], f4[:,:,::1], i8, i8, i8, i8)")
def return_along(gy: Any, choice: Any, gx: Any, kernel: int, stride: int, padding: int, dilation: int) -> None:
    """Leave in ``gx`` for each element the sum of ``gy`` at the windows that chose it."""
    for row in range(gx.shape[0]):
        total = gx[row]
        for at in range(total.shape[0]):
            part = total[at]
            for i in range(part.size):
                part[i] = 0
        for place in range(gy.shape[1]):
            given, number = gy[row, place], choice[row, place]
            for k in range(kernel):
                at = place * stride - padding + k * dilation
                if at < 0 or at >= gx.shape[1]:
                    continue
                part = total[at]
                for i in range(part.size):
                    part[i] += given[i] if number[i] == k else numpy.float32(0)


def _options(record: Apply) -> tuple[int, ...]:
    return tuple(record.params[name] for name in ("kernel", "stride", "padding", "dilation"))


def _rows(arrays: list[Any], call: Any, options: tuple[int, ...], context: Context) -> Run:
    """Return a call of a loop over ``[before, size, behind]`` arrays, spread over the threads by their rows."""
    count = arrays[0].shape[0]
    each = max(1, _PART // max(1, arrays[0][0].size if count else 1))
    return context.in_parts([partial(call, *(array[rows] for array in arrays), *options) for rows in cut(count, each)])


@lowers(MaxAlong)
def maximum(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """The largest element of each window, and which one it was."""
    if not (len(outs) == 2 and record.params["chooses"]) or any(each is None for each in outs):
        return None
    if not plain_float(arrays[0], outs[0]) or outs[1].dtype != numpy.uint8 or not outs[0].size:
        return None
    dim = record.params["dim"]
    views = [around(each, dim) for each in (arrays[0], *outs)]
    if _differ(views):
        return None
    if not context.compiled:
        return [blocks.maximum(record, views, context)]
    return [_rows(views, max_along, _options(record), context)]


@lowers(ReturnAlong)
def returned(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """Each window's gradient where its largest element was."""
    (gy, choice), (out,) = arrays, outs
    if not plain_float(gy, out) or choice.dtype != numpy.uint8 or not out.size:
        return None
    dim, runs = record.params["dim"], []
    if memory_order(gy.shape, gy.strides) != memory_order(choice.shape, choice.strides):
        same = numpy.empty_like(choice, gy.dtype)  # laid out as the choices are
        runs.append(partial(numpy.copyto, same, gy))
        gy = same
    views = [around(each, dim) for each in (gy, choice, out)]
    if _differ(views):
        return None
    if not context.compiled:
        return [*runs, blocks.returned(record, views, context)]
    return [*runs, _rows(views, return_along, _options(record), context)]


def _differ(views: list[Any]) -> bool:
    """Return whether arrays do not lie in memory in one way."""
    return any(each is None for each in views) or len({(each.shape[0], each.shape[2]) for each in views}) != 1
