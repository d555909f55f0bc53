"""The weights of a layer as codes, and what is made of them once."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy

from trainctl.backend.affine import QParams
from trainctl.backend.arrays import Array

EXACT = 1 << 24  # float32 has every whole number up to here


@dataclass(frozen=True, eq=False)
class IntegerWeights:
    """The weights of a layer as codes; what products need of them is made once, so they must not be changed.

    Attributes:
        codes: int8 or uint8, ``[N, K]``, or ``[O, C / groups, *kernel]``.
        qparams: their grid; with an axis it is 0.
    """

    codes: Array
    qparams: QParams

    @functools.cached_property
    def scale(self) -> Array:
        """The scale of each output, float32 ``[N]``."""
        return numpy.broadcast_to(self.qparams.scale, len(self.codes))

    @functools.cached_property
    def zero_point(self) -> Array:
        """The zero point of each output, int32 ``[N]``."""
        return numpy.broadcast_to(self.qparams.zero_point, len(self.codes))

    @property
    def depth(self) -> int:
        """How many products a sum is of."""
        return math.prod(self.codes.shape[1:])

    def part(self, outputs: slice) -> IntegerWeights:
        """Return the weights of some outputs."""
        grid = self.qparams
        if grid.axis is not None:
            low, high = grid.quant_min, grid.quant_max
            grid = QParams(grid.scale[outputs], grid.zero_point[outputs], grid.dtype, low, high, axis=0)
        return IntegerWeights(self.codes[outputs], grid)

    @functools.cached_property
    def rows(self) -> Array:
        """Each output's codes less their zero point, float32 ``[N, K]``."""
        flat = self.codes.reshape(len(self.codes), self.depth)
        return flat.astype(numpy.float32) - self.zero_point.astype(numpy.float32)[:, None]

    @functools.cached_property
    def totals(self) -> Array:
        """The sum of each of the :attr:`rows`, int32 ``[N]``."""
        return self.rows.sum(1, dtype=numpy.float64).astype(numpy.int64).astype(numpy.int32)

    @functools.cached_property
    def channels_last(self) -> IntegerWeights:
        """The weights as ``[O, K]``, in the order in which windows see images that lie channels last."""
        last = numpy.ascontiguousarray(numpy.moveaxis(self.codes, 1, -1))
        return IntegerWeights(last.reshape(len(last), self.depth), self.qparams)

    def parts_of_depth(self, largest: int) -> list[slice]:
        """Return the depth in parts, over each of which sums of products are exact in float32.

        Args:
            largest: the largest size of the other factors.
        """
        sizes, depth = numpy.abs(self.rows), self.depth
        if not sizes.size:
            return [slice(0, depth)]
        count = max(1, math.ceil(float(sizes.sum(1, dtype=numpy.float64).max()) * largest / EXACT))
        while True:  # a part of 258 always is: 258 * 255 * 255 < 2 ** 24
            step = -(-depth // count)
            starts = range(0, depth, step)
            if numpy.add.reduceat(sizes, starts, axis=1, dtype=numpy.float64).max() * largest <= EXACT:
                return [slice(start, min(start + step, depth)) for start in starts]
            count += 1

    @functools.cached_property
    def factors(self) -> dict[Any, Any]:
        """What a way of multiplying has made of the codes, by its name and options."""
        return {}
