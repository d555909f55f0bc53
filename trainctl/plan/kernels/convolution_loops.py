"""Convolution on tiles (:mod:`trainctl.plan.kernels.tile`), without columns.

Channels last, what a row of a window sees is one run of memory, and the windows of a row of places are rows of an
overlapping matrix: the kernel's rows are products with such matrices, and a tile of their sum stays in registers.
Images are worked on a band of rows at a time, which is copied with zeros around it where windows stick out.

A window is where its first element lies: at ``start + place * step`` of the image.
"""

from __future__ import annotations

from typing import Any

import numpy
from numpy.lib.stride_tricks import as_strided

from trainctl.backend import jit
from trainctl.plan.kernels.tile import tile

_CHAIN = 256  # places over which a sum runs on


@jit.kernel("void(f4[:,:,::1], f4[:,:,::1], i8, i8)")
def fill(image: Any, padded: Any, top: Any, left: Any) -> None:
    """Copy what an image ``[H, W, C]`` has from ``(top, left)`` on, and zeros where that is outside of it."""
    channels = image.shape[2]
    begin = min(max(0, -left), padded.shape[1]) * channels
    end = max(begin, min(padded.shape[1], image.shape[1] - left) * channels)
    for i in range(padded.shape[0]):
        line = padded[i].reshape(-1)
        if 0 <= top + i < image.shape[0]:
            inside, given = line[begin:end], image[top + i].reshape(-1)[begin + left * channels :]
            for k in range(inside.size):
                inside[k] = given[k]
            for k in range(begin):
                line[k] = 0
            for k in range(end, line.size):
                line[k] = 0
        else:
            for k in range(line.size):
                line[k] = 0


@jit.kernel("f4[:,:,:](f4[:,:,::1], f4[:,:,::1], i8, UniTuple(i8, 2), b1)")
def see(image: Any, padded: Any, rows: Any, start: Any, inside: Any) -> Any:
    """Return an image from ``start`` on: itself if windows are ``inside`` of it, else ``padded``, of which rows are filled."""
    if inside:
        return image[start[0] :, start[1] :]
    fill(image, padded[:rows], start[0], start[1])
    return padded[:, 0:]


@jit.kernel("void(f4[:,:,:], f4[:,:,:,::1], f4[:,::1], f4[:,:], f4[::1])")
def convolve_row(windows: Any, packed: Any, spare: Any, out: Any, bias: Any) -> None:
    """Leave the products of a row's windows ``[kernel's rows, W, kernel's width * C]`` with kernels in ``out [W, O]``."""
    rows, width = spare.shape
    for number in range(packed.shape[0]):
        first = number * width
        count = min(width, out.shape[1] - first)
        for left in range(0, out.shape[0], rows):
            height = min(rows, out.shape[0] - left)
            seen, target = windows[:, left : left + height], out[left : left + height, first : first + count]
            if height == rows and count == width:
                tile(seen, packed[number], target, height - 1, False, 2 * rows == width)
            else:
                tile(seen, packed[number], spare, height - 1, False, 2 * rows == width)
                for i in range(height):
                    row, found = target[i], spare[i]
                    for j in range(count):
                        row[j] = found[j]
            if bias.size > 0:
                for i in range(height):
                    row = target[i]
                    for j in range(count):
                        row[j] += bias[first + j]


