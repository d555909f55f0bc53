"""Pooling, padding and resizing.

The engine pools along one dim after the other; here the steps become one operator with a window of several dims.
"""

from __future__ import annotations

import numpy

from trainctl.autograd.ops import adaptive_pooling, arithmetic, padding, pooling_along, resampling, resize, unpooling
from trainctl.onnx.graph import Node
from trainctl.onnx.operands import Applied, Operand, is_number
from trainctl.onnx.sizes import Size

_LISTS = ("kernel_shape", "strides", "dilations")


def _window(a: Applied, n: int) -> dict[str, list[int]]:
    """Return the attributes of a window along the op's dim, of ``n`` dims."""
    size, place = a.inputs[0].shape[a.dim], n + a.dim
    after = a.padding
    if not isinstance(size, Size):  # what the last window needs, which may reach beyond the padding, or not up to it
        after = max((a.places - 1) * a.stride + a.dilation * (a.kernel - 1) + 1 - size - a.padding, 0)
    window = {name: [1] * n for name in _LISTS}
    for name, each in zip(_LISTS, (a.kernel, a.stride, a.dilation), strict=True):
        window[name][place] = each
    window["pads"] = [0] * 2 * n
    window["pads"][place], window["pads"][n + place] = a.padding, after
    return window


def _joined(node: Node | None, kind: str, window: dict[str, list[int]]) -> dict[str, list[int]] | None:
    """Return the window of two poolings in a row, None if they do not pool along different dims by one operator."""
    if node is None or node.kind != kind or len(node.attributes["kernel_shape"]) != len(window["kernel_shape"]):
        return None
    before = {name: node.attributes.get(name, window["dilations"]) for name in window}
    if any(a != 1 and b != 1 for a, b in zip(before["kernel_shape"], window["kernel_shape"], strict=True)):
        return None
    return {name: [max(pair) for pair in zip(before[name], each, strict=True)] for name, each in window.items()}


def _pooled(a: Applied, kind: str, x: str, **more: int) -> str:
    """Return one step of pooling, joined with the step before it."""
    g, ndim = a.graph, a.inputs[0].ndim
    n = max(ndim - 2, -a.dim, 1)
    if n > 3:
        raise a.unsupported("a pooling over more than 3 dims")
    lead = range(n + 2 - ndim)  # a part of a batch, or of an image: dims of size 1 in front make room
    window = _window(a, n)
    before = None if lead else g.maker(x)
    joined = _joined(before, kind, window)
    if joined is not None and before is not None:
        x, window = before.inputs[0], joined
    if kind == "AveragePool":
        del window["dilations"]  # unknown to it before opset 19, and always 1
    return g.squeeze(g.op(kind, g.unsqueeze(x, lead), **window, **more), lead)


def max_along(a: Applied) -> tuple[str, ...]:
    """``MaxPool``; which element it was, ONNX says in numbers of its own."""
    return (_pooled(a, "MaxPool", a.x), *[""] * (len(a.outputs) - 1))


def choice(a: Applied) -> str:
    """What a pooling's window chose, in the engine's numbers."""
    raise a.unsupported("ONNX numbers what a pooling chose by other places: leave return_indices out")


def unpool(a: Applied) -> str:
    """Elements put back where a pooling took them from."""
    raise a.unsupported("ONNX numbers what a pooling chose by other places: Upsample or ConvTranspose enlarge, too")


def sum_along(a: Applied) -> str:
    """Sums over windows: means that count the padding, times the window's size."""
    g = a.graph
    mean, count = g.sums.get(a.x, (a.x, 1))
    mean, count = _pooled(a, "AveragePool", mean, count_include_pad=1), count * a.kernel
    summed = g.op("Mul", mean, a.number(count))
    g.sums[summed] = mean, count
    return summed


