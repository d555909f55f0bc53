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
from trainctl.backend.affine import QParams
from trainctl.backend.arrays import Array
from trainctl.backend.integers import by_blas, loops, tile
from trainctl.backend.integers.finish import Finish
from trainctl.backend.integers.layers import ROWS, Layer, signed
from trainctl.backend.integers.places import Places
from trainctl.backend.integers.running import run
from trainctl.backend.integers.weights import IntegerWeights

Call = Callable[[], Any]

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


def sums(x: Array, weights: IntegerWeights) -> Array:
    """Return ``x @ codes.T`` in int32, for codes ``[M, K]`` and weights ``[N, K]``."""
    key = "sums"
    finish = weights.factors.get(key)
    if finish is None:
        finish = weights.factors[key] = Finish(QParams(1.0), weights)
    out = numpy.empty((len(x), len(weights.codes)), numpy.int32)
    if not takes(finish, x, _NO_FLOATS):
        return by_blas.multiply(x, 0, weights)
    run(linear(x, finish, out, sums=True))
    return out


def _out(rows: Array) -> tuple[Array, Array, Array]:
    """Return the output as the loops take it."""
    if rows.dtype == numpy.float32:
        return _NO_CODES, rows, _NO_SUMS
    if rows.dtype == numpy.int32:
        return _NO_CODES, _NO_FLOATS, rows
    return rows.view(numpy.uint8), _NO_FLOATS, _NO_SUMS


_NO_IMAGES = numpy.empty((0, 0, 0, 0, 0), numpy.uint8)
_NO_CODES, _NO_FLOATS, _NO_SUMS = (numpy.empty((0, 0), kind) for kind in (numpy.uint8, numpy.float32, numpy.int32))


def _parts(count: int, work: int, together: int = 1) -> list[slice]:
    """Return ``0 .. count`` in parts of whole lots of ``together``, given how many multiplications all of it takes."""
    lots = -(-count // together)
    size = -(-lots // max(1, min(_PARTS, lots, work // _LARGE))) * together
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
    parts = _parts(len(x), out.size * depth, ROWS)  # fewer would not make up for reading the weights
    if not flip and depth and depth % tile.TOGETHER == 0 and seen.flags.c_contiguous:
        return [_where_it_is(seen[rows], rows.start, layer, target) for rows in parts]
    return [call for rows in parts for call in _copied(seen[rows], rows.start, layer, target)]


def _where_it_is(x: Array, first: int, layer: Layer, target: Any) -> Call:
    """Return the call for rows that are read where they lie."""
    starts, none = _whole_tiles(numpy.arange(len(x)) * x.shape[1]), (0, 0, 0)
    rows, scratch = (first, len(x)), layer.sums()
    return partial(
        loops.compute, _NO_IMAGES, x.reshape(-1), none, none, (0, 0), starts, rows, layer.arguments, scratch, target
    )


def _copied(x: Array, first: int, layer: Layer, target: Any) -> list[Call]:
    """Return the calls for rows that are copied some at a time, as images of so many lines, and the rest of them."""
    count, depth = x.shape
    width = max(1, -(-depth // tile.TOGETHER)) * tile.TOGETHER
    some = max(1, min(count, _COPIED // width))
    calls: list[Call] = []
    for size, begin, end in ((some, 0, count // some * some), (count % some, count // some * some, count)):
        if begin < end:
            seen = x[begin:end].reshape((end - begin) // size, 1, size, 1, depth)
            room, starts = numpy.empty(size * width + _BEYOND, numpy.uint8), _whole_tiles(numpy.arange(size) * width)
            rows, code = (first + begin, size), (layer.flip, layer.zero_code)
            calls.append(
                partial(
                    loops.compute, seen, room, (1, size, width), (0, 0, 0), code, starts, rows, layer.arguments, layer.sums(),
                    target,
                )
            )  # fmt: skip
    return calls


def _whole_tiles(starts: Array) -> Array:
    """Return where rows begin, with the last one again until there are whole tiles."""
    more = -len(starts) % tile.rows()
    return numpy.concatenate([starts, numpy.full(more, starts[-1])]) if more else starts


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
        finish.made[key] = _whole_tiles(geometry.starts), Layer(last, flip, geometry.runs, geometry.run, groups)
    starts, layer = finish.made[key]
    whole = [1] * (3 - len(places.kernel))
    seen, rest = _as_lines(_bytes(image)), (*whole, *places.padded[:-1])
    seen = seen.reshape(len(image), *whole, *seen.shape[1:])
    shape = (*rest, places.padded[-1] * channels)
    above = (*(0 for _ in whole), *places.padding[:-1], places.padding[-1] * channels)
    count, target = math.prod(places.counts), _out(rows)

    def part(some: slice) -> Call:
        room = numpy.empty(math.prod(shape) + _BEYOND, numpy.uint8)
        lines, code = (some.start * count, count), (flip, layer.zero_code)
        return partial(
            loops.compute, seen[some], room, shape, above, code, starts, lines, layer.arguments, layer.sums(), target
        )

    return [part(some) for some in _parts(len(image), out.size * layer.depth)]


def _as_lines(image: Array) -> Array:
    """Return ``[N, *spatial, C]`` with its last two dims as one, ``[N, *, 1, W * C]``, if they lie so."""
    *lead, across, channels = image.shape
    if image.strides[-1] != 1 or image.strides[-2] != channels:
        return image
    return numpy.lib.stride_tricks.as_strided(image, (*lead, 1, across * channels), (*image.strides[:-2], 1, 1))
