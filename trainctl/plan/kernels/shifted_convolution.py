"""Convolution with stride 1 by NumPy without columns: what a row of a window sees is one run of memory already.

Images ``[n, H, W, C]`` lie one after the other with zeros between their rows, so that the pixels are one sequence. The
row of a window at pixel ``q`` is ``q .. q + kw``, and every ``kw``-th such row is a matrix that BLAS can take as it
lies. So for each row of the kernel there are ``kw`` products, and the rows' results, shifted against each other by so
many rows of pixels, are added up. A few results are garbage: those of windows that begin in the zeros.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy
from numpy.lib.stride_tricks import as_strided

from trainctl.backend.arrays import Array
from trainctl.plan.kernels.columns import Columns
from trainctl.plan.lowering import Context, Run, Workspace, cut

_CACHED = 5 << 17  # bytes of pixels and results worked on at once
_FEWEST = 8  # channels from which the products are worth their calls
_GARBAGE = 3  # products with garbage for each output channel that cost as much as the columns would
_PARTS = 8  # in how many parts a batch is summed over, at the most


def pays(columns: Columns, outputs: int) -> bool:
    """Return whether this is faster than columns for a convolution to so many channels."""
    if columns.stride != (1, 1) or columns.dilation != (1, 1) or columns.channels < _FEWEST or columns.is_image:
        return False
    garbage = math.prod(_room(columns)) / math.prod(columns.places) - 1
    return columns.kernel != (1, 1) and garbage * outputs < _GARBAGE


def _room(columns: Columns) -> tuple[int, int]:
    """Return the rows and columns of an image with the zeros that it shares with the next."""
    (height, width), (above, beside) = columns.spatial, columns.padding
    return height + above, width + beside


class Shifts:
    """A few images as a sequence of pixels.

    Args:
        columns: the convolution's.
        count: how many images.
        outputs: channels of the results.
    """

    def __init__(self, columns: Columns, count: int, outputs: int) -> None:
        self.columns, self.count, self.outputs = columns, count, outputs
        self.room = _room(columns)
        (self.rows, self.cols), self.pixels = columns.kernel, count * math.prod(self.room)
        self.length = -(-self.pixels // self.cols)  # of each of the interleaved matrices
        self.workspace = Workspace(self._scratch)

    def _scratch(self) -> tuple[Array, Array, Array, Array]:
        """Return room for images, their windows' rows ``[kw, kh, length, kw * C]``, and for results and their places."""
        channels, (height, width), (above, beside) = self.columns.channels, self.columns.spatial, self.columns.padding
        behind = self.rows * self.room[1] + self.cols  # zeros, and what an incomplete last row sees
        flat = numpy.zeros((self.length * self.cols + behind, channels), numpy.float32)
        pixels = flat[: self.pixels].reshape(self.count, *self.room, channels)
        inner = pixels[:, above : above + height, beside : beside + width]
        shape = self.cols, self.rows, self.length, self.cols * channels
        step = flat.strides[0]
        windows = as_strided(flat, shape, (step, self.room[1] * step, self.cols * step, flat.itemsize))
        results = numpy.zeros((self.rows, self.length * self.cols, self.outputs), numpy.float32)
        return inner, windows, results, self._at_places(results)

    def _at_places(self, results: Array) -> Array:
        """Return what is no garbage: ``[kh, n, *places, O]``."""
        (height, width) = self.columns.places
        whole = results[:, : self.pixels].reshape(len(results), self.count, *self.room, self.outputs)
        return whole[:, :, :height, :width]

    def interleaved(self, results: Array) -> Array:
        """Return results as the matrices hold them: ``[kw, kh, length, O]``."""
        return results.reshape(len(results), self.length, self.cols, self.outputs).transpose(2, 0, 1, 3)


