"""Arrays as tables of rows and columns in the order of their memory."""

from __future__ import annotations

import math

import numpy

from trainctl.backend.arrays import Array
from trainctl.plan.lowering import cut
from trainctl.plan.memory import memory_order

_PART = 1 << 16  # elements that one thread takes at a time
_WIDE = 128  # columns that a compiled loop should have


class Table:
    """How arrays of one layout are seen as ``[rows, columns]``.

    Args:
        x: one of them.
        dims: over which statistics are taken.
        wide: columns that a loop should have: where there are fewer, several rows beside each other are seen as one.

    Attributes:
        over_rows: whether that is over the rows.
        fits: whether it is over the rows or over the columns at all.
        columns: how many there are.
        parts: slices of rows for the threads.
    """

    def __init__(self, x: Array, dims: tuple[int, ...], wide: int = _WIDE) -> None:
        self.shape, self.order = x.shape, memory_order(x.shape, x.strides)
        sized = [dim for dim in self.order if x.shape[dim] > 1]
        over = [dim in dims for dim in sized]
        count = sum(over)
        self.over_rows = all(over[:count])
        self.fits = 0 < count < len(over) and (self.over_rows or all(over[-count:])) and x.size > 0
        self._of_columns = sized[count if self.over_rows else len(sized) - count :]
        self.columns = math.prod(x.shape[dim] for dim in self._of_columns)
        rows = x.size // max(self.columns, 1)
        self.times = math.gcd(rows, max(1, wide // max(self.columns, 1))) if self.over_rows else 1
        self.parts = cut(rows // self.times, max(1, _PART // max(self.columns * self.times, 1)))

    def rows(self, array: Array) -> Array | None:
        """Return an array of the layout as it is seen (of few columns: several rows as one), None if it lies otherwise."""
        flat = array.transpose(self.order)
        whole = array.shape == self.shape and flat.flags.c_contiguous
        return flat.reshape(-1, self.times * self.columns) if whole else None

    def each(self, array: Array, by_column: bool) -> Array | None:
        """Return a small array as numbers of the columns (or rows), None if it is not that or lies in another order."""
        sizes = (1,) * (len(self.shape) - array.ndim) + array.shape
        for dim, (size, whole) in enumerate(zip(sizes, self.shape, strict=True)):
            if size != (whole if (dim in self._of_columns) is by_column else 1):
                return None
        flat = array.reshape(sizes).transpose(self.order).reshape(-1)
        return flat if numpy.may_share_memory(flat, array) else None

    def scratch(self, rows: int) -> Array:
        """Return ``rows`` of float32 numbers as long as those of :meth:`rows`, for each part."""
        return numpy.empty((len(self.parts), rows, self.times * self.columns), numpy.float32)
