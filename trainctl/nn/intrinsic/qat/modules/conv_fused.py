"""Convolutions with the batch norm and the activation after them."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from trainctl.autograd.grad_mode import no_grad
from trainctl.autograd.tensor import Tensor
from trainctl.nn import functional as F
from trainctl.nn.intrinsic.modules import fused
from trainctl.nn.intrinsic.qat.modules.folding import NormInside
from trainctl.nn.modules import batchnorm, conv
from trainctl.nn.modules.activation import ReLU
from trainctl.nn.modules.conv import PaddingMode, Size, _PlainConv
from trainctl.nn.modules.module import Module
from trainctl.nn.qat.modules import conv as qat_conv
from trainctl.nn.qat.modules.from_float import (
    conv_options,
    give_weight_fake_quant,
    qconfig_of,
    take_parameters,
    with_relu,
)
from trainctl.nn.utils.fusion import fuse_conv_bn_weights


class _ConvBn(NormInside, _PlainConv):
    """``bn(conv(x))``, trained as it is evaluated: the norm's scale is part of the weight that is rounded."""

    _version = 2
    _FLOAT_MODULE: ClassVar[type[Module]]
    _FLOAT_CONV_MODULE: ClassVar[type[_PlainConv]]
    _FLOAT_BN_MODULE: ClassVar[type[Module]]
    _FUSED_FLOAT_MODULE: ClassVar[type[Module] | None] = None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool | None = None,
        padding_mode: PaddingMode = "zeros",
        eps: float = 1e-05,
        momentum: float | None = 0.1,
        freeze_bn: bool = False,
        qconfig: Any = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bool(bias), padding_mode
        )
        self.bn = self._FLOAT_BN_MODULE(out_channels, eps, momentum)
        give_weight_fake_quant(self, qconfig)
        self.reset_bn_parameters()
        self._freeze(freeze_bn)
        self._enable_slow_path_for_better_numerical_stability = False

    def forward(self, input: Tensor) -> Tensor:
        """Return the norm of the convolution with the rounded weight."""
        return self._forward(input)

    def _forward(self, input: Tensor) -> Tensor:
        if self._enable_slow_path_for_better_numerical_stability:
            return self._forward_slow(input)
        scale = self._scale()
        output = self._convolve(input, scale) / self._along(scale)
        return self.bn(output if self.bias is None else output + self._along(self.bias))

    def _convolve(self, input: Tensor, scale: Tensor) -> Tensor:
        """Return the convolution with the weight scaled and rounded, without a bias."""
        shape = (-1, *[1] * (self.weight.ndim - 1))
        return self._conv_forward(input, self.weight_fake_quant(self.weight * scale.reshape(shape)), None)

    def _along(self, channels: Tensor) -> Tensor:
        """Return ``[C]`` as it is added to ``[N, C, *]``."""
        return channels.reshape(1, -1, *[1] * self.dims)

    def _forward_slow(self, input: Tensor) -> Tensor:
        """Return the same by two convolutions, without a division by the norm's weight, which may be 0."""
        if not self.bn.training:
            output, mean, std = self._convolve(input, self._scale()), self.bn.running_mean, self._running_std()
            mean = mean if self.bias is None else mean - self.bias
        else:
            plain = self._conv_forward(input, self.weight, None)
            with no_grad():
                self.bn(plain if self.bias is None else plain + self._along(self.bias))
            dims = [0, *range(2, plain.ndim)]
            mean = plain.mean(dims)
            std = ((plain - self._along(mean)).square().mean(dims) + self.bn.eps).sqrt()
            output = self._convolve(input, self._scale()) * self._along(self._running_std() / std)
        shift = self.bn.bias - self.bn.weight * mean / std
        if self.bias is not None:
            shift = shift + (self.bias - self.bias)  # the norm takes it out: its gradient is 0, not missing
        return output + self._along(shift)

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Self:
        """Return the layer for float ones that have a qconfig, with their parameters, the same objects.

        Raises:
            AssertionError: other kinds of layers, or there is no qconfig.
        """
        qconfig = qconfig_of(cls, mod)
        layer, bn = mod[0], mod[1]
        found = cls(**conv_options(layer), eps=bn.eps, momentum=bn.momentum, qconfig=qconfig)
        return take_parameters(found, layer)._take_norm(bn)

    def to_float(self) -> Any:
        """Return a float convolution that the norm is folded into, and the activation; not rounded."""
        layer = self._FLOAT_CONV_MODULE(**{**conv_options(self), "bias": True}).train(self.training)
        layer.weight, layer.bias = fuse_conv_bn_weights(self.weight, self.bias, *self._norm_parts())
        relu = self._FUSED_FLOAT_MODULE
        return layer if relu is None else with_relu(relu, layer, ReLU())


