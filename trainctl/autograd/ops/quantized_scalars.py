"""Quantized tensors plus or times a number: a change of the grid, where the codes allow it."""

from __future__ import annotations

from trainctl.autograd.ops.quantization import Codes, dequantize, make_per_tensor, quantize_per_tensor
from trainctl.autograd.tensor import Tensor
from trainctl.backend.quantized_array import LIMITS


def add_number(x: Tensor, number: float) -> Tensor:
    """Return ``x + number`` as PyTorch has it: another zero point or, past the dtype's limits, a coarser grid.

    Example:
        >>> import trainctl
        >>> y = add_number(trainctl.quantize_per_tensor(trainctl.tensor([1.0, 2.0]), 0.5, 10, trainctl.quint8), 2.0)
        >>> y.dequantize(), y.q_zero_point()
        (tensor([3., 4.]), 6)
    """
    low, high = LIMITS[x.dtype.name]
    scale, steps = x.q_scale(), round(number / x.q_scale())
    zero_point = x.q_zero_point() - steps
    if low <= zero_point <= high:
        return make_per_tensor(Codes.apply(x).clone(), scale, zero_point)
    reach = high - zero_point if zero_point < low else zero_point - low
    wider, end = reach / (high - low) * scale, low if zero_point < low else high
    return quantize_per_tensor(dequantize(x) + steps * scale, wider, end, x.dtype)


def multiply_by_number(x: Tensor, number: float) -> Tensor:
    """Return ``x * number`` as PyTorch has it: another scale; a negative number turns the codes round.

    Example:
        >>> import trainctl
        >>> y = multiply_by_number(trainctl.quantize_per_tensor(trainctl.tensor([1.0, 2.0]), 0.5, 10, trainctl.quint8), -2.0)
        >>> y.dequantize(), y.q_scale(), y.q_zero_point()
        (tensor([-2., -4.]), 1.0, 245)
    """
    low, high = LIMITS[x.dtype.name]
    codes, scale, zero_point = Codes.apply(x).clone(), x.q_scale(), x.q_zero_point()
    if number > 0:
        return make_per_tensor(codes, scale * number, zero_point)
    if number == 0:
        return make_per_tensor(codes.zero_(), 1.0, 0)
    return make_per_tensor((high + low - codes.long()).to(codes.dtype), scale * -number, high - (zero_point - low))
