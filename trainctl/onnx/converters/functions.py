"""Functions of one tensor: exponentials, logarithms, trigonometry."""

from __future__ import annotations

import math

from trainctl.autograd.ops import elementary, elementwise, error_function, special, trigonometry, variance
from trainctl.onnx.converters.plain import same
from trainctl.onnx.operands import Applied


def rsqrt(a: Applied) -> str:
    """``1 / sqrt(x)``."""
    return a.graph.op("Reciprocal", a.graph.op("Sqrt", a.x))


def sgn(a: Applied) -> str:
    """The sign; of a bool itself."""
    return a.graph.op("Identity" if a.outputs[0].dtype.kind == "b" else "Sign", a.x)


def erfc(a: Applied) -> str:
    """``1 - erf(x)``."""
    return a.graph.op("Sub", a.number(1), a.graph.op("Erf", a.x))


def expm1(a: Applied) -> str:
    """``exp(x) - 1``."""
    return a.graph.op("Sub", a.graph.op("Exp", a.x), a.number(1))


def log1p(a: Applied) -> str:
    """``log(1 + x)``."""
    return a.graph.op("Log", a.graph.op("Add", a.x, a.number(1)))


_NAMES = {
    "sinh": "Sinh", "cosh": "Cosh", "tan": "Tan", "arcsin": "Asin", "arccos": "Acos", "arctan": "Atan",
    "arcsinh": "Asinh", "arccosh": "Acosh", "arctanh": "Atanh",
}  # fmt: skip


def elementary_function(a: Applied) -> str:
    """A function by the name of the array function; ONNX has the natural exponential and logarithm alone."""
    g = a.graph
    if a.array_function == "exp2":
        return g.op("Pow", a.number(2), a.x)
    if a.array_function in ("log2", "log10"):
        return g.op("Div", g.op("Log", a.x), a.number(math.log(float(a.array_function[3:]))))
    return g.op(_NAMES[a.array_function], a.x)


def logit(a: Applied) -> str:
    """``log(x / (1 - x))``."""
    g = a.graph
    return g.op("Log", g.op("Div", a.x, g.op("Sub", a.number(1), a.x)))


def xlogy(a: Applied) -> str:
    """``x * log(y)``, 0 where ``x`` is."""
    g, zero = a.graph, a.number(0)
    y = g.op("Mul", a.x, g.op("Log", a.name(1)))
    return g.op("Where", g.op("Equal", a.x, zero), zero, y)


def logaddexp(a: Applied) -> str:
    """``log(exp(x) + exp(y))``, from the larger one."""
    g, x, y = a.graph, a.x, a.name(1)
    distance = g.op("Neg", g.op("Abs", g.op("Sub", x, y)))
    return g.op("Add", g.op("Max", x, y), g.op("Softplus", distance))


def sinc(a: Applied) -> str:
    """``sin(pi x) / (pi x)``, 1 at 0."""
    g = a.graph
    turn = g.op("Mul", a.x, a.number(math.pi))
    return g.op("Where", g.op("Equal", turn, a.number(0)), a.number(1), g.op("Div", g.op("Sin", turn), turn))


CONVERTERS = {
    elementwise.Exp: same("Exp"),
    elementwise.Log: same("Log"),
    elementwise.Sqrt: same("Sqrt"),
    variance.Deviation: same("Sqrt"),
    elementwise.Abs: same("Abs"),
    elementwise.Sgn: sgn,
    elementwise.Tanh: same("Tanh"),
    elementwise.Sigmoid: same("Sigmoid"),
    elementwise.Sin: same("Sin"),
    elementwise.Cos: same("Cos"),
    elementwise.Rsqrt: rsqrt,
    elementary.Elementary: elementary_function,
    error_function.Erf: same("Erf"),
    error_function.Erfc: erfc,
    special.Expm1: expm1,
    special.Log1p: log1p,
    special.Logit: logit,
    special.Xlogy: xlogy,
    special.Logaddexp: logaddexp,
    trigonometry.Sinc: sinc,
}
