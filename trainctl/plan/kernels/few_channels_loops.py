"""Convolution of images of few channels, as they are read from files: channels first, and with columns.

What a row of a window sees is a few numbers only, too few for a product of its own. So a band's columns are gathered,
each a run of an image's row, and are one factor of one product.
"""

from __future__ import annotations

from typing import Any

import numpy

from trainctl.backend import jit
from trainctl.plan.kernels.convolution_loops import add_band
from trainctl.plan.kernels.tile import multiply


@jit.kernel("void(f4[:,:,::1], f4[:,:,::1], UniTuple(i8, 2), UniTuple(i8, 2), UniTuple(i8, 2), UniTuple(i8, 2))")
def gather(image: Any, columns: Any, start: Any, step: Any, dilation: Any, kernel: Any) -> None:
    """Leave what the windows of ``image [C, H, W]`` see in ``columns [kernel * C, H, W]``: zeros outside of the image."""
    channels, height, width = image.shape
    _, places, across = columns.shape
    for k in range(columns.shape[0]):
        r, x, c = k // channels // kernel[1], k // channels % kernel[1], k % channels
        first, right = start[1] + x * dilation[1], step[1]
        begin = min(across, max(0, -(first // right)))
        end = max(begin, min(across, (width - first + right - 1) // right))
        for y in range(places):
            row = start[0] + y * step[0] + r * dilation[0]
            is_there = 0 <= row < height
            stop = begin if is_there else across
            for i in range(stop):
                columns[k, y, i] = 0
            for i in range(end if is_there else across, across):
                columns[k, y, i] = 0
            if is_there and right == 1:
                for i in range(begin, end):
                    columns[k, y, i] = image[c, row, first + i]
            elif is_there:
                for i in range(begin, end):
                    columns[k, y, i] = image[c, row, first + i * right]


@jit.kernel("void(f4[:,::1], f4[::1])")
def add_to_rows(out: Any, bias: Any) -> None:
    """Add a number to each column."""
    for i in range(out.shape[0]):
        for j in range(bias.size):
            out[i, j] += bias[j]


@jit.kernel(
    "void(f4[:,:,:,::1], f4[:,:,::1], f4[:,::1], f4[:,:,:,::1], f4[::1], UniTuple(i8, 2), UniTuple(i8, 2), "
    "UniTuple(i8, 2), UniTuple(i8, 2), i8)"
)
def convolve_few(
    image: Any, packed: Any, spare: Any, out: Any, bias: Any, start: Any, step: Any, dilation: Any, kernel: Any, band: Any
) -> None:
    """Leave the products of the windows of ``image [N, C, H, W]`` with kernels in ``out [N, H, W, O]``.

    ``packed [panels, kernel * C, width]``; a bias of size 0 is none; ``band`` rows of places are worked on at a time.
    """
    _, places, across, outputs = out.shape
    room = numpy.empty(packed.shape[1] * band * across, numpy.float32)
    for number in range(out.shape[0]):
        for y in range(0, places, band):
            count, first = min(band, places - y), (start[0] + y * step[0], start[1])
            columns = room[: packed.shape[1] * count * across].reshape((packed.shape[1], count, across))
            gather(image[number], columns, first, step, dilation, kernel)
            target = out[number, y : y + count].reshape((count * across, outputs))
            multiply(columns.reshape((packed.shape[1], count * across)).T, packed, spare, target, bias[:0])
            add_to_rows(target, bias)


@jit.kernel(
    "void(f4[:,:,:,::1], f4[:,:,:,::1], f4[:,::1], f4[:,:,::1], UniTuple(i8, 2), UniTuple(i8, 2), UniTuple(i8, 2), "
    "UniTuple(i8, 2), i8)"
)
def convolve_few_weight(
    image: Any, gy: Any, spare: Any, total: Any, start: Any, step: Any, dilation: Any, kernel: Any, band: Any
) -> None:
    """Leave the products of all windows with ``gy [N, H, W, O]``, summed, in ``total [1, kernel * C, O]``.

    Other arguments as of :func:`convolve_few`; O is a multiple of a tile's width.
    """
    _, places, across, outputs = gy.shape
    room = numpy.empty(total.shape[1] * band * across, numpy.float32)
    for number in range(gy.shape[0]):
        for y in range(0, places, band):
            count, first = min(band, places - y), (start[0] + y * step[0], start[1])
            columns = room[: total.shape[1] * count * across].reshape((total.shape[1], count, across))
            gather(image[number], columns, first, step, dilation, kernel)
            windows = columns.reshape((1, 1, total.shape[1], count * across))
            given = gy[number, y : y + count].reshape((1, count * across, outputs))
            add_band(windows, given, spare, total, number == 0 and y == 0)
