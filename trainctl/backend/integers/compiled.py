"""Integer layers as calls of compiled loops (:mod:`trainctl.backend.integers.loops`), bound to their arrays.

For weights without zero points, once uint8 codes are brought to int8: others are left to the BLAS library.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy

from trainctl.backend import jit
from trainctl.backend.arrays import Array
from trainctl.backend.integers import loops, tile
from trainctl.backend.integers.finish import Finish
from trainctl.backend.integers.places import Places
from trainctl.backend.integers.weights import IntegerWeights

Call = Callable[[], Any]

_ROWS = 32  # whose sums are in the cache together
_TOGETHER = 128  # sums, at most, that are finished in one go
_LARGE = 1 << 20  # multiplications from which work is worth a part of its own
_PARTS = 16  # at most
_COPIED = 1 << 14  # bytes of rows that are copied at a time
_BEYOND = 64  # bytes that may be read after the last run


def takes(finish: Finish, x: Array, out: Array) -> bool:
    """Return whether the loops do such a layer."""
    return (
        jit.available()
        and tile.way() is not None
        and x.dtype.itemsize == 1
        and out.dtype in (numpy.uint8, numpy.int8, numpy.float32)
        and not signed(finish.weights)[1].any()
    )


def signed(weights: IntegerWeights) -> tuple[Array, Array]:
    """Return codes as int8 ``[N, K]``, and their zero points."""
    key = "signed"
    if key not in weights.factors:
        codes, shift = weights.codes.reshape(len(weights.codes), weights.depth), 0
        if codes.dtype == numpy.uint8:
            codes, shift = (codes ^ numpy.uint8(128)).view(numpy.int8), 128
        weights.factors[key] = codes, weights.zero_point - shift
    return weights.factors[key]


def panels(codes: Array, groups: int, run: int) -> Array:
    """Return int8 weights ``[O, K]``, runs of ``run`` one after another, in panels ``[P, steps, lanes * 4]``.

    Runs are filled up with zeros to whole words of 4, and the outputs of a group to whole panels.
    """
    outputs, depth = codes.shape
    width, each, count = tile.lanes(), outputs // groups, depth // max(1, run)
    many, words = -(-each // width), -(-run // tile.TOGETHER)
    room = numpy.zeros((groups, many * width, count, words * tile.TOGETHER), numpy.int8)
    room[:, :each, :, :run] = codes.reshape(groups, each, count, run)
    apart = room.reshape(groups, many, width, count * words, tile.TOGETHER).transpose(0, 1, 3, 2, 4)
    return numpy.ascontiguousarray(apart).reshape(groups * many, count * words, width * tile.TOGETHER)


class Layer:
    """A layer as the loops take it.

    Args:
        finish: the layer; its weights are ``[O, K]``.
        flip: 128 if the inputs are int8, else 0.
        runs: where each run of bytes begins that a row sees.
        run: how many bytes each has.
        groups: of inputs and outputs.
        sums: whether sums are all that is wanted.

    Attributes:
        arguments: what the loops take for the layer.
        flip: the same.
        zero_code: what stands for 0 in the inputs, once they are uint8.
    """

    def __init__(self, finish: Finish, flip: int, runs: Array, run: int, groups: int = 1, sums: bool = False) -> None:
        codes, _ = signed(finish.weights)
        outputs = len(codes)
        each = outputs // groups
        self.flip, self.zero_code, self.depth = flip, int(finish.x.zero_point) + flip, codes.shape[1]
        packed, taps = _packed(finish.weights, groups, run)
        if taps.size:  # to the finish it is one group, whose outputs are the channels
            width, each, groups = taps.shape[1], outputs, 1
        else:
            width = len(packed) // groups * tile.lanes()
        start = finish.offset - self.zero_code * codes.sum(1, dtype=numpy.int64)
        multiplier = numpy.zeros(outputs, numpy.float32) if sums else finish.multiplier
        flat = max(1, min(_ROWS, _TOGETHER // width)) if width == each and groups == 1 else 1
        self.arguments = (
            (groups, run, each),
            runs,
            packed,
            taps,
            _spread(start.astype(numpy.int32), groups, width),
            numpy.tile(_spread(multiplier, groups, width), flat),
            _limits(finish),
            loops.SUMS if sums else _how(finish),
        )

    def sums(self) -> Array:
        """Return scratch for the sums of some rows."""
        return numpy.empty((_ROWS, self.arguments[4].size), numpy.int32)


def _packed(weights: IntegerWeights, groups: int, run: int) -> tuple[Array, Array]:
    """Return panels, and ``[runs, channels]``: whichever is not for such a layer is empty."""
    key = "panels", groups, run
    if key not in weights.factors:
        codes, _ = signed(weights)
        if run == 1 and groups == len(codes) > 1:
            taps = numpy.zeros((codes.shape[1], -(-groups // tile.lanes()) * tile.lanes()), numpy.int8)
            taps[:, :groups] = codes.T
            weights.factors[key] = numpy.empty((0, 0, 0), numpy.int8), taps
        else:
            weights.factors[key] = panels(codes, groups, run), numpy.empty((0, 0), numpy.int8)
    return weights.factors[key]


def _spread(values: Array, groups: int, width: int) -> Array:
    """Return what belongs to outputs in the order of the panels', with zeros between groups."""
    room = numpy.zeros((groups, width), values.dtype)
    room[:, : len(values) // groups] = values.reshape(groups, -1)
    return room.reshape(-1)


def _limits(finish: Finish) -> tuple[float, float, float]:
    if finish.y is None:
        return 0.0, 0.0, 0.0
    zero_point = int(finish.y.zero_point)
    return float(zero_point), float(finish.lowest - zero_point), float(finish.y.quant_max - zero_point)


def _how(finish: Finish) -> int:
    if finish.y is not None:
        return loops.CODES
    return loops.RECTIFIED if finish.relu else loops.FLOATS


def _out(rows: Array) -> tuple[Array, Array, Array]:
    """Return the output as the loops take it."""
    if rows.dtype == numpy.float32:
        return _NO_CODES, rows, _NO_SUMS
    if rows.dtype == numpy.int32:
        return _NO_CODES, _NO_FLOATS, rows
    return rows.view(numpy.uint8), _NO_FLOATS, _NO_SUMS


_NO_CODES, _NO_FLOATS, _NO_SUMS = (numpy.empty((0, 0), kind) for kind in (numpy.uint8, numpy.float32, numpy.int32))


def _parts(count: int, work: int) -> list[slice]:
    """Return ``0 .. count`` in parts, given how many multiplications all of it takes."""
    size = -(-count // max(1, min(_PARTS, count, work // _LARGE)))
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def _bytes(x: Array) -> Array:
    """Return codes as the loops take them: uint8 that may be written to."""
    seen = x.view(numpy.uint8)
    return seen if seen.flags.writeable else seen.copy()


def linear(x: Array, finish: Finish, out: Array, sums: bool = False) -> list[Call]:
    """Return independent calls that leave the output for codes ``[M, K]`` in ``out [M, N]``, which lies in order.

    Args:
        x: the codes.
        finish: the layer; its weights are ``[N, K]``.
        out: the output.
        sums: whether sums, int32, are all that is wanted.
    """
    if not out.size:
        return []
    flip, depth = 128 if x.dtype == numpy.int8 else 0, x.shape[1]
    key = "linear", flip, sums
    if key not in finish.made:
        finish.made[key] = Layer(finish, flip, numpy.zeros(1, numpy.int64), depth, sums=sums)
    layer, seen, target = finish.made[key], _bytes(x), _out(out)
    direct = not flip and depth and depth % tile.TOGETHER == 0 and seen.flags.c_contiguous

    def part(rows: slice) -> Call:
        count = rows.stop - rows.start
        if direct:
            flat = seen[rows].reshape(-1)
            return partial(
                loops.rows_of, flat, layer.arguments[1], depth, rows.start, count, layer.arguments, layer.sums(), target
            )
        width = max(1, -(-depth // tile.TOGETHER)) * tile.TOGETHER
        room = numpy.zeros((max(1, min(count, _COPIED // width)), width), numpy.uint8)
        return partial(loops.linear, seen[rows], room, flip, rows.start, layer.arguments, layer.sums(), target)

    return [part(rows) for rows in _parts(len(x), out.size * depth)]


class _Geometry:
    """Where rows and their runs begin in a padded image ``[*spatial, C]``.

    Attributes:
        starts: of each place.
        runs: from there, of each run.
        run: the bytes of one.
    """

    def __init__(self, places: Places, channels: int, groups: int) -> None:
        steps = [math.prod(places.padded[dim + 1 :]) * channels for dim in range(len(places.kernel))]
        self.starts = _offsets(places.counts, places.stride, steps)
        joined = groups == 1 and (places.dilation[-1] == 1 or places.kernel[-1] == 1)
        self.run = channels * places.kernel[-1] if joined else channels // groups
        kernel = (*places.kernel[:-1], 1) if joined else places.kernel
        self.runs = _offsets(kernel, places.dilation, steps)


def _offsets(counts: tuple[int, ...], stride: tuple[int, ...], steps: list[int]) -> Array:
    total: Any = numpy.zeros((1,) * len(counts), numpy.int64)
    for dim, (count, step, size) in enumerate(zip(counts, stride, steps, strict=True)):
        shape = [-1 if each == dim else 1 for each in range(len(counts))]
        total = total + numpy.reshape(numpy.arange(count, dtype=numpy.int64) * (step * size), shape)
    return numpy.ascontiguousarray(total).reshape(-1)


def convolution(image: Array, finish: Finish, places: Places, groups: int, out: Array) -> list[Call]:
    """Return independent calls that leave the output for codes ``[N, *spatial, C]`` in ``out``, as rows ``[M, O]``.

    Args:
        image: the codes, which may lie in any way.
        finish: the layer.
        places: of the windows.
        groups: of inputs and outputs.
        out: the output, which lies in order.
    """
    if not out.size:
        return []
    channels, outputs = image.shape[-1], out.shape[-1]
    rows = out.reshape(out.size // outputs, outputs)
    last = finish.channels_last
    if places.is_plain and groups == 1 and image.flags.c_contiguous:
        return linear(image.reshape(len(rows), channels), last, rows)
    flip = 128 if image.dtype == numpy.int8 else 0
    key = "convolution", flip, places, channels, groups
    if key not in finish.made:
        geometry = _Geometry(places, channels, groups)
        finish.made[key] = geometry.starts, Layer(last, flip, geometry.runs, geometry.run, groups)
    starts, layer = finish.made[key]
    whole = [1] * (3 - len(places.kernel))
    seen = _bytes(image).reshape(len(image), *whole, *image.shape[1:])
    shape, above = (*whole, *places.padded, channels), (*(0 for _ in whole), *places.padding)
    target = _out(rows)

    def part(some: slice) -> Call:
        room = numpy.empty(math.prod(shape) + _BEYOND, numpy.uint8)
        first, code = some.start * starts.size, (flip, layer.zero_code)
        return partial(
            loops.convolve, seen[some], room, shape, above, code, starts, first, layer.arguments, layer.sums(), target
        )

    return [part(some) for some in _parts(len(image), out.size * layer.depth)]
