"""Convolution of images of few channels, as they are read from files: channels first, and with columns.

What a row of a window sees is a few numbers only, too few for a product of its own. So a band's columns are gathered,
each a run of a padded image's row, and are one factor of one product.
"""

from __future__ import annotations

from typing import Any

import numpy

from trainctl.backend import jit
from trainctl.plan.kernels.convolution_loops import add_band, fill
from trainctl.plan.kernels.tile import multiply
from trainctl.plan.kernels.vectors import copy_vector


@jit.kernel(
    "void(f4[:,:,::1], f4[:,:,::1], f4[::1], i8, UniTuple(i8, 3), UniTuple(i8, 2), UniTuple(i8, 2), i8, i8, i8)"
)
def gather(
    image: Any,
    padded: Any,
    columns: Any,
    top: Any,
    shape: Any,
    step: Any,
    dilation: Any,
    across: Any,
    left: Any,
    lanes: Any,
) -> None:
    """Leave what the windows of a band of ``image [C, H, W]`` see in ``columns``, as ``shape``: ``[kernel * C, H, W]``.

    Args:
        image: the image.
        padded: room for what they see of it, and one vector more in each row.
        columns: room for a vector more than that.
        top: the first row that they see.
        shape: of the columns.
        step: the distance from one window to the next.
        dilation: of the kernel.
        across: the kernel's width.
        left: the first column that they see.
        lanes: numbers in a vector.
    """
    (channels, height, width), vectors = image.shape, -(-shape[2] // lanes)
    for c in range(channels):
        fill(image[c].reshape((height, width, 1)), padded[c].reshape((padded.shape[1], padded.shape[2], 1)), top, left)
    to = 0
    for k in range(shape[0]):
        r, x, c = k // channels // across, k // channels % across, k % channels
        at = (c * padded.shape[1] + r * dilation[0]) * padded.shape[2] + x * dilation[1]
        for _ in range(shape[1]):
            if step[1] == 1:
                for i in range(vectors):  # what is written beyond the row is written over by the next one
                    copy_vector(padded, at + i * lanes, 0, 0, columns, to + i * lanes, 0, 0)
            else:
                seen, line = padded.reshape(-1)[at:], columns[to : to + shape[2]]
                for i in range(line.size):
                    line[i] = seen[i * step[1]]
            at += step[0] * padded.shape[2]
            to += shape[2]


@jit.kernel("void(f4[:,::1], f4[::1])")
def add_to_rows(out: Any, bias: Any) -> None:
    """Add a number to each column."""
    for i in range(out.shape[0]):
        for j in range(bias.size):
            out[i, j] += bias[j]


@jit.kernel("UniTuple(i8, 3)(i8, i8, i8, UniTuple(i8, 2), UniTuple(i8, 2), UniTuple(i8, 2), i8)")
def room_for(channels: Any, band: Any, across: Any, step: Any, dilation: Any, kernel: Any, lanes: Any) -> Any:
    """Return the shape of what the windows of a band see of an image, channels first, and a vector more in each row."""
    rows = (band - 1) * step[0] + (kernel[0] - 1) * dilation[0] + 1
    return channels, rows, (across - 1) * step[1] + (kernel[1] - 1) * dilation[1] + 1 + lanes


@jit.kernel(
    "void(f4[:,:,:,::1], f4[:,:,::1], f4[:,::1], f4[:,:,:,::1], f4[::1], UniTuple(i8, 2), UniTuple(i8, 2), "
    "UniTuple(i8, 2), UniTuple(i8, 2), i8, i8)"
)
def convolve_few(
    image: Any, packed: Any, spare: Any, out: Any, bias: Any, start: Any, step: Any, dilation: Any, kernel: Any,
    band: Any, lanes: Any,
) -> None:  # fmt: skip
    """Leave the products of the windows of ``image [N, C, H, W]`` with kernels in ``out [N, H, W, O]``.

    ``packed [panels, kernel * C, width]``; a bias of size 0 is none; ``band`` rows of places are worked on at a time.
    """
    _, places, across, outputs = out.shape
    depth = packed.shape[1]
    columns = numpy.empty(depth * band * across + lanes, numpy.float32)
    padded = numpy.empty(room_for(image.shape[1], band, across, step, dilation, kernel, lanes), numpy.float32)
    for number in range(out.shape[0]):
        for y in range(0, places, band):
            count, top = min(band, places - y), start[0] + y * step[0]
            gather(
                image[number], padded, columns, top, (depth, count, across), step, dilation, kernel[1], start[1], lanes
            )
            target = out[number, y : y + count].reshape((count * across, outputs))
            factor = columns[: depth * count * across].reshape((depth, count * across)).T
            multiply(factor, packed, target, bias[:0])
            add_to_rows(target, bias)


@jit.kernel(
    "void(f4[:,:,:,::1], f4[:,:,:,::1], f4[:,::1], f4[:,:,::1], UniTuple(i8, 2), UniTuple(i8, 2), UniTuple(i8, 2), "
    "UniTuple(i8, 2), i8, i8)"
)
def convolve_few_weight(
    image: Any,
    gy: Any,
    spare: Any,
    total: Any,
    start: Any,
    step: Any,
    dilation: Any,
    kernel: Any,
    band: Any,
    lanes: Any,
) -> None:
    """Leave the products of all windows with ``gy [N, H, W, O]``, summed, in ``total [1, kernel * C, O]``.

    Other arguments as of :func:`convolve_few`; O is a multiple of a tile's width.
    """
    _, places, across, outputs = gy.shape
    depth = total.shape[1]
    columns = numpy.empty(depth * band * across + lanes, numpy.float32)
    padded = numpy.empty(room_for(image.shape[1], band, across, step, dilation, kernel, lanes), numpy.float32)
    for number in range(gy.shape[0]):
        for y in range(0, places, band):
            count, top = min(band, places - y), start[0] + y * step[0]
            gather(
                image[number], padded, columns, top, (depth, count, across), step, dilation, kernel[1], start[1], lanes
            )
            windows = columns[: depth * count * across].reshape((1, 1, depth, count * across))
            given = gy[number, y : y + count].reshape((1, count * across, outputs))
            add_band(windows, given, spare, total, number == 0 and y == 0)
