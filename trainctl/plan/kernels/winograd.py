"""Winograd's convolution F(4x4, 3x3): 3x3 kernels with stride 1 on images of many channels, with a quarter of the products.

It differs from the op by rounding, more than sums in another order do: by about 1e-6 of the size of a typical result, twice
to three times what a plain sum is off. A NaN or an infinity spreads over the 4x4 places that are computed together.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy

from trainctl.backend.arrays import Array
from trainctl.plan.kernels import direct_convolution as direct
from trainctl.plan.kernels import tile
from trainctl.plan.kernels import winograd_loops as loops
from trainctl.plan.lowering import Context, Run

if TYPE_CHECKING:
    from trainctl.plan.kernels.direct_convolution import Windows

_BLOCK = 1 << 16  # numbers at the points of a block of squares
_ROUNDED = 1.8  # times the places there are that may be computed: beyond, the plain products are faster


def or_direct(
    windows: Windows, image: Array, result: Array, given: Array, bias: Array | None, context: Context
) -> list[Run]:
    """Return the calls that leave the products of windows with kernels in ``result``, by whichever way is faster."""
    fast = pays(windows, *given.shape[2:]) and result.flags.c_contiguous
    return (products if fast else direct.products)(windows, image, result, given, bias, context)


def pays(windows: Windows, channels: int, outputs: int) -> bool:
    """Return whether a convolution can be, and is better, done so."""
    if windows.kernel != (3, 3) or windows.step != (1, 1) or windows.dilation != (1, 1):
        return False
    fills = channels % tile.lanes() == 0 and outputs % tile.shape_for(outputs)[1] == 0
    down, across = _squares(windows)
    return fills and 16 * down * across <= _ROUNDED * windows.places[0] * windows.places[1]


def _squares(windows: Windows) -> direct.Pair:
    """Return how many squares of 4x4 places there are along each dim."""
    return -(-windows.places[0] // 4), -(-windows.places[1] // 4)


def _block(channels: int, outputs: int) -> int:
    """Return how many squares are worked on at once."""
    return max(8, _BLOCK // (36 * (channels + outputs)) // 8 * 8)


def _where(windows: Windows, channels: int, outputs: int) -> tuple[direct.Pair, direct.Pair, int, int, int]:
    """Return what the loops are told about windows: start, squares, rows of them to be copied and squares at once, lanes."""
    squares = _squares(windows)
    band = max(1, min(squares[0], (1 << 14) // (16 * (squares[1] + 1) * channels)))
    return windows.start, squares, band, _block(channels, outputs), tile.lanes()


def products(
    windows: Windows, image: Array, result: Array, given: Array, bias: Array | None, context: Context
) -> list[Run]:
    """Return the calls that leave the products of windows with kernels in ``result [N, H, W, O]``.

    ``given``: the kernels, ``[rows, width, C, O]``.
    """
    channels, outputs = given.shape[2:]
    width = tile.shape_for(outputs)[1]
    kernels, gathered = (numpy.empty((outputs // width, n, channels, width), numpy.float32) for n in (36, 9))
    prepare: list[Run] = [
        partial(loops.transform_kernels, given[..., i * width :], gathered[i], kernels[i : i + 1], tile.lanes())
        for i in range(len(kernels))
    ]
    seen, copied = direct.channels_last(image, context)
    where, shift = _where(windows, channels, outputs), numpy.zeros(outputs, numpy.float32) if bias is None else bias
    parts = direct.parts_of(len(image), result.size * channels * 9, direct.PARTS)
    runs: list[Run] = [
        partial(loops.winograd, seen[p], kernels, tile.corner(outputs), result[p], shift, *where) for p in parts
    ]
    return [context.in_parts(prepare), *copied, context.in_parts(runs)]


def weight_sums(windows: Windows, image: Array, gradient: Array, context: Context) -> tuple[list[Run], Array]:
    """Return the calls that leave the weight's gradient ``[kernel * C, O]`` in parts, and the parts."""
    channels, outputs = image.shape[3], gradient.shape[3]
    parts = direct.parts_of(len(image), gradient.size * channels * 9, direct.SUMS)
    sums = numpy.empty((len(parts), 9 * channels, outputs), numpy.float32)
    totals = sums.reshape(len(parts), 9, channels, outputs)
    seen, copied = direct.channels_last(image, context)
    where = _where(windows, channels, outputs)
    runs: list[Run] = [
        partial(
            loops.winograd_weight, seen[p], gradient[p], tile.corner(outputs), totals[i].reshape(3, 3, channels, outputs),
            *where,
        )
        for i, p in enumerate(parts)
    ]  # fmt: skip
    return [*copied, context.in_parts(runs)], sums
