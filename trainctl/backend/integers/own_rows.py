"""Rows on grids of their own, in one pass each: the compiled form of :mod:`trainctl.backend.integers.dynamic`."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy

from trainctl.backend import jit
from trainctl.backend.arrays import Array
from trainctl.backend.integers.running import run

_LANES = 16  # ends of a row that are followed beside each other: in vectors
_PART = 1 << 15  # elements that one thread takes at a time
_MOST = numpy.finfo(numpy.float32).max
_ROUND = numpy.float32(3 << 22)  # added to a number of at most 22 bits it leaves the nearest whole one, ties to even
_STEPS, _ZERO, _ONE = numpy.float32(255), numpy.float32(0), numpy.float32(1)


@jit.kernel("void(f4[:,::1], f4[:,::1], f4[::1], i4[::1], u1[:,::1])", exact=True)
def to_own_codes(x: Any, ends: Any, scale: Any, zero_point: Any, codes: Any) -> None:
    """Leave the grid and the codes of each row ``[M, K]``; ``ends [2, 16]`` is room to work in."""
    lows, highs = ends[0], ends[1]
    for r in range(x.shape[0]):
        row, target = x[r], codes[r]
        for j in range(_LANES):
            lows[j], highs[j] = _ZERO, _ZERO
        for start in range(0, row.size - _LANES + 1, _LANES):
            for j in range(_LANES):  # a comparison with NaN is false
                value = row[start + j]
                lows[j] = value if value < lows[j] else lows[j]
                highs[j] = value if value > highs[j] else highs[j]
        low, high = lows[0], highs[0]
        for j in range(1, _LANES):
            low, high = min(low, lows[j]), max(high, highs[j])
        for i in range(row.size - row.size % _LANES, row.size):
            low, high = row[i] if row[i] < low else low, row[i] if row[i] > high else high
        low, high = max(low, -_MOST), min(high, _MOST)
        distance = min(high - low, _MOST) / _STEPS
        distance = distance if distance != _ZERO else _ONE
        zero = min((-low / distance + _ROUND) - _ROUND, _STEPS)
        scale[r], zero_point[r] = distance, numpy.int32(zero)
        least, most = -zero, _STEPS - zero
        for i in range(row.size):
            value = row[i] / distance
            value = value if value > least else least  # of NaN too
            value = value if value < most else most
            target[i] = numpy.uint8(numpy.int32((value + _ROUND) - _ROUND + zero))


@jit.kernel("void(i4[:,::1], f4[::1], i4[::1], i4[::1], f4[::1], f4[::1], f4[:,::1])", exact=True)
def from_sums(sums: Any, scale: Any, zero_point: Any, totals: Any, factors: Any, bias: Any, out: Any) -> None:
    """Leave the numbers that sums of codes ``[M, N]`` stand for; a ``bias`` of no elements is none."""
    for r in range(sums.shape[0]):
        row, target, zero, own = sums[r], out[r], zero_point[r], scale[r]
        for n in range(row.size):
            whole = numpy.int32(row[n] - numpy.int32(zero * totals[n]))
            target[n] = numpy.float32(whole) * (own * factors[n])
        if bias.size:
            for n in range(row.size):
                target[n] += bias[n]


def takes(x: Array) -> bool:
    """Return whether the loops do such rows."""
    return jit.available() and x.dtype == numpy.float32 and x.size > 0 and x.flags.c_contiguous and x.flags.behaved


def codes_of(x: Array) -> tuple[Array, Array, Array]:
    """Return the scale, the zero point (int32) and the codes of each row ``[M, K]``."""
    scale, zero_point = numpy.empty(len(x), numpy.float32), numpy.empty(len(x), numpy.int32)
    codes = numpy.empty(x.shape, numpy.uint8)
    run([
        partial(to_own_codes, x[p], numpy.empty((2, _LANES), numpy.float32), scale[p], zero_point[p], codes[p])
        for p in _parts(x)
    ])  # fmt: skip
    return scale, zero_point, codes


def numbers_of(sums: Array, scale: Array, zero_point: Array, totals: Array, factors: Array, bias: Any) -> Array:
    """Return float32 ``[M, N]`` of sums of codes; ``totals`` are the sums of each output's weights."""
    out = numpy.empty(sums.shape, numpy.float32)
    added = numpy.empty(0, numpy.float32) if bias is None else numpy.array(bias, numpy.float32)
    each = (
        numpy.array(totals, numpy.int32),
        numpy.array(factors, numpy.float32),
    )  # copies: loops take what may be written
    run([partial(from_sums, sums[p], scale[p], zero_point[p], *each, added, out[p]) for p in _parts(sums)])
    return out


def _parts(x: Array) -> list[slice]:
    """Return the rows in parts."""
    step = max(1, _PART // max(1, x.shape[1]))
    return [slice(start, min(start + step, len(x))) for start in range(0, len(x), step)]
