"""Fake quantization on one grid in a single pass, with the bits of the op's NumPy calls, and its gradient in another."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy

from trainctl.autograd.ops.fake_quantize import FakeQuantize, Masked
from trainctl.backend import jit
from trainctl.backend.arrays import Array
from trainctl.plan.lowering import Context, Run, cut, lowers, plain_float
from trainctl.plan.memory import memory_order
from trainctl.plan.trace import Apply

_PART = 1 << 16  # elements that one thread takes at a time
_FAR = 1 << 20  # codes have fewer digits, so that a float32 and a number this far away are rounded to whole ones


@jit.kernel("void(f4[::1], f4[::1], i4[::1], f4[::1], f4[::1], b1[::1])", exact=True)
def on_grid(x: Any, scale: Any, zero_point: Any, ends: Any, y: Any, inside: Any) -> None:
    """Leave the numbers on the grid, and whether each element is inside its range; NaN becomes the lowest."""
    step, zero, low, high = scale[0], numpy.float32(zero_point[0]), ends[0], ends[1]
    inverse, far = numpy.float32(1) / step, numpy.float32(1 << 21)
    shift = numpy.float32(3 << 22)  # what is added to it has no digits left for a fraction
    for i in range(x.size):
        code = x[i] * inverse
        code = code if code > -far else -far
        code = code if code < far else far
        code = ((code + shift) - shift) + zero
        inside[i] = (code >= low) & (code <= high)
        code = code if code > low else low
        code = code if code < high else high
        y[i] = (code - zero) * step


@jit.kernel("void(f4[::1], b1[::1], f4[::1])", exact=True)
def masked(gy: Any, inside: Any, gx: Any) -> None:
    """Leave the gradient of what is inside, 0 times it elsewhere."""
    for i in range(gx.size):
        gx[i] = gy[i] * numpy.float32(inside[i])


@lowers(FakeQuantize)
def fake_quantize(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """One pass for float32 on one grid of codes."""
    (x, scale, zero_point), (y, inside), params = arrays, outs, record.params
    if not context.compiled or params["axis"] is not None or not isinstance(zero_point, numpy.ndarray):
        return None
    ends = params["quant_min"], params["quant_max"]
    if y is None or not plain_float(x, scale, y) or zero_point.dtype != numpy.int32 or max(map(abs, ends)) >= _FAR:
        return None
    inside = numpy.empty_like(y, bool) if inside is None else inside
    flat = _alike(x, y, inside)
    if flat is None:
        return None
    grid = scale.reshape(1), zero_point.reshape(1), numpy.array(ends, numpy.float32)
    return [
        context.in_parts(
            [partial(on_grid, flat[0][part], *grid, flat[1][part], flat[2][part]) for part in cut(y.size, _PART)]
        )
    ]


@lowers(Masked)
def mask(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """One pass."""
    (gy, inside), (gx,) = arrays, outs
    if not context.compiled or gx is None or not plain_float(gy, gx) or inside.dtype != bool:
        return None
    flat = _alike(gy, inside, gx)
    if flat is None:
        return None
    return [context.in_parts([partial(masked, *(each[part] for each in flat)) for part in cut(gx.size, _PART)])]


def _alike(*arrays: Array) -> list[Array] | None:
    """Return arrays as runs through memory, None where they do not lie alike or have no elements."""
    first = arrays[0]
    order = memory_order(first.shape, first.strides)
    seen = [each.transpose(order) for each in arrays]
    if not first.size or any(each.shape != first.shape for each in arrays):
        return None
    return [each.reshape(-1) for each in seen] if all(each.flags.c_contiguous for each in seen) else None
