"""Pooling along one dim as NumPy calls on blocks that stay in the cache: what runs where nothing is compiled.

Arrays are ``[before, size of the dim, behind]``, ``choice`` is the number of each window's largest element.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy

from trainctl.autograd.ops.pooling_along import Along
from trainctl.backend.arrays import Array
from trainctl.plan.lowering import Context, Run, Workspace, cut
from trainctl.plan.trace import Apply

_PART = 1 << 18  # elements that one thread takes at a time: with fewer the threads wait for the interpreter


def _node(record: Apply) -> Any:
    """Return a record's op, for windows along the middle one of three dims."""
    node: Any = record.node()
    node.dim = -2
    return node


def _parts(arrays: list[Array]) -> tuple[list[slice], int]:
    """Return the rows of each part, and how many they are at most."""
    rows = min(len(arrays[0]), max(1, _PART // max(each[0].size for each in arrays)))
    return cut(len(arrays[0]), rows), rows


def maximum(record: Apply, views: list[Array], context: Context) -> Run:
    """Return the call that leaves each window's largest element and its number: ``views`` are x, y, choice."""
    x, y, choice = views
    node, (parts, rows) = _node(record), _parts(views)
    shape = rows, *y.shape[1:]
    workspace = Workspace(lambda: (numpy.empty(shape, numpy.bool_), numpy.empty(shape, numpy.uint8)))
    taps, ones = list(node.taps(x.shape[1])), numpy.ones(rows * y[0].size, numpy.float32)
    return context.in_parts(
        [partial(_maximum, node, taps, x[some], y[some], choice[some], ones, workspace) for some in parts]
    )


def _maximum(
    node: Along, taps: list[Any], x: Array, y: Array, choice: Array, ones: Array, workspace: Workspace
) -> None:
    better, numbers = scratch = workspace.take()
    better, numbers = better[: len(x)], numbers[: len(x)]
    (_, _, first), *others = taps
    if node.padding == 0:
        numpy.copyto(y, x[first])
        choice.fill(0)
    else:
        others = taps
        y.fill(-numpy.inf)
        for number, places, _ in reversed(taps):
            choice[places] = number  # the first that sees an input, should all be as low as can be
    for number, places, source in others:
        numpy.greater(x[source], y[places], out=better[places])
        numpy.multiply(better[places].view(numpy.uint8), numpy.uint8(number), out=numbers[places])
        numpy.maximum(choice[places], numbers[places], out=choice[places])
        numpy.maximum(y[places], x[source], out=y[places])
    workspace.give_back(scratch)
    if numpy.isnan(numpy.dot(y.reshape(-1), ones[: y.size])):  # comparisons do not see a NaN
        y[...], choice[...] = node.forward(x)


def returned(record: Apply, views: list[Array], context: Context) -> Run:
    """Return the call that leaves for each input the sum of the places that chose it: ``views`` are gy, choice, gx."""
    gy, choice, gx = views
    node, (parts, rows) = _node(record), _parts(views)
    shape, kind = (rows, *gy.shape[1:]), numpy.dtype(numpy.int32)
    workspace = Workspace(lambda: (numpy.empty(shape, numpy.bool_), numpy.empty(shape, kind)))
    taps = list(node.taps(gx.shape[1]))
    return context.in_parts(
        [partial(_returned, node, taps, gy[some], choice[some], gx[some], workspace) for some in parts]
    )


def _returned(node: Along, taps: list[Any], gy: Array, choice: Array, gx: Array, workspace: Workspace) -> None:
    scratch = workspace.take()
    chosen, bits = (each[: len(gy)] for each in scratch)
    given = gy.view(numpy.int32)
    if not node.tiles(gx.shape[1]):
        gx.fill(0)
    for number, places, source in taps:
        numpy.equal(choice[places], numpy.uint8(number), out=chosen[places])
        numpy.negative(chosen[places].view(numpy.int8), out=bits[places], dtype=numpy.int32)
        if node.overlaps:
            numpy.bitwise_and(given[places], bits[places], out=bits[places])
            numpy.add(gx[source], bits[places].view(numpy.float32), out=gx[source])
        else:
            numpy.bitwise_and(given[places], bits[places], out=gx[source].view(numpy.int32))
    workspace.give_back(scratch)
