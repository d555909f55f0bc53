"""Convolution on tiles: what windows see is read where it lies (:mod:`trainctl.plan.kernels.convolution_loops`)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy

from trainctl.backend.arrays import Array
from trainctl.plan.kernels import convolution_loops as loops
from trainctl.plan.kernels import tile
from trainctl.plan.lowering import Context, Run, Workspace, cut

if TYPE_CHECKING:
    from trainctl.plan.kernels.convolution import Columns

_CACHED = 1 << 18  # bytes of padded images worked on at once
_PARTS = 8  # in how many parts a batch is summed over, at the most
_NOTHING = numpy.empty(0, numpy.float32)


def is_direct(columns: Columns, context: Context) -> bool:
    """Return whether a convolution can be, and is better, done on tiles."""
    runs_through = columns.dilation[1] == 1 or columns.kernel[1] == 1
    return context.compiled and tile.pays() and runs_through and columns.dtype == numpy.float32


class Windows:
    """What the rows of windows see in a few images at a time.

    Args:
        columns: the convolution.

    Attributes:
        chunks: slices of images.
    """

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        (height, width), (above, beside) = columns.spatial, columns.padding
        self._padded = (height + 2 * above, width + 2 * beside, columns.channels)
        self._size = max(1, min(columns.batch, _CACHED // (4 * max(1, int(numpy.prod(self._padded))))))
        self.chunks = cut(columns.batch, self._size)
        self._workspace = Workspace(self._scratch)

    def _scratch(self) -> tuple[Array, Array]:
        """Return the inside of padded images, whose edge stays 0, and their windows."""
        padded = numpy.zeros((self._size, *self._padded), numpy.float32)
        return self.columns.inner(padded), self._rows(padded)

    def _rows(self, images: Array) -> Array:
        """Return the windows' rows ``[n, rows of places, rows of the kernel, places in a row, width of the kernel * C]``."""
        each = self.columns
        n, h, w, c = images.strides
        shape = (len(images), each.places[0], each.kernel[0], each.places[1], each.kernel[1] * each.channels)
        steps = (n, h * each.stride[0], h * each.dilation[0], w * each.stride[1], c)
        return numpy.lib.stride_tricks.as_strided(images, shape, steps)

    def call(self, image: Array, function: Callable[[Array], None]) -> Run:
        """Return the call of a function with the windows of a chunk of images."""
        if self.columns.padding == (0, 0):
            return partial(function, self._rows(image))

        def run() -> None:
            scratch = self._workspace.take()
            inside, rows = scratch
            inside[: len(image)] = image
            function(rows[: len(image)])
            self._workspace.give_back(scratch)

        return run


def products(
    columns: Columns, image: Array, result: Array, filters: Callable[[], Array], bias: Array | None, context: Context
) -> list[Run]:
    """Return the calls that leave the products of an image's windows with kernels in ``result`` (both ``[N, H, W, C]``)."""
    windows, channels = Windows(columns), result.shape[3]
    packed, corners = tile.panels(columns.depth, channels), Workspace(partial(tile.corner, channels))
    pack, convolve = tile.pack.compiled, loops.convolve.compiled
    shift = _NOTHING if bias is None else bias

    def part(images: slice) -> Run:
        target = result[images]

        def multiply(rows: Array) -> None:
            corner = corners.take()
            convolve(rows, packed, corner, target, shift)
            corners.give_back(corner)

        return windows.call(image[images], multiply)

    return [lambda: pack(filters(), packed, 0), context.in_parts([part(images) for images in windows.chunks])]


def weight_sums(columns: Columns, image: Array, gradient: Array, context: Context) -> tuple[Run, Array] | None:
    """Return the call that leaves the weight's gradient ``[kernel * C, O]`` in parts, and the parts.

    None where the output's channels do not fill tiles.
    """
    channels = gradient.shape[3]
    if channels % tile.shape_for(channels)[1]:
        return None
    windows, corners = Windows(columns), Workspace(partial(tile.corner, channels))
    parts = cut(len(windows.chunks), -(-len(windows.chunks) // _PARTS))
    sums, add = numpy.empty((len(parts), columns.depth, channels), numpy.float32), loops.convolve_weight.compiled

    def chunk(images: slice, total: Array, fresh: bool) -> Run:
        given = gradient[images]

        def multiply(rows: Array) -> None:
            corner = corners.take()
            add(rows, given, corner, total, fresh)
            corners.give_back(corner)

        return windows.call(image[images], multiply)

    def part(number: int) -> Run:
        chunks = windows.chunks[parts[number]]
        calls = [chunk(images, sums[number], place == 0) for place, images in enumerate(chunks)]
        return partial(_all, calls)

    return context.in_parts([part(number) for number in range(len(parts))]), sums


def _all(calls: list[Run]) -> None:
    for call in calls:
        call()