def _chunks(columns: Columns, outputs: int) -> list[slice]:
    """Return the images worked on at once."""
    bytes_each = math.prod(_room(columns)) * (columns.channels + columns.kernel[0] * outputs) * 4
    return cut(columns.batch, max(1, min(columns.batch, _CACHED // bytes_each)))


def _shifts(columns: Columns, outputs: int, chunks: list[slice]) -> dict[int, Shifts]:
    """Return the sequences for each number of images that there is."""
    counts = {chunk.stop - chunk.start for chunk in chunks}
    return {count: Shifts(columns, count, outputs) for count in counts}


def products(
    columns: Columns, image: Array, result: Array, weight: Array, bias: Array | None, context: Context
) -> list[Run]:
    """Return the calls that leave the convolution of ``image`` in ``result`` (both ``[N, H, W, C]``).

    ``weight`` is ``[kh, kw, C, O]``.
    """
    outputs, chunks = result.shape[3], _chunks(columns, result.shape[3])
    shifts = _shifts(columns, outputs, chunks)
    packed = numpy.empty(weight.shape, numpy.float32)
    right = packed.reshape(columns.kernel[0], -1, outputs)
    runs: list[Run] = [partial(numpy.copyto, packed, weight)]
    shift = None
    if bias is not None:
        shift = numpy.empty(result.shape[2:], numpy.float32)
        runs.append(partial(numpy.copyto, shift, bias))
    parts = [partial(_multiply, shifts[_size(c)], image[c], right, shift, result[c]) for c in chunks]
    return [*runs, context.in_parts(parts)]


def _size(chunk: slice) -> int:
    return int(chunk.stop - chunk.start)


def _multiply(shifts: Shifts, image: Array, right: Array, shift: Array | None, result: Array) -> None:
    scratch = shifts.workspace.take()
    inner, windows, results, places = scratch
    numpy.copyto(inner, image)
    numpy.matmul(windows, right, out=shifts.interleaved(results))
    for other in results[1:-1]:
        numpy.add(results[0], other, out=results[0])
    if len(results) > 1:
        numpy.add(places[0], places[-1], out=result)
    else:
        numpy.copyto(result, places[0])
    if shift is not None:
        numpy.add(result.reshape(-1, shift.size), shift.reshape(-1), out=result.reshape(-1, shift.size))
    shifts.workspace.give_back(scratch)


def weight_sums(columns: Columns, image: Array, gradient: Array, context: Context) -> tuple[Run, Array]:
    """Return the call that leaves parts of the kernels' gradients, and where: ``[parts, kh, kw * C, O]``."""
    outputs, chunks = gradient.shape[3], _chunks(columns, gradient.shape[3])
    shifts = _shifts(columns, outputs, chunks)
    parts = cut(len(chunks), -(-len(chunks) // _PARTS))
    (rows, cols), depth = columns.kernel, columns.kernel[1] * columns.channels
    sums = numpy.empty((len(parts), cols, rows, depth, outputs), numpy.float32)
    workspace = Workspace(partial(numpy.empty, sums.shape[1:], numpy.float32))
    runs: list[Run] = []
    for number, some in enumerate(parts):
        given = [(shifts[_size(c)], image[c], gradient[c]) for c in chunks[some]]
        runs.append(partial(_sum_up, given, workspace, sums[number]))
    return context.in_parts(runs), sums.reshape(-1, rows, depth, outputs)


def _sum_up(given: list[Any], workspace: Workspace, total: Array) -> None:
    """Leave the sums over images of the products of windows and gradients, ``[kw, kh, kw * C, O]``.

    What is garbage among the windows is multiplied by 0.
    """
    product = workspace.take()
    for number, (shifts, image, gradient) in enumerate(given):
        inner, windows, results, places = scratch = shifts.workspace.take()
        numpy.copyto(inner, image)
        numpy.copyto(places[0], gradient)
        numpy.matmul(windows.swapaxes(-1, -2), shifts.interleaved(results[:1]), out=product if number else total)
        if number:
            numpy.add(total, product, out=total)
        shifts.workspace.give_back(scratch)
    workspace.give_back(product)
