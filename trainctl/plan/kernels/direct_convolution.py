"""Convolution of images that lie channels last without columns: tiles read the windows where they are.

What a window of width ``w`` sees of one row of an image is a run of ``w * C`` numbers, and the next place's run begins
``stride * C`` numbers later: a matrix whose rows overlap, which :mod:`trainctl.plan.kernels.tile` reads as it is. A
kernel's rows are products of their own, added up in the result. The sums are formed in another order than in eager
mode: results differ from its by rounding, and are the same bits for any number of threads.
"""

from __future__ import annotations

from typing import Any

import numpy

from trainctl.backend import jit
from trainctl.backend.arrays import Array
from trainctl.plan.kernels import tile as tiles
from trainctl.plan.kernels.tile import tile
from trainctl.plan.lowering import Context, Run, Workspace, cut

_SHALLOW = 24  # numbers that a window sees of a row: a tile of fewer is loaded and stored more than it is computed
_PARTS = 8  # in how many parts a batch is summed over, at the most
_NOTHING = numpy.empty(0, numpy.float32)


def pays(columns: Any, context: Context) -> bool:
    """Return whether a convolution's windows are to be read by tiles."""
    return (
        context.compiled
        and tiles.pays()
        and columns.dtype == numpy.float32
        and columns.dilation[1] == 1
        and not columns.is_image
    )


def is_deep(columns: Any) -> bool:
    """Return whether windows see enough of a row for its products to be added up one by one."""
    return columns.kernel[1] * columns.channels >= _SHALLOW


def _windows(columns: Any, padded: Array) -> Array:
    """Return what windows see of padded images: ``[N, rows, kernel rows, places, kernel width * C]``, a view."""
    n, h, w, c = padded.strides
    shape = (len(padded), columns.places[0], columns.kernel[0], columns.places[1], columns.kernel[1] * columns.channels)
    steps = (n, h * columns.stride[0], h * columns.dilation[0], w * columns.stride[1], c)
    return numpy.lib.stride_tricks.as_strided(padded, shape, steps)


@jit.kernel("void(f4[:,:,:,:,:], f4[:,:,:,::1], f4[:,::1], f4[:,:,:,:], f4[::1])")
def convolve(seen: Any, packed: Any, spare: Any, out: Any, bias: Any) -> None:
    """Leave in ``out`` ``[N, rows, places, O]`` the products of windows with kernels, packed row by row, and the bias."""
    rows, width = spare.shape
    for image in range(out.shape[0]):
        for number in range(packed.shape[1]):
            left = number * width
            count = min(width, out.shape[3] - left)
            for i in range(packed.shape[0]):
                panel = packed[i, number]
                for line in range(out.shape[1]):
                    a, c = seen[image, line, i], out[image, line]
                    for top in range(0, c.shape[0], rows):
                        height = min(rows, c.shape[0] - top)
                        part, target = a[top : top + height], c[top : top + height, left : left + count]
                        if height == rows and count == width:
                            tile(part, panel, target, rows, i > 0)
                        else:
                            tile(part, panel, spare, height - 1, False)
                            for r in range(height):
                                row, found = target[r], spare[r]
                                for j in range(count):
                                    row[j] = found[j] + (row[j] if i > 0 else numpy.float32(0))
            if bias.size > 0:
                for line in range(out.shape[1]):
                    for place in range(out.shape[2]):
                        row = out[image, line, place, left : left + count]
                        for j in range(count):
                            row[j] += bias[left + j]


