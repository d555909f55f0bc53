"""Where a model's numbers become codes, and where they become numbers again."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.tensor import Tensor
from trainctl.nn.modules.module import Module

__all__ = ["DeQuantStub", "QuantStub", "QuantWrapper"]


class QuantStub(Module):
    """Stands where a tensor is to be quantized: it hands it on, is observed, and ``convert`` makes it ``nnq.Quantize``.

    Args:
        qconfig: how it is to be quantized; default: that of the module it is part of.

    Example:
        >>> import trainctl
        >>> QuantStub()(trainctl.ones(2))
        tensor([1., 1.])
    """

    def __init__(self, qconfig: Any = None) -> None:
        super().__init__()
        if qconfig:
            self.qconfig = qconfig

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x``."""
        return x


class DeQuantStub(Module):
    """Stands where codes are to become float numbers: it hands them on, and ``convert`` makes it ``nnq.DeQuantize``.

    Args:
        qconfig: says that the model is quantized around it; default: that of the module it is part of.
    """

    def __init__(self, qconfig: Any = None) -> None:
        super().__init__()
        if qconfig:
            self.qconfig = qconfig

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x``."""
        return x


class QuantWrapper(Module):
    """A module between a :class:`QuantStub` and a :class:`DeQuantStub`: float numbers in, float numbers out.

    Args:
        module: takes one tensor, and returns one.

    Example:
        >>> from trainctl import nn
        >>> QuantWrapper(nn.Linear(2, 3))
        QuantWrapper(
          (quant): QuantStub()
          (dequant): DeQuantStub()
          (module): Linear(in_features=2, out_features=3, bias=True)
        )
    """

    def __init__(self, module: Module) -> None:
        super().__init__()
        qconfig = getattr(module, "qconfig", None)
        self.quant, self.dequant, self.module = QuantStub(qconfig), DeQuantStub(qconfig), module
        self.train(module.training)

    def forward(self, X: Tensor) -> Tensor:
        """Return what the module makes of ``X``."""
        return self.dequant(self.module(self.quant(X)))
