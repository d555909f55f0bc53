"""A dense layer and a batch norm."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from trainctl.autograd.tensor import Tensor
from trainctl.nn import functional as F
from trainctl.nn.intrinsic.modules import fused
from trainctl.nn.intrinsic.qat.modules.folding import NormInside
from trainctl.nn.modules.batchnorm import BatchNorm1d
from trainctl.nn.modules.linear import Linear
from trainctl.nn.modules.module import Module
from trainctl.nn.qat.modules.from_float import give_weight_fake_quant, linear_options, qconfig_of, take_parameters
from trainctl.nn.utils.fusion import fuse_linear_bn_weights


class LinearBn1d(NormInside, Linear):
    """``bn(linear(x))``, trained as it is evaluated: the norm's scale is part of the weight that is rounded.

    The weight is scaled by the running statistics of the batches before, rounded, and the output is scaled back before
    the norm (Krishnamoorthi, 2018, "Quantizing deep convolutional networks for efficient inference"): ``[N, in_features]
    -> [N, out_features]``.

    Args:
        in_features: size of the input.
        out_features: size of the output.
        bias: the linear layer has one.
        eps: the norm's.
        momentum: the norm's.
        freeze_bn: the norm takes its running statistics in training, too, and keeps them.
        qconfig: ``qconfig.weight()`` makes what rounds the weight.

    Raises:
        AssertionError: there is no qconfig.
    """

    _FLOAT_MODULE: ClassVar[type[Module]] = fused.LinearBn1d

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        eps: float = 1e-05,
        momentum: float | None = 0.1,
        freeze_bn: bool = False,
        qconfig: Any = None,
    ) -> None:
        super().__init__(in_features, out_features, bias)
        self.bn = BatchNorm1d(out_features, eps, momentum)
        give_weight_fake_quant(self, qconfig)
        self.reset_bn_parameters()
        self._freeze(freeze_bn)

    def forward(self, input: Tensor) -> Tensor:
        """Return the norm of the product with the rounded weight."""
        scale = self._scale()
        output = F.linear(input, self.weight_fake_quant(self.weight * scale.reshape(-1, 1))) / scale.reshape(1, -1)
        return self.bn(output if self.bias is None else output + self.bias.reshape(1, -1))

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Self:
        """Return the layer for float ones that have a qconfig, with their parameters, the same objects.

        Raises:
            AssertionError: other kinds of layers, or there is no qconfig.
        """
        qconfig = qconfig_of(cls, mod)
        linear, bn = mod
        found = cls(**linear_options(linear), eps=bn.eps, momentum=bn.momentum, qconfig=qconfig)
        return take_parameters(found, linear)._take_norm(bn)

    def to_float(self) -> Linear:
        """Return a float layer that the norm is folded into, not rounded."""
        linear = Linear(**{**linear_options(self), "bias": True})
        linear.weight, linear.bias = fuse_linear_bn_weights(self.weight, self.bias, *self._norm_parts())
        return linear.train(self.training)
