"""Dense layers whose weights are rounded while they train."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from trainctl.autograd.tensor import Tensor
from trainctl.nn import functional as F
from trainctl.nn.modules import linear
from trainctl.nn.modules.container import Sequential
from trainctl.nn.modules.module import Module
from trainctl.nn.qat.modules.from_float import (
    copy_parameters,
    give_weight_fake_quant,
    linear_options,
    qconfig_of,
    take_parameters,
)


class Linear(linear.Linear):
    """A linear layer whose weight goes through fake quantization: ``[*, in_features] -> [*, out_features]``.

    Args:
        in_features: size of the last dim of the input.
        out_features: size of the last dim of the output.
        bias: add one.
        qconfig: ``qconfig.weight()`` makes what rounds the weight.
        device: where the parameters live.
        dtype: of the parameters.

    Attributes:
        weight_fake_quant: what rounds the weight.

    Raises:
        AssertionError: there is no qconfig.
    """

    _FLOAT_MODULE: ClassVar[type[Module]] = linear.Linear

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        qconfig: Any = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(in_features, out_features, bias, device, dtype)
        give_weight_fake_quant(self, qconfig)

    def forward(self, input: Tensor) -> Tensor:
        """Return the product with the rounded weight, plus the bias."""
        return F.linear(input, self.weight_fake_quant(self.weight), self.bias)

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Self:
        """Return the layer for a float one that has a qconfig, with its parameters, the same objects.

        Raises:
            AssertionError: another kind of layer, or it has no qconfig.
        """
        qconfig = qconfig_of(cls, mod)
        layer = mod[0] if isinstance(mod, Sequential) else mod
        return take_parameters(cls(**linear_options(layer), qconfig=qconfig), layer)

    def to_float(self) -> Any:
        """Return a float layer with the weights as they are, not rounded."""
        return copy_parameters(linear.Linear(**linear_options(self)), self)
