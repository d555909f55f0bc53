"""How often the answer is right."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainctl import Tensor
from trainctl.train.metrics.answers import Answers, Reader
from trainctl.train.metrics.base import SummedMetric, misfit


class _Share(SummedMetric):
    """The share of answers that are right. A NaN among the scores makes it NaN.

    Attributes:
        is_share: a sample with one answer is right or wrong, and that is all; two models are then compared by that.
    """

    is_share = True

    label = ""

    def __init__(self, threshold: float = 0.5) -> None:
        self.reader = Reader(self.label, threshold)
        super().__init__()

    def bind(self, loss: Any) -> None:
        """Learn from the loss what outputs are, and which targets are ignored."""
        self.reader.bind(loss)

    def records(self, output: Tensor, target: Tensor) -> np.ndarray:
        """Return for each sample how many of its answers are right, how many count, and whether a score was NaN.

        Raises:
            ConfigError: the shapes are not those of a classification.
        """
        answers = self.reader.read(output, target)
        right = self.right(answers, output, target)
        if answers.counted is None:
            total = np.full(len(right), right.shape[1])
        else:
            right, total = right & answers.counted, answers.counted.sum(axis=1)
        spoiled = np.full(len(right), answers.has_nan())
        return np.stack([right.sum(axis=1), total, spoiled], axis=1)

    def right(self, answers: Answers, output: Tensor, target: Tensor) -> np.ndarray:
        """Return which answers are right, bool [N, M]."""
        raise NotImplementedError

    def figure(self, sums: np.ndarray) -> float:
        """Return the share; NaN where no answer counts."""
        correct, total, spoiled = sums
        return float("nan") if spoiled or not total else correct / total


class Accuracy(_Share):
    """The share of targets that the model gives the highest score, in 0..1; of yes or no, those it is right about.

    With several targets a sample (maps, sequences, labels) each of them counts once; ``ignore_index`` of the loss does
    not count.

    Args:
        threshold: the probability above which a yes-or-no answer is yes.

    Example:
        >>> import trainctl
        >>> accuracy = Accuracy()
        >>> accuracy.update(trainctl.tensor([[2.0, 1.0], [0.0, 3.0]]), trainctl.tensor([0, 0]))
        >>> accuracy.compute()
        0.5
    """

    label = "accuracy"

    def __init__(self, threshold: float = 0.5) -> None:
        _check_share("threshold", threshold)
        super().__init__(threshold)

    def right(self, answers: Answers, output: Tensor, target: Tensor) -> np.ndarray:
        """Return which answers are right, bool [N, M]."""
        return self.reader.predicted(answers) == answers.target


class TopKAccuracy(_Share):
    """The share of targets that are among the ``k`` highest scores, in 0..1; of equal scores the first are higher.

    Args:
        k: how many answers are allowed.

    Raises:
        ValueError: ``k`` is less than 1.

    Example:
        >>> import trainctl
        >>> accuracy = TopKAccuracy(k=2)
        >>> accuracy.update(trainctl.tensor([[2.0, 1.0, 0.0], [2.0, 1.0, 0.0]]), trainctl.tensor([1, 2]))
        >>> accuracy.compute()
        0.5
    """

    label = "top_k_accuracy"

    def __init__(self, k: int = 5) -> None:
        if k < 1:
            raise ValueError(f"k should be 1 or more, got {k}")
        self.k = k
        super().__init__()

    def right(self, answers: Answers, output: Tensor, target: Tensor) -> np.ndarray:
        """Return which targets are among the k highest scores, bool [N, M]."""
        if answers.form != "classes":
            raise misfit(self.label, "scores [N, C, ...] and class indices [N, ...]", output, target)
        if self.k > answers.classes:
            hint = f"write `k: {answers.classes}` or less"
            raise misfit(self.label, f"{self.k} classes or more for k: {self.k}", output, target, hint)
        classes = np.arange(answers.classes)[:, None]
        place = (answers.target if answers.counted is None else answers.target * answers.counted)[:, None]
        own = np.take_along_axis(answers.scores, place, axis=1)
        ahead = (answers.scores > own) | ((answers.scores == own) & (classes < place))
        return ahead.sum(axis=1) < self.k


def _check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} should be from 0 to 1, got {value}")
