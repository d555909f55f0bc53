"""Rows of tables, one by one and in bags."""

from __future__ import annotations

import math
from typing import Any

import numpy

from trainctl.autograd.ops import embedding, embedding_bag
from trainctl.onnx.operands import Applied
from trainctl.onnx.sizes import Size

_INT64 = numpy.dtype(numpy.int64)


def rows(a: Applied) -> str:
    """``weight[index]``."""
    return a.graph.op("Gather", a.x, a.name(1), axis=0)


def _numbers(a: Applied, count: Any) -> str:
    """Return ``0, 1, ..., count - 1``."""
    g = a.graph
    if not isinstance(count, Size):
        return g.constant(numpy.arange(count), numpy.int64)
    return g.op("Range", g.constant(0, numpy.int64), g.squeeze(g.size(count), [0]), g.constant(1, numpy.int64))


def sum_rows(a: Applied) -> str:
    """Zeros, with each row added at its index."""
    g, x, index = a.graph, a.inputs[0], a.inputs[1]
    zeros = g.op("Expand", a.number(0), g.shape([a.rows, x.shape[-1]]))
    at = g.reshape(g.cast(index.name, _INT64), [math.prod(index.shape), 1])
    return g.op("ScatterND", zeros, at, g.reshape(x.name, [math.prod(index.shape), x.shape[-1]]), reduction="add")


def bag_of(a: Applied) -> str:
    """The bag of each element: how many bags have begun by then, less one."""
    g, (index, offsets) = a.graph, a.inputs
    place = g.unsqueeze(_numbers(a, math.prod(index.shape)), [1])
    begun = g.op("LessOrEqual", g.unsqueeze(g.cast(offsets.name, _INT64), [0]), place)
    bag = g.op("Sub", g.reduce("ReduceSum", g.cast(begun, _INT64), [1], False), g.constant(1, numpy.int64))
    if a.skipped is None:
        return bag
    away = g.squeeze(g.size(a.bags), [0])
    return g.op("Where", g.op("Equal", index.name, a.number(a.skipped, index.dtype)), away, bag)


def bag_sizes(a: Applied) -> str:
    """How many elements each bag has."""
    g, bag = a.graph, a.inputs[0]
    own = g.op("Equal", g.unsqueeze(bag.name, [0]), g.unsqueeze(_numbers(a, a.bags), [1]))
    return g.reduce("ReduceSum", g.cast(own, _INT64), [1], True)


def largest_in_bag(a: Applied) -> str:
    """Where each bag has the largest element of each column: the largest of what is left if the others are -inf."""
    g, (x, bag, _) = a.graph, a.inputs
    own = g.op("Equal", g.unsqueeze(bag.name, [0]), g.unsqueeze(_numbers(a, a.bags), [1]))
    lowest = g.constant(-numpy.inf, x.dtype)
    seen = g.op("Where", g.unsqueeze(own, [2]), g.unsqueeze(x.name, [0]), lowest)
    return g.op("ArgMax", seen, axis=1, keepdims=0)


CONVERTERS = {
    embedding.Embedding: rows,
    embedding.SumRows: sum_rows,
    embedding_bag.BagOf: bag_of,
    embedding_bag.BagSizes: bag_sizes,
    embedding_bag.LargestInBag: largest_in_bag,
}
