"""How surprised a language model is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from trainctl import Tensor
from trainctl.train.metrics.answers import Answers, Reader
from trainctl.train.metrics.base import SummedMetric, misfit
from trainctl.train.metrics.links import log_softmax


class Perplexity(SummedMetric):
    """exp of the mean cross entropy of the targets, each token counting once; 1 is never surprised. Memory: two sums.

    The scores are logits [N, C] or [N, C, T], or log-probabilities where the loss is ``NLLLoss``.

    Args:
        ignore_index: targets that do not count; by default those that the loss ignores.

    Example:
        >>> import trainctl
        >>> perplexity = Perplexity()
        >>> perplexity.update(trainctl.zeros(1, 4, 3), trainctl.tensor([[0, 1, -100]]))
        >>> round(perplexity.compute(), 12)
        4.0
    """

    higher_is_better = False
    label = "perplexity"

    def __init__(self, ignore_index: int | None = None) -> None:
        self.ignore_index = ignore_index
        self.reader = Reader(self.label, ignore_index=-100 if ignore_index is None else ignore_index)
        super().__init__()

    def bind(self, loss: Any) -> None:
        """Learn from the loss whether scores are logarithms already, and which targets are ignored."""
        self.reader.bind(loss)
        if self.ignore_index is not None:
            self.reader.ignore_index = self.ignore_index

    def records(self, output: Tensor, target: Tensor) -> np.ndarray:
        """Return for each sample the cross entropy of its tokens, summed, and how many there are, float64 [N, 2].

        Raises:
            ConfigError: the shapes are not those of classes, or the loss is one of probabilities for each label.
        """
        answers = self.reader.read(output, target)
        if answers.form != "classes":
            raise misfit(self.label, "scores [N, C, ...] and class indices [N, ...]", output, target)
        counted = np.ones_like(answers.target, bool) if answers.counted is None else answers.counted
        surprise = np.where(counted, self._surprise(answers, np.where(counted, answers.target, 0)), 0.0)
        return np.stack([surprise.sum(axis=1), counted.sum(axis=1, dtype=np.float64)], axis=1)

    def _surprise(self, answers: Answers, target: np.ndarray) -> np.ndarray:
        logs = answers.scores if self.reader.link == "log" else log_softmax(answers.scores)
        return -np.take_along_axis(logs, target[:, None], axis=1)[:, 0].astype(np.float64)

    def figure(self, sums: np.ndarray) -> float:
        """Return exp of the mean; NaN where no token counts, inf where it is past what a float holds."""
        if not sums[1]:
            return math.nan
        with np.errstate(over="ignore"):
            return float(np.exp(sums[0] / sums[1]))
