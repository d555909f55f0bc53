"""Batch and layer norm as NumPy calls on blocks of rows that stay in the cache: what runs where nothing is compiled.

Arrays are seen as :class:`trainctl.plan.kernels.table.Table` has them. Sums are products with ones. What is given for
each column is written out once a step for all the rows that are seen as one.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy

from trainctl.backend.arrays import Array
from trainctl.plan.kernels.table import Table
from trainctl.plan.lowering import Context, Run, Workspace

WIDE = 2048  # columns that a call should have: a loop over fewer costs as much to start as to run

Numbers = Array | None


class _Sums:
    """Sums of columns, and room for what is summed.

    Args:
        table: how arrays are seen.
    """

    def __init__(self, table: Table) -> None:
        self.times, width = table.times, table.times * table.columns
        rows = max(part.stop - part.start for part in table.parts)
        self.ones = numpy.ones(max(rows, table.times), numpy.float32)
        self.workspace = Workspace(
            lambda: (numpy.empty((rows, width), numpy.float32), numpy.empty(width, numpy.float32))
        )

    def add_up(self, x: Array, wide: Array, sums: Array) -> None:
        """Leave the sum of each column in ``sums``, by way of sums as wide as the rows."""
        numpy.matmul(self.ones[: len(x)], x, out=wide)
        numpy.matmul(self.ones[: self.times], wide.reshape(self.times, -1), out=sums)


def column_moments(table: Table, x: Array, center: Array, var: Array, context: Context) -> list[Run]:
    """Return the calls that leave each column's mean and variance."""
    sums, found = _Sums(table), numpy.empty((2, len(table.parts), table.columns), numpy.float32)
    parts = [partial(_moments, sums, x[part], *found[:, i]) for i, part in enumerate(table.parts)]
    counts = numpy.array([[part.stop - part.start] for part in table.parts], numpy.float64)
    return [context.in_parts(parts), partial(_combine, counts * table.times, found[0], found[1], center, var)]


def _combine(counts: Array, means: Array, squares: Array, center: Array, var: Array) -> None:
    """Leave the mean and the variance of all parts together (Chan et al., 1979)."""
    total = counts.sum()
    mean = (means * counts).sum(0) / total
    center[...] = mean
    var[...] = (((means - mean) ** 2 * counts).sum(0) + squares.sum(0, numpy.float64)) / total


def _moments(sums: _Sums, x: Array, mean: Array, square: Array) -> None:
    scratch, wide = spare = sums.workspace.take()
    apart = scratch[: len(x)]
    sums.add_up(x, wide, mean)
    numpy.divide(mean, len(x) * sums.times, out=mean)
    numpy.copyto(wide.reshape(sums.times, -1), mean)
    numpy.subtract(x, wide, out=apart)
    numpy.multiply(apart, apart, out=apart)
    sums.add_up(apart, wide, square)
    sums.workspace.give_back(spare)


def column_standardize(table: Table, x: Array, y: Array, numbers: list[Any], eps: float, context: Context) -> list[Run]:
    """Return the calls that leave ``(x - center) / sqrt(var + eps) * weight + bias`` in ``y``: numbers are these four."""
    center, var, weight, bias = numbers
    middle, scale, shift = numpy.empty((3, x.shape[1]), numpy.float32)
    inverse, shape = numpy.empty_like(var), (table.times, table.columns)

    def prepare() -> None:
        _inverse(var, eps, inverse)
        numpy.multiply(inverse, 1 if weight is None else weight, out=scale.reshape(shape))
        if center is not None:
            numpy.copyto(middle.reshape(shape), center)
        if bias is not None:
            numpy.copyto(shift.reshape(shape), bias)

    given = None if center is None else middle, scale, None, None if bias is None else shift
    return [prepare, context.in_parts([partial(_apply, x[part], y[part], *given) for part in table.parts])]


def _inverse(var: Array, eps: float, out: Array) -> None:
    """Leave ``1 / sqrt(var + eps)``."""
    numpy.add(var, eps, out=out)
    numpy.sqrt(out, out=out)
    numpy.divide(1, out, out=out)


def _apply(x: Array, y: Array, middle: Numbers, scale: Array, factor: Numbers, shift: Numbers) -> None:
    """Leave ``(x - middle) * scale * factor + shift``, without what is None."""
    if middle is not None:
        x = numpy.subtract(x, middle, out=y)
    numpy.multiply(x, scale, out=y)
    if factor is not None:
        numpy.multiply(y, factor, out=y)
    if shift is not None:
        numpy.add(y, shift, out=y)


def column_gradient(
    table: Table, seen: list[Array], numbers: list[Any], gw: Any, eps: float, context: Context
) -> list[Run]:
    """Return the calls that leave the gradient of ``x`` and, where it is not None, of the weight.

    ``seen`` is gy, x, gx; ``numbers`` are center, var, weight.
    """
    (gy, x, gx), (center, var, weight) = seen, numbers
    sums, parts = _Sums(table), table.parts
    found = numpy.empty((2, len(parts), table.columns), numpy.float32)
    totals, inverse = numpy.empty((2, table.columns)), numpy.empty(table.columns, numpy.float32)
    shape, count = (table.times, table.columns), len(x) * table.times
    middle, slope, offset, scale = numpy.zeros((4, x.shape[1]), numpy.float32)

    def prepare() -> None:
        if center is not None:
            numpy.copyto(middle.reshape(shape), center)
        _inverse(var, eps, inverse)

    def finish() -> None:
        numpy.sum(found, 1, out=totals)
        numpy.multiply(totals[1], inverse, out=totals[1])
        if gw is not None:
            gw.reshape(-1)[...] = totals[1]
        numpy.divide(totals, count, out=totals)
        numpy.multiply(totals[1], inverse, out=slope.reshape(shape), casting="same_kind")
        if center is not None:
            numpy.copyto(offset.reshape(shape), totals[0])
        numpy.multiply(inverse, 1 if weight is None else weight, out=scale.reshape(shape))

    first = [partial(_sum_up, sums, gy[part], x[part], middle, *found[:, i]) for i, part in enumerate(parts)]
    second = [partial(_give, gy[part], x[part], gx[part], middle, slope, offset, scale) for part in parts]
    return [prepare, context.in_parts(first), finish, context.in_parts(second)]


