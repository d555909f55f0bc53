"""Arithmetic of two tensors, or of a tensor and a number."""

from __future__ import annotations

import math

from trainctl.autograd.ops import arithmetic, compound, random, rounding, selection, trigonometry
from trainctl.onnx.converters.plain import same
from trainctl.onnx.operands import Applied, is_number


def add(a: Applied) -> str:
    """``x + y``; of bools whether either is true."""
    return a.graph.op("Or" if a.outputs[0].dtype.kind == "b" else "Add", a.x, a.name(1))


def mul(a: Applied) -> str:
    """``x * y``; of bools whether both are true."""
    return a.graph.op("And" if a.outputs[0].dtype.kind == "b" else "Mul", a.x, a.name(1))


def power(a: Applied) -> str:
    """``x ** y``."""
    if is_number(a.inputs[1]) and a.inputs[1] == 2:
        return a.graph.op("Mul", a.x, a.x)
    return a.graph.op("Pow", a.x, a.name(1))


def clamp(a: Applied) -> str:
    """Numbers as limits are Clip's; tensors are broadcast by Max and Min."""
    g, x = a.graph, a.x
    if all(each is None or is_number(each) for each in a.inputs[1:]):
        low, high = (None if each is None or math.isinf(each) else a.number(each) for each in a.inputs[1:])
        return g.op("Clip", x, low, high)
    x = x if a.inputs[1] is None else g.op("Max", x, a.name(1))
    return x if a.inputs[2] is None else g.op("Min", x, a.name(2))


def truncated(a: Applied, x: str) -> str:
    """Return ``x`` rounded towards zero."""
    g = a.graph
    return g.op("Mul", g.op("Sign", x), g.op("Floor", g.op("Abs", x)))


def floor_divide(a: Applied) -> str:
    """Rounded down; ONNX divides integers towards zero."""
    g, x, y = a.graph, a.x, a.name(1)
    if a.outputs[0].dtype.kind == "f":
        return g.op("Floor", g.op("Div", x, y))
    return g.op("Div", g.op("Sub", x, g.op("Mod", x, y)), y)


def divide_to_zero(a: Applied) -> str:
    """Rounded towards zero."""
    quotient = a.graph.op("Div", a.x, a.name(1))
    return truncated(a, quotient) if a.outputs[0].dtype.kind == "f" else quotient


def whole(a: Applied) -> str:
    """Rounding by the name of the array function."""
    if a.function == "trunc":
        return truncated(a, a.x)
    return a.graph.op({"floor": "Floor", "ceil": "Ceil", "rint": "Round"}[a.function], a.x)


def rounded(a: Applied) -> str:
    """Rounding to decimals."""
    g, scale = a.graph, a.number(10.0 ** abs(a.decimals))
    if not a.decimals:
        return g.op("Round", a.x)
    up, down = ("Mul", "Div") if a.decimals > 0 else ("Div", "Mul")
    return g.op(down, g.op("Round", g.op(up, a.x, scale)), scale)


def frac(a: Applied) -> str:
    """What is left of ``x`` after its whole part."""
    return a.graph.op("Sub", a.x, truncated(a, a.x))


def remainder(a: Applied) -> str:
    """The rest with the divisor's sign."""
    g, x, y = a.graph, a.x, a.name(1)
    if a.outputs[0].dtype.kind != "f":
        return g.op("Mod", x, y)
    rest, zero = g.op("Mod", x, y, fmod=1), a.number(0)
    unlike = g.op("Xor", g.op("Less", rest, zero), g.op("Less", y, zero))
    moved = g.op("And", unlike, g.op("Not", g.op("Equal", rest, zero)))
    return g.op("Where", moved, g.op("Add", rest, y), rest)


def lerp(a: Applied) -> str:
    """``start + weight * (end - start)``."""
    g = a.graph
    return g.op("Add", a.x, g.op("Mul", a.name(2), g.op("Sub", a.name(1), a.x)))


def hypot(a: Applied) -> str:
    """The root of the sum of the squares."""
    g = a.graph
    return g.op("Sqrt", g.op("Add", g.op("Mul", a.x, a.x), g.op("Mul", a.name(1), a.name(1))))


def heaviside(a: Applied) -> str:
    """0 below zero, 1 above it, ``values`` at it."""
    g, zero = a.graph, a.number(0)
    above = g.cast(g.op("Greater", a.x, zero), a.outputs[0].dtype)
    return g.op("Where", g.op("Equal", a.x, zero), a.name(1), above)


def _without_nan(kind: str, a: Applied) -> str:
    """Return the larger (smaller) one; where one is NaN, the other."""
    g, x, y = a.graph, a.x, a.name(1)
    if a.outputs[0].dtype.kind != "f":
        return g.op(kind, x, y)
    return g.op("Where", g.op("IsNaN", x), y, g.op("Where", g.op("IsNaN", y), x, g.op(kind, x, y)))


def nan_to_num(a: Applied) -> str:
    """Numbers in place of NaN and the infinities."""
    g = a.graph
    x = g.op("Where", g.op("IsNaN", a.x), a.number(a.nan), a.x)
    x = g.op("Where", g.op("IsInf", a.x, detect_negative=0), a.number(a.posinf), x)
    return g.op("Where", g.op("IsInf", a.x, detect_positive=0), a.number(a.neginf), x)


def copysign(a: Applied) -> str:
    """The size of the first with the sign of the second."""
    g, size = a.graph, a.graph.op("Abs", a.x)
    return g.op("Where", g.op("Less", a.name(1), a.number(0)), g.op("Neg", size), size)


CONVERTERS = {
    arithmetic.Add: add,
    arithmetic.Sub: same("Sub"),
    arithmetic.Mul: mul,
    random.Dropout: same("Mul"),
    arithmetic.FloorDivide: floor_divide,
    arithmetic.RoundedToZero: divide_to_zero,
    arithmetic.Neg: same("Neg"),
    arithmetic.Pow: power,
    arithmetic.Maximum: same("Max"),
    arithmetic.Minimum: same("Min"),
    arithmetic.Clamp: clamp,
    compound.Lerp: lerp,
    rounding.Whole: whole,
    rounding.Round: rounded,
    rounding.Frac: frac,
    rounding.Fmod: same("Mod", fmod=1),
    rounding.Remainder: remainder,
    rounding.Heaviside: heaviside,
    selection.Fmax: lambda a: _without_nan("Max", a),
    selection.Fmin: lambda a: _without_nan("Min", a),
    selection.NanToNum: nan_to_num,
    selection.Copysign: copysign,
    trigonometry.Hypot: hypot,
}
