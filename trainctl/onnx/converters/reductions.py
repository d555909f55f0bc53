"""Sums, means, extremes, norms and running sums along dims."""

from __future__ import annotations

import math

import numpy

from trainctl.autograd.ops import broadcasting, norms, reduction, scan, variance
from trainctl.onnx.operands import Applied, Converter

_INT32 = numpy.dtype(numpy.int32)


def _over(kind: str) -> Converter:
    return lambda a: a.graph.reduce(kind, a.x, a.dims, a.keepdim)


def extreme(a: Applied) -> str:
    """The largest or smallest element; of bools as numbers."""
    g, kind = a.graph, {"max": "ReduceMax", "min": "ReduceMin"}[a.function]
    if a.outputs[0].dtype.kind == "b":
        return g.cast(g.reduce(kind, g.cast(a.x, _INT32), a.dims, a.keepdim), a.outputs[0].dtype)
    return g.reduce(kind, a.x, a.dims, a.keepdim)


def place_of_extreme(a: Applied) -> str:
    """Where the largest or smallest element is."""
    g, kind = a.graph, {"argmax": "ArgMax", "argmin": "ArgMin"}[a.function]
    x = a.x
    if a.dim is None:
        x = g.reshape(x, [-1])
        place = g.op(kind, x, axis=0, keepdims=0)
        return g.reshape(place, a.outputs[0].shape) if a.keepdim else place
    return g.op(kind, x, axis=a.dim, keepdims=int(a.keepdim))


def truth(a: Applied) -> str:
    """Whether any or all elements are not 0."""
    g, bool_ = a.graph, numpy.dtype(bool)
    number = g.cast(g.cast(a.x, bool_), _INT32)
    found = g.reduce({"any": "ReduceMax", "all": "ReduceMin"}[a.function], number, a.dims, a.keepdim)
    return g.cast(found, a.outputs[0].dtype)


def prod(a: Applied) -> str:
    """The product along a dim."""
    return a.graph.reduce("ReduceProd", a.x, [a.dim], False)


def sum_to(a: Applied) -> str:
    """The sum over the dims that a smaller shape does not have."""
    g, before, after = a.graph, a.inputs[0].shape, a.shape
    extra = len(before) - len(after)
    kept = [extra + i for i, size in enumerate(after) if size == 1 and before[extra + i] != 1]
    summed = g.reduce("ReduceSum", a.x, kept, True) if kept else a.x
    return g.reduce("ReduceSum", summed, range(extra), False) if extra else summed


def vector_norm(a: Applied) -> str:
    """``(sum |x| ** order) ** (1 / order)``."""
    g, order = a.graph, float(a.order)
    if order in (1, 2):
        return g.reduce(f"ReduceL{int(order)}", a.x, a.dims, a.keepdim)
    size = g.op("Abs", a.x)
    if math.isinf(order):
        return g.reduce("ReduceMax" if order > 0 else "ReduceMin", size, a.dims, a.keepdim)
    if order == 0:
        counted = g.op("Not", g.op("Equal", a.x, a.number(0)))
        return g.reduce("ReduceSum", g.cast(counted, a.outputs[0].dtype), a.dims, a.keepdim)
    powers = g.reduce("ReduceSum", g.op("Pow", size, a.number(order)), a.dims, a.keepdim)
    return g.op("Pow", powers, a.number(1 / order))


def squared_deviation(a: Applied) -> str:
    """The variance, whose divisor is a parameter of the op."""
    g = a.graph
    distance = g.op("Sub", a.x, g.reduce("ReduceMean", a.x, a.dims, True))
    squares = g.reduce("ReduceSum", g.op("Mul", distance, distance), a.dims, a.keepdim)
    return g.op("Div", squares, a.number(a.freedom))


def running_sum(a: Applied) -> str:
    """The sums of all elements so far."""
    g = a.graph
    return g.op("CumSum", a.x, g.constant(a.dim, numpy.int64), reverse=int(a.reverse))


CONVERTERS = {
    reduction.Sum: _over("ReduceSum"),
    reduction.Mean: _over("ReduceMean"),
    reduction.Amax: extreme,
    reduction.Arg: place_of_extreme,
    reduction.Truth: truth,
    reduction.Prod: prod,
    reduction.LogSumExp: _over("ReduceLogSumExp"),
    broadcasting.SumTo: sum_to,
    norms.VectorNorm: vector_norm,
    variance.Variance: squared_deviation,
    scan.CumSum: running_sum,
}
