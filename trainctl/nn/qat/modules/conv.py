"""Convolutions whose weights are rounded while they train."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from trainctl.autograd.tensor import Tensor
from trainctl.nn.modules import conv
from trainctl.nn.modules.container import Sequential
from trainctl.nn.modules.conv import PaddingMode, Size, _PlainConv
from trainctl.nn.modules.module import Module
from trainctl.nn.qat.modules.from_float import (
    conv_options,
    copy_parameters,
    give_weight_fake_quant,
    qconfig_of,
    take_parameters,
)


class _Conv(_PlainConv):
    _FLOAT_MODULE: ClassVar[type[Module]]
    _FLOAT_CONV_MODULE: ClassVar[type[_PlainConv]]

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
        qconfig: Any = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype
        )  # fmt: skip
        give_weight_fake_quant(self, qconfig)

    def forward(self, input: Tensor) -> Tensor:
        """Return the convolution with the rounded weight."""
        return self._conv_forward(input, self.weight_fake_quant(self.weight), self.bias)

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Self:
        """Return the layer for a float one that has a qconfig, with its parameters, the same objects.

        Raises:
            AssertionError: another kind of layer, or it has no qconfig.
        """
        qconfig = qconfig_of(cls, mod)
        layer = mod[0] if isinstance(mod, Sequential) else mod
        return take_parameters(cls(**conv_options(layer), qconfig=qconfig), layer)

    def to_float(self) -> Any:
        """Return a float layer with the weights as they are, not rounded."""
        return copy_parameters(self._FLOAT_CONV_MODULE(**conv_options(self)), self)


class Conv1d(_Conv, conv.Conv1d):
    """:class:`trainctl.nn.Conv1d` whose weight goes through fake quantization; options as for :class:`Conv2d`."""

    _FLOAT_MODULE: ClassVar[type[Module]] = conv.Conv1d
    _FLOAT_CONV_MODULE = conv.Conv1d


class Conv2d(_Conv, conv.Conv2d):
    """:class:`trainctl.nn.Conv2d` whose weight goes through fake quantization.

    Arguments are those of the float layer, and ``qconfig``, of which ``qconfig.weight()`` makes what rounds the weight.

    Attributes:
        weight_fake_quant: what rounds the weight.

    Raises:
        AssertionError: there is no qconfig.
    """

    _FLOAT_MODULE: ClassVar[type[Module]] = conv.Conv2d
    _FLOAT_CONV_MODULE = conv.Conv2d


class Conv3d(_Conv, conv.Conv3d):
    """:class:`trainctl.nn.Conv3d` whose weight goes through fake quantization; options as for :class:`Conv2d`."""

    _FLOAT_MODULE: ClassVar[type[Module]] = conv.Conv3d
    _FLOAT_CONV_MODULE = conv.Conv3d
