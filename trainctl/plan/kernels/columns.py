"""What the windows of a convolution see, written out as a matrix: columns of a few images at a time."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy

from trainctl.autograd.ops.windows import output_size
from trainctl.backend.arrays import Array
from trainctl.plan.lowering import Workspace, cut

_CACHED = 1 << 20  # bytes of columns worked on at once
_CACHED_PLANES = 1 << 18  # the same of columns that are read along their depth
_FEW = 8  # channels from which other ways are faster

Pair = tuple[int, int]


class Columns:
    """What the windows of a convolution see, for a few images at a time.

    Args:
        shape: ``[N, C, H, W]`` of the image.
        kernel: the window's size.
        options: the op's ``stride``, ``padding``, ``dilation``.
        dtype: of the elements.
    """

    _cached = _CACHED

    def __init__(self, shape: tuple[int, ...], kernel: Pair, options: dict[str, Any], dtype: Any) -> None:
        self.batch, self.channels, *spatial = shape
        self.kernel, self.dtype = kernel, dtype
        self.stride, self.padding, self.dilation = (options[name] for name in ("stride", "padding", "dilation"))
        self.spatial: Pair = (spatial[0], spatial[1])
        self.places: Any = tuple(map(output_size, spatial, kernel, self.stride, self.padding, self.dilation))
        self.depth = math.prod(kernel) * self.channels
        per_image = math.prod(self.places) * self.depth * dtype.itemsize
        self.chunk = max(1, min(self.batch, self._cached // max(per_image, 1)))
        self.chunks = cut(self.batch, self.chunk)
        self.is_image = kernel == (1, 1) == self.stride and self.padding == (0, 0)

    @functools.cached_property
    def workspace(self) -> Workspace:
        """Scratch for whoever works with columns."""
        return Workspace(self._scratch)

    def _scratch(self) -> tuple[Array, Array, Array]:
        """Return room for padded images (its edge stays 0), a view of its windows, and their columns."""
        (height, width), (above, beside) = self.spatial, self.padding
        padded = numpy.zeros((self.chunk, height + 2 * above, width + 2 * beside, self.channels), self.dtype)
        n, h, w, c = padded.strides
        steps = (n, h * self.stride[0], w * self.stride[1], h * self.dilation[0], w * self.dilation[1], c)
        shape = (self.chunk, *self.places, *self.kernel, self.channels)
        seen = numpy.lib.stride_tricks.as_strided(padded, shape, steps)
        return padded, seen, numpy.empty((self.chunk, *self.places, *self.kernel, self.channels), self.dtype)

    def inner(self, padded: Array) -> Array:
        """Return the part of padded images that is no padding."""
        (height, width), (above, beside) = self.spatial, self.padding
        return padded[:, above : above + height, beside : beside + width]

    def fill(self, image: Array, scratch: Any) -> Array:
        """Return the columns ``[n * places, K * C]`` of images ``[n, H, W, C]``."""
        if self.is_image:
            return image.reshape(-1, self.channels)
        padded, seen, columns = scratch
        n = len(image)
        self.inner(padded)[:n] = image
        numpy.copyto(columns[:n], seen[:n])
        return columns[:n].reshape(-1, self.depth)

    def spread(self, columns: Array, image: Array, scratch: Any) -> None:
        """Add each column's elements up where they were seen, and leave the sums in ``image``: undo :meth:`fill`."""
        padded, n = scratch[0], len(image)
        padded[:n] = 0
        seen = columns.reshape(n, *self.places, *self.kernel, self.channels)
        (rows, cols), (down, right), (tall, wide) = self.places, self.stride, self.dilation
        for i in range(self.kernel[0]):
            for j in range(self.kernel[1]):
                top, left = i * tall, j * wide
                part = padded[
                    :n, top : top + (rows - 1) * down + 1 : down, left : left + (cols - 1) * right + 1 : right
                ]
                part += seen[:, :, :, i, j]
        image[...] = self.inner(padded)[:n]
        padded[:n] = 0

    def taps(self, weight: Array) -> Array:
        """Return kernels ``[O, C, h, w]`` with their dims in the order of the columns, ``O`` last."""
        return weight.transpose(2, 3, 1, 0)


class Planes(Columns):
    """The same for few channels: there columns of a window are short runs, while those of a tap are whole rows of pixels."""

    _cached = _CACHED_PLANES

    def _scratch(self) -> tuple[Array, Array, Array]:
        """Return room for padded images ``[n, C, H, W]``, a view of the taps on them, and their columns, flat."""
        (height, width), (above, beside) = self.spatial, self.padding
        padded = numpy.zeros((self.chunk, self.channels, height + 2 * above, width + 2 * beside), self.dtype)
        n, c, h, w = padded.strides
        steps = (c, h * self.dilation[0], w * self.dilation[1], n, h * self.stride[0], w * self.stride[1])
        shape = (self.channels, *self.kernel, self.chunk, *self.places)
        seen = numpy.lib.stride_tricks.as_strided(padded, shape, steps)
        return padded.transpose(0, 2, 3, 1), seen, numpy.empty(math.prod(shape), self.dtype)

    def fill(self, image: Array, scratch: Any) -> Array:
        """Return the columns ``[n * places, C * K]`` of images ``[n, H, W, C]``: the transpose of a matrix in one piece."""
        padded, seen, columns = scratch
        part = seen[:, :, :, : len(image)]
        self.inner(padded)[: len(image)] = image
        filled = columns[: part.size].reshape(part.shape)
        numpy.copyto(filled, part)
        return filled.reshape(self.depth, -1).T

    def taps(self, weight: Array) -> Array:
        """Return kernels ``[O, C, h, w]`` as ``[C, h, w, O]``."""
        return weight.transpose(1, 2, 3, 0)


def columns_for(shape: tuple[int, ...], kernel: Pair, options: dict[str, Any], dtype: Any) -> Columns:
    """Return the columns that are filled faster."""
    columns = Columns(shape, kernel, options, dtype)
    has_few = columns.channels < _FEW and 2 * columns.channels * kernel[1] <= columns.places[1]
    return Planes(shape, kernel, options, dtype) if has_few and not columns.is_image else columns
