"""Elements put where they are wanted, without NumPy's call: joined, picked out, or just laid out in another order."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy

from trainctl.autograd.ops.assign import Assign, Overwrite
from trainctl.autograd.ops.indexing import SliceGradient
from trainctl.autograd.ops.joining import Cat, Stack
from trainctl.autograd.ops.shape import Clone, View
from trainctl.backend import jit
from trainctl.backend.arrays import Array
from trainctl.plan.kernels.tile import square, turn
from trainctl.plan.lowering import Context, Run, cut, lowers, plain_float
from trainctl.plan.memory import memory_order
from trainctl.plan.trace import Apply

_PART = 1 << 15  # elements that one thread copies at a time


@jit.kernel("void(f4[::1], f4[::1])", exact=True)
def copy_elements(x: Any, y: Any) -> None:
    """Copy each element."""
    for i in range(y.size):
        y[i] = x[i]


@jit.kernel("void(i8[::1], i8[::1])", exact=True)
def copy_whole(x: Any, y: Any) -> None:
    """Copy each whole number."""
    for i in range(y.size):
        y[i] = x[i]


@jit.kernel("void(f4[:,:,:,:], f4[:,:,:,:])", "void(u1[:,:,:,:], u1[:,:,:,:])", exact=True)
def copy_apart(x: Any, y: Any) -> None:
    """Copy each element, wherever it lies."""
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            for k in range(y.shape[2]):
                given, row = x[i, j, k], y[i, j, k]
                for each in range(row.size):
                    row[each] = given[each]


@jit.kernel("void(f4[::1])", exact=True)
def clear(y: Any) -> None:
    """Leave zeros."""
    for i in range(y.size):
        y[i] = 0


def copied(given: Array | None, target: Array) -> Run:
    """Return the call that copies float32 arrays without gaps; None stands for zeros."""
    if given is None:
        return partial(clear, target.reshape(-1))
    return partial(copy_elements, given.reshape(-1), target.reshape(-1))


@jit.kernel("void(f4[:,:,:], f4[:,:,:])", exact=True)
def copy_turned(x: Any, y: Any) -> None:
    """Copy matrices: elements that lie side by side in a column of ``x`` lie in a row of ``y``."""
    size = square()
    for n in range(y.shape[0]):
        given, turned = x[n], y[n]
        deep, wide = given.shape[0] // size * size, given.shape[1] // size * size
        for top in range(0, deep, size):
            for left in range(0, wide, size):
                turn(given[top : top + size, left : left + size], turned[top : top + size, left : left + size])
        for i in range(given.shape[0]):
            for j in range(wide if i < deep else 0, given.shape[1]):
                turned[i, j] = given[i, j]


def laid_out(given: Array, target: Array) -> list[Run] | None:
    """Return calls that copy float32 numbers, or codes, to where they lie otherwise; None where NumPy is better at it."""
    are_codes = given.dtype == target.dtype == numpy.uint8 and given.flags.behaved and target.flags.behaved
    if not (plain_float(given, target) or are_codes) or not target.size:
        return None
    x, y = _collapsed(given, target)
    if y.ndim > 4 or y.strides[-1] != y.itemsize:
        return None
    if x.strides[-1] == x.itemsize or are_codes:
        loop, x, y = copy_apart, x[(None,) * (4 - x.ndim)], y[(None,) * (4 - y.ndim)]
    elif 2 <= x.ndim <= 3 and x.strides[-2] == x.itemsize:
        loop, x, y = copy_turned, x[(None,) * (3 - x.ndim)], y[(None,) * (3 - y.ndim)]
    else:
        return None
    dim = max(range(y.ndim - 1), key=lambda each: y.shape[each]) if loop is copy_apart else 0
    size = max(1, _PART * y.shape[dim] // y.size)
    places = [(slice(None),) * dim + (some,) for some in cut(y.shape[dim], size)]
    return [partial(loop, x[place], y[place]) for place in places]


def _collapsed(given: Array, target: Array) -> tuple[Array, Array]:
    """Return two arrays with their dims in the order of the second one's memory, as few as they can be seen with."""
    order = memory_order(target.shape, target.strides)
    x, y = given.transpose(order), target.transpose(order)
    sizes, steps = [1], ([x.itemsize], [y.itemsize])
    for dim in range(x.ndim - 1, -1, -1):
        if x.shape[dim] == 1:
            continue
        pair = x.strides[dim], y.strides[dim]
        if sizes[0] == 1:
            sizes[0], steps[0][0], steps[1][0] = x.shape[dim], *pair
        elif pair == (sizes[0] * steps[0][0], sizes[0] * steps[1][0]):
            sizes[0] *= x.shape[dim]
        else:
            sizes.insert(0, x.shape[dim])
            steps[0].insert(0, pair[0])
            steps[1].insert(0, pair[1])
    as_strided = numpy.lib.stride_tricks.as_strided
    return as_strided(x, sizes, steps[0]), as_strided(y, sizes, steps[1])


def _joined(pairs: list[tuple[Array, Array]], context: Context) -> list[Run] | None:
    """Return the call that copies each array to its place, which is no other's."""
    parts: list[Run] = []
    for given, target in pairs:
        calls = laid_out(given, target)
        if calls is None:
            return None
        parts += calls
    return [context.in_parts(parts)]


@lowers(Cat)
def cat(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """A copy of each."""
    (out,), dim = outs, record.params["dim"]
    if not context.compiled or out is None or dim < 0:
        return None
    ends = numpy.cumsum([each.shape[dim] for each in arrays])
    whole = (slice(None),) * dim
    places = [(*whole, slice(end - each.shape[dim], end)) for each, end in zip(arrays, ends, strict=True)]
    return _joined([(each, out[place]) for each, place in zip(arrays, places, strict=True) if each.size], context)


@lowers(Stack)
def stack(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """A copy of each."""
    (out,), dim = outs, record.params["dim"]
    if not context.compiled or out is None or dim < 0:
        return None
    whole = (slice(None),) * dim
    return _joined([(each, out[(*whole, number)]) for number, each in enumerate(arrays)], context)


@lowers(SliceGradient)
def slice_gradient(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """Zeros, and a copy."""
    (gy,), (out,) = arrays, outs
    if not context.compiled or out is None or not plain_float(gy, out) or not out.flags.c_contiguous:
        return None
    calls = laid_out(gy, out[record.params["index"]])
    return None if calls is None else [copied(None, out), context.in_parts(calls)]


@lowers(Assign, Overwrite)
def assigned(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """A copy of as many elements."""
    target, value = arrays
    if not context.compiled or value.shape != target.shape:
        return None
    if target.dtype == value.dtype == numpy.int64 and target.size == 1:
        return [partial(copy_whole, value.reshape(1), target.reshape(1))]
    if value.size == 1 and plain_float(value, target):
        return [copied(value, target)]
    if numpy.may_share_memory(target, value):
        return None
    calls = laid_out(value, target)
    return None if calls is None else [context.in_parts(calls)]


@lowers(View)
def reordered(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """A copy, where elements have to lie otherwise to be seen in another shape."""
    (x,), (out,) = arrays, outs
    if not context.compiled or out is None or not out.flags.c_contiguous:
        return None
    calls = laid_out(x, out.reshape(x.shape))
    return None if calls is None else [context.in_parts(calls)]


@lowers(Clone)
def clone(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """A copy."""
    (x,), (out,) = arrays, outs
    if not context.compiled or out is None:
        return None
    calls = laid_out(x, out)
    return None if calls is None else [context.in_parts(calls)]