def resample(a: Applied) -> str:
    """Along one dim each output is a weighted sum of inputs: a product with a matrix; of one input each a Gather."""
    g, x, table = a.graph, a.inputs[0], a.table
    if table.weight is None and len(table.index) == 1:
        return g.op("Gather", a.x, g.constant(table.index[0], numpy.int64), axis=x.ndim + a.dim)
    matrix = numpy.zeros((table.index.shape[1], table.size))
    weights = numpy.ones(table.index.shape) if table.weight is None else table.weight
    numpy.add.at(matrix, (numpy.arange(len(matrix)), table.index), weights)
    matrix = matrix.astype(x.dtype)
    if a.dim == -1:
        return g.op("MatMul", a.x, g.constant(matrix.T))
    if a.dim == -2:
        return g.op("MatMul", g.constant(matrix), a.x)
    dims = [dim for dim in range(x.ndim) if dim != x.ndim + a.dim] + [x.ndim + a.dim]
    y = g.op("MatMul", g.transpose(a.x, dims), g.constant(matrix.T))
    return g.transpose(y, [dims.index(dim) for dim in range(x.ndim)])


def arg_max_over(a: Applied) -> str:
    """Where in the input each of a table's windows has its largest element."""
    g, best, place = a.graph, "", ""
    for source in a.table.index:
        index = g.constant(source, numpy.int64)
        part = g.op("Gather", a.x, index, axis=a.inputs[0].ndim + a.dim)
        here = g.constant(numpy.reshape(source, (-1, *(1,) * (-a.dim - 1))), numpy.int64)
        if not best:
            best, place = part, g.op("Expand", here, g.shape(a.outputs[0].shape))
        else:
            better = g.op("Or", g.op("Greater", part, best), g.op("IsNaN", part))
            best, place = g.op("Where", better, part, best), g.op("Where", better, here, place)
    return place


def round_to_byte(a: Applied) -> str:
    """The nearest whole number from 0 to 255."""
    g = a.graph
    return g.op("Clip", g.op("Floor", g.op("Add", a.x, a.number(0.5))), a.number(0), a.number(255))


def constant_pad(a: Applied) -> str:
    """A constant on the sides; sizes below 0 cut."""
    g, sides = a.graph, a.sides
    pads = g.constant([before for before, _ in sides] + [after for _, after in sides], numpy.int64)
    if a.outputs[0].dtype.kind == "b":
        padded = g.op("Pad", g.cast(a.x, numpy.dtype(numpy.uint8)), pads, g.constant(int(a.value), numpy.uint8))
        return g.cast(padded, a.outputs[0].dtype)
    return g.op("Pad", a.x, pads, a.number(a.value))


def pad_along(a: Applied) -> str:
    """The dim's own elements on its sides."""
    g, n = a.graph, a.inputs[0].ndim
    if a.mode == "circular" and not g.has(19):
        return _wrapped(a)
    pads = [0] * 2 * n
    pads[a.dim % n], pads[n + a.dim % n] = a.before, a.after
    mode = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}[a.mode]
    return g.op("Pad", a.x, g.constant(pads, numpy.int64), mode=mode)


def _wrapped(a: Applied) -> str:
    g, end = a.graph, numpy.iinfo(numpy.int64).max
    parts = [g.slice(a.x, a.dim, -a.before, end)] if a.before else []
    parts += [a.x, *([g.slice(a.x, a.dim, 0, a.after)] if a.after else [])]
    return g.op("Concat", *parts, axis=a.dim)


def divide(a: Applied) -> str:
    """``x / y``; sums over windows by the window's size are the means that they were made of."""
    if isinstance(a.inputs[0], Operand) and is_number(a.inputs[1]):
        mean, count = a.graph.sums.get(a.x, ("", 0))
        if count and count == a.inputs[1]:
            return mean
    return a.graph.op("Div", a.name(0), a.name(1))


CONVERTERS = {
    arithmetic.Div: divide,
    pooling_along.MaxAlong: max_along,
    pooling_along.SumAlong: sum_along,
    pooling_along.ChooseAlong: choice,
    unpooling.PutLast: unpool,
    resampling.Resample: resample,
    adaptive_pooling.ArgMaxOver: arg_max_over,
    resize.RoundToByte: round_to_byte,
    padding.ConstantPad: constant_pad,
    padding.PadAlong: pad_along,
}
