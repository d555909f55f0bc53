"""Convolutions on codes."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from trainctl.autograd.ops.padding import pad
from trainctl.autograd.ops.quantized import QuantizedConvolution
from trainctl.autograd.ops.windows import Sizes, as_sizes
from trainctl.autograd.tensor import Tensor
from trainctl.backend.affine import QParams
from trainctl.nn.modules import conv
from trainctl.nn.modules.conv import PaddingMode, Size
from trainctl.nn.quantized.weighted import WeightedModule


class CheckedImages(WeightedModule):
    """What plain and transposed convolutions share."""

    dims: ClassVar[int]
    in_channels: int
    out_channels: int
    groups: int
    kernel_size: Sizes
    stride: Sizes
    padding: Any
    dilation: Sizes
    output_padding: Sizes
    padding_mode: PaddingMode

    def _check(self, codes: Tensor) -> None:
        batched = codes.ndim == self.dims + 2
        if codes.ndim not in (self.dims + 1, self.dims + 2) or codes.shape[int(batched)] != self.in_channels:
            raise RuntimeError(
                f"{self._get_name()}: expected {self.dims + 1}D (unbatched) or {self.dims + 2}D (batched) input of "
                f"{self.in_channels} channels, but got input of size: {list(codes.shape)}"
            )

    def _parts(self, extra: list[str]) -> list[str]:
        """Return what the layer's line says between the parentheses; ``extra`` comes before the groups."""
        ones, zeros = (1,) * self.dims, (0,) * self.dims
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        parts += [f"scale={self.scale}, zero_point={self.zero_point}"]
        parts += [f"padding={self.padding}"] if self.padding != zeros else []
        parts += [f"dilation={self.dilation}"] if self.dilation != ones else []
        parts += extra
        parts += [f"groups={self.groups}"] if self.groups != 1 else []
        parts += ["bias=False"] if self.bias() is None else []
        parts += [f"padding_mode={self.padding_mode}"] if self.padding_mode != "zeros" else []
        return parts


class _Conv(CheckedImages):
    """What quantized convolutions of any number of spatial dims share."""

    _FLOAT_MODULE: ClassVar[type]

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
        super().__init__()
        conv.check_options(in_channels, out_channels, groups, padding, stride, padding_mode, self.dims)
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = as_sizes(kernel_size, self.dims, "kernel_size")
        self.stride = as_sizes(stride, self.dims, "stride")
        self.padding = padding if isinstance(padding, str) else as_sizes(padding, self.dims, "padding")
        self.dilation = as_sizes(dilation, self.dims, "dilation")
        self.padding_mode = padding_mode
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        self._start_weights(shape, out_channels if bias else None)

    @classmethod
    def _empty_like(cls, layer: Any) -> Self:
        return cls(
            layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, layer.padding, layer.dilation,
            layer.groups, layer.bias is not None, layer.padding_mode,
        )  # fmt: skip

    def forward(self, input: Tensor) -> Tensor:
        """Return the convolution of ``input``.

        Raises:
            NotImplementedError: a float input for which no grid is known.
            RuntimeError: another number of dims or channels.
        """
        codes, grid = self._codes(input)
        self._check(codes)
        alone = codes.ndim == self.dims + 1
        codes, padding = self._padded(codes.unsqueeze(0) if alone else codes, grid)
        y = QuantizedConvolution.apply(
            codes, finish=self._finish(grid), stride=self.stride, padding=padding, dilation=self.dilation, groups=self.groups
        )  # fmt: skip
        return self._result(y.squeeze(0) if alone else y, input)

    def _padded(self, codes: Tensor, grid: QParams) -> tuple[Tensor, Sizes]:
        """Return the codes with whatever the op does not pad itself, and what it is to pad."""
        if self.padding_mode == "zeros" and not isinstance(self.padding, str):
            return codes, self.padding
        sides = conv.padded_sides(self.dilation, self.kernel_size, self.padding)
        if self.padding_mode == "zeros":
            return pad(codes, sides, "constant", int(grid.zero_point)), (0,) * self.dims
        return pad(codes, sides, self.padding_mode), (0,) * self.dims

    def extra_repr(self) -> str:
        """Return the sizes, the grid of the output, and what differs from the defaults."""
        return ", ".join(self._parts([]))


class Conv1d(_Conv):
    """1-d convolution of int8 weights: ``[N, in_channels, L] -> [N, out_channels, L']``; as :class:`Conv2d`.

    Example:
        >>> import trainctl
        >>> x = trainctl.quantize_per_tensor(trainctl.ones(2, 3, 16), 1.0, 0, trainctl.quint8)
        >>> Conv1d(3, 8, 5)(x).shape
        trainctl.Size([2, 8, 12])
    """

    dims, _FLOAT_MODULE = 1, conv.Conv1d


class Conv2d(_Conv):
    """2-d convolution of int8 weights: ``[N, in_channels, H, W] -> [N, out_channels, H', W']``.

    Quantized tensors and float ones go in and out as with :class:`trainctl.nn.quantized.Linear`.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: height and width of the window; one int for both, as below.
        stride: step of the window.
        padding: added on both sides of the image; or ``"valid"``, or ``"same"`` for an output of the input's size.
        dilation: step between the window's elements.
        groups: channels are split into so many groups that do not mix.
        bias: add one to each output channel.
        padding_mode: ``zeros``, ``reflect``, ``replicate`` or ``circular``.
        device: accepted for PyTorch's sake; codes are on the CPU.
        dtype: likewise; weights are int8.

    Raises:
        ValueError: options that do not fit together.

    Example:
        >>> import trainctl
        >>> x = trainctl.quantize_per_tensor(trainctl.ones(2, 1, 28, 28), 1.0, 0, trainctl.quint8)
        >>> Conv2d(1, 8, 3, padding=1)(x).shape
        trainctl.Size([2, 8, 28, 28])
    """

    dims, _FLOAT_MODULE = 2, conv.Conv2d


class Conv3d(_Conv):
    """3-d convolution of int8 weights: ``[N, in_channels, D, H, W] -> [N, out_channels, ...]``; as :class:`Conv2d`.

    Example:
        >>> import trainctl
        >>> x = trainctl.quantize_per_tensor(trainctl.ones(1, 1, 4, 5, 6), 1.0, 0, trainctl.quint8)
        >>> Conv3d(1, 2, 3)(x).shape
        trainctl.Size([1, 2, 2, 3, 4])
    """

    dims, _FLOAT_MODULE = 3, conv.Conv3d


class ConvReLU1d(Conv1d):
    """:class:`Conv1d` with what is below 0 made 0."""

    relu = True


class ConvReLU2d(Conv2d):
    """:class:`Conv2d` with what is below 0 made 0; follows ``torch.ao.nn.intrinsic.quantized.ConvReLU2d``."""

    relu = True


class ConvReLU3d(Conv3d):
    """:class:`Conv3d` with what is below 0 made 0."""

    relu = True