def _sum_up(sums: _Sums, gy: Array, x: Array, middle: Array, total: Array, along: Array) -> None:
    """Leave the sums of ``gy`` and of ``gy * (x - middle)``."""
    scratch, wide = spare = sums.workspace.take()
    product = scratch[: len(x)]
    sums.add_up(gy, wide, total)
    numpy.subtract(x, middle, out=product)
    numpy.multiply(product, gy, out=product)
    sums.add_up(product, wide, along)
    sums.workspace.give_back(spare)


def _give(g: Array, x: Array, gx: Array, middle: Array, slope: Array, offset: Array, scale: Array) -> None:
    """Leave ``(g - offset - (x - middle) * slope) * scale``."""
    numpy.subtract(x, middle, out=gx)
    numpy.multiply(gx, slope, out=gx)
    numpy.add(gx, offset, out=gx)
    numpy.subtract(g, gx, out=gx)
    numpy.multiply(gx, scale, out=gx)


class _Rows:
    """Blocks of rows whose statistics are their own.

    Args:
        table: how arrays are seen.
    """

    def __init__(self, table: Table) -> None:
        rows = max(part.stop - part.start for part in table.parts)
        self.ones = numpy.ones(table.columns, numpy.float32)
        self.workspace = Workspace(
            lambda: (numpy.empty((2, rows, table.columns), numpy.float32), numpy.empty((3, rows, 1), numpy.float32))
        )

    def mean(self, x: Array, out: Array) -> None:
        """Leave the mean of each row in a column."""
        numpy.matmul(x, self.ones, out=out[:, 0])
        numpy.divide(out, self.ones.size, out=out)


def row_moments(table: Table, x: Array, center: Array, var: Array, context: Context) -> list[Run]:
    """Return the calls that leave each row's mean and variance."""
    rows, parts = _Rows(table), table.parts
    return [context.in_parts([partial(_moments_of_rows, rows, x[p], center[p, None], var[p, None]) for p in parts])]


def _moments_of_rows(rows: _Rows, x: Array, center: Array, var: Array) -> None:
    spare = rows.workspace.take()
    apart = spare[0][0, : len(x)]
    rows.mean(x, center)
    numpy.subtract(x, center, out=apart)
    numpy.multiply(apart, apart, out=apart)
    rows.mean(apart, var)
    rows.workspace.give_back(spare)


def row_standardize(table: Table, x: Array, y: Array, numbers: list[Any], eps: float, context: Context) -> list[Run]:
    """Return what :func:`column_standardize` does where center and var are of rows."""
    center, var, weight, bias = numbers
    inverse = numpy.empty_like(var)
    return [
        partial(_inverse, var, eps, inverse),
        context.in_parts(
            [
                partial(_apply, x[p], y[p], _column(center, p), inverse[p, None], weight, bias) for p in table.parts
            ]
        ),
    ]  # fmt: skip


def _column(numbers: Numbers, part: slice) -> Numbers:
    return None if numbers is None else numbers[part, None]


def row_gradient(
    table: Table, seen: list[Array], numbers: list[Any], gw: Numbers, eps: float, context: Context
) -> list[Run]:
    """Return what :func:`column_gradient` does where center and var are of rows; the weight's gradient is in each row."""
    center, var, weight = numbers
    rows, inverse = _Rows(table), numpy.empty_like(var)
    parts: list[Run] = []
    for part in table.parts:
        given = _column(center, part), inverse[part, None], weight, None if gw is None else gw[part]
        parts.append(partial(_gradient_of_rows, rows, [each[part] for each in seen], *given))
    return [partial(_inverse, var, eps, inverse), context.in_parts(parts)]


def _gradient_of_rows(
    rows: _Rows, seen: list[Array], center: Numbers, scale: Array, weight: Numbers, gw: Numbers
) -> None:
    gy, x, gx = seen
    spare = rows.workspace.take()
    (y, product), small = spare[0][:, : len(x)], spare[1][:, : len(x)]
    numpy.multiply(x if center is None else numpy.subtract(x, center, out=y), scale, out=y)
    if gw is not None:
        numpy.multiply(gy, y, out=gw)
    g = gy if weight is None else numpy.multiply(gy, weight, out=gx)
    rows.mean(numpy.multiply(g, y, out=product), small[0])
    numpy.multiply(y, small[0], out=y)
    if center is not None:
        rows.mean(g, small[1])
        numpy.add(y, small[1], out=y)
    numpy.subtract(g, y, out=gx)
    numpy.multiply(gx, scale, out=gx)
    rows.workspace.give_back(spare)
