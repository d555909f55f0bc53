"""Transposed convolutions on codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Self

import numpy

from trainctl.autograd.ops.quantized_transposed import QuantizedTransposedConvolution
from trainctl.autograd.ops.windows import as_sizes
from trainctl.autograd.tensor import Tensor
from trainctl.backend.affine import QParams
from trainctl.backend.integer_products import IntegerWeights
from trainctl.nn.modules import conv
from trainctl.nn.modules.conv import Size
from trainctl.nn.quantized.conv import CheckedImages


class _ConvTranspose(CheckedImages):
    """What quantized transposed convolutions of any number of spatial dims share."""

    channel_axis = 1
    dims: ClassVar[int]
    _FLOAT_MODULE: ClassVar[type]

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
        super().__init__()
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}, got {padding_mode!r}')
        conv.check_options(in_channels, out_channels, groups, padding, stride, padding_mode, self.dims)
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        sizes = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation}
        for name, value in (sizes | {"output_padding": output_padding}).items():
            setattr(self, name, as_sizes(value, self.dims, name))
        self.padding_mode = padding_mode
        self._start_weights((in_channels, out_channels // groups, *self.kernel_size), out_channels if bias else None)

    @classmethod
    def _empty_like(cls, layer: Any) -> Self:
        return cls(
            layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, layer.padding, layer.output_padding,
            layer.groups, layer.bias is not None, layer.dilation,
        )  # fmt: skip

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """Return the transposed convolution of ``input``; ``output_size`` says which of several possible sizes it has.

        Raises:
            NotImplementedError: a float input for which no grid is known.
            RuntimeError: another number of dims or channels, or an output padding that reaches a whole step.
            ValueError: an ``output_size`` that is not among the possible ones.
        """
        codes, grid = self._codes(input)
        self._check(codes)
        alone = codes.ndim == self.dims + 1
        y = QuantizedTransposedConvolution.apply(
            codes.unsqueeze(0) if alone else codes, finish=self._finish(grid), stride=self.stride, padding=self.padding,
            output_padding=self._checked_extra(codes, output_size), dilation=self.dilation, groups=self.groups,
        )  # fmt: skip
        return self._result(y.squeeze(0) if alone else y, input)

    def _checked_extra(self, codes: Tensor, output_size: Sequence[int] | None) -> tuple[int, ...]:
        extra = self.output_padding if output_size is None else self._extra(codes, tuple(output_size))
        if any(each >= max(s, d) for each, s, d in zip(extra, self.stride, self.dilation, strict=True)):
            raise RuntimeError(
                f"{self._get_name()}: output padding must be smaller than either stride or dilation, "
                f"got output_padding={extra}, stride={self.stride}, dilation={self.dilation}"
            )
        return extra

    _extra: Any = conv._ConvTranspose._extra

    def _bias_size(self) -> int:
        return self.out_channels

    def _made_weights(self) -> IntegerWeights:
        """Return the weights of the plain convolution: ``[O, C / groups, *kernel]``, turned round in space."""
        codes = self.weight_codes._array
        inner = codes.reshape(self.groups, -1, *codes.shape[1:]).swapaxes(1, 2)
        plain = inner.reshape(self.out_channels, -1, *self.kernel_size)[(..., *[slice(None, None, -1)] * self.dims)]
        scale, zero_point = self.weight_scale._array, self.weight_zero_point._array
        if not scale.ndim:
            return IntegerWeights(numpy.ascontiguousarray(plain), QParams(scale, zero_point, "int8"))
        of_all = QParams(numpy.tile(scale, self.groups), numpy.tile(zero_point, self.groups), "int8", axis=0)
        return IntegerWeights(numpy.ascontiguousarray(plain), of_all)

    def extra_repr(self) -> str:
        """Return the sizes, the grid of the output, and what differs from the defaults."""
        zeros = (0,) * self.dims
        extra = [f"output_padding={self.output_padding}"] if self.output_padding != zeros else []
        return ", ".join(self._parts(extra))


class ConvTranspose1d(_ConvTranspose):
    """1-d transposed convolution of int8 weights: ``[N, in_channels, L] -> [N, out_channels, L']``.

    Example:
        >>> import trainctl
        >>> x = trainctl.quantize_per_tensor(trainctl.ones(2, 3, 16), 1.0, 0, trainctl.quint8)
        >>> ConvTranspose1d(3, 8, 5)(x).shape
        trainctl.Size([2, 8, 20])
    """

    dims, _FLOAT_MODULE = 1, conv.ConvTranspose1d


class ConvTranspose2d(_ConvTranspose):
    """2-d transposed convolution of int8 weights: ``[N, in_channels, H, W] -> [N, out_channels, ...]``.

    Quantized tensors and float ones go in and out as with :class:`trainctl.nn.quantized.Linear`; arguments are those of
    :class:`trainctl.nn.ConvTranspose2d`.

    Example:
        >>> import trainctl
        >>> x = trainctl.quantize_per_tensor(trainctl.ones(2, 8, 7, 7), 1.0, 0, trainctl.quint8)
        >>> ConvTranspose2d(8, 1, 2, stride=2)(x).shape
        trainctl.Size([2, 1, 14, 14])
    """

    dims, _FLOAT_MODULE = 2, conv.ConvTranspose2d


class ConvTranspose3d(_ConvTranspose):
    """3-d transposed convolution of int8 weights: ``[N, in_channels, D, H, W] -> [N, out_channels, ...]``.

    Example:
        >>> import trainctl
        >>> x = trainctl.quantize_per_tensor(trainctl.ones(1, 1, 4, 5, 6), 1.0, 0, trainctl.quint8)
        >>> ConvTranspose3d(1, 2, 3)(x).shape
        trainctl.Size([1, 2, 6, 7, 8])
    """

    dims, _FLOAT_MODULE = 3, conv.ConvTranspose3d
