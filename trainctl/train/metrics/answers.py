"""What a classifier answered and what was right, whatever the form of its outputs.

==================  ==============================  ====================================
form                outputs                         targets
==================  ==============================  ====================================
classes             scores [N, C] or [N, C, ...]    class numbers [N] or [N, ...]
soft targets        scores [N, C, ...]              a weight for each class [N, C, ...]
yes or no           [N] or [N, 1]                   0 or 1 [N] or [N, 1]
labels              [N, L, ...]                     0 or 1 for each label [N, L, ...]
==================  ==============================  ====================================

Soft targets are those of a loss with a softmax; with other losses outputs and targets of one shape are labels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from trainctl import Tensor
from trainctl.train.metrics.base import misfit, wrong_value
from trainctl.train.metrics.links import Link, link_of

Form = Literal["classes", "binary", "labels"]

EXPECTED = (
    "scores [N, C, ...] and class indices [N, ...], or outputs and 0/1 targets of one shape, [N], [N, 1] or [N, L]"
)


@dataclass(frozen=True)
class Answers:
    """A batch of answers, M a sample.

    Attributes:
        form: of what kind they are.
        scores: what the model gave: [N, C, M] for classes, else [N, M].
        target: what was right, int64 [N, M]: a class number, or 0 or 1.
        counted: which of them count, bool [N, M]; None where all do.
        classes: how many classes there are; 2 for yes or no, and for labels.
    """

    form: Form
    scores: np.ndarray
    target: np.ndarray
    counted: np.ndarray | None
    classes: int

    def kept(self, values: np.ndarray) -> np.ndarray:
        """Return those of the values [N, M] that count, [K]."""
        return values.reshape(-1) if self.counted is None else values[self.counted]

    def has_nan(self) -> bool:
        """Return whether a score of an answer that counts is NaN: then no figure of the scores means anything."""
        # A NaN shows in the sum, which is quicker than a search; inf - inf, which shows too, is looked at closely.
        with np.errstate(invalid="ignore", over="ignore"):
            suspect = np.isnan(self.scores.sum())
        if not suspect:
            return False
        bad = np.isnan(self.scores)
        return bool(self.kept(bad.any(axis=1) if self.form == "classes" else bad).any())


@dataclass
class Reader:
    """How a metric reads a batch.

    Attributes:
        name: the metric's, for messages.
        threshold: the probability above which a yes-or-no answer is yes.
        link: what the outputs are; outputs of an unknown kind are scores.
        ignore_index: targets of this class do not count.
    """

    name: str
    threshold: float = 0.5
    link: Link | None = None
    ignore_index: int | None = None

    def bind(self, loss: Any) -> None:
        """Learn from the loss what outputs are and which targets are ignored."""
        self.link = link_of(loss)
        self.ignore_index = getattr(loss, "ignore_index", None)

    def read(self, output: Tensor, target: Tensor) -> Answers:
        """Return a batch's answers.

        Raises:
            ConfigError: the shapes fit no form, or a target is no class.
        """
        shape = tuple(output.shape)
        if shape == tuple(target.shape) and len(shape) >= 1:
            if self.link in ("softmax", "log", "margin") and len(shape) >= 2 and shape[1] > 1:
                return self._classes(output, np.argmax(_array(target), axis=1), target)
            return self._labels(output, target)
        if len(shape) >= 2 and shape[1] == 1 and shape[:1] + shape[2:] == tuple(target.shape):
            return self._labels(output, target)
        if len(shape) >= 2 and shape[:1] + shape[2:] == tuple(target.shape):
            return self._classes(output, _array(target), target)
        raise misfit(self.name, EXPECTED, output, target)

    def _classes(self, output: Tensor, classes: np.ndarray, target: Tensor) -> Answers:
        if classes.dtype.kind not in "iu":
            raise wrong_value(self.name, "class numbers as targets, of an integer type", target.dtype)
        samples, count = output.shape[0], output.shape[1]
        scores = _array(output).reshape(samples, count, math.prod(output.shape[2:]))
        classes = classes.reshape(samples, scores.shape[2]).astype(np.int64, copy=False)
        counted = None
        if self.ignore_index is not None and (ignored := classes == self.ignore_index).any():
            counted = ~ignored
        self._check_classes(classes if counted is None else classes[counted], count)
        return Answers("classes", scores, classes, counted, count)

    def _check_classes(self, classes: np.ndarray, count: int) -> None:
        if classes.size and (classes.min() < 0 or classes.max() >= count):
            wrong = classes[(classes < 0) | (classes >= count)][0]
            raise wrong_value(self.name, f"classes 0 to {count - 1}, as the model has scores", f"the target {wrong}")

    def _labels(self, output: Tensor, target: Tensor) -> Answers:
        samples = output.shape[0]
        scores = _array(output).reshape(samples, math.prod(output.shape[1:]))
        given = _array(target).reshape(scores.shape)
        positive = given == 1
        if not (positive | (given == 0) | (given == -1)).all():
            wrong = given[~(positive | (given == 0) | (given == -1))][0]
            raise wrong_value(self.name, "targets of 0 and 1 (or -1 and 1)", wrong)
        return Answers("binary" if scores.shape[1] == 1 else "labels", scores, positive.astype(np.int64), None, 2)

    def predicted(self, answers: Answers) -> np.ndarray:
        """Return what was answered, int64 [N, M]: of equal scores the first class, and yes above the threshold."""
        if answers.form == "classes":
            return np.argmax(answers.scores, axis=1)
        return (answers.scores > self._cut()).astype(np.int64)

    def _cut(self) -> float:
        """The output above which the answer is yes."""
        if self.link in ("probability", "value"):
            return self.threshold
        if self.link == "log":
            return math.log(self.threshold) if self.threshold else -math.inf
        if self.threshold in (0.0, 1.0):
            return math.inf if self.threshold else -math.inf
        return math.log(self.threshold / (1 - self.threshold))


def _array(values: Tensor) -> np.ndarray:
    return values.detach().cpu().numpy()
