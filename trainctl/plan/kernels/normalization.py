"""Batch and layer norm: statistics, their use and the gradient, each in as few passes over memory as it has sums.

An array is seen as ``[rows, columns]`` in the order of its memory. The statistics are over the rows (batch norm of images
that lie channels last) or over the columns (layer norm). Sums are formed in blocks, and in float64 beyond them: they
differ from eager mode's by rounding.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy

from trainctl.autograd.ops.standardization import Moments, Standardize, StandardizeGradient
from trainctl.backend.arrays import Array
from trainctl.plan.kernels import normalization_blocks as blocks
from trainctl.plan.kernels import normalization_loops as loops
from trainctl.plan.kernels.table import Table
from trainctl.plan.lowering import Context, Run, lowers, plain_float
from trainctl.plan.trace import Apply

NOTHING = numpy.empty(0, numpy.float32)


def one_for_each(table: Table, given: dict[str, tuple[Any, bool, int]]) -> dict[str, Array] | None:
    """Return small arrays as :meth:`Table.each` does, or what stands for one that is None; None where one is not that."""
    found = {}
    for name, (array, by_column, default) in given.items():
        flat: Array | None
        if array is None:
            flat = numpy.full(table.columns if by_column and not table.over_rows else 1, default, numpy.float32)
        else:
            flat = table.each(array, by_column)
        if flat is None:
            return None
        found[name] = flat
    return found


def _without_stand_ins(small: dict[str, Array], *given: Any) -> list[Any]:
    """Return small arrays, None for what is not given."""
    return [None if each is None else found for each, found in zip(given, small.values(), strict=True)]


def dims_of(x: Array, var: Array) -> tuple[int, ...]:
    """Return over which dims the statistics are: those that ``var`` has not."""
    lead = x.ndim - var.ndim
    return tuple(dim for dim in range(x.ndim) if dim < lead or var.shape[dim - lead] == 1)


def seen(context: Context, dims: tuple[int, ...], *arrays: Any) -> tuple[Table, list[Any]] | None:
    """Return how compiled loops see large arrays, and the arrays so; None where one of them cannot be."""
    return _seen(context, dims, *arrays) if context.compiled else None


def _seen(context: Context, dims: tuple[int, ...], *arrays: Any) -> tuple[Table, list[Any]] | None:
    """Return what :func:`seen` does, or the same for NumPy's calls, whose rows are longer."""
    if not plain_float(*arrays):
        return None
    table = Table(arrays[0], dims) if context.compiled else Table(arrays[0], dims, blocks.WIDE)
    views = [table.rows(each) if table.fits else None for each in arrays]
    return None if any(each is None for each in views) else (table, views)


