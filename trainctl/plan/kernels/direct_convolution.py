"""Convolution on tiles: what windows see is read where it lies (:mod:`trainctl.plan.kernels.convolution_loops`)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy

from trainctl.backend import jit
from trainctl.backend.arrays import Array
from trainctl.plan.kernels import convolution_loops as loops
from trainctl.plan.kernels import few_channels_loops as few
from trainctl.plan.kernels import tile
from trainctl.plan.lowering import Context, Run, cut

if TYPE_CHECKING:
    from trainctl.plan.kernels.columns import Columns

Pair = tuple[int, int]

_BAND = 1 << 14  # numbers of padded rows worked on at once
_LARGE = 1 << 18  # multiplications from which work is worth a part of its own
PARTS = 16  # of a batch, at most
SUMS = 8  # in how many parts a batch is summed over, at the most
_FEW = 16  # numbers that a row of a window sees: from here they are worth a product of their own
NOTHING = numpy.empty(0, numpy.float32)


def is_direct(columns: Columns, context: Context) -> bool:
    """Return whether a convolution can be, and is better, done on tiles."""
    runs_through = columns.dilation[1] == 1 or columns.kernel[1] == 1
    return context.compiled and tile.pays() and runs_through and columns.dtype == numpy.float32


@dataclass(frozen=True)
class Windows:
    """Where the windows of a convolution of images ``[N, H, W, C]`` lie.

    Attributes:
        start: where the first window begins; before the image where negative.
        places: how many there are along each dim.
        kernel: their size.
        step: the distance from one to the next.
        dilation: of the kernel.
    """

    start: Pair
    places: Pair
    kernel: Pair
    step: Pair
    dilation: Pair = (1, 1)

    def are_inside(self, image: Array) -> bool:
        """Return whether none sticks out of images."""
        along = zip(self.start, self.places, self.kernel, self.step, self.dilation, image.shape[1:3], strict=True)
        return all(s >= 0 and s + (n - 1) * step + (k - 1) * d < size for s, n, k, step, d, size in along)

    def rows_at_once(self, channels: int) -> int:
        """Return how many rows of places are worked on at a time."""
        across = (self.places[1] - 1) * self.step[1] + self.kernel[1]
        return max(1, min(self.places[0], _BAND // (across * channels * self.step[0])))

    def columns_at_once(self, channels: int) -> int:
        """Return how many rows of places' columns are worked on at a time."""
        return max(1, min(self.places[0], _BAND // 2 // (math.prod(self.kernel) * channels * self.places[1])))


def windows_of(columns: Columns) -> Windows:
    """Return the windows of a convolution."""
    above, beside = columns.padding
    return Windows((-above, -beside), columns.places, columns.kernel, columns.stride, columns.dilation)


def channels_first(image: Array) -> Array | None:
    """Return images ``[N, H, W, C]`` as ``[N, C, H, W]`` if they lie so and have few channels."""
    first = image.transpose(0, 3, 1, 2)
    return first if first.flags.c_contiguous and image.shape[3] * 3 < _FEW else None


@jit.kernel("void(f4[:,:,:,:], f4[:,:,:,::1])")
def lay_out(given: Any, image: Any) -> None:
    """Copy images that lie otherwise."""
    for number in range(given.shape[0]):
        for y in range(given.shape[1]):
            for x in range(given.shape[2]):
                line, found = image[number, y, x], given[number, y, x]
                for c in range(line.size):
                    line[c] = found[c]


def channels_last(image: Array, context: Context) -> tuple[Array, list[Run]]:
    """Return images ``[N, H, W, C]`` that lie so, and the calls that make them where they are others."""
    if image.flags.c_contiguous:
        return image, []
    same = numpy.empty(image.shape, numpy.float32)
    return same, [context.in_parts([partial(lay_out, image[some], same[some]) for some in cut(len(image), 4)])]


def parts_of(batch: int, work: int, most: int) -> list[slice]:
    """Return a batch in parts, given how many multiplications all of it takes."""
    count = max(1, min(most, batch, work // _LARGE))
    return cut(batch, -(-batch // count))


def packing(given: Array, context: Context) -> tuple[Array, Run]:
    """Return room for kernels ``[rows, width, C, O]`` in panels ``[panels, rows * width * C, width]``, and what fills it."""
    packed = tile.panels(math.prod(given.shape[:3]), given.shape[3])
    width, pack = packed.shape[2], loops.pack_kernels
    calls: list[Run] = [partial(pack, given[..., i * width :], packed[i : i + 1]) for i in range(len(packed))]
    return packed, context.in_parts(calls)


def _by_row(packed: Array, rows: int) -> Array:
    """Return panels with the kernel's rows apart."""
    return packed.reshape(len(packed), rows, packed.shape[1] // rows, packed.shape[2])


def products(
    windows: Windows, image: Array, result: Array, given: Array, bias: Array | None, context: Context
) -> list[Run]:
    """Return the calls that leave the products of windows with kernels in ``result`` (``[N, H, W, O]``, perhaps with gaps).

    ``given``: the kernels, ``[rows, width, C, O]``.
    """
    packed, pack = packing(given, context)
    shift = NOTHING if bias is None else bias
    parts = parts_of(len(image), result.size * packed.shape[1], PARTS)
    first = channels_first(image)
    if first is not None and result.flags.c_contiguous:
        where = (
            windows.start,
            windows.step,
            windows.dilation,
            windows.kernel,
            windows.columns_at_once(image.shape[3]),
            tile.lanes(),
        )
        runs = [
            partial(few.convolve_few, first[p], packed, tile.corner(result.shape[3]), result[p], shift, *where)
            for p in parts
        ]
        return [pack, context.in_parts(runs)]
    seen, copied = channels_last(image, context)
    by_row = _by_row(packed, windows.kernel[0])
    place = (
        windows.start,
        windows.step,
        windows.dilation[0],
        windows.rows_at_once(image.shape[3]),
        windows.are_inside(image),
    )
    runs = [
        partial(loops.convolve, seen[p], by_row, tile.corner(result.shape[3]), result[p], shift, *place) for p in parts
    ]
    return [pack, *copied, context.in_parts(runs)]


def weight_sums(windows: Windows, image: Array, gradient: Array, context: Context) -> tuple[list[Run], Array] | None:
    """Return the calls that leave the weight's gradient ``[kernel * C, O]`` in parts, and the parts.

    None where the output's channels do not fill tiles.
    """
    depth, outputs = math.prod(windows.kernel) * image.shape[3], gradient.shape[3]
    if outputs % tile.shape_for(outputs)[1]:
        return None
    parts = parts_of(len(image), gradient.size * depth, SUMS)
    sums, first = numpy.empty((len(parts), depth, outputs), numpy.float32), channels_first(image)
    if first is not None:
        where = (
            windows.start,
            windows.step,
            windows.dilation,
            windows.kernel,
            windows.columns_at_once(image.shape[3]),
            tile.lanes(),
        )
        runs = [
            partial(few.convolve_few_weight, first[p], gradient[p], tile.corner(outputs), sums[i][None], *where)
            for i, p in enumerate(parts)
        ]
        return [context.in_parts(runs)], sums
    seen, copied = channels_last(image, context)
    totals = sums.reshape(len(parts), windows.kernel[0], -1, outputs)
    place = (
        windows.start,
        windows.step,
        windows.dilation[0],
        windows.rows_at_once(image.shape[3]),
        windows.are_inside(image),
    )
    runs = [
        partial(loops.convolve_weight, seen[p], gradient[p], tile.corner(outputs), totals[i], *place)
        for i, p in enumerate(parts)
    ]
    return [*copied, context.in_parts(runs)], sums


def added_up(sums: Array, target: Array, context: Context) -> Run:
    """Return the call that leaves the sum over parts ``[parts, rows * width * C, O]`` in ``target [rows, width, C, O]``."""
    by_row = sums.reshape(len(sums), len(target), -1, sums.shape[2])
    return context.in_parts([partial(loops.add_parts, by_row[:, r], row) for r, row in enumerate(target)])
