"""How well scores rank what is of a class before what is not."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from trainctl import Tensor
from trainctl.train.metrics.answers import Answers, Reader
from trainctl.train.metrics.base import Metric, wrong_value
from trainctl.train.metrics.links import log_softmax


class RocAuc(Metric):
    """The area under the ROC curve: how often a sample of a class has a higher score than one that is not; ties half.

    Of several classes or labels it is that of each against the rest, averaged. A class that is never the target, or
    always, has none and is left out; where none has one, and where a score is NaN, the figure is NaN.

    Memory: every score is kept until the end, eight bytes a sample and class.

    Args:
        average: ``macro``, or ``weighted`` by how often each class is the target.

    Example:
        >>> import trainctl
        >>> auc = RocAuc()
        >>> auc.update(trainctl.tensor([0.1, 0.4, 0.35, 0.8]), trainctl.tensor([0, 0, 1, 1]))
        >>> auc.compute()
        0.75
    """

    label = "roc_auc"

    def __init__(self, average: Literal["macro", "weighted"] = "macro") -> None:
        self.average = average
        self.reader = Reader(self.label)
        self.reset()

    def bind(self, loss: Any) -> None:
        """Learn from the loss what outputs are, and which targets are ignored."""
        self.reader.bind(loss)

    def reset(self) -> None:
        """Forget every batch."""
        self._scores: list[np.ndarray] = []
        self._targets: list[np.ndarray] = []
        self._classes: int | None = None

    def update(self, output: Tensor, target: Tensor) -> None:
        """Take in a batch.

        Raises:
            ConfigError: the shapes are not those of a classification.
        """
        answers = self.reader.read(output, target)
        scores, targets = _columns(answers, self.reader.link == "softmax" or self.reader.link is None)
        if self._classes not in (None, scores.shape[1]):
            raise wrong_value(self.label, f"{self._classes} classes as before", f"{scores.shape[1]} in a later batch")
        self._classes = scores.shape[1]
        self._scores.append(scores)
        self._targets.append(targets)

    def compute(self) -> float:
        """Return the area, averaged over the classes that have one."""
        if not self._scores:
            return math.nan
        scores, targets = np.concatenate(self._scores), np.concatenate(self._targets)
        if np.isnan(scores).any():
            return math.nan
        of_class = [
            (targets == number) if targets.ndim == 1 else targets[:, number] == 1 for number in range(scores.shape[1])
        ]
        areas = [(area(column, own), int(own.sum())) for column, own in zip(scores.T, of_class, strict=True)]
        found = [(value, size) for value, size in areas if value is not None]
        if not found:
            return math.nan
        weights = [size if self.average == "weighted" else 1 for _, size in found]
        return math.fsum(value * weight for (value, _), weight in zip(found, weights, strict=True)) / sum(weights)


def _columns(answers: Answers, softmax: bool) -> tuple[np.ndarray, np.ndarray]:
    """Scores [K, C] and the targets: classes [K], or 0 and 1 [K, L]."""
    if answers.form != "classes":
        return answers.scores.astype(np.float64), answers.target
    scores = log_softmax(answers.scores) if softmax else answers.scores.astype(np.float64)
    flat = scores.transpose(0, 2, 1).reshape(-1, answers.classes)
    return flat if answers.counted is None else flat[answers.counted.reshape(-1)], answers.kept(answers.target)


def area(scores: np.ndarray, positive: np.ndarray) -> float | None:
    """Return the area under the ROC curve of scores [N], by ranks; None where all are positive, or none is.

    Example:
        >>> area(np.array([1.0, 2.0, 2.0]), np.array([False, True, False]))
        0.75
    """
    ours = int(positive.sum())
    others = len(positive) - ours
    if not ours or not others:
        return None
    _, group, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    ends = np.cumsum(sizes)
    twice = 2 * ends - sizes + 1  # twice the mean rank of a group of equal scores: a whole number
    above = int(twice[group[positive]].sum()) - ours * (ours + 1)
    return above / (2 * ours * others)
