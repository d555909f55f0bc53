"""Orders, and the largest few."""

from __future__ import annotations

import numpy

from trainctl.autograd.ops import sorting
from trainctl.onnx.operands import Applied


def order(a: Applied) -> str:
    """The indices that sort along a dim."""
    return _top(a, a.inputs[0].shape[a.dim], a.descending)


def extremes(a: Applied) -> str:
    """The indices of the ``k`` largest or smallest."""
    return _top(a, a.k, a.largest)


def _top(a: Applied, k: object, largest: bool) -> str:
    g, x = a.graph, a.x
    if a.inputs[0].dtype.kind == "b":
        x = g.cast(x, numpy.dtype(numpy.int32))
    return g.ops("TopK", 2, x, g.size(k), axis=a.dim, largest=int(largest), sorted=1)[1]


CONVERTERS = {sorting.Order: order, sorting.Extremes: extremes}
