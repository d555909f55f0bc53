"""Losses as modules."""

from __future__ import annotations

from typing import Any, Literal

from trainctl.autograd.ops.loss import legacy_reduction
from trainctl.autograd.tensor import Tensor
from trainctl.nn import functional as F
from trainctl.nn.modules.module import Module

Reduction = Literal["none", "mean", "sum"]


class _Loss(Module):
    def __init__(self, size_average: Any = None, reduce: Any = None, reduction: Reduction = "mean") -> None:
        super().__init__()
        self.reduction = legacy_reduction(size_average, reduce, reduction)


class _WeightedLoss(_Loss):
    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: Any = None,
        reduce: Any = None,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


class MSELoss(_Loss):
    """The squared difference of ``input`` and ``target``, of one shape; reduced to its mean by default.

    Example:
        >>> import trainctl
        >>> MSELoss()(trainctl.ones(3), trainctl.zeros(3))
        tensor(1.)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the loss."""
        return F.mse_loss(input, target, reduction=self.reduction)


class NLLLoss(_WeightedLoss):
    """The negative log-probability of the target class: ``[N, C], [N]``; see :func:`trainctl.nn.functional.nll_loss`.

    Example:
        >>> import trainctl
        >>> NLLLoss()(trainctl.zeros(2, 4).log_softmax(1), trainctl.tensor([0, 3]))
        tensor(1.3863)
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: Any = None,
        ignore_index: int = -100,
        reduce: Any = None,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the loss."""
        return F.nll_loss(input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class CrossEntropyLoss(_WeightedLoss):
    """The cross entropy of logits ``[N, C]`` against classes ``[N]`` (int64) or probabilities ``[N, C]``.

    Args:
        weight: a weight for each class, ``[C]``.
        size_average: deprecated, see ``reduction``.
        ignore_index: a class that counts for nothing.
        reduce: deprecated, see ``reduction``.
        reduction: ``none``, ``mean`` or ``sum`` over the samples.
        label_smoothing: the share, in [0, 1], of each target that is spread evenly over all classes.

    Example:
        >>> import trainctl
        >>> CrossEntropyLoss()(trainctl.zeros(2, 4), trainctl.tensor([0, 3]))
        tensor(1.3863)
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: Any = None,
        ignore_index: int = -100,
        reduce: Any = None,
        reduction: Reduction = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the loss."""
        return F.cross_entropy(
            input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )  # fmt: skip
