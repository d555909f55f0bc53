"""Quantized tensors, under PyTorch's names: made, looked into, and made floats again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trainctl.autograd.dims import wrap_dim
from trainctl.autograd.op import Op
from trainctl.autograd.ops.cast import check_tensor
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes, quantized_dtypes
from trainctl.backend.quantized_array import LIMITS, QuantizedArray, chosen, codes_of, packed
from trainctl.backend.quantized_dtypes import qint8, qscheme, quantized_dtype, quint4x2, quint8

METHODS = "int_repr dequantize q_scale q_zero_point q_per_channel_scales q_per_channel_zero_points q_per_channel_axis qscheme=scheme_of"
PROPERTIES = "is_quantized"
FUNCTIONS = (
    "quantize_per_tensor quantize_per_channel quantize_per_tensor_dynamic int_repr dequantize q_scale q_zero_point "
    "q_per_channel_scales q_per_channel_zero_points q_per_channel_axis "
    "_make_per_tensor_quantized_tensor=make_per_tensor _make_per_channel_quantized_tensor=make_per_channel"
)


class Quantize(Op):
    """Float numbers to a quantized tensor."""

    differentiable = False
    decides_dtype = True
    kind: quantized_dtype
    scale: Any
    zero_point: Any
    axis: int | None = None

    def forward(self, x: Any) -> QuantizedArray:
        """Return the codes with their grid."""
        codes = codes_of(x, self.kind, self.scale, self.zero_point, self.axis)
        return QuantizedArray(codes, self.kind, self.scale, self.zero_point, self.axis)


class WithGrid(Quantize):
    """Codes, as they are, to a quantized tensor over the same memory."""

    def forward(self, x: Any) -> QuantizedArray:
        """Return the codes with their grid."""
        return QuantizedArray(x, self.kind, self.scale, self.zero_point, self.axis)


class Codes(Op):
    """A quantized tensor's codes."""

    differentiable = False
    decides_dtype = True
    takes_codes = True

    def forward(self, x: QuantizedArray) -> Any:
        """Return the codes, in the same memory; of quint4x2 two to a byte."""
        return packed(x.codes) if x.kind is quint4x2 else x.codes


class Numbers(Op):
    """The numbers that a quantized tensor stands for."""

    differentiable = False
    decides_dtype = True
    takes_codes = True

    def forward(self, x: QuantizedArray) -> Any:
        """Return them in float32."""
        return x.values


def quantize_per_tensor(input: Any, scale: Any, zero_point: Any, dtype: Any) -> Any:
    """Return a float tensor as codes of one grid: ``round(input / scale + zero_point)``, kept within the dtype.

    Args:
        input: float32; or a list of tensors, each quantized by its own elements of ``scale`` and ``zero_point``.
        scale: the distance of two neighbours.
        zero_point: the code of 0.
        dtype: ``quint8``, ``qint8`` or ``qint32``.

    Raises:
        RuntimeError: not float32, another dtype, a zero point that the dtype does not hold.

    Example:
        >>> import trainctl
        >>> x = quantize_per_tensor(trainctl.tensor([-1.0, 0.26, 2.0]), 0.1, 10, trainctl.quint8)
        >>> x.int_repr(), x.dequantize()
        (tensor([ 0, 13, 30], dtype=trainctl.uint8), tensor([-1.0000,  0.3000,  2.0000]))
    """
    if isinstance(input, (list, tuple)):
        grids = zip(input, scale, zero_point, strict=True)
        return tuple(quantize_per_tensor(*each, dtype) for each in grids)
    _check("quantize_per_tensor", input, dtype)
    scale, zero_point = float(scale), int(zero_point)
    _check_zero_point(zero_point, dtype)
    return Quantize.apply(input, kind=dtype, scale=scale, zero_point=zero_point)


