"""Winograd's convolution F(4x4, 3x3) of images that lie channels last: the loops of :mod:`trainctl.plan.kernels.winograd`.

A square of 6x6 places of the image gives one of 4x4 of the output. A block of squares is brought to the 36 points, each
point is a product of matrices ``[squares, C] @ [C, O]`` on tiles, and the results are brought back. Blocks stay in the
second level of cache.
"""

from __future__ import annotations

from typing import Any

import numpy

from trainctl.backend import jit
from trainctl.plan.kernels.convolution_loops import fill
from trainctl.plan.kernels.tile import tile
from trainctl.plan.kernels.vectors import (
    copy_vector,
    gradient_square,
    input_square,
    kernel_gradient_square,
    kernel_square,
    output_square,
)


@jit.kernel("void(f4[:,:,:,:], f4[:,:,::1], f4[:,:,:,::1], i8)")
def transform_kernels(given: Any, gathered: Any, points: Any, lanes: Any) -> None:
    """Leave kernels ``[3, 3, C, O]`` at the points, in panels ``[panels, 36, C, width]``; ``gathered [9, C, width]`` is scratch."""
    channels, width = points.shape[2:]
    for number in range(points.shape[0]):
        for r in range(3):
            for x in range(3):
                for c in range(channels):
                    for j in range(width):
                        gathered[3 * r + x, c, j] = given[r, x, c, number * width + j]
        step = channels * width
        for c in range(channels):
            for j in range(0, width, lanes):
                at = c * width + j
                kernel_square(gathered, at, 3 * step, step, points[number], at, 6 * step, step)


@jit.kernel("UniTuple(i8, 3)(i8, UniTuple(i8, 2))")
def first_of(number: Any, squares: Any) -> Any:
    """Return the image, and the row and column in it, of a square."""
    per_image = squares[0] * squares[1]
    place = number % per_image
    return number // per_image, place // squares[1], place % squares[1]


@jit.kernel(
    "void(f4[:,:,:,::1], f4[:,:,::1], i8[::1], i8, i8, UniTuple(i8, 2), UniTuple(i8, 2), i8, i8, f4[:,:,::1], b1, i8)"
)
def to_points(
    image: Any, padded: Any, filled: Any, first: Any, count: Any, squares: Any, start: Any, size: Any, band: Any, points: Any,
    is_gradient: Any, lanes: Any,
) -> None:  # fmt: skip
    """Leave squares ``first .. first + count`` of images ``[N, H, W, C]`` at the points in ``points [36, squares, C]``.

    ``squares`` is their number along each dim of an image; the first begins at ``start`` and has ``size`` rows, and
    the next one begins 4 further. ``band`` rows of them are copied at a time to ``padded``, with zeros around;
    ``filled`` keeps which ones these are from one block to the next.
    """
    channels, vectors = image.shape[3], image.shape[3] // lanes  # a range's step would cost a division each time
    row, step = padded.shape[1] * channels, points.shape[1] * channels
    number, y, x = first_of(first, squares)
    top = y // band * band
    for i in range(count):
        if y == top + band:
            top = y
        if filled[0] != number or filled[1] != top:
            filled[0], filled[1] = number, top
            height = (min(band, squares[0] - top) - 1) * 4 + size
            fill(image[number], padded[:height], start[0] + 4 * top, start[1])
        at, to = (y - top) * 4 * row + x * 4 * channels, i * channels
        for v in range(vectors):
            if is_gradient:
                gradient_square(padded, at + v * lanes, row, channels, points, to + v * lanes, 6 * step, step)
            else:
                input_square(padded, at + v * lanes, row, channels, points, to + v * lanes, 6 * step, step)
        x += 1
        if x == squares[1]:
            x, y = 0, y + 1
        if y == squares[0]:
            y, number, top = 0, number + 1, 0


@jit.kernel("void(f4[:,:,::1], i8, i8, UniTuple(i8, 2), f4[:,:,:,::1], f4[::1], f4[:,:,::1], i8)")
def from_points(
    points: Any, first: Any, count: Any, squares: Any, out: Any, bias: Any, corner: Any, lanes: Any
) -> None:
    """Leave squares that are at the points, plus ``bias [O]``, in ``out [N, H, W, O]``; ``corner [4, 4, O]`` is scratch."""
    _, height, width, channels = out.shape
    row, step, vectors = width * channels, points.shape[1] * channels, channels // lanes
    number, y, x = first_of(first, squares)
    for i in range(count):
        if 4 * y + 4 <= height and 4 * x + 4 <= width:
            at = ((number * height + 4 * y) * width + 4 * x) * channels
            for v in range(vectors):
                c = v * lanes
                output_square(points, i * channels + c, 6 * step, step, out, at + c, row, channels, bias, c)
        else:
            for v in range(vectors):
                c = v * lanes
                output_square(points, i * channels + c, 6 * step, step, corner, c, 4 * channels, channels, bias, c)
            for r in range(min(4, height - 4 * y)):
                at = ((number * height + 4 * y + r) * width + 4 * x) * channels
                for v in range(min(4, width - 4 * x) * vectors):
                    copy_vector(corner, r * 4 * channels + v * lanes, 0, 0, out, at + v * lanes, 0, 0)
        x += 1
        if x == squares[1]:
            x, y = 0, y + 1
        if y == squares[0]:
            y, number = 0, number + 1


