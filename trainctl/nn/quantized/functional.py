"""Functions of quantized tensors, under the names of PyTorch's ``torch.ao.nn.quantized.functional``.

Where a function has no ``scale`` and ``zero_point``, its result is on the input's grid.
"""

from __future__ import annotations

from typing import Any

from trainctl.autograd.ops.quantization import dequantize, is_quantized, quantize_per_tensor
from trainctl.autograd.tensor import Tensor
from trainctl.backend.quantized_dtypes import quint8
from trainctl.nn import functional as F
from trainctl.nn.quantized import conv
from trainctl.nn.quantized.linear import Linear

Size = Any


def _checked(name: str, input: Any) -> Tensor:
    if not isinstance(input, Tensor) or not is_quantized(input):
        raise ValueError(f"Input to 'quantized.{name}' must be quantized: use quantize_per_tensor, or a QuantStub")
    return input


def linear(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, scale: float | None = None, zero_point: int | None = None
) -> Tensor:
    """Return ``input @ weight.T + bias``: ``[*, in] -> [*, out]``; default: on the input's grid.

    Args:
        input: quantized.
        weight: qint8 ``[out, in]``, with one grid or one for each row.
        bias: float ``[out]``.
        scale: of the output's grid.
        zero_point: of the output's grid.

    Raises:
        ValueError: the input is not quantized, or the weight is not qint8.

    Example:
        >>> import trainctl
        >>> x = trainctl.quantize_per_tensor(trainctl.ones(1, 2), 0.5, 0, trainctl.quint8)
        >>> w = trainctl.quantize_per_tensor(trainctl.ones(3, 2), 0.5, 0, trainctl.qint8)
        >>> linear(x, w).dequantize()
        tensor([[2., 2., 2.]])
    """
    _checked("linear", input)
    out_features, in_features = weight.shape
    layer = Linear(in_features, out_features, bias is not None)
    layer.set_weight_bias(weight, bias)
    layer.scale = input.q_scale() if scale is None else scale
    layer.zero_point = input.q_zero_point() if zero_point is None else zero_point
    return layer(input)


def _convolution(
    name: str,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    options: tuple[Any, ...],
    scale: float,
    zero_point: int,
    dtype: Any,
) -> Tensor:
    if dtype is not quint8 or _checked(name, input).dtype is not quint8:
        raise NotImplementedError(f"quantized.{name}: input and output are quint8, got {input.dtype} and {dtype}")
    stride, padding, dilation, groups, padding_mode = options
    layer = getattr(conv, name.replace("conv", "Conv"))(
        weight.shape[1] * groups, weight.shape[0], tuple(weight.shape[2:]), stride, padding, dilation, groups,
        bias is not None, padding_mode,
    )  # fmt: skip
    layer.set_weight_bias(weight, bias)
    layer.scale, layer.zero_point = scale, zero_point
    return layer(input)


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
    padding_mode: Any = "zeros",
    scale: float = 1.0,
    zero_point: int = 0,
    dtype: Any = quint8,
) -> Tensor:
    """Return the convolution of ``[N, C, L]``; arguments as for :func:`conv2d`."""
    options = stride, padding, dilation, groups, padding_mode
    return _convolution("conv1d", input, weight, bias, options, scale, zero_point, dtype)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
    padding_mode: Any = "zeros",
    scale: float = 1.0,
    zero_point: int = 0,
    dtype: Any = quint8,
) -> Tensor:
    """Return the convolution of ``[N, C, H, W]`` with qint8 weights ``[O, C / groups, kH, kW]``, as :class:`Conv2d` does.

    Raises:
        NotImplementedError: an input or output of another type than quint8.
        ValueError: the input is not quantized, or the weight is not qint8.
    """
    options = stride, padding, dilation, groups, padding_mode
    return _convolution("conv2d", input, weight, bias, options, scale, zero_point, dtype)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
    padding_mode: Any = "zeros",
    scale: float = 1.0,
    zero_point: int = 0,
    dtype: Any = quint8,
) -> Tensor:
    """Return the convolution of ``[N, C, D, H, W]``; arguments as for :func:`conv2d`."""
    options = stride, padding, dilation, groups, padding_mode
    return _convolution("conv3d", input, weight, bias, options, scale, zero_point, dtype)


# -- pooling and sizes ------------------------------------------------------------------------------------