def quantize_per_channel(
    input: Tensor, scales: Tensor, zero_points: Tensor, axis: int, dtype: quantized_dtype
) -> Tensor:
    """Return a float tensor as codes with a grid for each channel.

    Args:
        input: float32.
        scales: ``[C]``.
        zero_points: ``[C]``; where they are float, 0 may lie between two codes.
        axis: the dim of size C.
        dtype: ``quint8``, ``qint8`` or ``qint32``.

    Raises:
        RuntimeError: not float32, another dtype, not one scale and zero point for each channel.
        IndexError: there is no such dim.

    Example:
        >>> import trainctl
        >>> x = trainctl.tensor([[1.0, 2.0], [1.0, 2.0]])
        >>> scales, zero_points = trainctl.tensor([0.1, 0.2]), trainctl.tensor([0, 0])
        >>> quantize_per_channel(x, scales, zero_points, 0, trainctl.qint8).int_repr()
        tensor([[10, 20],
                [ 5, 10]], dtype=trainctl.int8)
    """
    _check("quantize_per_channel", input, dtype)
    return Quantize.apply(input, kind=dtype, **_channel_grid(input, scales, zero_points, axis))


def quantize_per_tensor_dynamic(input: Tensor, dtype: quantized_dtype, reduce_range: bool) -> Tensor:
    """Return a float tensor as codes of the grid that spans its own elements, and 0.

    Args:
        input: float32, of at least one element.
        dtype: ``quint8`` or ``qint8``.
        reduce_range: use half of the codes.

    Raises:
        RuntimeError: not float32, another dtype, no elements.

    Example:
        >>> import trainctl
        >>> quantize_per_tensor_dynamic(trainctl.tensor([0.0, 1.0]), trainctl.quint8, False).int_repr()
        tensor([  0, 255], dtype=trainctl.uint8)
    """
    _check("quantize_per_tensor_dynamic", input, dtype)
    if dtype not in (quint8, qint8):
        raise RuntimeError(f"quantize_per_tensor_dynamic: dtype must be quint8 or qint8, got {dtype}")
    if not input.numel():
        raise RuntimeError("quantize_per_tensor_dynamic: an input without elements has no range")
    low, high = (int(each / 2) if reduce_range else each for each in LIMITS[dtype.name])
    scale, zero_point = chosen(input._array, low, high)
    return Quantize.apply(input, kind=dtype, scale=scale, zero_point=zero_point)


def make_per_tensor(input: Tensor, scale: float, zero_point: int) -> Tensor:
    """Return codes, as they are, as a quantized tensor with one grid."""
    return WithGrid.apply(input, kind=_kind_of(input), scale=float(scale), zero_point=int(zero_point))


def make_per_channel(input: Tensor, scale: Tensor, zero_point: Tensor, axis: int) -> Tensor:
    """Return codes, as they are, as a quantized tensor with a grid for each channel."""
    return WithGrid.apply(input, kind=_kind_of(input), **_channel_grid(input, scale, zero_point, axis))


def int_repr(input: Tensor) -> Tensor:
    """Return a quantized tensor's codes, in memory of their own."""
    _quantized("int_repr", input)
    return Codes.apply(input).clone()


def dequantize(input: Any) -> Any:
    """Return the float32 numbers that a quantized tensor stands for; of a list of tensors, those of each.

    What is not quantized is returned as it is.
    """
    if isinstance(input, (list, tuple)):
        return tuple(dequantize(each) for each in input)
    check_tensor("dequantize", input, "tensor")
    return Numbers.apply(input) if is_quantized(input) else input


