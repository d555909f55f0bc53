"""PyTorch's quantized tensors, and quantization that is only played.

In the graph a quantized tensor is the numbers that its codes stand for, so that every converter serves; what an op gives is
brought to the grid again, which runtimes join.
"""

from __future__ import annotations

from typing import Any

import numpy

from trainctl.autograd.ops import (
    fake_quantize,
    fake_quantize_learned,
    quantization,
    quantized_dynamic,
    quantized_transposed,
)
from trainctl.onnx.converters import quantized
from trainctl.onnx.operands import Applied


def on_grid(a: Applied, found: Any) -> Any:
    """Return an op's outputs with the first one on the grid of the quantized tensor that it is."""
    grid = a.outputs[0].grid
    if grid is None or issubclass(a.op, quantization.Quantize):
        return found
    first, *rest = found if isinstance(found, tuple) else (found,)
    codes = quantized.codes_of(a, first, grid.qparams)
    return (
        (quantized.numbers_of(a, codes, grid.qparams), *rest) if rest else quantized.numbers_of(a, codes, grid.qparams)
    )


def _grid(a: Applied, number: int | None = None) -> Any:
    grid: Any = a.outputs[0].grid if number is None else a.inputs[number].grid
    if grid.has_float_zero_points or grid.kind.name == "quint4x2":
        raise a.unsupported("zero points that are no codes, or codes two to a byte; dequantize() first")
    return grid.qparams


def quantize(a: Applied) -> str:
    """Numbers to the numbers of the nearest codes."""
    grid = _grid(a)
    return quantized.numbers_of(a, quantized.codes_of(a, a.x, grid), grid)


def with_grid(a: Applied) -> str:
    """Codes to the numbers that they stand for."""
    return quantized.numbers_of(a, a.x, _grid(a))


def codes(a: Applied) -> str:
    """The codes themselves."""
    return quantized.codes_of(a, a.x, _grid(a, 0))


def of_one_grid(a: Applied) -> str:
    """A grid that all numbers of a batch share is chosen in ways of PyTorch's own."""
    raise a.unsupported("a grid for the whole batch; a grid for each row (trainctl quantize --method dynamic) exports")


def transposed(a: Applied) -> str:
    """``ConvTranspose`` of numbers; the weights are turned back to what they are there."""
    g, finish = a.graph, a.finish
    shape = finish.weights.codes.shape
    kernel = list(shape[2:])
    weight = quantized.weights_of(a, finish.weights)
    dims = list(range(2, len(shape)))
    ends = [g.constant([each] * len(dims), numpy.int64) for each in (-1, -numpy.iinfo(numpy.int64).max)]
    backwards = g.op("Slice", weight, *ends, g.constant(dims, numpy.int64), g.constant([-1] * len(dims), numpy.int64))
    parts = g.reshape(backwards, [a.groups, shape[0] // a.groups, shape[1], *kernel])
    swapped = g.transpose(parts, [0, 2, 1, *range(3, 3 + len(kernel))])
    weight = g.reshape(swapped, [a.groups * shape[1], shape[0] // a.groups, *kernel])
    y = g.op(
        "ConvTranspose", quantized.numbers_of(a, a.x, finish.x), weight, quantized.bias_of(a, finish),
        strides=list(a.stride), pads=[*a.padding, *a.padding], dilations=list(a.dilation), group=a.groups,
        output_padding=list(a.output_padding),
    )  # fmt: skip
    return quantized.finished(a, y, finish)


def fake_quantized(a: Applied) -> tuple[str, ...]:
    """Numbers of a grid's codes, step by step: the grid may have any codes, and be learned."""
    g, x = a.graph, a.inputs[0]
    scale, point = a.name(1), g.cast(g.op("Round", g.cast(a.name(2), x.dtype)), x.dtype)
    if a.axis is not None:
        shape = [1] * x.ndim
        shape[a.axis] = -1
        scale, point = g.reshape(scale, shape), g.reshape(point, shape)
    low, high = a.number(a.quant_min), a.number(a.quant_max)
    codes_ = g.op("Add", g.op("Round", g.op("Mul", a.x, g.op("Reciprocal", scale))), point)
    y = g.op("Mul", g.op("Sub", g.op("Clip", codes_, low, high), point), scale)
    return (y, *[""] * (len(a.outputs) - 1))


CONVERTERS = {
    quantization.Quantize: quantize,
    quantization.WithGrid: with_grid,
    quantization.Codes: codes,
    quantization.Numbers: lambda a: a.x,
    quantized_dynamic.LinearOfOneGrid: of_one_grid,
    quantized_transposed.QuantizedTransposedConvolution: transposed,
    fake_quantize.FakeQuantize: fake_quantized,
    fake_quantize_learned.LearnedFakeQuantize: fake_quantized,
}
