"""The losses that are an op of their own; a model may return one."""

from __future__ import annotations

from trainctl.autograd.ops import loss, loss_binary, loss_regression
from trainctl.onnx.operands import Applied


def negative_log_likelihood(a: Applied) -> str:
    """Minus each row's entry at its class."""
    ignored = {"ignore_index": a.ignore_index} if a.ignore_index != -100 else {}
    inputs = a.x, a.name(1), a.name(2)
    return a.graph.op("NegativeLogLikelihoodLoss", *inputs, reduction=a.reduction, **ignored)


def binary_cross_entropy(a: Applied) -> str:
    """``-(t log(x) + (1 - t) log(1 - x))``, each logarithm at least -100."""
    g, lowest, one, t = a.graph, a.number(-100), a.number(1), a.name(1)
    no = g.op("Max", g.op("Log", g.op("Sub", one, a.x)), lowest)
    yes = g.op("Max", g.op("Log", a.x), lowest)
    return g.op("Sub", g.op("Mul", g.op("Sub", t, one), no), g.op("Mul", t, yes))


def huber(a: Applied) -> str:
    """Squares of small distances, else their size."""
    g, size = a.graph, a.graph.op("Abs", a.x)
    square = g.op("Mul", g.op("Mul", size, size), a.number(0.5))
    far = g.op("Mul", g.op("Sub", size, a.number(0.5 * a.delta)), a.number(a.delta))
    return g.op("Where", g.op("LessOrEqual", size, a.number(a.delta)), square, far)


CONVERTERS = {
    loss.NLLLoss: negative_log_likelihood,
    loss_binary.BinaryCrossEntropy: binary_cross_entropy,
    loss_regression.Huber: huber,
}