@jit.kernel("void(f4[:,:,:,:,:], f4[:,:,:,:], f4[:,::1], f4[:,:,::1])")
def correlate(seen: Any, gy: Any, spare: Any, total: Any) -> None:
    """Add to ``total`` ``[kernel rows, width * C, O]`` the products of windows, turned, with the output's gradient.

    ``gy`` ``[N, rows, places, O]`` and ``total`` have whole panels of columns.
    """
    rows, width = spare.shape
    for image in range(gy.shape[0]):
        for line in range(gy.shape[1]):
            given = gy[image, line]
            for i in range(total.shape[0]):
                a, c = seen[image, line, i].T, total[i]
                for left in range(0, gy.shape[3], width):
                    panel = given[:, left : left + width]
                    for top in range(0, c.shape[0], rows):
                        height = min(rows, c.shape[0] - top)
                        part, target = a[top : top + height], c[top : top + height, left : left + width]
                        if height == rows:
                            tile(part, panel, target, rows, True)
                        else:
                            tile(part, panel, spare, height - 1, False)
                            for r in range(height):
                                row, found = target[r], spare[r]
                                for j in range(width):
                                    row[j] += found[j]


def _padded_images(columns: Any, count: int) -> tuple[Array, Array]:
    """Return room for padded images, whose edge stays 0, and what windows see of it."""
    (height, width), (above, beside) = columns.spatial, columns.padding
    padded = numpy.zeros((count, height + 2 * above, width + 2 * beside, columns.channels), columns.dtype)
    return padded, _windows(columns, padded)


def products(
    columns: Any, image: Array, result: Array, weight: Array, bias: Array | None, context: Context
) -> list[Run]:
    """Return the calls that leave in ``result`` the products of an image's windows with kernels ``[O, C, h, w]``."""
    count, (tall, wide) = weight.shape[0], columns.kernel
    depth = wide * columns.channels
    room = tiles.panels(depth, count)
    packed = numpy.empty((tall, *room.shape), room.dtype)
    rows = numpy.empty((tall, wide, columns.channels, count), weight.dtype)
    pack, call = tiles.pack.compiled, convolve.compiled
    shift = _NOTHING if bias is None else bias

    def prepare() -> None:
        numpy.copyto(rows, weight.transpose(2, 3, 1, 0))
        for i in range(tall):
            pack(rows[i].reshape(depth, count), packed[i], 0)

    each = max(1, min(columns.batch, -(-columns.batch // (4 * _PARTS))))
    workspace = Workspace(lambda: (*_padded_images(columns, each), tiles.corner()))

    def part(images: slice) -> Run:
        given, target = image[images], result[images]

        def run() -> None:
            padded, seen, spare = scratch = workspace.take()
            n = len(given)
            columns.inner(padded)[:n] = given
            call(seen[:n], packed, spare, target, shift)
            workspace.give_back(scratch)

        return run

    return [prepare, context.in_parts([part(images) for images in cut(columns.batch, each)])]


def weight_products(columns: Any, image: Array, gradient: Array, out: Array, context: Context) -> list[Run]:
    """Return the calls that leave in ``out`` ``[O, C, h, w]`` the gradient of the kernels."""
    count, (tall, wide) = out.shape[0], columns.kernel
    whole = tiles.panels(1, count).shape
    across = whole[0] * whole[2]
    parts = cut(columns.batch, -(-columns.batch // _PARTS))
    sums = numpy.empty((len(parts), tall, wide * columns.channels, across), columns.dtype)
    call, fits = correlate.compiled, across == count
    lines = (1, *columns.places, across)
    workspace = Workspace(
        lambda: (*_padded_images(columns, 1), tiles.corner(), None if fits else numpy.zeros(lines, columns.dtype))
    )

    def part(number: int, images: slice) -> Run:
        total = sums[number]

        def run() -> None:
            padded, seen, spare, room = scratch = workspace.take()
            total[...] = 0
            for place in range(images.start, images.stop):
                columns.inner(padded)[0] = image[place]
                given = gradient[place : place + 1]
                if room is not None:
                    room[..., :count] = given
                    given = room
                call(seen, given, spare, total)
            workspace.give_back(scratch)

        return run

    target = out.transpose(2, 3, 1, 0)
    found = sums.reshape(len(parts), tall, wide, columns.channels, across)[..., :count]

    def finish() -> None:
        for other in found[1:]:
            numpy.add(found[0], other, out=found[0])
        target[...] = found[0]

    return [context.in_parts([part(number, images) for number, images in enumerate(parts)]), finish]
