"""Convolution layers, plain and transposed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

from trainctl.autograd.ops.creation import empty
from trainctl.autograd.ops.windows import Sizes, as_sizes
from trainctl.autograd.tensor import Tensor
from trainctl.nn import functional as F
from trainctl.nn import init
from trainctl.nn.modules.module import Module
from trainctl.nn.parameter import Parameter

Size = int | tuple[int, ...]
PaddingMode = Literal["zeros", "reflect", "replicate", "circular"]
_MODES = ("zeros", "reflect", "replicate", "circular")


class _Conv(Module):
    """What convolutions of any number of spatial dims share."""

    dims: ClassVar[int]
    transposed: ClassVar[bool]
    function: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size,
        padding: Size | str,
        dilation: Size,
        output_padding: Size,
        groups: int,
        bias: bool,
        padding_mode: PaddingMode,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        check_options(in_channels, out_channels, groups, padding, stride, padding_mode, self.dims)
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = as_sizes(kernel_size, self.dims, "kernel_size")
        self.stride = as_sizes(stride, self.dims, "stride")
        self.padding = padding if isinstance(padding, str) else as_sizes(padding, self.dims, "padding")
        self.dilation = as_sizes(dilation, self.dims, "dilation")
        self.output_padding = as_sizes(output_padding, self.dims, "output_padding")
        self.padding_mode = padding_mode
        self.weight = Parameter(empty(*self.weight_shape(), device=device, dtype=dtype))
        self.register_parameter("bias", Parameter(empty(out_channels, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def weight_shape(self) -> tuple[int, ...]:
        """Return the shape of the kernels: ``[O, C / groups, *kernel_size]``, transposed ``[C, O / groups, *kernel_size]``."""
        outer, inner = self.out_channels, self.in_channels
        if self.transposed:
            outer, inner = inner, outer
        return outer, inner // self.groups, *self.kernel_size

    def reset_parameters(self) -> None:
        """Draw both uniform in ``±1 / sqrt(weight.shape[1] * kernel elements)``, as PyTorch does."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in = math.prod(self.weight.shape[1:])
            bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        """Return the sizes and what differs from the defaults."""
        ones, zeros = (1,) * self.dims, (0,) * self.dims
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        parts += [f"padding={self.padding}"] if self.padding != zeros else []
        parts += [f"dilation={self.dilation}"] if self.dilation != ones else []
        parts += [f"output_padding={self.output_padding}"] if self.output_padding != zeros else []
        parts += [f"groups={self.groups}"] if self.groups != 1 else []
        parts += ["bias=False"] if self.bias is None else []
        parts += [f"padding_mode={self.padding_mode}"] if self.padding_mode != "zeros" else []
        return ", ".join(parts)


def check_options(
    in_channels: int, out_channels: int, groups: int, padding: Any, stride: Any, padding_mode: str, dims: int
) -> None:
    """Raise ValueError, saying what to change, if a convolution's options do not fit together."""
    if groups <= 0:
        raise ValueError(f"groups must be a positive integer, got {groups}")
    if in_channels % groups:
        raise ValueError(f"in_channels must be divisible by groups, got in_channels={in_channels} and groups={groups}")
    if out_channels % groups:
        raise ValueError(
            f"out_channels must be divisible by groups, got out_channels={out_channels} and groups={groups}"
        )
    if isinstance(padding, str) and padding not in ("same", "valid"):
        raise ValueError(f"Invalid padding string {padding!r}, should be one of 'same', 'valid'")
    if padding == "same" and any(step != 1 for step in as_sizes(stride, dims, "stride")):
        raise ValueError("padding='same' is not supported for strided convolutions")
    if padding_mode not in _MODES:
        raise ValueError(f"padding_mode must be one of {_MODES}, but got padding_mode={padding_mode!r}")


