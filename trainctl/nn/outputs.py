"""The loss of a model that has several outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainctl.autograd.tensor import Tensor
from trainctl.nn.modules.module import Module
from trainctl.nn.structure import Named


class OutputLoss(Module):
    """The weighted sum of a loss for each output.

    Args:
        losses: by the output's name.
        weights: of some of them; 1 where it says nothing.

    Raises:
        ValueError: some losses are sums over a batch and others means.

    Example:
        >>> import trainctl
        >>> from trainctl import nn
        >>> loss = OutputLoss({"a": nn.L1Loss(), "b": nn.L1Loss()}, {"b": 0.5})
        >>> x = trainctl.ones(2)
        >>> loss({"a": x, "b": x}, {"a": 0 * x, "b": 0 * x})
        tensor(1.5000)
    """

    def __init__(self, losses: Mapping[str, Module], weights: Mapping[str, float]) -> None:
        super().__init__()
        self.losses, self.weights = Named(losses), dict(weights)
        reductions = {getattr(each, "reduction", "mean") for each in losses.values()}
        if len(reductions) > 1 and "sum" in reductions:
            raise ValueError("expected the same reduction of every loss, sum or mean")
        self.reduction = "sum" if reductions == {"sum"} else "mean"

    def forward(self, output: Mapping[str, Tensor], target: Any) -> Tensor:
        """Return the sum; ``target`` is a tensor, or one for each output by name."""
        total: Any = None
        for name, loss in self.losses.items():
            value = loss(output[name], target[name] if isinstance(target, Mapping) else target)
            value = value if name not in self.weights else self.weights[name] * value
            total = value if total is None else total + value
        return total
