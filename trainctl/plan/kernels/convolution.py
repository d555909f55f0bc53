"""Convolution of images that lie channels last: columns of a few images at a time, and one product for them.

The columns of a chunk stay in the second-level cache. Chunks are the same whatever the number of threads, and so
are the sums over them: the results are the same bits. Where tiles are compiled there are no columns:
:mod:`trainctl.plan.kernels.direct_convolution`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy

from trainctl.autograd.ops.convolution_products import Convolution, ConvolutionInputGradient, ConvolutionWeightGradient
from trainctl.backend.arrays import Array
from trainctl.plan.kernels import (
    convolution_phases,
    direct_convolution,
    shifted_convolution,
    strided_gradient,
    winograd,
)
from trainctl.plan.kernels.columns import Columns, columns_for
from trainctl.plan.kernels.direct_convolution import is_direct
from trainctl.plan.lowering import Context, Run, Workspace, cut, lowers, plain_float
from trainctl.plan.trace import Apply

_PARTS = 8  # in how many parts a batch is summed over, at the most


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
    return _last(x) if columns.is_image and not is_direct(columns, context) else x.transpose(0, 2, 3, 1)


@lowers(Convolution)
def convolution(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """Columns times kernels, chunk by chunk."""
    (x, weight, *bias), (out,) = arrays, outs
    if out is None or not _is_one_group(record, x, out) or _last(out) is None:
        return None
    columns = columns_for(x.shape, weight.shape[2:], record.params, x.dtype)
    image = _seen(x, columns, context)
    if image is None:
        return None
    if is_direct(columns, context):
        windows, kernels = direct_convolution.windows_of(columns), weight.transpose(2, 3, 1, 0)
        return winograd.or_direct(windows, image, _last(out), kernels, bias[0] if bias else None, context)
    return _products(columns, image, _last(out), columns.taps(weight), bias[0] if bias else None, context)


def _products(
    columns: Columns, image: Any, result: Any, taps: Array, bias: Array | None, context: Context
) -> list[Run]:
    """Return the calls that leave the products of an image's columns with kernels in ``result`` (both ``[N, H, W, C]``)."""
    outputs = result.shape[3]
    if not context.compiled and shifted_convolution.pays(columns, outputs) and plain_float(image, result, taps):
        return shifted_convolution.products(columns, image, result, taps, bias, context)
    packed = numpy.empty(taps.shape, taps.dtype)
    runs: list[Run] = [partial(numpy.copyto, packed, taps)]
    right, shift = packed.reshape(-1, outputs), None
    if bias is not None:  # as long as a row of results: a loop over fewer elements costs as much to start as to run
        shift = numpy.empty(result.shape[2:], bias.dtype)
        runs.append(partial(numpy.copyto, shift, bias))

    def part(images: slice) -> Run:
        seen, rows = image[images], result[images].reshape(-1, outputs)

        def run() -> None:
            scratch = columns.workspace.take()
            numpy.matmul(columns.fill(seen, scratch), right, out=rows)
            if shift is not None:
                wide = rows.reshape(-1, shift.size)
                numpy.add(wide, shift.reshape(-1), out=wide)
            columns.workspace.give_back(scratch)

        return run

    return [*runs, context.in_parts([part(images) for images in columns.chunks])]


@lowers(ConvolutionWeightGradient)
def weight_gradient(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """Columns, transposed, times the output's gradient: summed part by part, and then over the parts in order."""
    (x, gy), (out,) = arrays, outs
    if out is None or not _is_one_group(record, x, gy):
        return None
    kernel = record.params["kernel"]
    columns = columns_for(x.shape, kernel[2:], record.params, x.dtype)
    if columns.places != gy.shape[2:]:  # of a transposed convolution with more room than places
        return None
    image, gradient = _seen(x, columns, context), _last(gy)
    if image is None or gradient is None:
        return None
    target = out.transpose(2, 3, 1, 0)
    direct = _sums_on_tiles(columns, image, gradient, context) if is_direct(columns, context) else None
    if direct is not None:
        return [*direct[0], direct_convolution.added_up(direct[1], target, context)]
    if not context.compiled and shifted_convolution.pays(columns, kernel[0]) and plain_float(image, gradient):
        run, found = shifted_convolution.weight_sums(columns, image, gradient, context)
        return [run, partial(_finish, found, target)]
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
    return [context.in_parts(runs), partial(_finish, sums, columns.taps(out))]


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
            return _products(columns, _last(gy), _last(out), columns.taps(mirrored), None, context)
    return _spread_products(record, gy, weight, out, context)


def _spread_products(record: Apply, gy: Array, weight: Array, out: Array, context: Context) -> list[Run] | None:
    columns = Columns(out.shape, weight.shape[2:], record.params, gy.dtype)
    if columns.places != gy.shape[2:]:
        return None
    gradient, image = _last(gy), _last(out)
    assert image is not None
    assert gradient is not None
    if not context.compiled and columns.dilation == (1, 1) and plain_float(gy, weight, out):
        return strided_gradient.products(columns, gradient, image, weight, context)
    packed = numpy.empty(columns.taps(weight).shape, weight.dtype)
    right = packed.reshape(-1, weight.shape[0]).T

    def part(images: slice) -> Run:
        rows, target = gradient[images].reshape(-1, gy.shape[1]), image[images]

        def run() -> None:
            scratch = columns.workspace.take()
            seen = scratch[2][: len(target)].reshape(-1, columns.depth)
            numpy.matmul(rows, right, out=seen)
            columns.spread(seen, target, scratch)
            columns.workspace.give_back(scratch)

        return run

    prepare = partial(numpy.copyto, packed, columns.taps(weight))
    return [prepare, context.in_parts([part(images) for images in columns.chunks])]
