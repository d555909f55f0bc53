"""Norms: the engine finds the statistics by one op and applies them by another; ONNX has them in one where it has them."""

from __future__ import annotations

from typing import Any

import numpy

from trainctl.autograd.ops import shape, standardization
from trainctl.onnx.operands import Applied, Operand
from trainctl.onnx.sizes import Size


def moments(a: Applied) -> tuple[str, ...]:
    """Mean and variance over dims."""
    g = a.graph
    mean = g.reduce("ReduceMean", a.x, a.dims, True)
    distance = g.op("Sub", a.x, mean)
    return mean, g.reduce("ReduceMean", g.op("Mul", distance, distance), a.dims, True)


def mean_square(a: Applied) -> str:
    """The mean of the squares over dims."""
    return a.graph.reduce("ReduceMean", a.graph.op("Mul", a.x, a.x), a.dims, True)


def standardize(a: Applied) -> str:
    """``(x - mean) / sqrt(var + eps) * weight + bias``."""
    return _batch_norm(a) or _layer_norm(a) or _instance_norm(a) or _plainly(a)


def _plainly(a: Applied) -> str:
    g = a.graph
    y = a.x if a.inputs[1] is None else g.op("Sub", a.x, a.name(1))
    y = g.op("Div", y, g.op("Sqrt", g.op("Add", a.name(2), a.number(a.eps))))
    for number, kind in ((3, "Mul"), (4, "Add")):
        if a.inputs[number] is not None:
            y = g.op(kind, y, a.name(number))
    return y


def _vector(each: Any) -> str | None:
    """Return the name of what a parameter was before it was given dims to broadcast by; None if it was none."""
    if isinstance(each, Operand) and each.source is not None and each.source.op is shape.View:
        inner = each.source.inputs[0]
        return inner.name if inner.ndim == 1 and inner.array is not None else None
    return None


def _batch_norm(a: Applied) -> str | None:
    """Statistics that are known, one a channel: ``BatchNormalization``."""
    x, center, var, weight, bias = a.inputs
    if a.params["dims"] is not None or x.ndim < 2 or isinstance(x.shape[1], Size):
        return None
    mean, variance = _vector(center), _vector(var)
    if mean is None or variance is None:
        return None
    channels = x.shape[1]
    scale, shift = (
        a.graph.constant(numpy.full(channels, default, x.dtype)) if each is None else _vector(each)
        for each, default in ((weight, 1), (bias, 0))
    )
    if scale is None or shift is None:
        return None
    return a.graph.op("BatchNormalization", a.x, scale, shift, mean, variance, epsilon=float(a.eps))


def _own_statistics(a: Applied) -> bool:
    """Return whether mean and variance are those of ``x`` itself."""
    x, center, var = a.inputs[:3]
    source: Any = getattr(center, "source", None)
    is_moments = source is not None and source.op is standardization.Moments and var.source is source
    return bool(is_moments and source.inputs[0] is x)


def _layer_norm(a: Applied) -> str | None:
    """Over the last dims, with parameters of just these: ``LayerNormalization``."""
    x, weight, bias = a.inputs[0], *a.inputs[3:]
    dims = a.params["dims"]
    if not _own_statistics(a) or dims != tuple(range(x.ndim - len(dims), x.ndim)):
        return None
    sizes = x.shape[-len(dims) :]
    if any(isinstance(size, Size) for size in sizes):
        return None
    if any(each is not None and each.shape != sizes for each in (weight, bias)):
        return None
    scale = a.graph.constant(numpy.ones(sizes, x.dtype)) if weight is None else weight.name
    return a.graph.op(
        "LayerNormalization", a.x, scale, None if bias is None else bias.name, axis=-len(dims), epsilon=float(a.eps)
    )


def _instance_norm(a: Applied) -> str | None:
    """Over all spatial dims of each channel: ``InstanceNormalization``."""
    x, weight, bias = a.inputs[0], *a.inputs[3:]
    if not _own_statistics(a) or x.ndim < 3 or a.params["dims"] != tuple(range(2, x.ndim)) or weight is None:
        return None
    scale, shift = _vector(weight), _vector(bias)
    if scale is None or shift is None or weight.shape != (x.shape[1], *[1] * (x.ndim - 2)):
        return None
    return a.graph.op("InstanceNormalization", a.x, scale, shift, epsilon=float(a.eps))


CONVERTERS = {
    standardization.Moments: moments,
    standardization.MeanSquare: mean_square,
    standardization.Standardize: standardize,
}
