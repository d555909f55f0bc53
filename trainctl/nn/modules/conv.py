"""Convolution layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

from trainctl.autograd.ops.windows import as_sizes
from trainctl.autograd.ops.creation import empty
from trainctl.autograd.tensor import Tensor
from trainctl.nn import functional as F
from trainctl.nn import init
from trainctl.nn.modules.module import Module
from trainctl.nn.parameter import Parameter


class _Conv(Module):
    """What convolutions of any number of spatial dims share."""

    dims: ClassVar[int]
    function: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | str | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        _check(in_channels, out_channels, groups, padding, stride, padding_mode, self.dims)
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = as_sizes(kernel_size, self.dims, "kernel_size")
        self.stride = as_sizes(stride, self.dims, "stride")
        self.padding = padding if isinstance(padding, str) else as_sizes(padding, self.dims, "padding")
        self.dilation = as_sizes(dilation, self.dims, "dilation")
        self.padding_mode = padding_mode
        self.weight = Parameter(
            empty(out_channels, in_channels // groups, *self.kernel_size, device=device, dtype=dtype)
        )
        if bias:
            self.bias = Parameter(empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw both uniform in ``±1 / sqrt(in_channels / groups * kernel elements)``, as PyTorch does."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in = self.weight[0].numel()
            bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        """Return the convolution of ``input``."""
        function = type(self).function
        return function(input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)

    def extra_repr(self) -> str:
        """Return the sizes and what differs from the defaults."""
        ones, zeros = (1,) * self.dims, (0,) * self.dims
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        parts += [f"padding={self.padding}"] if self.padding != zeros else []
        parts += [f"dilation={self.dilation}"] if self.dilation != ones else []
        parts += [f"groups={self.groups}"] if self.groups != 1 else []
        parts += ["bias=False"] if self.bias is None else []
        return ", ".join(parts)


def _check(
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
    if padding_mode != "zeros":
        raise ValueError(f"padding_mode must be 'zeros', got {padding_mode!r}")


class Conv1d(_Conv):
    """1-d convolution: ``[N, in_channels, L] -> [N, out_channels, L']``; options as for :class:`Conv2d`.

    Example:
        >>> import trainctl
        >>> Conv1d(3, 8, 5)(trainctl.ones(2, 3, 16)).shape
        trainctl.Size([2, 8, 12])
    """

    dims, function = 1, staticmethod(F.conv1d)


class Conv2d(_Conv):
    """2-d convolution: ``[N, in_channels, H, W] -> [N, out_channels, H', W']``.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: height and width of the window; one int for both, as below.
        stride: step of the window.
        padding: zeros around the image; or ``"valid"``, or ``"same"`` for an output of the input's size.
        dilation: step between the window's elements.
        groups: channels are split into so many groups that do not mix.
        bias: add one to each output channel.
        padding_mode: ``"zeros"``.
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


class Conv3d(_Conv):
    """3-d convolution: ``[N, in_channels, D, H, W] -> [N, out_channels, ...]``; options as for :class:`Conv2d`.

    Example:
        >>> import trainctl
        >>> Conv3d(1, 2, 3)(trainctl.ones(1, 1, 4, 5, 6)).shape
        trainctl.Size([1, 2, 2, 3, 4])
    """

    dims, function = 3, staticmethod(F.conv3d)