@jit.kernel("void(f4[:,:,::1], f4[:,:,:,::1], f4[:,::1], f4[:,:,::1], i8)")
def multiply_points(seen: Any, kernels: Any, spare: Any, products: Any, tiles: Any) -> None:
    """Leave the products of squares with kernels at each point in ``products [36, squares, O]``, for so many tiles of rows.

    The last tile's rows may be left over from another block: nobody reads them.
    """
    rows, width = spare.shape
    for number in range(kernels.shape[0]):
        left = number * width
        for point in range(36):
            right = kernels[number, point]
            for i in range(tiles):
                top = i * rows
                part, target = seen[point, top : top + rows], products[point, top : top + rows, left : left + width]
                tile(part, right, target, rows - 1, False, 2 * rows == width)


@jit.kernel(
    "void(f4[:,:,:,::1], f4[:,:,:,::1], f4[:,::1], f4[:,:,:,::1], f4[::1], UniTuple(i8, 2), UniTuple(i8, 2), i8, i8, i8)"
)
def winograd(
    image: Any,
    kernels: Any,
    spare: Any,
    out: Any,
    bias: Any,
    start: Any,
    squares: Any,
    band: Any,
    block: Any,
    lanes: Any,
) -> None:
    """Leave the convolution of ``image [N, H, W, C]`` with kernels at the points, in panels, in ``out [N, H, W, O]``.

    ``block`` squares, whole tiles of them, are worked on at once; room for one more keeps the points, which are stored
    together, off the same sets of the cache. Other arguments as of :func:`to_points`.
    """
    rows, channels, outputs = spare.shape[0], image.shape[3], out.shape[3]
    padded = numpy.empty((4 * band + 2, 4 * squares[1] + 2, channels), numpy.float32)
    seen = numpy.empty((36, block + 1, channels), numpy.float32)
    products = numpy.empty((36, block + 1, outputs), numpy.float32)
    corner, filled = numpy.empty((4, 4, outputs), numpy.float32), numpy.full(2, -1)
    total = out.shape[0] * squares[0] * squares[1]
    for first in range(0, total, block):
        count = min(block, total - first)
        to_points(image, padded, filled, first, count, squares, start, 6, band, seen, False, lanes)
        multiply_points(seen, kernels, spare, products, -(-count // rows))
        from_points(products, first, count, squares, out, bias, corner, lanes)


@jit.kernel(
    "void(f4[:,:,:,::1], f4[:,:,:,::1], f4[:,::1], f4[:,:,:,::1], UniTuple(i8, 2), UniTuple(i8, 2), i8, i8, i8)"
)
def winograd_weight(
    image: Any, gy: Any, spare: Any, total: Any, start: Any, squares: Any, band: Any, block: Any, lanes: Any
) -> None:
    """Leave the gradient of kernels ``[3, 3, C, O]`` in ``total``, given that of the output, ``gy [N, H, W, O]``."""
    rows, width = spare.shape
    channels, outputs = image.shape[3], gy.shape[3]
    padded = numpy.empty((4 * band + 2, 4 * squares[1] + 2, channels), numpy.float32)
    whole = numpy.empty((4 * band, 4 * squares[1], outputs), numpy.float32)
    seen = numpy.empty((36, block + 1, channels), numpy.float32)
    given = numpy.empty((36, block + 1, outputs), numpy.float32)
    sums = numpy.empty((36, channels, outputs), numpy.float32)
    of_image, of_gradient = numpy.full(2, -1), numpy.full(2, -1)
    count = gy.shape[0] * squares[0] * squares[1]
    for first in range(0, count, block):
        some = min(block, count - first)
        to_points(image, padded, of_image, first, some, squares, start, 6, band, seen, False, lanes)
        to_points(gy, whole, of_gradient, first, some, squares, (0, 0), 4, band, given, True, lanes)
        for point in range(36):
            turned = seen[point, :some].T
            for left in range(0, outputs, width):
                right = given[point, :some, left : left + width]
                for top in range(0, channels, rows):
                    target = sums[point, top : top + rows, left : left + width]
                    tile(turned[top : top + rows], right, target, rows - 1, first > 0, 2 * rows == width)
    step = channels * outputs
    for c in range(0, step, lanes):
        kernel_gradient_square(sums, c, 6 * step, step, total, c, 3 * step, step)
