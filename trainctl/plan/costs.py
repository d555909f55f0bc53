"""What an op has to do, read off the shapes of its operands: multiplications and additions, and bytes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.convolution_products import Convolution, ConvolutionInputGradient, ConvolutionWeightGradient
from trainctl.autograd.ops.embedding import Embedding
from trainctl.autograd.ops.indexing import Gather, TakeAt
from trainctl.autograd.ops.linalg import Linear, MatMul
from trainctl.autograd.ops.recurrent_elman import RNNLayer, RNNLayerGradient
from trainctl.autograd.ops.recurrent_gru import GRULayer, GRULayerGradient
from trainctl.autograd.ops.recurrent_lstm import LSTMLayer, LSTMLayerGradient

# Operands and results have a shape, a dtype and strides: arrays, or values of a trace. Numbers among them have none.
Operands = Sequence[Any]

_PICKING = (Embedding, Gather, TakeAt)  # read no more of their first operand than they return


def flops(op: type[Op], params: dict[str, Any], inputs: Operands, outputs: Operands) -> int:
    """Return the multiplications and additions of an op's matrix products; what it does besides counts nothing.

    A convolution counts a multiplication for each number of a kernel at each place, those that meet padding included.

    Args:
        op: the op.
        params: its parameters.
        inputs: its operands.
        outputs: what it returns.

    Example:
        >>> import numpy
        >>> x, weight, y = numpy.empty((8, 3)), numpy.empty((5, 3)), numpy.empty((8, 5))
        >>> flops(Linear, {}, [x, weight], [y])
        240
    """
    rule = next((rule for kind, rule in _RULES.items() if issubclass(op, kind)), None)
    return 0 if rule is None else 2 * rule(params, inputs, outputs)


def _product(params: dict[str, Any], inputs: Operands, outputs: Operands) -> int:
    return math.prod(outputs[0].shape) * inputs[0].shape[-1]


def _convolution(params: dict[str, Any], inputs: Operands, outputs: Operands) -> int:
    return math.prod(outputs[0].shape) * math.prod(inputs[1].shape[1:])


def _input_gradient(params: dict[str, Any], inputs: Operands, outputs: Operands) -> int:
    gy, weight = inputs
    return math.prod(gy.shape) * math.prod(weight.shape[1:])


def _weight_gradient(params: dict[str, Any], inputs: Operands, outputs: Operands) -> int:
    return math.prod(inputs[1].shape) * math.prod(params["kernel"][1:])


def _rows_times(first: int, end: int | None) -> Callable[[dict[str, Any], Operands, Operands], int]:
    """Return the rule of a layer over time whose operands from ``first`` to ``end`` are weights (or biases, or None)."""

    def rule(params: dict[str, Any], inputs: Operands, outputs: Operands) -> int:
        weights = [each for each in inputs[first:end] if each is not None and len(each.shape) == 2]
        return inputs[0].shape[0] * sum(math.prod(each.shape) for each in weights)

    return rule


_RULES: dict[type[Op], Callable[[dict[str, Any], Operands, Operands], int]] = {
    Linear: _product,
    MatMul: _product,
    Convolution: _convolution,
    ConvolutionInputGradient: _input_gradient,
    ConvolutionWeightGradient: _weight_gradient,
    RNNLayer: _rows_times(2, None),
    RNNLayerGradient: _rows_times(1, 2),
    GRULayer: _rows_times(2, None),
    GRULayerGradient: _rows_times(3, 4),
    LSTMLayer: _rows_times(3, None),
    LSTMLayerGradient: _rows_times(3, 5),
}


def traffic(op: type[Op], inputs: Operands, outputs: Operands) -> int:
    """Return the bytes that an op reads and writes at least: each operand once, each result once.

    Example:
        >>> import numpy
        >>> x = numpy.empty((4, 2), numpy.float32)
        >>> traffic(MatMul, [x, x.T], [numpy.empty((4, 4), numpy.float32)])
        128
    """
    written = sum(map(size_of, outputs))
    sizes = [size_of(each) for each in inputs if hasattr(each, "strides")]
    if issubclass(op, _PICKING) and sizes:
        sizes[0] = min(sizes[0], written)
    return sum(sizes) + written


def size_of(array: Any) -> int:
    """Return the bytes of an array's elements; those that a broadcast repeats count once."""
    sizes = [size for size, step in zip(array.shape, array.strides, strict=True) if step or not size]
    return math.prod(sizes) * array.dtype.itemsize
