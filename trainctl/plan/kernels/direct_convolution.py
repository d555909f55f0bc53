"""Convolution on tiles: what windows see is read where it lies (:mod:`trainctl.plan.kernels.convolution_loops`)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import TYPE_CHECKING

import numpy

from trainctl.backend.arrays import Array
from trainctl.plan.kernels import convolution_loops as loops
from trainctl.plan.kernels import tile
from trainctl.plan.lowering import Context, Run, Workspace, cut, one_by_one

if TYPE_CHECKING:
    from trainctl.plan.kernels.columns import Columns

Pair = tuple[int, int]

_CACHED = 1 << 18  # bytes of padded images worked on at once
_PARTS = 8  # in how many parts a batch is summed over, at the most
_NOTHING = numpy.empty(0, numpy.float32)


def is_direct(columns: Columns, context: Context) -> bool:
    """Return whether a convolution can be, and is better, done on tiles."""
    runs_through = columns.dilation[1] == 1 or columns.kernel[1] == 1
    return context.compiled and tile.pays() and runs_through and columns.dtype == numpy.float32


def _windows(padded: Array, start: Pair, places: Pair, kernel: Pair, stride: Pair, dilation: int = 1) -> Array:
    """Return what the rows of windows see of ``[n, H, W, C]``: ``[n, places, kernel's rows, places, kernel's width * C]``."""
    n, h, w, c = padded.strides
    shape = (len(padded), places[0], kernel[0], places[1], kernel[1] * padded.shape[3])
    steps = (n, h * stride[0], h * dilation, w * stride[1], c)
    return numpy.lib.stride_tricks.as_strided(padded[:, start[0] :, start[1] :], shape, steps)


class Padded:
    """Images ``[N, H, W, C]`` with room around them, a few at a time, and several views of their windows.

    Args:
        images: the images.
        before: how many rows and columns of zeros come before them.
        after: how many come after them.
        see: returns the views of padded images.

    Attributes:
        chunks: slices of images.
    """

    def __init__(self, images: Array, before: Pair, after: Pair, see: Callable[[Array], list[Array]]) -> None:
        self.images, self._see = images, see
        batch, *spatial, channels = images.shape
        self._before = before
        self._padded = (*(b + size + a for b, size, a in zip(before, spatial, after, strict=True)), channels)
        # the one channel of images that have their channels first may be any step away
        self._is_there = (
            not any((*before, *after)) and images.flags.c_contiguous and images.strides[3] == images.itemsize
        )
        self._size = max(1, min(batch, _CACHED // (4 * max(1, math.prod(self._padded)))))
        self.chunks = cut(batch, self._size)
        self._workspace = Workspace(self._scratch)

    def _scratch(self) -> tuple[Array, list[Array]]:
        """Return the inside of padded images, whose edge stays 0, and the views."""
        if self._is_there:
            return _NOTHING, []
        padded = numpy.zeros((self._size, *self._padded), numpy.float32)
        (top, left), (height, width) = self._before, self.images.shape[1:3]
        return padded[:, top : top + height, left : left + width], self._see(padded)

    def call(self, images: slice, function: Callable[[list[Array]], None]) -> Run:
        """Return the call of a function with the views of a chunk."""
        seen = self.images[images]
        if self._is_there:
            return partial(function, self._see(seen))
        count = len(seen)

        def run() -> None:
            scratch = self._workspace.take()
            inside, views = scratch
            inside[:count] = seen
            function(views if count == self._size else [each[:count] for each in views])
            self._workspace.give_back(scratch)

        return run


def _of_columns(columns: Columns, image: Array) -> Padded:
    """Return the padded images of a convolution, whose one view is of its windows."""
    see = partial(
        _windows, start=(0, 0), places=columns.places, kernel=columns.kernel, stride=columns.stride,
        dilation=columns.dilation[0],
    )  # fmt: skip
    return Padded(image, columns.padding, columns.padding, lambda padded: [see(padded)])


class Kernels:
    """Kernels ``[rows, width, in, out]``, packed anew by every replay.

    Args:
        given: the view of the weight.

    Attributes:
        by_row: what the loops take.
    """

    def __init__(self, given: Array) -> None:
        self.given, (rows, width, inside, outside) = given, given.shape
        self._packed = tile.panels(rows * width * inside, outside)
        self.by_row = self._packed.reshape(len(self._packed), rows, width * inside, -1)
        self._pack = tile.pack.compiled

    def prepare(self) -> None:
        """Pack them."""
        self._pack(numpy.ascontiguousarray(self.given).reshape(-1, self.given.shape[3]), self._packed, 0)


def products(
    columns: Columns, image: Array, result: Array, weight: Array, bias: Array | None, context: Context
) -> list[Run]:
    """Return the calls that leave the products of an image's windows with kernels in ``result`` (both ``[N, H, W, C]``)."""
    padded, kernels = _of_columns(columns, image), Kernels(weight.transpose(2, 3, 1, 0))
    corners, convolve = Workspace(partial(tile.corner, result.shape[3])), loops.convolve.compiled
    shift = _NOTHING if bias is None else bias

    def part(images: slice) -> Run:
        target = result[images]

        def multiply(views: list[Array]) -> None:
            corner = corners.take()
            convolve(views[0], kernels.by_row, corner, target, shift)
            corners.give_back(corner)

        return padded.call(images, multiply)

    return [kernels.prepare, context.in_parts([part(images) for images in padded.chunks])]


