"""Layers on codes: the calls of :mod:`trainctl.backend.integers`, so that they are linked with what is around them."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy

from trainctl.autograd.ops.quantized import DequantizeLinear, QuantizedConvolution, QuantizedLinear, QuantizeLinear
from trainctl.backend import jit
from trainctl.backend.integers import codes, compiled
from trainctl.backend.integers.places import Places
from trainctl.plan.fused_ops import LargestCodes
from trainctl.plan.lowering import Context, Run, cut, lowers
from trainctl.plan.trace import Apply

_PART = 1 << 18  # codes that one thread takes at a time


@lowers(QuantizeLinear)
def quantize(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """One pass over memory."""
    (x,), (out,) = arrays, outs
    calls = codes.quantize(x, record.params["qparams"], out) if context.compiled and out is not None else None
    return None if calls is None else [context.in_parts(calls)]


@lowers(DequantizeLinear)
def dequantize(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """One pass over memory."""
    (x,), (out,) = arrays, outs
    calls = codes.dequantize(x, record.params["qparams"], out) if context.compiled and out is not None else None
    return None if calls is None else [context.in_parts(calls)]


@lowers(QuantizedLinear)
def linear(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """Rows in parts."""
    (x,), (out,), finish = arrays, outs, record.params["finish"]
    if not context.compiled or out is None or not _in_order(x, out) or not compiled.takes(finish, x, out):
        return None
    rows = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
    calls = compiled.linear(rows, finish, out.reshape(len(rows), out.shape[-1]))
    return [context.in_parts(calls)]


@lowers(QuantizedConvolution)
def convolution(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """Images in parts; the output lies channels last."""
    (x,), (out,), options = arrays, outs, record.params
    if not context.compiled or out is None or not compiled.takes(options["finish"], x, out):
        return None
    image, target = numpy.moveaxis(x, 1, -1), numpy.moveaxis(out, 1, -1)
    if not target.flags.c_contiguous:
        return None
    kernel = options["finish"].weights.codes.shape[2:]
    places = Places(x.shape[2:], kernel, *(options[name] for name in ("stride", "padding", "dilation")))
    return [context.in_parts(compiled.convolution(image, options["finish"], places, options["groups"], target))]


def _in_order(*arrays: Any) -> bool:
    return all(each.flags.c_contiguous for each in arrays)


@jit.kernel("void(u1[:,:,::1], u1[:,:,::1], u1[::1], i8, UniTuple(i8, 4), UniTuple(i8, 4))")
def largest_codes(x: Any, y: Any, row: Any, channels: Any, down: Any, along: Any) -> None:
    """Leave the largest code of each window of ``x [N, H, W * C]`` in ``y``.

    Windows are given along both dims: how many elements, the step, how far the first sticks out, and the dilation.
    """
    kernel, step, before, apart = along
    width = x.shape[2] // channels
    for number in range(y.shape[0]):
        for i in range(y.shape[1]):
            row[:] = 0
            for r in range(down[0]):
                at = i * down[1] - down[2] + r * down[3]
                if 0 <= at < x.shape[1]:
                    seen = x[number, at]
                    for k in range(row.size):
                        row[k] = max(row[k], seen[k])
            target = y[number, i]
            target[:] = 0
            for j in range(y.shape[2] // channels):
                for q in range(kernel):
                    at = j * step - before + q * apart
                    if 0 <= at < width:
                        for c in range(channels):
                            target[j * channels + c] = max(target[j * channels + c], row[at * channels + c])


@lowers(LargestCodes)
def largest(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """Rows of an image, and then what lies side by side in what is left of them."""
    (x,), (out,), (down, along) = arrays, outs, (record.params[name] for name in ("down", "along"))
    if not context.compiled or out is None or x.dtype != numpy.uint8 or x.ndim != 4 or not x.size:
        return None
    image, result = x.transpose(0, 2, 3, 1), out.transpose(0, 2, 3, 1)
    if not _in_order(image, result) or not _behaved(image, result):
        return None
    count, rows, size, channels = image.shape
    given, target = image.reshape(count, rows, size * channels), result.reshape(count, result.shape[1], -1)
    windows = [tuple(each[name] for name in ("kernel", "stride", "padding", "dilation")) for each in (down, along)]
    calls = [
        partial(largest_codes, given[p], target[p], numpy.empty(size * channels, numpy.uint8), channels, *windows)
        for p in cut(count, max(1, _PART // given[0].size))
    ]
    return [context.in_parts(calls)]


def _behaved(*arrays: Any) -> bool:
    return all(each.flags.behaved for each in arrays)
