"""Products of integers by the BLAS library: exact, as float32 has every sum of a part of the depth.

Rows, or places of a window, are worked on a block at a time, so that what is made of them stays in the cache.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy

from trainctl.backend.arrays import Array
from trainctl.backend.integers.finish import Finish
from trainctl.backend.integers.places import Places
from trainctl.backend.integers.weights import IntegerWeights

_BLOCK = 1 << 18  # numbers of rows or columns that are worked on at once
_FEWEST = 64  # rows of a block


class Factor:
    """Weights as the right factor of products with what is at most ``largest``, in ``groups``.

    Attributes:
        parts: of the depth, each with its ``[G, k, N / G]`` (without ``G`` where it is 1).
    """

    def __init__(self, weights: IntegerWeights, largest: int, groups: int = 1) -> None:
        rows, outputs = weights.rows, len(weights.codes)
        grouped = rows if groups == 1 else rows.reshape(groups, outputs // groups, rows.shape[1])
        self.parts = [
            (part, numpy.ascontiguousarray(grouped[..., part].swapaxes(-1, -2)))
            for part in weights.parts_of_depth(largest)
        ]

    def sums(self, left: Array) -> Array:
        """Return the sums for float32 ``[M, K]`` (``[G, M, K]``): float32 if they are exact in it, else int32."""
        sums: Any = None
        for part, right in self.parts:
            product = left[..., part] @ right
            if len(self.parts) == 1:
                return product
            whole = product.astype(numpy.int32)
            sums = whole if sums is None else numpy.add(sums, whole, out=sums)
        return sums


def factor_of(weights: IntegerWeights, x_zero_point: int, dtype: Any, groups: int = 1) -> Factor:
    """Return the factor for inputs of a dtype with a zero point; it is made once."""
    low, high = (0, 255) if dtype == numpy.uint8 else (-128, 127)
    largest = max(high - x_zero_point, x_zero_point - low)
    key = "blas", largest, groups
    if key not in weights.factors:
        weights.factors[key] = Factor(weights, largest, groups)
    return weights.factors[key]


def multiply(x: Array, x_zero_point: int, weights: IntegerWeights) -> Array:
    """Return ``(x - x_zero_point) @ (codes - zero_point).T`` in int32, for codes ``[M, K]``."""
    factor = factor_of(weights, x_zero_point, x.dtype)
    sums = numpy.empty((len(x), len(weights.codes)), numpy.int32)
    for some in _blocks(len(x), x.shape[1]):
        numpy.copyto(sums[some], factor.sums(_centred(x[some], x_zero_point)), casting="unsafe")
    return sums


def linear(x: Array, finish: Finish, out: Array) -> None:
    """Leave the output for codes ``[M, K]`` in ``out [M, N]``."""
    zero_point = int(finish.x.zero_point)
    factor = factor_of(finish.weights, zero_point, x.dtype)
    for some in _blocks(len(x), x.shape[1]):
        finish(factor.sums(_centred(x[some], zero_point)), out[some])


def convolution(image: Array, finish: Finish, places: Places, groups: int, out: Array) -> None:
    """Leave the output for codes ``[N, *spatial, C]`` in ``out [N, *places, O]``."""
    is_each = groups == image.shape[-1] > 1
    for images, first, part in _padded_rows(image, finish, places, is_each):
        count = (part.shape[1] - places.reach[0]) // places.stride[0] + 1
        target = out[images, first : first + count]
        sums = _window_sums(part, finish, places, groups, image.dtype)
        numpy.copyto(target, finish(sums.reshape(-1, out.shape[-1])).reshape(target.shape))


def _window_sums(part: Array, finish: Finish, places: Places, groups: int, dtype: Any) -> Array:
    """Return the sums of what windows see of padded float32 rows: ``[M, O]``."""
    weights = finish.weights.channels_last
    seen, each = places.seen(part), part.shape[-1] // groups
    factor = factor_of(weights, int(finish.x.zero_point), dtype, groups)
    if groups > 1 and each == 1 and len(factor.parts) == 1:
        return _depthwise(seen, weights, places)
    if groups == 1:
        return factor.sums(seen.reshape(-1, weights.depth))
    grouped = numpy.moveaxis(seen.reshape(*seen.shape[:-1], groups, each), -2, 0)
    sums = factor.sums(grouped.reshape(groups, -1, weights.depth))
    return numpy.moveaxis(sums, 0, 1).reshape(sums.shape[1], len(weights.codes))


def _depthwise(seen: Array, weights: IntegerWeights, places: Places) -> Array:
    """Return the sums for kernels that see one channel each: too little work for products of matrices."""
    channels, outputs = seen.shape[-1], len(weights.codes)
    lead = seen.shape[: 1 + len(places.kernel)]
    factors = weights.rows.reshape(channels, outputs // channels, -1)
    total = numpy.zeros((*lead, channels, outputs // channels), numpy.float32)
    term = numpy.empty_like(total)
    for number, tap in enumerate(places.taps()):
        element = seen[(*[slice(None)] * len(lead), *tap)][..., None]
        total += numpy.multiply(element, factors[..., number], out=term)
    return total.reshape(-1, outputs)


def _padded_rows(image: Array, finish: Finish, places: Places, is_each: bool) -> Iterator[tuple[slice, int, Array]]:
    """Yield some images, the first row of places, and the rows that those see: float32, less the zero point, padded.

    ``is_each``: there will be no columns, as each output sees one channel.
    """
    zero_point, counts = int(finish.x.zero_point), places.counts
    a_row = max(1, math.prod(counts[1:]) * (1 if is_each else math.prod(places.kernel)) * image.shape[-1])
    rows = max(1, min(counts[0], _BLOCK // a_row))
    images = max(1, _BLOCK // (a_row * rows)) if rows == counts[0] else 1
    above, height = places.padding[0], places.spatial[0]
    for number in range(0, len(image), images):
        some = slice(number, min(number + images, len(image)))
        for first in range(0, counts[0], rows):
            seen = places.rows(first, min(first + rows, counts[0]))
            shape = (some.stop - some.start, seen.stop - seen.start, *places.padded[1:], image.shape[-1])
            start, stop = max(seen.start - above, 0), max(min(seen.stop - above, height), 0)
            if not any(places.padding):
                yield some, first, _centred(image[some, start:stop], zero_point)
                continue
            part = numpy.zeros(shape, numpy.float32)
            top = start + above - seen.start
            inner = part[(slice(None), slice(top, top + max(0, stop - start)), *places.inside()[1:])]
            inner[...] = _centred(image[some, start : max(start, stop)], zero_point)
            yield some, first, part


def _blocks(count: int, depth: int) -> Iterator[slice]:
    size = max(_FEWEST, _BLOCK // max(1, depth))
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def _centred(x: Array, zero_point: int) -> Array:
    """Return codes less their zero point, as float32."""
    values = x.astype(numpy.float32, order="C")
    if zero_point:
        values -= numpy.float32(zero_point)
    return values