@jit.kernel(
    "void(f4[:,:,:,::1], f4[:,:,:,::1], f4[:,::1], f4[:,:,:,:], f4[::1], UniTuple(i8, 2), UniTuple(i8, 2), i8, i8, b1)"
)
def convolve(
    image: Any,
    packed: Any,
    spare: Any,
    out: Any,
    bias: Any,
    start: Any,
    step: Any,
    dilation: Any,
    band: Any,
    inside: Any,
) -> None:
    """Leave the products of the windows of ``image [N, H, W, C]`` with kernels in ``out [N, H, W, O]``.

    ``packed [panels, kernel's rows, kernel's width * C, width]``; a bias of size 0 is none; ``dilation`` is that of the
    kernel's rows; ``band`` rows of places are worked on at a time; ``inside``: no window sticks out of the image.
    """
    channels, (_, places, across, _), (_, rows, depth, _) = image.shape[3], out.shape, packed.shape
    room = ((band - 1) * step[0] + (rows - 1) * dilation + 1, (across - 1) * step[1] + depth // channels, channels)
    padded = numpy.empty((0, 0, 0) if inside else room, numpy.float32)
    for number in range(out.shape[0]):
        for y in range(0, places, band):
            count, first = min(band, places - y), (start[0] + y * step[0], start[1])
            seen = see(image[number], padded, (count - 1) * step[0] + (rows - 1) * dilation + 1, first, inside)
            row, column = seen.strides[0], seen.strides[1]
            steps = (row * step[0], row * dilation, column * step[1], 4)
            windows = as_strided(seen, (count, rows, across, depth), steps)
            for i in range(count):
                convolve_row(windows[i], packed, spare, out[number, y + i], bias)


@jit.kernel("void(f4[:,:,:,:], f4[:,:,::1], f4[:,::1], f4[:,:,::1], b1)")
def add_band(windows: Any, gy: Any, spare: Any, total: Any, fresh: Any) -> None:
    """Add the products of ``windows [kernel's rows, H, kernel's width * C, W]`` with ``gy [H, W, O]`` over all places to ``total``.

    ``total [kernel's rows, kernel's width * C, O]``: O is a multiple of a tile's width. ``fresh``: there is nothing there.
    """
    (rows, width), depth = spare.shape, windows.shape[2]
    step = max(1, _CHAIN // gy.shape[1])
    for r in range(windows.shape[0]):
        for top in range(0, depth, rows):
            height = min(rows, depth - top)
            for first in range(0, total.shape[2], width):
                target = total[r, top : top + height, first : first + width]
                for y in range(0, gy.shape[0], step):
                    seen = windows[r, y : y + step, top : top + height]
                    given = gy[y : y + step, :, first : first + width]
                    add = y > 0 or not fresh
                    if height == rows:
                        tile(seen, given, target, height - 1, add, 2 * rows == width)
                    else:
                        tile(seen, given, spare, height - 1, False, 2 * rows == width)
                        for i in range(height):
                            row, found = target[i], spare[i]
                            for j in range(width):
                                row[j] = row[j] + found[j] if add else found[j]


@jit.kernel("void(f4[:,:,:,::1], f4[:,:,:,::1], f4[:,::1], f4[:,:,::1], UniTuple(i8, 2), UniTuple(i8, 2), i8, i8, b1)")
def convolve_weight(
    image: Any, gy: Any, spare: Any, total: Any, start: Any, step: Any, dilation: Any, band: Any, inside: Any
) -> None:
    """Leave the sums of :func:`add_band` over all bands of all images in ``total``; arguments as of :func:`convolve`."""
    channels, (_, places, across, _), (rows, depth, _) = image.shape[3], gy.shape, total.shape
    room = ((band - 1) * step[0] + (rows - 1) * dilation + 1, (across - 1) * step[1] + depth // channels, channels)
    padded = numpy.empty((0, 0, 0) if inside else room, numpy.float32)
    for number in range(gy.shape[0]):
        for y in range(0, places, band):
            count, first = min(band, places - y), (start[0] + y * step[0], start[1])
            seen = see(image[number], padded, (count - 1) * step[0] + (rows - 1) * dilation + 1, first, inside)
            row, column = seen.strides[0], seen.strides[1]
            steps = (row * dilation, row * step[0], 4, column * step[1])
            windows = as_strided(seen, (rows, count, depth, across), steps)
            add_band(windows, gy[number, y : y + count], spare, total, number == 0 and y == 0)


@jit.kernel("void(f4[:,:,:,:], f4[:,:,::1])")
def pack_kernels(given: Any, packed: Any) -> None:
    """Leave kernels ``[rows, width, C, O]`` in panels ``[panels, rows * width * C, width]``, zeros beyond the last column."""
    rows, across, channels, outputs = given.shape
    width = packed.shape[2]
    for number in range(packed.shape[0]):
        first = number * width
        count = min(width, outputs - first)
        for r in range(rows):
            for x in range(across):
                for c in range(channels):
                    row, found = packed[number, (r * across + x) * channels + c], given[r, x, c, first:]
                    for j in range(width):
                        row[j] = found[j] if j < count else numpy.float32(0)


@jit.kernel("void(f4[:,:,:], f4[:,:,:])")
def add_parts(sums: Any, target: Any) -> None:
    """Leave the sum of ``sums [parts, width * C, O]``, in their order, in ``target [width, C, O]``; the first is written over."""
    total, channels = sums[0], target.shape[1]
    for part in range(1, sums.shape[0]):
        for k in range(total.shape[0]):
            row, other = total[k], sums[part, k]
            for j in range(row.size):
                row[j] += other[j]
    for x in range(target.shape[0]):
        for o in range(target.shape[2]):
            for c in range(channels):
                target[x, c, o] = total[x * channels + c, o]
