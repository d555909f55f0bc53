"""Comparisons, logic, and choice by a condition."""

from __future__ import annotations

import numpy

from trainctl.autograd.ops import comparison, searching, selection
from trainctl.onnx.converters.plain import same
from trainctl.onnx.operands import Applied, Converter, Operand


def _logical(kind: str) -> Converter:
    return lambda a: a.graph.op(kind, *(_truth(a, number) for number in range(2)))


def _truth(a: Applied, number: int) -> str:
    """Return whether each element of an input is not 0."""
    each = a.inputs[number]
    name = a.name(number)
    is_bool = isinstance(each, Operand) and each.dtype.kind == "b"
    return name if is_bool else a.graph.cast(name, numpy.dtype(bool))


def _bitwise(logical: str, bitwise: str) -> Converter:
    def convert(a: Applied) -> str:
        if a.outputs[0].dtype.kind == "b":
            return a.graph.op(logical, a.x, a.name(1))
        a.graph.need(18, bitwise)
        return a.graph.op(bitwise, a.x, a.name(1))

    return convert


def test(a: Applied) -> str:
    """A property of each element, by the name of the array function."""
    g, is_float = a.graph, a.inputs[0].dtype.kind == "f"
    if a.function == "logical_not":
        return g.op("Not", _truth(a, 0))
    if a.function == "invert":
        if a.outputs[0].dtype.kind == "b":
            return g.op("Not", a.x)
        g.need(18, "BitwiseNot")
        return g.op("BitwiseNot", a.x)
    if not is_float:  # no integer is NaN or infinite
        same_anyway = g.op("Equal", a.x, a.x)
        return same_anyway if a.function == "isfinite" else g.op("Not", same_anyway)
    if a.function == "isfinite":
        return g.op("Not", g.op("Or", g.op("IsNaN", a.x), g.op("IsInf", a.x)))
    return g.op({"isnan": "IsNaN", "isinf": "IsInf"}[a.function], a.x)


def where(a: Applied) -> str:
    """``x`` where the condition is true, else ``y``; either may be a number."""
    kind = a.outputs[0].dtype
    names = [each.name if isinstance(each, Operand) else a.number(each, kind) for each in a.inputs[1:]]
    return a.graph.op("Where", _truth(a, 0), *names)


def signbit(a: Applied) -> str:
    """Whether it is below zero (of a zero ONNX knows no sign)."""
    return a.graph.op("Less", a.x, a.number(0, a.inputs[0].dtype))


def search_sorted(a: Applied) -> str:
    """How many elements of the sequence come before each value."""
    g, (sequence, values) = a.graph, a.inputs
    row = g.unsqueeze(sequence.name, [sequence.ndim - 1]) if sequence.ndim > 1 else sequence.name
    column = g.unsqueeze(values.name, [values.ndim])
    before = g.op("LessOrEqual" if a.right else "Less", row, column)
    return g.reduce("ReduceSum", g.cast(before, numpy.dtype(numpy.int64)), [values.ndim], False)


CONVERTERS = {
    comparison.Eq: same("Equal"),
    comparison.Ne: lambda a: a.graph.op("Not", a.graph.op("Equal", a.x, a.name(1))),
    comparison.Lt: same("Less"),
    comparison.Le: same("LessOrEqual"),
    comparison.Gt: same("Greater"),
    comparison.Ge: same("GreaterOrEqual"),
    comparison.LogicalAnd: _logical("And"),
    comparison.LogicalOr: _logical("Or"),
    comparison.LogicalXor: _logical("Xor"),
    comparison.BitwiseAnd: _bitwise("And", "BitwiseAnd"),
    comparison.BitwiseOr: _bitwise("Or", "BitwiseOr"),
    comparison.BitwiseXor: _bitwise("Xor", "BitwiseXor"),
    comparison.Test: test,
    comparison.Where: where,
    selection.Signbit: signbit,
    searching.SearchSorted: search_sorted,
}