def weight_sums(columns: Columns, image: Array, gradient: Array, context: Context) -> tuple[Run, Array] | None:
    """Return the call that leaves the weight's gradient ``[kernel * C, O]`` in parts, and the parts.

    None where the output's channels do not fill tiles.
    """
    channels = gradient.shape[3]
    if channels % tile.shape_for(channels)[1]:
        return None
    padded, corners = _of_columns(columns, image), Workspace(partial(tile.corner, channels))
    parts = cut(len(padded.chunks), -(-len(padded.chunks) // _PARTS))
    sums, add = numpy.empty((len(parts), columns.depth, channels), numpy.float32), loops.convolve_weight.compiled

    def chunk(images: slice, total: Array, fresh: bool) -> Run:
        given = gradient[images]

        def multiply(views: list[Array]) -> None:
            corner = corners.take()
            add(views[0].transpose(0, 2, 1, 4, 3), given, corner, total, fresh)
            corners.give_back(corner)

        return padded.call(images, multiply)

    runs = [
        one_by_one([chunk(images, sums[number], place == 0) for place, images in enumerate(padded.chunks[part])])
        for number, part in enumerate(parts)
    ]
    return context.in_parts(runs), sums


@dataclass(frozen=True)
class Phase:
    """Every ``stride``-th place of an image along one dim, whose gradients come from windows of the output's gradient.

    Attributes:
        places: these places.
        count: how many there are.
        taps: the kernel's numbers that they met, in the kernel's order; a window meets them from the last to the first.
        length: how many these are.
        start: where the first window begins; before the gradient where negative.
    """

    places: slice
    count: int
    taps: slice
    length: int
    start: int


def phases(size: int, kernel: int, stride: int, padding: int) -> list[Phase]:
    """Return the phases of a dim: place i met number k at the output's place ``(i + padding - k) / stride``.

    Example:
        >>> [(each.places.start, each.taps.start, each.length, each.start) for each in phases(8, 3, 2, 1)]
        [(0, 1, 1, 0), (1, 0, 2, 0)]
    """
    found = []
    for first in range(min(stride, size)):
        last, begin = divmod(first + padding, stride)
        length = len(range(begin, kernel, stride))
        places, taps = slice(first, None, stride), slice(begin, None, stride)
        found.append(Phase(places, -(-(size - first) // stride), taps, length, last - length + 1))
    return found


def input_products(columns: Columns, gradient: Array, result: Array, weight: Array, context: Context) -> list[Run]:
    """Return the calls that leave the gradient of a convolution's input in ``result`` (both ``[N, H, W, C]``).

    For each pair of phases that is a convolution with the kernel's numbers that their places met. Dilation is 1.
    """
    along = zip(columns.spatial, columns.kernel, columns.stride, columns.padding, strict=True)
    pairs = list(product(*(phases(*each) for each in along)))
    met = [(y, x) for y, x in pairs if y.length and x.length]
    nothing = [result[:, y.places, x.places] for y, x in pairs if not (y.length and x.length)]
    rooms = [_room([pair[dim] for pair in met], columns.places[dim]) for dim in (0, 1)]
    (top, bottom), (left, right) = rooms

    def see(padded: Array) -> list[Array]:
        return [
            _windows(padded, (top + y.start, left + x.start), (y.count, x.count), (y.length, x.length), (1, 1))
            for y, x in met
        ]

    padded = Padded(gradient, (top, left), (bottom, right), see)
    kernels = [Kernels(weight[:, :, y.taps, x.taps][:, :, ::-1, ::-1].transpose(2, 3, 0, 1)) for y, x in met]
    corners, convolve = Workspace(partial(tile.corner, result.shape[3])), loops.convolve.compiled

    def part(images: slice) -> Run:
        targets = [result[images, y.places, x.places] for y, x in met]

        def multiply(views: list[Array]) -> None:
            corner = corners.take()
            for view, kernel, target in zip(views, kernels, targets, strict=True):
                convolve(view, kernel.by_row, corner, target, _NOTHING)
            corners.give_back(corner)

        return padded.call(images, multiply)

    def prepare() -> None:
        for each in kernels:
            each.prepare()
        for each in nothing:
            each[...] = 0

    return [prepare, context.in_parts([part(images) for images in padded.chunks])]


def _room(dim: list[Phase], places: int) -> Pair:
    """Return how many zeros the windows of some phases see before and after the places of a gradient."""
    first = min((each.start for each in dim), default=0)
    end = max((each.start + each.count - 1 + each.length for each in dim), default=0)
    return max(0, -first), max(0, end - places)
