"""Elements put where they are wanted, without NumPy's call: joined, picked out, or just laid out in another order."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy

from trainctl.autograd.ops.indexing import SliceGradient
from trainctl.autograd.ops.joining import Cat, Stack
from trainctl.autograd.ops.shape import Clone
from trainctl.backend import jit
from trainctl.backend.arrays import Array
from trainctl.plan.lowering import Context, Run, cut, lowers, plain_float
from trainctl.plan.memory import memory_order
from trainctl.plan.trace import Apply

_PART = 1 << 15  # elements that one thread copies at a time


@jit.kernel("void(f4[::1], f4[::1])", exact=True)
def copy_elements(x: Any, y: Any) -> None:
    """Copy each element."""
    for i in range(y.size):
        y[i] = x[i]


@jit.kernel("void(f4[:,:,:,:], f4[:,:,:,:])", exact=True)
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
        return partial(clear.compiled, target.reshape(-1))
    return partial(copy_elements.compiled, given.reshape(-1), target.reshape(-1))


def laid_out(given: Array, target: Array) -> list[Run] | None:
    """Return calls that copy an array to one of the same shape that lies otherwise; None where NumPy is better at it."""
    if not plain_float(given, target) or not 0 < target.ndim <= 4 or not target.size:
        return None
    order = memory_order(target.shape, target.strides)
    x, y = (each.transpose(order)[(None,) * (4 - each.ndim)] for each in (given, target))
    if x.strides[3] != x.itemsize or y.strides[3] != y.itemsize:
        return None
    dim = max(range(3), key=lambda each: y.shape[each])
    size = max(1, _PART * y.shape[dim] // y.size)
    places = [(slice(None),) * dim + (some,) for some in cut(y.shape[dim], size)]
    return [partial(copy_apart.compiled, x[place], y[place]) for place in places]


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


@lowers(Clone)
def clone(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """A copy."""
    (x,), (out,) = arrays, outs
    if not context.compiled or out is None:
        return None
    calls = laid_out(x, out)
    return None if calls is None else [context.in_parts(calls)]