def avg_pool2d(
    input: Tensor,
    kernel_size: Size,
    stride: Size = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Return the means of windows; see :func:`trainctl.nn.functional.avg_pool2d`."""
    _checked("avg_pool2d", input)
    return F.avg_pool2d(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool3d(
    input: Tensor,
    kernel_size: Size,
    stride: Size = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Return the means of windows; see :func:`trainctl.nn.functional.avg_pool3d`."""
    _checked("avg_pool3d", input)
    return F.avg_pool3d(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def adaptive_avg_pool2d(input: Tensor, output_size: Size) -> Tensor:
    """Return the means of as many windows; see :func:`trainctl.nn.functional.adaptive_avg_pool2d`."""
    return F.adaptive_avg_pool2d(_checked("adaptive_avg_pool2d", input), output_size)


def adaptive_avg_pool3d(input: Tensor, output_size: Size) -> Tensor:
    """Return the means of as many windows; see :func:`trainctl.nn.functional.adaptive_avg_pool3d`."""
    return F.adaptive_avg_pool3d(_checked("adaptive_avg_pool3d", input), output_size)


def max_pool1d(
    input: Tensor,
    kernel_size: Size,
    stride: Size = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the largest of each window; see :func:`trainctl.nn.functional.max_pool1d`."""
    return F.max_pool1d(
        _checked("max_pool1d", input), kernel_size, stride, padding, dilation, ceil_mode, return_indices
    )


def max_pool2d(
    input: Tensor,
    kernel_size: Size,
    stride: Size = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the largest of each window; see :func:`trainctl.nn.functional.max_pool2d`."""
    return F.max_pool2d(
        _checked("max_pool2d", input), kernel_size, stride, padding, dilation, ceil_mode, return_indices
    )


def interpolate(
    input: Tensor, size: Size = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None
) -> Tensor:
    """Return images of another size; see :func:`trainctl.nn.functional.interpolate`."""
    return F.interpolate(_checked("interpolate", input), size, scale_factor, mode, align_corners)


def upsample(
    input: Tensor, size: Size = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None
) -> Tensor:
    """Return images of another size: :func:`interpolate` by its old name."""
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_bilinear(input: Tensor, size: Size = None, scale_factor: Any = None) -> Tensor:
    """Return images of another size, corners on corners: :func:`interpolate` by an old name."""
    return interpolate(input, size, scale_factor, "bilinear", True)


def upsample_nearest(input: Tensor, size: Size = None, scale_factor: Any = None) -> Tensor:
    """Return images of another size: :func:`interpolate` by an old name."""
    return interpolate(input, size, scale_factor, "nearest")


# -- activations ------------------------------------------------------------------------------------------


def _onto(y: Tensor, scale: float | None, zero_point: int | None, like: Tensor) -> Tensor:
    if scale is None or zero_point is None:
        scale, zero_point = like.q_scale(), like.q_zero_point()
    return quantize_per_tensor(y, scale, zero_point, like.dtype)


def celu(input: Tensor, scale: float, zero_point: int, alpha: float = 1.0) -> Tensor:
    """Return ``celu`` of each element, on the given grid."""
    return _onto(F.celu(dequantize(_checked("celu", input)), alpha), scale, zero_point, input)


def elu(input: Tensor, scale: float, zero_point: int, alpha: float = 1.0) -> Tensor:
    """Return ``elu`` of each element, on the given grid."""
    return _onto(F.elu(dequantize(_checked("elu", input)), alpha), scale, zero_point, input)


def hardswish(input: Tensor, scale: float, zero_point: int) -> Tensor:
    """Return ``hardswish`` of each element, on the given grid."""
    return _onto(F.hardswish(dequantize(_checked("hardswish", input))), scale, zero_point, input)


def leaky_relu(
    input: Tensor,
    negative_slope: float = 0.01,
    inplace: bool = False,
    scale: float | None = None,
    zero_point: int | None = None,
) -> Tensor:
    """Return positive elements as they are and negative ones times a slope; default: on the input's grid.

    Raises:
        ValueError: the input is not quantized, or ``inplace`` with a grid of another output.
    """
    _checked("leaky_relu", input)
    if inplace and scale is not None:
        raise ValueError("quantized.leaky_relu: inplace writes into the input, on whose grid the result then is")
    y = _onto(F.leaky_relu(dequantize(input), negative_slope), scale, zero_point, input)
    return input.copy_(y) if inplace else y


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """Return each element within limits."""
    return F.hardtanh(_checked("hardtanh", input), min_val, max_val, inplace)


def threshold(input: Tensor, threshold: float, value: float) -> Tensor:
    """Return each element above a threshold, else a value.

    Raises:
        ValueError: the input is not quantized, or there is no threshold or no value.
    """
    _checked("threshold", input)
    for name, each in (("threshold", threshold), ("value", value)):
        if each is None:
            raise ValueError(f"quantized.threshold: '{name}' must be specified")
    return F.threshold(input, threshold, value)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """Return ``hardsigmoid`` of each element, in 256 steps from 0 to 1."""
    y = F.hardsigmoid(_checked("hardsigmoid", input))
    return input.copy_(y) if inplace else y


def clamp(input: Tensor, min_: float, max_: float) -> Tensor:
    """Return each element within limits."""
    return _checked("clamp", input).clamp(min_, max_)
