"""Numbers to codes and back in one pass over memory: the compiled form of :mod:`trainctl.backend.affine`."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy

from trainctl.backend import jit
from trainctl.backend.arrays import Array

Call = Callable[[], Any]

_PART = 1 << 17  # elements that one thread takes at a time
_ROUND = numpy.float32(3 << 22)  # added to a number of at most 22 bits it leaves the nearest whole one, ties to even


@jit.kernel("void(f4[:,::1], f4[::1], f4[::1], UniTuple(f4, 2), u1[:,::1])", exact=True)
def to_codes(x: Any, scale: Any, zero_point: Any, limits: Any, out: Any) -> None:
    """Leave the codes of rows ``[R, *]``; row ``r`` has grid number ``r`` modulo their number."""
    for r in range(x.shape[0]):
        distance, zero = scale[r % scale.size], zero_point[r % scale.size]
        low, high = limits[0] - zero, limits[1] - zero
        found, target = x[r], out[r]
        for i in range(found.size):
            value = found[i] / distance
            value = value if value > low else low  # of NaN too
            value = value if value < high else high
            target[i] = numpy.uint8(numpy.int32((value + _ROUND) - _ROUND + zero))


@jit.kernel("void(u1[:,::1], f4[::1], i4[::1], i8, f4[:,::1])", exact=True)
def to_numbers(codes: Any, scale: Any, zero_point: Any, flip: Any, out: Any) -> None:
    """Leave what codes stand for, as :func:`to_codes`; ``flip``: 128 if the codes are int8's, else 0."""
    change = numpy.uint8(flip)
    for r in range(codes.shape[0]):
        distance, zero = scale[r % scale.size], zero_point[r % scale.size] + numpy.int32(flip)
        found, target = codes[r], out[r]
        for i in range(found.size):
            target[i] = numpy.float32(numpy.int32(found[i] ^ change) - zero) * distance


def quantize(x: Array, qparams: Any, out: Array) -> list[Call] | None:
    """Return independent calls that leave the codes of float32 numbers in ``out``; None if the loops do not."""
    if not jit.available() or x.dtype != numpy.float32 or out.dtype.itemsize != 1:
        return None
    rows = _rows(x, out, qparams)
    if rows is None:
        return None
    limits = numpy.float32(qparams.quant_min), numpy.float32(qparams.quant_max)
    found, target = rows[0], rows[1].view(numpy.uint8)
    scale, zero_point = (
        numpy.array(qparams.scale, numpy.float32, ndmin=1),
        numpy.array(qparams.zero_point, numpy.float32, ndmin=1),
    )
    return [partial(to_codes, found[p], scale, zero_point, limits, target[p]) for p in _parts(found, scale.size)]


def dequantize(codes: Array, qparams: Any, out: Array) -> list[Call] | None:
    """Return independent calls that leave what codes stand for in ``out``; None if the loops do not."""
    if not jit.available() or codes.dtype.itemsize != 1 or out.dtype != numpy.float32:
        return None
    rows = _rows(codes, out, qparams)
    if rows is None:
        return None
    flip = 128 if codes.dtype == numpy.int8 else 0
    found, target = rows[0].view(numpy.uint8), rows[1]
    scale, zero_point = (
        numpy.array(qparams.scale, numpy.float32, ndmin=1),
        numpy.array(qparams.zero_point, numpy.int32, ndmin=1),
    )
    return [partial(to_numbers, found[p], scale, zero_point, flip, target[p]) for p in _parts(found, scale.size)]


def _rows(x: Array, out: Array, qparams: Any) -> tuple[Array, Array] | None:
    """Return both arrays as rows of one grid each, None if they do not lie alike and without gaps."""
    axis = qparams.axis
    if not (x.size and x.flags.behaved and out.flags.behaved):
        return None
    if axis is not None and not (-x.ndim <= axis < x.ndim and x.shape[axis] == qparams.scale.size):
        return None  # NumPy says what is wrong, or stretches what there is
    order = sorted(range(x.ndim), key=lambda dim: (-x.strides[dim], dim)) if axis is None else range(x.ndim)
    found, target = x.transpose(*order), out.transpose(*order)
    if not (found.flags.c_contiguous and target.flags.c_contiguous):
        return None
    size = x.size if axis is None else math.prod(x.shape[axis:][1:])
    return found.reshape(-1, size), target.reshape(-1, size)


def _parts(rows: Array, grids: int) -> list[tuple[slice, slice]]:
    """Return rows in parts: of whole rounds of the grids, or, of one row, of its elements."""
    whole, size = slice(None), rows.shape[1]
    if len(rows) == 1:
        return [(whole, slice(start, min(start + _PART, size))) for start in range(0, size, _PART)]
    step = max(1, _PART // (size * grids)) * grids
    return [(slice(start, min(start + step, len(rows))), whole) for start in range(0, len(rows), step)]
