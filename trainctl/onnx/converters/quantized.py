"""Integer layers as QDQ: their operators stand between DequantizeLinear and QuantizeLinear, which runtimes join.

Codes, scales and zero points are initializers as they are; the products, exact in the engine, are exact where a runtime
computes them in integers.
"""

from __future__ import annotations

from typing import Any

import numpy

from trainctl.autograd.ops import quantized
from trainctl.backend.affine import QParams
from trainctl.backend.integer_products import Finish, IntegerWeights
from trainctl.onnx.operands import Applied

_RANGE = {"uint8": (0, 255), "int8": (-128, 127), "int32": (-(2**31), 2**31 - 1)}
_CODES = "weight_codes"


def _grid(a: Applied, grid: QParams) -> tuple[str, str]:
    g = a.graph
    zero_point = numpy.broadcast_to(numpy.asarray(grid.zero_point, grid.dtype), numpy.shape(grid.scale))
    return g.constant(grid.scale, numpy.float32, "scale"), g.constant(zero_point, grid.dtype, "zero_point")


def codes_of(a: Applied, x: str, grid: QParams) -> str:
    """Return the codes of numbers: those that they were made of, if that was on this very grid."""
    g, scales = a.graph, _grid(a, grid)
    maker = g.maker(x)
    is_of_grid = maker is not None and maker.kind == "DequantizeLinear" and maker.inputs[1:] == list(scales)
    if maker is not None and is_of_grid and maker.attributes.get("axis") == _axis(grid):
        return maker.inputs[0]
    codes = g.op("QuantizeLinear", x, *scales, axis=_axis(grid))
    low, high = grid.quant_min, grid.quant_max
    if (low, high) == _RANGE[grid.dtype]:
        return codes
    return g.op("Clip", codes, g.constant(low, grid.dtype), g.constant(high, grid.dtype))


def numbers_of(a: Applied, codes: str, grid: QParams) -> str:
    """Return the numbers that codes stand for."""
    return a.graph.op("DequantizeLinear", codes, *_grid(a, grid), axis=_axis(grid))


def _axis(grid: QParams) -> int | None:
    return None if grid.axis is None else int(grid.axis)


def quantize(a: Applied) -> str:
    """``QuantizeLinear``; numbers that were codes of this very grid are these codes."""
    return codes_of(a, a.x, a.qparams)


def dequantize(a: Applied) -> str:
    """``DequantizeLinear``."""
    return numbers_of(a, a.x, a.qparams)


def weights_of(a: Applied, weights: IntegerWeights) -> str:
    """Return the weights as numbers, from codes under the name that the state_dict has for them."""
    g, grid = a.graph, weights.qparams
    name = g.state_names.get(id(weights.codes))
    codes = g.state(name, weights.codes) if name else g.constant(weights.codes, name=_CODES)
    stem = codes.removesuffix(_CODES)
    scale = g.state(f"{stem}weight_scale", numpy.float32(grid.scale))
    zero_point = g.state(f"{stem}weight_zero_point", numpy.broadcast_to(grid.zero_point, scale_shape(grid)), grid.dtype)
    return g.op("DequantizeLinear", codes, scale, zero_point, axis=_axis(grid))


def scale_shape(grid: QParams) -> tuple[int, ...]:
    """Return the shape of a grid's scale."""
    return tuple(numpy.shape(grid.scale))


def bias_of(a: Applied, finish: Finish) -> str | None:
    """Return the bias as numbers, from int32 in units of both scales."""
    if finish.bias is None:
        return None
    g = a.graph
    scale = numpy.ascontiguousarray(numpy.broadcast_to(finish.x.scale * finish.weights.scale, finish.bias.shape))
    codes, zero = g.constant(finish.bias, numpy.int32, "bias_codes"), numpy.zeros(scale.shape, numpy.int32)
    return g.op("DequantizeLinear", codes, g.constant(scale, numpy.float32, "bias_scale"), g.constant(zero), axis=0)


