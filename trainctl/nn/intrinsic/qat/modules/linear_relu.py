"""A dense layer and an activation."""

from __future__ import annotations

from typing import ClassVar

from trainctl.autograd.tensor import Tensor
from trainctl.nn import functional as F
from trainctl.nn.intrinsic.modules import fused
from trainctl.nn.modules.activation import ReLU
from trainctl.nn.modules.module import Module
from trainctl.nn.qat.modules import linear
from trainctl.nn.qat.modules.from_float import with_relu


class LinearReLU(linear.Linear, fused._FusedModule):
    """``relu`` of a linear layer whose weight goes through fake quantization; arguments are those of that layer."""

    _FLOAT_MODULE: ClassVar[type[Module]] = fused.LinearReLU

    def forward(self, input: Tensor) -> Tensor:
        """Return the rectified product."""
        return F.relu(super().forward(input))

    def to_float(self) -> fused.LinearReLU:
        """Return float layers with the weights as they are, not rounded."""
        return with_relu(fused.LinearReLU, super().to_float(), ReLU())
