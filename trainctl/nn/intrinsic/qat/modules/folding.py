"""A layer with a batch norm inside: the norm's part of it."""

from __future__ import annotations

from typing import Any, Self

from trainctl.autograd.tensor import Tensor
from trainctl.nn import init
from trainctl.nn.intrinsic.modules.fused import _FusedModule


class NormInside(_FusedModule):
    """A layer whose weight is scaled, before it is rounded, as the norm after it would scale its output.

    Attributes:
        bn: the norm.
        freeze_bn: it takes its running statistics in training, too, and keeps them.
    """

    def _freeze(self, freeze_bn: bool) -> None:
        if freeze_bn or not self.training:
            self.freeze_bn_stats()
        else:
            self.update_bn_stats()

    def reset_running_stats(self) -> None:
        """Have the norm forget its statistics."""
        self.bn.reset_running_stats()

    def reset_bn_parameters(self) -> None:
        """Draw the norm's weight, uniform in 0..1; its bias is 0, and its statistics are forgotten."""
        self.bn.reset_running_stats()
        init.uniform_(self.bn.weight)
        init.zeros_(self.bn.bias)

    def update_bn_stats(self) -> Self:
        """In training, take each batch's own statistics and count them among the running ones."""
        self.freeze_bn, self.bn.training = False, True
        return self

    def freeze_bn_stats(self) -> Self:
        """Take the running statistics, and keep them, in training too."""
        self.freeze_bn, self.bn.training = True, False
        return self

    def train(self, mode: bool = True) -> Self:
        """Set training mode here and, while its statistics are not frozen, in the norm."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        if not self.freeze_bn:
            for module in self.children():
                module.train(mode)
        return self

    def _running_std(self) -> Tensor:
        if self.bn.running_var is None:
            raise AssertionError("self.bn.running_var must not be None")
        return (self.bn.running_var + self.bn.eps).sqrt()

    def _scale(self) -> Tensor:
        """Return by how much the norm scales each channel in evaluation: ``[O]``."""
        return self.bn.weight / self._running_std()

    def _take_norm(self, bn: Any) -> Self:
        """Take another norm's parameters and statistics over, the same objects."""
        for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
            setattr(self.bn, name, getattr(bn, name))
        return self

    def _norm_parts(self) -> tuple[Tensor, Tensor, float, Tensor, Tensor]:
        bn = self.bn
        if bn.running_var is None or bn.running_mean is None:
            raise AssertionError("self.bn.running_var and self.bn.running_mean must not be None")
        return bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
