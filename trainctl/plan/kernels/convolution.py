"""Convolution of images that lie channels last: columns of a few images at a time, and one product for them.

The columns of a chunk stay in the second-level cache. Chunks are the same whatever the number of threads, and so
are the sums over them: the results are the same bits. Where tiles are compiled there are no columns:
:mod:`trainctl.plan.kernels.direct_convolution`.
"""

from __future__ import annotations

import functools
import math
from functools import partial
from typing import Any

import numpy

from trainctl.autograd.ops.convolution_products import Convolution, ConvolutionInputGradient, ConvolutionWeightGradient
from trainctl.autograd.ops.windows import output_size
from trainctl.backend.arrays import Array
from trainctl.plan.kernels import convolution_phases, direct_convolution, winograd
from trainctl.plan.kernels.direct_convolution import is_direct
from trainctl.plan.lowering import Context, Run, Workspace, cut, lowers
from trainctl.plan.trace import Apply

_CACHED = 1 << 20  # bytes of columns worked on at once
_PARTS = 8  # in how many parts a batch is summed over, at the most

Pair = tuple[int, int]


class Columns:
    """What the windows of a convolution see, for a few images at a time.

    Args:
        shape: ``[N, C, H, W]`` of the image.
        kernel: the window's size.
        options: the op's ``stride``, ``padding``, ``dilation``.
        dtype: of the elements.
    """

    def __init__(self, shape: tuple[int, ...], kernel: Pair, options: dict[str, Any], dtype: Any) -> None:
        self.batch, self.channels, *spatial = shape
        self.kernel, self.dtype = kernel, dtype
        self.stride, self.padding, self.dilation = (options[name] for name in ("stride", "padding", "dilation"))
        self.spatial: Pair = (spatial[0], spatial[1])
        self.places: Any = tuple(map(output_size, spatial, kernel, self.stride, self.padding, self.dilation))
        self.depth = math.prod(kernel) * self.channels
        per_image = math.prod(self.places) * self.depth * dtype.itemsize
        self.chunk = max(1, min(self.batch, _CACHED // max(per_image, 1)))
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


def _filters(weight: Array) -> Array:
    """Return kernels ``[O, C, h, w]`` as ``[h * w * C, O]``, for columns that end in the channels."""
    return numpy.ascontiguousarray(weight.transpose(2, 3, 1, 0)).reshape(-1, weight.shape[0])


def _last(image: Array) -> Array | None:
    """Return ``[N, C, H, W]`` as ``[N, H, W, C]`` if it lies so."""
    last = image.transpose(0, 2, 3, 1)
    return last if last.flags.c_contiguous else None


def _is_plain(record: Apply, *images: Array) -> bool:
    """Return whether a convolution is of images that lie channels last, in one group."""
    return _is_one_group(record, *images) and all(_last(each) is not None for each in images)


def _is_one_group(record: Apply, *images: Array) -> bool:
    """Return whether a convolution is of images of floating-point numbers, in one group."""
    return record.params["groups"] == 1 and all(
        each.ndim == 4 and each.dtype.kind == "f" and each.size > 0 for each in images
    )


def _seen(x: Array, columns: Columns, context: Context) -> Array | None:
    """Return images as ``[N, H, W, C]`` if they lie so, or will be copied anyway."""
    return x.transpose(0, 2, 3, 1) if is_direct(columns, context) else _last(x)


@lowers(Convolution)
def convolution(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """Columns times kernels, chunk by chunk."""
    (x, weight, *bias), (out,) = arrays, outs
    if out is None or not _is_one_group(record, x, out) or _last(out) is None:
        return None
    columns = Columns(x.shape, weight.shape[2:], record.params, x.dtype)
    image = _seen(x, columns, context)
    if image is None:
        return None
    if is_direct(columns, context):
        windows, kernels = direct_convolution.windows_of(columns), weight.transpose(2, 3, 1, 0)
        return winograd.or_direct(windows, image, _last(out), kernels, bias[0] if bias else None, context)
    return _products(columns, image, _last(out), lambda: _filters(weight), bias[0] if bias else None, context)


def _products(
    columns: Columns, image: Any, result: Any, filters: Any, bias: Array | None, context: Context
) -> list[Run]:
    """Return the calls that leave the products of an image's columns with kernels in ``result`` (both ``[N, H, W, C]``)."""
    current: list[Array] = []

    def prepare() -> None:
        current[:] = [filters()]

    def part(images: slice) -> Run:
        seen, rows = image[images], result[images].reshape(-1, result.shape[3])

        def run() -> None:
            scratch = columns.workspace.take()
            numpy.matmul(columns.fill(seen, scratch), current[0], out=rows)
            if bias is not None:
                numpy.add(rows, bias, out=rows)
            columns.workspace.give_back(scratch)

        return run

    return [prepare, context.in_parts([part(images) for images in columns.chunks])]


@lowers(ConvolutionWeightGradient)
def weight_gradient(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """Columns, transposed, times the output's gradient: summed part by part, and then over the parts in order."""
    (x, gy), (out,) = arrays, outs
    if out is None or not _is_one_group(record, x, gy):
        return None
    kernel = record.params["kernel"]
    columns = Columns(x.shape, kernel[2:], record.params, x.dtype)
    if columns.places != gy.shape[2:]:  # of a transposed convolution with more room than places
        return None
    image, gradient = _seen(x, columns, context), _last(gy)
    if image is None or gradient is None:
        return None
    target = out.transpose(2, 3, 1, 0)
    direct = _sums_on_tiles(columns, image, gradient, context) if is_direct(columns, context) else None
    if direct is not None:
        return [*direct[0], direct_convolution.added_up(direct[1], target, context)]
    parts = cut(len(columns.chunks), -(-len(columns.chunks) // _PARTS))
    sums = numpy.empty((len(parts), columns.depth, kernel[0]), x.dtype)
    workspace = Workspace(lambda: numpy.empty((columns.depth, kernel[0]), x.dtype))

    def part(number: int, chunks: list[slice]) -> Run:
        pairs = [(image[images], gradient[images].reshape(-1, kernel[0])) for images in chunks]

        def run() -> None:
            scratch, product, total = columns.workspace.take(), workspace.take(), sums[number]
            for place, (seen, rows) in enumerate(pairs):
                numpy.matmul(columns.fill(seen, scratch).T, rows, out=product if place else total)
                if place:
                    numpy.add(total, product, out=total)
            columns.workspace.give_back(scratch)
            workspace.give_back(product)

        return run

    runs = [part(number, columns.chunks[chunks]) for number, chunks in enumerate(parts)]
    return [context.in_parts(runs), partial(_finish, sums, target)]


def _sums_on_tiles(columns: Columns, image: Array, gradient: Array, context: Context) -> tuple[list[Run], Array] | None:
    windows = direct_convolution.windows_of(columns)
    fast = winograd.pays(windows, image.shape[3], gradient.shape[3])
    return (winograd if fast else direct_convolution).weight_sums(windows, image, gradient, context)


def _finish(sums: Array, target: Array) -> None:
    """Leave the sum of all parts, in order, in ``target``."""
    for other in sums[1:]:
        numpy.add(sums[0], other, out=sums[0])
    target[...] = sums[0].reshape(target.shape)


@lowers(ConvolutionInputGradient)
def input_gradient(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """For stride 1 the convolution with mirrored kernels; else each product's elements are added up where they belong."""
    (gy, weight), (out,) = arrays, outs
    if out is None or not _is_plain(record, gy, out):
        return None
    options = record.params
    columns = Columns(out.shape, weight.shape[2:], options, gy.dtype)
    if columns.places == gy.shape[2:] and columns.dilation == (1, 1) and is_direct(columns, context):
        return convolution_phases.input_products(columns, _last(gy), _last(out), weight, context)
    room = tuple(
        d * (k - 1) - p for d, k, p in zip(options["dilation"], weight.shape[2:], options["padding"], strict=True)
    )
    if options["stride"] == (1, 1) and min(room) >= 0:
        columns = Columns(gy.shape, weight.shape[2:], {**options, "padding": room}, gy.dtype)
        if columns.places == out.shape[2:]:
            mirrored = weight[:, :, ::-1, ::-1].swapaxes(0, 1)
            return _products(columns, _last(gy), _last(out), lambda: _filters(mirrored), None, context)
    return _spread_products(record, gy, weight, out, context)


def _spread_products(record: Apply, gy: Array, weight: Array, out: Array, context: Context) -> list[Run] | None:
    columns = Columns(out.shape, weight.shape[2:], record.params, gy.dtype)
    if columns.places != gy.shape[2:]:
        return None
    gradient, image = _last(gy), _last(out)
    assert image is not None
    assert gradient is not None
    current: list[Array] = []

    def prepare() -> None:
        current[:] = [_filters(weight).T]

    def part(images: slice) -> Run:
        rows, target = gradient[images].reshape(-1, gy.shape[1]), image[images]

        def run() -> None:
            scratch = columns.workspace.take()
            seen = scratch[2][: len(target)].reshape(-1, columns.depth)
            numpy.matmul(rows, current[0], out=seen)
            columns.spread(seen, target, scratch)
            columns.workspace.give_back(scratch)

        return run

    return [prepare, context.in_parts([part(images) for images in columns.chunks])]