def on_its_grid(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return a function's value for the numbers of a quantized tensor, rounded to the tensor's own grid."""
    grid = _quantized("quantize", x, per_channel=False)
    return Quantize.apply(function(dequantize(x)), kind=grid.kind, scale=grid.scale, zero_point=grid.zero_point)


def is_quantized(self: Tensor) -> bool:
    """Whether the elements are codes with a grid."""
    return type(self._array) is QuantizedArray


def q_scale(input: Tensor) -> float:
    """Return the scale of a tensor with one grid."""
    return _quantized("q_scale", input, per_channel=False).scale


def q_zero_point(input: Tensor) -> int:
    """Return the zero point of a tensor with one grid."""
    return _quantized("q_zero_point", input, per_channel=False).zero_point


def q_per_channel_scales(input: Tensor) -> Tensor:
    """Return the channels' scales, ``[C]``."""
    return Tensor._wrap(_quantized("q_per_channel_scales", input, per_channel=True).scale.copy())


def q_per_channel_zero_points(input: Tensor) -> Tensor:
    """Return the channels' zero points, ``[C]``."""
    return Tensor._wrap(_quantized("q_per_channel_zero_points", input, per_channel=True).zero_point.copy())


def q_per_channel_axis(input: Tensor) -> int:
    """Return the dim that the channels are along."""
    axis = _quantized("q_per_channel_axis", input, per_channel=True).axis
    assert axis is not None
    return axis


def scheme_of(self: Tensor) -> qscheme:
    """Return how the codes stand for numbers."""
    array = _quantized("qscheme", self)
    if array.axis is None:
        return quantized_dtypes.per_tensor_affine
    if array.has_float_zero_points:
        return quantized_dtypes.per_channel_affine_float_qparams
    return quantized_dtypes.per_channel_affine


def _quantized(name: str, x: Any, per_channel: bool | None = None) -> QuantizedArray:
    """Return a quantized tensor's array.

    Raises:
        NotImplementedError: it is no quantized tensor.
        RuntimeError: it has one grid where each channel should have its own, or the other way round.
    """
    check_tensor(name, x, "input")
    if not is_quantized(x):
        raise NotImplementedError(
            f"Could not run 'aten::{name}' with arguments from the 'CPU' backend: a tensor of {x.dtype} has no grid. "
            "Quantize it first: quantize_per_tensor(x, scale, zero_point, dtype)."
        )
    if per_channel is not None and per_channel is not (x._array.axis is not None):
        wanted = "per channel" if per_channel else "per tensor"
        raise RuntimeError(f"{name}: expected a tensor quantized {wanted}, got one of {scheme_of(x)}")
    return x._array


def _check(name: str, input: Any, dtype: Any) -> None:
    check_tensor(name, input, "input")
    if is_quantized(input):
        raise NotImplementedError(f"Could not run 'aten::{name}': the input is quantized already, of {input.dtype}")
    if input.dtype is not dtypes.float32:
        raise RuntimeError(f"Quantize only works on Float Tensor, got {input.dtype.name}; use input.float()")
    if not isinstance(dtype, quantized_dtype) or dtype.name not in LIMITS:
        raise RuntimeError(f"{name}: dtype must be quint8, qint8, qint32 or quint4x2, got {dtype}")


def _check_zero_point(zero_point: int, dtype: quantized_dtype) -> None:
    low, high = LIMITS[dtype.name]
    if not low <= zero_point <= high:
        side = "above upper" if zero_point > high else "below lower"
        raise RuntimeError(f"zero_point {zero_point} is {side} bound: {dtype.name} holds {low} to {high}")


def _channel_grid(input: Tensor, scales: Tensor, zero_points: Tensor, axis: int) -> dict[str, Any]:
    """Return a grid for each channel, checked, as :class:`QuantizedArray` keeps it."""
    axis = wrap_dim(axis, input.ndim)
    for name, each in (("scales", scales), ("zero_points", zero_points)):
        check_tensor("quantize_per_channel", each, name)
        if each.shape != (input.shape[axis],):
            raise RuntimeError(
                f"length of {name} must equal to channel, expected {input.shape[axis]} got, {list(each.shape)}"
            )
    floats = zero_points.is_floating_point()
    xp = scales._xp
    scale = scales._array.astype(xp.float32 if floats else xp.float64)
    return {"scale": scale, "zero_point": zero_points._array.astype(xp.float32 if floats else xp.int64), "axis": axis}


def _kind_of(codes: Tensor) -> quantized_dtype:
    kinds = {dtypes.uint8: quint8, dtypes.int8: qint8, dtypes.int32: quantized_dtypes.qint32}
    if codes.dtype not in kinds:
        raise RuntimeError(f"codes are uint8, int8 or int32, got {codes.dtype}")
    return kinds[codes.dtype]