@lowers(Moments)
def moments(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """Mean and variance, in one pass."""
    found = _seen(context, record.params["dims"], *arrays)
    if found is None or any(each is None for each in outs):
        return None
    (table, (x,)), parts = found, found[0].parts
    center, var = (table.each(each, table.over_rows) for each in outs)
    if center is None or var is None:
        return None
    if not context.compiled:
        return (blocks.column_moments if table.over_rows else blocks.row_moments)(table, x, center, var, context)
    if not table.over_rows:
        call = loops.row_moments
        return [context.in_parts([partial(call, x[part], center[part], var[part]) for part in parts])]
    sums, scratch = numpy.empty((2, len(parts), x.shape[1])), table.scratch(4)
    call = loops.column_moments
    runs: list[Run] = [partial(call, x[part], *sums[:, i], scratch[i]) for i, part in enumerate(parts)]
    counts = numpy.array([part.stop - part.start for part in parts], numpy.float64)
    return [context.in_parts(runs), partial(loops.combine_moments, counts, *sums, center, var)]


@lowers(Standardize)
def standardize(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """Every element relative to its statistics."""
    (x, center, var, weight, bias), (out,) = arrays, outs
    if not plain_float(*(each for each in arrays if each is not None), out):
        return None
    dims = record.params["dims"]
    found = _seen(context, dims_of(x, var) if dims is None else dims, x, out)
    if found is None:
        return None
    (table, (rows, result)), parts = found, found[0].parts
    by_row = table.over_rows
    small = one_for_each(
        table,
        {"center": (center, by_row, 0), "var": (var, by_row, 1), "weight": (weight, True, 1), "bias": (bias, True, 0)},
    )
    if small is None:
        return None
    eps = record.params["eps"]
    if not context.compiled:
        numbers = _without_stand_ins(small, center, var, weight, bias)
        form = blocks.column_standardize if table.over_rows else blocks.row_standardize
        return form(table, rows, result, numbers, eps, context)
    if table.over_rows:
        call, scratch = loops.column_standardize, table.scratch(4)
        return [
            context.in_parts(
                [partial(call, rows[p], result[p], *small.values(), eps, scratch[i]) for i, p in enumerate(parts)]
            )
        ]
    call = loops.row_standardize
    middle, spread, *rest = small.values()
    return [context.in_parts([partial(call, rows[p], result[p], _of(middle, p), spread[p], *rest, eps) for p in parts])]


@lowers(StandardizeGradient)
def standardize_gradient(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """The gradient of what was standardized, and of the weight: over rows two passes, over columns one."""
    (gy, x, center, var, weight), (gx, gw) = arrays, outs
    given = [each for each in (*arrays, gw) if each is not None]
    found = _seen(context, record.params["dims"], gy, x, gx) if plain_float(*given) else None
    if found is None or (weight is None and gw is not None):
        return None
    table, large = found
    by_row = table.over_rows
    small = one_for_each(table, {"center": (center, by_row, 0), "var": (var, by_row, 1), "weight": (weight, True, 1)})
    if small is None:
        return None
    centered, eps = center is not None, record.params["eps"]
    numbers = None if context.compiled else _without_stand_ins(small, center, var, weight)
    if numbers is not None and table.over_rows:
        return blocks.column_gradient(table, large, numbers, gw, eps, context)
    if table.over_rows:
        return _column_gradient(table, large, small, gw, centered, eps, context)
    products = numpy.empty((0, table.columns), numpy.float32) if gw is None else table.rows(gw)
    if products is None:
        return None
    if numbers is not None:
        return blocks.row_gradient(table, large, numbers, None if gw is None else products, eps, context)
    call, (middle, spread, factor) = loops.row_gradient, small.values()
    runs: list[Run] = [
        partial(call, *(each[p] for each in large[:2]), _of(middle, p), spread[p], factor, eps, centered, large[2][p], products[p])
        for p in table.parts
    ]  # fmt: skip
    return [context.in_parts(runs)]


def _column_gradient(
    table: Table, seen: list[Array], small: dict[str, Array], gw: Any, centered: bool, eps: float, context: Context
) -> list[Run]:
    (gy, x, gx), (center, var, weight) = seen, small.values()
    sums, scratch = numpy.empty((len(table.parts), 2, x.shape[1])), table.scratch(4)
    means, along = numpy.empty((2, table.columns)), NOTHING if gw is None else gw.reshape(-1)
    sum_up, apply = loops.column_sums, loops.column_gradient
    parts = list(enumerate(table.parts))
    first: list[Run] = [partial(sum_up, gy[p], x[p], center, var, eps, sums[i], scratch[i]) for i, p in parts]
    second: list[Run] = [
        partial(apply, gy[p], x[p], center, var, weight, eps, means, gx[p], scratch[i]) for i, p in parts
    ]
    finish = partial(loops.combine_sums, sums, len(x) * table.times, centered, means, along, NOTHING)
    return [context.in_parts(first), finish, context.in_parts(second)]


def _of(numbers: Array, part: slice) -> Array:
    """Return the numbers of some rows, or the one of all."""
    return numbers if numbers.size == 1 else numbers[part]
