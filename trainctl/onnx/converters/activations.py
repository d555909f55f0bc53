"""Activations."""

from __future__ import annotations

import math

from trainctl.autograd.ops import activation, activation_piecewise, activation_smooth, softmax
from trainctl.onnx.converters.plain import same
from trainctl.onnx.operands import Applied


def hardtanh(a: Applied) -> str:
    """``x`` between two limits."""
    return a.graph.op("Clip", a.x, a.number(a.low), a.number(a.high))


def threshold(a: Applied) -> str:
    """``x`` above the threshold, else the value."""
    g = a.graph
    return g.op("Where", g.op("LessOrEqual", a.x, a.number(a.threshold)), a.number(a.value), a.x)


def elu(a: Applied) -> str:
    """ELU, SELU and CELU are one op here and three operators there."""
    g = a.graph
    if a.positive == 1 and a.rate == 1:
        return g.op("Elu", a.x, alpha=float(a.negative))
    if a.rate == 1:
        return g.op("Selu", a.x, alpha=float(a.negative / a.positive), gamma=float(a.positive))
    if a.positive == 1 and math.isclose(a.rate * a.negative, 1):
        return g.op("Celu", a.x, alpha=float(a.negative))
    low = g.op("Elu", g.op("Mul", g.op("Min", a.x, a.number(0)), a.number(a.rate)))
    high = g.op("Mul", g.op("Relu", a.x), a.number(a.positive))
    return g.op("Add", g.op("Mul", low, a.number(a.negative)), high)


def gelu(a: Applied) -> str:
    """By the error function."""
    g = a.graph
    if g.has(20):
        return g.op("Gelu", a.x)
    inner = g.op("Add", g.op("Erf", g.op("Mul", a.x, a.number(math.sqrt(0.5)))), a.number(1))
    return g.op("Mul", g.op("Mul", inner, a.x), a.number(0.5))


def gelu_tanh(a: Applied) -> str:
    """By tanh."""
    g = a.graph
    if g.has(20):
        return g.op("Gelu", a.x, approximate="tanh")
    inner = g.op("Add", g.op("Mul", g.op("Mul", a.x, a.x), a.number(a.b)), a.number(1))
    inner = g.op("Tanh", g.op("Mul", g.op("Mul", inner, a.x), a.number(a.a)))
    return g.op("Mul", g.op("Mul", g.op("Add", inner, a.number(1)), a.x), a.number(0.5))


def silu(a: Applied) -> str:
    """``x * sigmoid(x)``."""
    return a.graph.op("Mul", a.x, a.graph.op("Sigmoid", a.x))


def mish(a: Applied) -> str:
    """``x * tanh(softplus(x))``."""
    g = a.graph
    return g.op("Mish", a.x) if g.has(18) else g.op("Mul", a.x, g.op("Tanh", g.op("Softplus", a.x)))


def softplus(a: Applied) -> str:
    """``log(1 + exp(beta x)) / beta``; ``x`` itself above a threshold, which makes no difference at 20."""
    g, beta = a.graph, a.number(a.beta)
    if a.beta == 1 and a.threshold >= 20:
        return g.op("Softplus", a.x)
    z = g.op("Mul", a.x, beta)
    return g.op("Where", g.op("Greater", z, a.number(a.threshold)), a.x, g.op("Div", g.op("Softplus", z), beta))


def log_sigmoid(a: Applied) -> str:
    """``-softplus(-x)``."""
    g = a.graph
    return g.op("Neg", g.op("Softplus", g.op("Neg", a.x)))


def prelu(a: Applied) -> str:
    """The slope below zero is a tensor."""
    return a.graph.op("PRelu", a.x, a.name(1))


CONVERTERS = {
    activation.ReLU: same("Relu"),
    activation_piecewise.LeakyReLU: lambda a: a.graph.op("LeakyRelu", a.x, alpha=float(a.negative_slope)),
    activation_piecewise.Hardtanh: hardtanh,
    activation_piecewise.Threshold: threshold,
    activation_piecewise.Hardshrink: lambda a: a.graph.op("Shrink", a.x, lambd=float(a.lambd), bias=0.0),
    activation_piecewise.Softshrink: lambda a: a.graph.op("Shrink", a.x, lambd=float(a.lambd), bias=float(a.lambd)),
    activation_piecewise.Hardsigmoid: same("HardSigmoid", alpha=1 / 6, beta=0.5),
    activation_piecewise.Hardswish: same("HardSwish"),
    activation_piecewise.PReLU: prelu,
    activation_smooth.Elu: elu,
    activation_smooth.Gelu: gelu,
    activation_smooth.GeluTanh: gelu_tanh,
    activation_smooth.Silu: silu,
    activation_smooth.Mish: mish,
    activation_smooth.Softplus: softplus,
    activation_smooth.LogSigmoid: log_sigmoid,
    softmax.Softmax: lambda a: a.graph.op("Softmax", a.x, axis=a.dim),
    softmax.LogSoftmax: lambda a: a.graph.op("LogSoftmax", a.x, axis=a.dim),
}
