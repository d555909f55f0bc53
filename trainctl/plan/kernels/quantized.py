"""Layers on codes: the calls of :mod:`trainctl.backend.integers`, so that they are linked with what is around them."""

from __future__ import annotations

import math
from typing import Any

import numpy

from trainctl.autograd.ops.quantized import DequantizeLinear, QuantizedConvolution, QuantizedLinear, QuantizeLinear
from trainctl.backend.integers import codes, compiled
from trainctl.backend.integers.places import Places
from trainctl.plan.lowering import Context, Run, lowers
from trainctl.plan.trace import Apply


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