class ConvBn1d(_ConvBn, conv.Conv1d):
    """``bn(conv(x))`` of a Conv1d; as :class:`ConvBn2d`."""

    _FLOAT_MODULE: ClassVar[type[Module]] = fused.ConvBn1d
    _FLOAT_CONV_MODULE = conv.Conv1d
    _FLOAT_BN_MODULE = batchnorm.BatchNorm1d


class ConvBn2d(_ConvBn, conv.Conv2d):
    """``bn(conv(x))`` of a Conv2d, trained as it is evaluated: the norm's scale is part of the weight that is rounded.

    The weight is scaled by the running statistics of the batches before, rounded, and the output is scaled back before
    the norm (Krishnamoorthi, 2018, "Quantizing deep convolutional networks for efficient inference").

    Arguments are those of the convolution and then ``eps`` and ``momentum`` of the norm, ``freeze_bn`` (the norm takes
    its running statistics in training, too, and keeps them) and ``qconfig``, of which ``qconfig.weight()`` makes what
    rounds the weight.

    Attributes:
        bn: the norm.
        weight_fake_quant: what rounds the weight.

    Raises:
        AssertionError: there is no qconfig.
    """

    _FLOAT_MODULE: ClassVar[type[Module]] = fused.ConvBn2d
    _FLOAT_CONV_MODULE = conv.Conv2d
    _FLOAT_BN_MODULE = batchnorm.BatchNorm2d


class ConvBn3d(_ConvBn, conv.Conv3d):
    """``bn(conv(x))`` of a Conv3d; as :class:`ConvBn2d`."""

    _FLOAT_MODULE: ClassVar[type[Module]] = fused.ConvBn3d
    _FLOAT_CONV_MODULE = conv.Conv3d
    _FLOAT_BN_MODULE = batchnorm.BatchNorm3d


class _Rectified(_ConvBn):
    def forward(self, input: Tensor) -> Tensor:
        """Return the rectified norm of the convolution with the rounded weight."""
        return F.relu(self._forward(input))


class ConvBnReLU1d(_Rectified, ConvBn1d):
    """``relu(bn(conv(x)))`` of a Conv1d; as :class:`ConvBn2d`."""

    _FLOAT_MODULE: ClassVar[type[Module]] = fused.ConvBnReLU1d
    _FUSED_FLOAT_MODULE = fused.ConvReLU1d


class ConvBnReLU2d(_Rectified, ConvBn2d):
    """``relu(bn(conv(x)))`` of a Conv2d; as :class:`ConvBn2d`."""

    _FLOAT_MODULE: ClassVar[type[Module]] = fused.ConvBnReLU2d
    _FUSED_FLOAT_MODULE = fused.ConvReLU2d


class ConvBnReLU3d(_Rectified, ConvBn3d):
    """``relu(bn(conv(x)))`` of a Conv3d; as :class:`ConvBn2d`."""

    _FLOAT_MODULE: ClassVar[type[Module]] = fused.ConvBnReLU3d
    _FUSED_FLOAT_MODULE = fused.ConvReLU3d


class _ConvReLU(qat_conv._Conv, fused._FusedModule):
    def forward(self, input: Tensor) -> Tensor:
        """Return the rectified convolution with the rounded weight."""
        return F.relu(super().forward(input))

    def to_float(self) -> Any:
        """Return float layers with the weights as they are, not rounded."""
        return with_relu(self._FLOAT_MODULE, super().to_float(), ReLU())


class ConvReLU1d(_ConvReLU, qat_conv.Conv1d):
    """``relu`` of a Conv1d whose weight goes through fake quantization; arguments are those of that layer."""

    _FLOAT_MODULE: ClassVar[type[Module]] = fused.ConvReLU1d


class ConvReLU2d(_ConvReLU, qat_conv.Conv2d):
    """``relu`` of a Conv2d whose weight goes through fake quantization; arguments are those of that layer."""

    _FLOAT_MODULE: ClassVar[type[Module]] = fused.ConvReLU2d


class ConvReLU3d(_ConvReLU, qat_conv.Conv3d):
    """``relu`` of a Conv3d whose weight goes through fake quantization; arguments are those of that layer."""

    _FLOAT_MODULE: ClassVar[type[Module]] = fused.ConvReLU3d


def update_bn_stats(mod: Module) -> None:
    """Have a fused layer's norm count each batch again: ``model.apply(update_bn_stats)``; others are left alone."""
    if isinstance(mod, NormInside):
        mod.update_bn_stats()


def freeze_bn_stats(mod: Module) -> None:
    """Have a fused layer's norm keep its statistics: ``model.apply(freeze_bn_stats)``; others are left alone."""
    if isinstance(mod, NormInside):
        mod.freeze_bn_stats()
