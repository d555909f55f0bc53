"""Transposed convolutions: the gradient of a convolution's input, as a layer of its own."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.ops.arithmetic import add
from trainctl.autograd.ops.cast import cast
from trainctl.autograd.ops.convolution import check_channels, check_operands, check_window
from trainctl.autograd.ops.convolution_products import ConvolutionInputGradient
from trainctl.autograd.ops.shape import reshape, squeeze, unsqueeze
from trainctl.autograd.ops.windows import Sizes, as_sizes, widened
from trainctl.autograd.tensor import Tensor

FUNCTIONS = FUNCTIONAL = "conv_transpose1d conv_transpose2d conv_transpose3d"


def _convolve_transposed(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
    n: int,
) -> Tensor:
    check_operands(f"conv_transpose{n}d", input, weight, bias, groups, n)
    check_channels(input, weight, bias, groups, n, transposed=True)
    stride, dilation = as_sizes(stride, n, "stride"), as_sizes(dilation, n, "dilation")
    padding, extra = as_sizes(padding, n, "padding"), as_sizes(output_padding, n, "output_padding")
    kernel = weight._array.shape[2:]
    check_window(kernel, stride, padding, dilation)
    _check_output_padding(extra, stride, dilation)
    x = input if input._array.ndim == n + 2 else unsqueeze(input, 0)
    sizes = zip(x._array.shape[2:], kernel, stride, padding, dilation, extra, strict=True)
    spatial = tuple((size - 1) * s - 2 * p + d * (k - 1) + more + 1 for size, k, s, p, d, more in sizes)
    _check_room(x._array.shape[2:], spatial)
    y = ConvolutionInputGradient.apply(
        widened(x), widened(weight), stride=stride, padding=padding, dilation=dilation, groups=groups,
        shape=(x._array.shape[0], weight._array.shape[1] * groups, *spatial),
    )  # fmt: skip
    if bias is not None:
        y = add(y, reshape(widened(bias), (-1, *(1,) * n)))
    y = cast(y, input.dtype)
    return y if x._array.ndim == input._array.ndim else squeeze(y, 0)


def _check_output_padding(extra: Sizes, stride: Sizes, dilation: Sizes) -> None:
    """Raise RuntimeError if what is added to one side could have been another place of the window."""
    if any(each < 0 for each in extra):
        raise RuntimeError(f"negative output_padding is not supported: {list(extra)}")
    if any(each >= max(s, d) for each, s, d in zip(extra, stride, dilation, strict=True)):
        raise RuntimeError(
            f"output padding must be smaller than either stride or dilation, but got output_padding={list(extra)}, "
            f"stride={list(stride)}, dilation={list(dilation)}"
        )


def _check_room(spatial: Sizes, wanted: Sizes) -> None:
    if any(size < 1 for size in wanted):
        raise RuntimeError(
            f"Given input size per channel: ({' x '.join(map(str, spatial))}). "
            f"Calculated output size per channel: ({' x '.join(map(str, wanted))}). Output size is too small"
        )


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """Return the 1-d transposed convolution: ``[N, C, L] -> [N, O, L']``; see :func:`conv_transpose2d`."""
    return _convolve_transposed(input, weight, bias, stride, padding, output_padding, groups, dilation, 1)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """Return the 2-d transposed convolution: ``[N, C, H, W], [C, O / groups, kh, kw] -> [N, O, H', W']``.

    ``H' = (H - 1) * stride - 2 * padding + dilation * (kh - 1) + output_padding + 1``.

    Args:
        input: one image ``[C, H, W]`` or a batch.
        weight: the kernels.
        bias: ``[O]``.
        stride: step of the window over the output, an int or one for each spatial dim.
        padding: what is cut off on both sides of the output, likewise.
        output_padding: what is added to one side of the output, likewise; less than the stride or the dilation.
        groups: channels are split into this many groups that do not mix.
        dilation: step between a kernel's elements, likewise.

    Raises:
        RuntimeError: shapes, dtypes or options that do not fit.
        TypeError: an operand is no tensor, an option no integer.

    Example:
        >>> import trainctl
        >>> conv_transpose2d(trainctl.ones(1, 1, 4, 4), trainctl.ones(1, 2, 2, 2), stride=2).shape
        trainctl.Size([1, 2, 8, 8])
    """
    return _convolve_transposed(input, weight, bias, stride, padding, output_padding, groups, dilation, 2)


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """Return the 3-d transposed convolution: ``[N, C, D, H, W] -> [N, O, ...]``; see :func:`conv_transpose2d`."""
    return _convolve_transposed(input, weight, bias, stride, padding, output_padding, groups, dilation, 3)
