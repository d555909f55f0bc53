"""The loss of each sample, which is what two models are compared in."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np

from trainctl import Tensor
from trainctl.train.metrics.base import SummedMetric


class SampleLoss(SummedMetric):
    """The mean loss, from the loss of each sample.

    Args:
        loss: maps (output, target) to the loss of a batch. One with ``reduction`` is asked for each sample's at once;
            any other is called with one sample at a time, as if a batch's loss were the mean of its samples'.

    Example:
        >>> import trainctl
        >>> from trainctl import nn
        >>> mean = SampleLoss(nn.MSELoss())
        >>> mean.update(trainctl.tensor([[1.0], [3.0]]), trainctl.tensor([[1.0], [1.0]]))
        >>> mean.compute()
        2.0
    """

    higher_is_better = False
    label = "loss"

    def __init__(self, loss: Any) -> None:
        self._loss = loss
        self._reduction = getattr(loss, "reduction", None)
        self._each = None
        if self._reduction in ("mean", "sum", "batchmean"):
            self._each = copy.copy(loss)
            self._each.reduction = "none"
        super().__init__()

    def records(self, output: Tensor, target: Tensor) -> np.ndarray:
        """Return for each sample its loss, summed over its targets, and how many of those count, float64 [N, 2]."""
        if self._each is None:
            pairs = [(output[index : index + 1], target[index : index + 1]) for index in range(len(target))]
            losses = np.array([float(self._loss(*pair).item()) for pair in pairs])
            return np.stack([losses, np.ones(len(losses))], axis=1)
        losses = self._each(output, target).detach().cpu().numpy().astype(np.float64)
        losses = losses.reshape(len(target), math.prod(losses.shape[1:]))
        return np.stack([losses.sum(axis=1), self._weights(losses, target)], axis=1)

    def _weights(self, losses: np.ndarray, target: Tensor) -> np.ndarray:
        """Over how much the mean is taken: targets, or samples."""
        if self._reduction != "mean":
            return np.ones(len(losses))
        ignored = getattr(self._loss, "ignore_index", None)
        if ignored is None or target.is_floating_point():
            return np.full(len(losses), float(losses.shape[1]))
        kept = target.detach().cpu().numpy() != ignored
        return kept.reshape(losses.shape).sum(axis=1).astype(np.float64)

    def figure(self, sums: np.ndarray) -> float:
        """Return the mean; NaN where nothing counts."""
        return float(sums[0] / sums[1]) if sums[1] else float("nan")
