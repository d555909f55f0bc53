"""Batch norm with a ReLU, and perhaps a sum, after it: :mod:`trainctl.plan.fused_ops`; and running statistics.

The standardized elements and the sums differ from the ops' by rounding, as those of
:mod:`trainctl.plan.kernels.normalization` do; running statistics have the ops' bits.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy

from trainctl.backend import jit
from trainctl.backend.arrays import Array
from trainctl.plan.fused_ops import Follow, NormGradient, StandardizeReLU
from trainctl.plan.kernels import normalization_loops as plain
from trainctl.plan.kernels import rectified_norm_loops as loops
from trainctl.plan.kernels.normalization import NOTHING, dims_of, one_for_each, seen
from trainctl.plan.kernels.table import Table
from trainctl.plan.lowering import Context, Run, lowers, plain_float
from trainctl.plan.trace import Apply


@lowers(StandardizeReLU)
def standardize_relu(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """One pass."""
    (x, center, var, weight, bias, other), (out,) = arrays, outs
    if not plain_float(*(each for each in arrays if each is not None), out):
        return None
    large = [x, out] if other is None else [x, out, other]
    found = seen(context, record.params["dims"] or dims_of(x, var), *large)
    if found is None or not found[0].over_rows:
        return None
    table, (rows, result, *others) = found
    given = {"center": (center, True, 0), "var": (var, True, 1), "weight": (weight, True, 1), "bias": (bias, True, 0)}
    small = one_for_each(table, given)
    if small is None:
        return None
    beside, scratch = others[0] if others else rows[:0], table.scratch(4)
    call, last = loops.column_standardize_rectify, (*small.values(), record.params["eps"])
    return [
        context.in_parts(
            [partial(call, rows[p], beside[p], result[p], *last, scratch[i]) for i, p in enumerate(table.parts)]
        )
    ]


@lowers(NormGradient)
def norm_gradient(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """Two passes: sums, and the gradient that they lead to."""
    gy, more, y, x, center, var, weight = arrays
    wanted = dict(zip(record.params["gives"], outs, strict=True))
    gx, given = wanted["gx"], wanted.get("given")
    if not plain_float(*(each for each in (*arrays, *outs) if each is not None)):
        return None
    names, large = zip(*_there(gy=gy, more=more, y=y, x=x, gx=gx, given=given).items(), strict=True)
    found = seen(context, record.params["dims"], *large)
    if found is None or not found[0].over_rows:
        return None
    table = found[0]
    small = one_for_each(table, {"center": (center, True, 0), "var": (var, True, 1), "weight": (weight, True, 1)})
    if small is None:
        return None
    sums = {name: NOTHING if wanted.get(name) is None else wanted[name].reshape(-1) for name in ("gw", "gb")}
    options = record.params["eps"], center is not None
    return _two_passes(table, dict(zip(names, found[1], strict=True)), small, sums, *options, context)


def _there(**arrays: Any) -> dict[str, Array]:
    """Return those that are not None."""
    return {name: each for name, each in arrays.items() if each is not None}


def _two_passes(
    table: Table,
    large: dict[str, Array],
    small: dict[str, Array],
    wanted: dict[str, Array],
    eps: float,
    centered: bool,
    context: Context,
) -> list[Run]:
    gy, x, gx, y = large["gy"], large["x"], large["gx"], large.get("y")
    more, given = (large.get(name, x[:0]) for name in ("more", "given"))
    parts, means = list(enumerate(table.parts)), numpy.empty((2, table.columns))
    sums, scratch = numpy.empty((len(parts), 2, x.shape[1])), table.scratch(5)
    center, var, _ = stats = tuple(small.values())
    first: list[Run]
    second: list[Run]
    if y is None:
        first = [partial(plain.column_sums, gy[p], x[p], center, var, eps, sums[i], scratch[i]) for i, p in parts]
    else:
        call = loops.column_sums_rectified
        first = [
            partial(call, gy[p], more[p], y[p], x[p], given[p], center, var, eps, sums[i], scratch[i]) for i, p in parts
        ]
    if y is None or len(given):
        before = given if len(given) else gy
        call = plain.column_gradient
        second = [partial(call, before[p], x[p], *stats, eps, means, gx[p], scratch[i]) for i, p in parts]
    else:
        call = loops.column_gradient_rectified
        second = [partial(call, gy[p], y[p], x[p], *stats, eps, means, gx[p], scratch[i]) for i, p in parts]
    count = len(x) * table.times
    finish = partial(plain.combine_sums, sums, count, centered, means, wanted["gw"], wanted["gb"])
    return [context.in_parts(first), finish, context.in_parts(second)]


@jit.kernel("void(f4[::1], f4[::1], f4, f4, f4)", exact=True)
def follow(x: Any, value: Any, keep: Any, scale: Any, share: Any) -> None:
    """Leave ``x * keep + value * scale * share`` in ``x``."""
    for i in range(x.size):
        x[i] = x[i] * keep + value[i] * scale * share


@lowers(Follow)
def followed(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """One call; it writes over its first input."""
    x, value = arrays
    if not context.compiled or not plain_float(x, value) or not (x.flags.c_contiguous and value.flags.c_contiguous):
        return None
    last = (record.params[name] for name in ("keep", "scale", "share"))
    return [partial(follow, x.reshape(-1), value.reshape(-1), *last)]