class _PlainConv(_Conv):
    transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: PaddingMode = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, 0, groups, bias, padding_mode, device, dtype
        )  # fmt: skip

    def forward(self, input: Tensor) -> Tensor:
        """Return the convolution of ``input``."""
        return self._conv_forward(input, self.weight, self.bias)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Return the convolution of ``input`` with other weights."""
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, padded_sides(self.dilation, self.kernel_size, padding), self.padding_mode), 0
        return type(self).function(input, weight, bias, self.stride, padding, self.dilation, self.groups)


def padded_sides(dilation: Sizes, kernel_size: Sizes, padding: Sizes | str) -> list[int]:
    """Return what is to be padded before and after each spatial dim, the last dim first."""
    whole = [d * (k - 1) for d, k in zip(dilation, kernel_size, strict=True)]
    if isinstance(padding, str):
        pairs = [(each // 2, each - each // 2) if padding == "same" else (0, 0) for each in whole]
    else:
        pairs = [(each, each) for each in padding]
    return [side for pair in reversed(pairs) for side in pair]


class Conv1d(_PlainConv):
    """1-d convolution: ``[N, in_channels, L] -> [N, out_channels, L']``; options as for :class:`Conv2d`.

    Example:
        >>> import trainctl
        >>> Conv1d(3, 8, 5)(trainctl.ones(2, 3, 16)).shape
        trainctl.Size([2, 8, 12])
    """

    dims, function = 1, staticmethod(F.conv1d)


class Conv2d(_PlainConv):
    """2-d convolution: ``[N, in_channels, H, W] -> [N, out_channels, H', W']``.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: height and width of the window; one int for both, as below.
        stride: step of the window.
        padding: added on both sides of the image; or ``"valid"``, or ``"same"`` for an output of the input's size.
        dilation: step between the window's elements.
        groups: channels are split into so many groups that do not mix.
        bias: add one to each output channel.
        padding_mode: what is added: zeros, or what :func:`trainctl.nn.functional.pad` makes of the image.
        device: where the parameters live.
        dtype: of the parameters.

    Raises:
        ValueError: options that do not fit together.

    Example:
        >>> import trainctl
        >>> Conv2d(1, 8, 3, padding=1)(trainctl.ones(2, 1, 28, 28)).shape
        trainctl.Size([2, 8, 28, 28])
    """

    dims, function = 2, staticmethod(F.conv2d)


class Conv3d(_PlainConv):
    """3-d convolution: ``[N, in_channels, D, H, W] -> [N, out_channels, ...]``; options as for :class:`Conv2d`.

    Example:
        >>> import trainctl
        >>> Conv3d(1, 2, 3)(trainctl.ones(1, 1, 4, 5, 6)).shape
        trainctl.Size([1, 2, 2, 3, 4])
    """

    dims, function = 3, staticmethod(F.conv3d)


class _ConvTranspose(_Conv):
    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        padding_mode: Literal["zeros"] = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}, got {padding_mode!r}')
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, output_padding, groups, bias, padding_mode,
            device, dtype,
        )  # fmt: skip

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """Return the transposed convolution of ``input``; ``output_size`` says which of several possible sizes it has.

        Raises:
            ValueError: an ``output_size`` of another number of dims, or not among the possible sizes.
        """
        extra = self.output_padding if output_size is None else self._extra(input, tuple(output_size))
        return type(self).function(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        )

    def _extra(self, input: Tensor, wanted: tuple[int, ...]) -> tuple[int, ...]:
        """Return the output padding that gives an output of the wanted size."""
        leading = input.ndim - self.dims
        if len(wanted) not in (self.dims, input.ndim):
            raise ValueError(
                f"{type(self).__name__}: for {input.ndim}D input, output_size must have {self.dims} or {input.ndim} "
                f"elements (got {len(wanted)})"
            )
        wanted, padding = wanted[-self.dims :], as_sizes(self.padding, self.dims, "padding")
        options = zip(input.shape[leading:], self.stride, padding, self.dilation, self.kernel_size, strict=True)
        least = [(size - 1) * s - 2 * p + d * (k - 1) + 1 for size, s, p, d, k in options]
        most = [size + s - 1 for size, s in zip(least, self.stride, strict=True)]
        if any(not low <= size <= high for low, size, high in zip(least, wanted, most, strict=True)):
            raise ValueError(
                f"requested an output size of {list(wanted)}, but valid sizes range from {least} to {most} "
                f"(for an input of {list(input.shape[leading:])})"
            )
        return tuple(size - low for size, low in zip(wanted, least, strict=True))


class ConvTranspose1d(_ConvTranspose):
    """1-d transposed convolution: ``[N, in_channels, L] -> [N, out_channels, L']``; as :class:`ConvTranspose2d`.

    Example:
        >>> import trainctl
        >>> ConvTranspose1d(3, 8, 5)(trainctl.ones(2, 3, 16)).shape
        trainctl.Size([2, 8, 20])
    """

    dims, function = 1, staticmethod(F.conv_transpose1d)


class ConvTranspose2d(_ConvTranspose):
    """2-d transposed convolution, the gradient of a convolution's input: ``[N, in_channels, H, W] -> [N, out_channels, ...]``.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: height and width of the window; one int for both, as below.
        stride: step of the window over the output.
        padding: what is cut off on both sides of the output.
        output_padding: what is added to one side of the output; less than the stride or the dilation.
        groups: channels are split into so many groups that do not mix.
        bias: add one to each output channel.
        dilation: step between the window's elements.
        padding_mode: ``"zeros"``.
        device: where the parameters live.
        dtype: of the parameters.

    Raises:
        ValueError: options that do not fit together.

    Example:
        >>> import trainctl
        >>> ConvTranspose2d(8, 1, 2, stride=2)(trainctl.ones(2, 8, 7, 7)).shape
        trainctl.Size([2, 1, 14, 14])
    """

    dims, function = 2, staticmethod(F.conv_transpose2d)


class ConvTranspose3d(_ConvTranspose):
    """3-d transposed convolution: ``[N, in_channels, D, H, W] -> [N, out_channels, ...]``; as :class:`ConvTranspose2d`.

    Example:
        >>> import trainctl
        >>> ConvTranspose3d(1, 2, 3)(trainctl.ones(1, 1, 4, 5, 6)).shape
        trainctl.Size([1, 2, 6, 7, 8])
    """

    dims, function = 3, staticmethod(F.conv_transpose3d)