def finished(a: Applied, y: str, finish: Finish) -> str:
    """Bring float sums to the output's grid, if it has one."""
    grid = finish.y
    if finish.relu and (grid is None or int(grid.zero_point) > grid.quant_min):
        y = a.graph.op("Relu", y)  # else the lowest code is 0: QuantizeLinear cuts off what is below
    return y if grid is None else codes_of(a, y, grid)


def linear(a: Applied) -> str:
    """``Gemm`` of matrices; what has more dims is made one while it is codes."""
    g, finish, shape = a.graph, a.finish, a.inputs[0].shape
    codes = a.x if len(shape) == 2 else g.reshape(a.x, [_product(shape[:-1]), shape[-1]])
    x = numbers_of(a, codes, finish.x)
    y = g.op("Gemm", x, weights_of(a, finish.weights), bias_of(a, finish), transB=1)
    y = finished(a, y, finish)
    return y if len(shape) == 2 else g.reshape(y, a.outputs[0].shape)


def _product(sizes: tuple[Any, ...]) -> Any:
    product: Any = 1
    for size in sizes:
        product = size * product
    return product


def convolution(a: Applied) -> str:
    """``Conv``."""
    finish = a.finish
    x, weight = numbers_of(a, a.x, finish.x), weights_of(a, finish.weights)
    y = a.graph.op(
        "Conv", x, weight, bias_of(a, finish), strides=list(a.stride), pads=[*a.padding, *a.padding],
        dilations=list(a.dilation), group=a.groups,
    )  # fmt: skip
    return finished(a, y, finish)


def dynamic_linear(a: Applied) -> str:
    """Each row on a grid of its own, in the engine's very steps: ONNX's DynamicQuantizeLinear has one for all rows."""
    g, weights = a.graph, a.weights
    zero, most = g.constant(0, numpy.float32), g.constant(numpy.finfo(numpy.float32).max)
    least = g.constant(-numpy.finfo(numpy.float32).max)
    low = g.op("Max", g.op("Min", g.reduce("ReduceMin", a.x, [-1], True), zero), least)
    high = g.op("Min", g.op("Max", g.reduce("ReduceMax", a.x, [-1], True), zero), most)
    scale = g.op("Div", g.op("Min", g.op("Sub", high, low), most), g.constant(255, numpy.float32))
    scale = g.op("Where", g.op("Equal", scale, zero), g.constant(1, numpy.float32), scale)
    zero_point = _whole(a, g.op("Round", g.op("Div", g.op("Neg", low), scale)))
    codes = _whole(a, g.op("Add", g.op("Round", g.op("Div", a.x, scale)), zero_point))
    name = g.state_names.get(id(weights.codes))
    rows = g.state(name, weights.codes) if name else g.constant(weights.codes, name=_CODES)
    sums = g.op("MatMulInteger", g.cast(codes, numpy.dtype(numpy.uint8)), g.transpose(rows, [1, 0]))
    totals = weights.codes.astype(numpy.int64).sum(1).astype(numpy.int32)
    if weights.zero_point.any():
        raise a.unsupported("weights with zero points")
    sums = g.op("Sub", sums, g.op("Mul", g.cast(zero_point, numpy.dtype(numpy.int32)), g.constant(totals)))
    scales = g.op("Mul", scale, g.constant(weights.scale, numpy.float32, "weight_scale"))
    y = g.op("Mul", g.cast(sums, numpy.dtype(numpy.float32)), scales)
    return y if len(a.inputs) == 1 else g.op("Add", y, a.name(1))


def _whole(a: Applied, x: str) -> str:
    return a.graph.op("Clip", x, a.graph.constant(0, numpy.float32), a.graph.constant(255, numpy.float32))


CONVERTERS = {
    quantized.QuantizeLinear: quantize,
    quantized.DequantizeLinear: dequantize,
    quantized.QuantizedLinear: linear,
    quantized.QuantizedConvolution: convolution,
    quantized.DynamicQuantizedLinear: dynamic_linear,
}
