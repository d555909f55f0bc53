"""Figures of how often each class is taken for each: precision, recall, F1, the confusion matrix."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from trainctl import Tensor
from trainctl.train.metrics.answers import Answers, Reader
from trainctl.train.metrics.base import SummedMetric, wrong_value

Average = Literal["binary", "macro", "micro", "weighted"]

_TRUE, _PREDICTED, _HIT = range(3)  # of the marks of a class: it was right, it was answered, both


class _Counted(SummedMetric):
    """A metric of the pairs (right, answered), which are counted in whole numbers.

    A record of a sample is the cell of each of its answers in the table of such pairs: -1 for one that does not count.
    Labels have a table each. Memory: the table, or four numbers a label.
    """

    label = ""

    def __init__(self, threshold: float = 0.5) -> None:
        if not 0 <= threshold <= 1:
            raise ValueError(f"threshold should be from 0 to 1, got {threshold}")
        self.reader = Reader(self.label, threshold)
        super().__init__()

    def reset(self) -> None:
        """Forget every batch."""
        self.cells: np.ndarray | None = None
        self.answers: Answers | None = None
        self.spoiled = False

    def bind(self, loss: Any) -> None:
        """Learn from the loss what outputs are, and which targets are ignored."""
        self.reader.bind(loss)

    def records(self, output: Tensor, target: Tensor) -> np.ndarray:
        """Return the cells of the samples' answers, int64 [N, M].

        Raises:
            ConfigError: the shapes are not those of a classification.
        """
        answers = self.reader.read(output, target)
        if self.answers is not None and _width(answers) != _width(self.answers):
            before, now = _width(self.answers), _width(answers)
            raise wrong_value(self.label, f"{before} as before", f"{now} in a later batch")
        self.answers = answers
        self.spoiled |= answers.has_nan()
        cells = answers.target * answers.classes + self.reader.predicted(answers)
        if answers.form == "labels":
            cells += 4 * np.arange(cells.shape[1])
        return cells if answers.counted is None else np.where(answers.counted, cells, -1)

    def update(self, output: Tensor, target: Tensor) -> None:
        """Take in a batch."""
        cells = self.records(output, target).reshape(-1)
        counts = np.bincount(cells[cells >= 0], minlength=self._size())
        self.cells = counts if self.cells is None else self.cells + counts

    def _size(self) -> int:
        assert self.answers is not None
        if self.answers.form == "labels":
            return 4 * self.answers.target.shape[1]
        return self.answers.classes**2

    def rows(self, records: np.ndarray) -> np.ndarray:
        """Return how often each class is right, answered and both in each sample: int64 [N, 3 C]."""
        samples, classes = len(records), self._classes()
        marks: np.ndarray = np.zeros((3, samples, classes), np.int64)
        sample, answer = np.nonzero(records >= 0)
        cells = records[sample, answer]
        true, predicted = self._pairs(cells)
        np.add.at(marks[_TRUE], (sample[true >= 0], true[true >= 0]), 1)
        np.add.at(marks[_PREDICTED], (sample[predicted >= 0], predicted[predicted >= 0]), 1)
        both = (true == predicted) & (true >= 0)
        np.add.at(marks[_HIT], (sample[both], true[both]), 1)
        return marks.transpose(1, 0, 2).reshape(samples, -1)

    def _classes(self) -> int:
        assert self.answers is not None
        return _count(self.answers)

    def _pairs(self, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The class that was right and the class that was answered; of labels the label itself, or -1 for no."""
        assert self.answers is not None
        if self.answers.form != "labels":
            return cells // self.answers.classes, cells % self.answers.classes
        label, state = cells // 4, cells % 4
        return np.where(state >= 2, label, -1), np.where(state % 2 == 1, label, -1)

    def marks(self) -> np.ndarray | None:
        """Return how often each class was right, answered and both, int64 [3, C]; None without batches."""
        if self.cells is None or self.answers is None:
            return None
        if self.answers.form == "labels":
            each = self.cells.reshape(-1, 2, 2)
            return np.stack([each[:, 1].sum(axis=1), each[:, :, 1].sum(axis=1), each[:, 1, 1]])
        table = self.cells.reshape(self.answers.classes, -1)
        return np.stack([table.sum(axis=1), table.sum(axis=0), table.diagonal()])


def _count(answers: Answers) -> int:
    return answers.target.shape[1] if answers.form == "labels" else answers.classes


def _width(answers: Answers) -> str:
    return f"{_count(answers)} {'labels' if answers.form == 'labels' else 'classes'}"


class _Averaged(_Counted):
    """A figure of each class, averaged over the classes."""

    def __init__(self, average: Average | None = None, zero_division: float = 0.0, threshold: float = 0.5) -> None:
        if not 0 <= zero_division <= 1:
            raise ValueError(f"zero_division should be from 0 to 1, got {zero_division}")
        self.average = average
        self.zero_division = float(zero_division)
        super().__init__(threshold)

    def compute(self) -> float:
        """Return the figure; NaN where there were no samples, or a score was NaN."""
        marks = self.marks()
        return float("nan") if marks is None else self.figure(marks.reshape(-1))

    def figure(self, sums: np.ndarray) -> float:
        """Return the figure of how often each class was right, answered and both, [3 C]."""
        true, predicted, hits = sums.reshape(3, -1)
        average = self._average(len(true))
        if self.spoiled or not (true.sum() or predicted.sum() or self._is_labels()):
            return float("nan")
        if average == "binary":
            return float(self.share(true[-1:], predicted[-1:], hits[-1:])[0])
        if average == "micro":
            return float(self.share(*(each.sum(keepdims=True) for each in (true, predicted, hits)))[0])
        shares = self.share(true, predicted, hits)
        if average == "weighted":
            support = true.sum()
            return float((shares * true).sum() / support) if support else self.zero_division
        present = (true + predicted) > 0 if not self._is_labels() else np.full(len(true), True)
        return float(shares[present].mean())

    def _is_labels(self) -> bool:
        return self.answers is not None and self.answers.form == "labels"

    def _average(self, classes: int) -> Average:
        form = self.answers.form if self.answers is not None else "classes"
        if self.average is None:
            return "binary" if form == "binary" else "macro"
        if self.average == "binary" and (form == "labels" or classes != 2):
            kind = "labels" if form == "labels" else "classes"
            raise wrong_value(self.label, "two classes for `average: binary`", f"{classes} {kind}")
        return self.average

    def share(self, true: np.ndarray, predicted: np.ndarray, hits: np.ndarray) -> np.ndarray:
        """Return the figure of each class, float64 [C]."""
        raise NotImplementedError

    def _divided(self, above: np.ndarray, below: np.ndarray) -> np.ndarray:
        return np.divide(above, below, out=np.full(len(below), self.zero_division), where=below != 0)


class Precision(_Averaged):
    """The share of a class's answers that are right, averaged over the classes, in 0..1. See :class:`F1`.

    Example:
        >>> import trainctl
        >>> precision = Precision()
        >>> precision.update(trainctl.tensor([[2.0, 1.0], [2.0, 1.0], [0.0, 1.0]]), trainctl.tensor([0, 1, 1]))
        >>> precision.compute()
        0.75
    """

    label = "precision"

    def share(self, true: np.ndarray, predicted: np.ndarray, hits: np.ndarray) -> np.ndarray:
        """Return the precision of each class, [C]."""
        return self._divided(hits, predicted)


class Recall(_Averaged):
    """The share of a class's samples that are found, averaged over the classes, in 0..1. See :class:`F1`.

    Example:
        >>> import trainctl
        >>> recall = Recall(average="micro")
        >>> recall.update(trainctl.tensor([[2.0, 1.0], [2.0, 1.0]]), trainctl.tensor([0, 1]))
        >>> recall.compute()
        0.5
    """

    label = "recall"

    def share(self, true: np.ndarray, predicted: np.ndarray, hits: np.ndarray) -> np.ndarray:
        """Return the recall of each class, [C]."""
        return self._divided(hits, true)


class F1(_Averaged):
    """The harmonic mean of precision and recall, averaged over the classes, in 0..1. A NaN score makes it NaN.

    Args:
        average: ``macro`` is the mean over the classes that were right or answered at least once (of labels: all),
            ``weighted`` weighs them by how often they were right, ``micro`` counts all answers as one class, ``binary``
            is the figure of class 1 alone. By default ``binary`` for yes or no, else ``macro``. The rest is as in
            scikit-learn.
        zero_division: the figure where it would be a division by zero, in 0..1.
        threshold: the probability above which a yes-or-no answer is yes.

    Raises:
        ValueError: an argument is outside 0..1.

    Example:
        >>> import trainctl
        >>> f1 = F1(average="binary")
        >>> f1.update(trainctl.tensor([[2.0, 1.0], [0.0, 1.0], [0.0, 1.0]]), trainctl.tensor([0, 1, 0]))
        >>> round(f1.compute(), 4)
        0.6667
    """

    label = "f1"

    def share(self, true: np.ndarray, predicted: np.ndarray, hits: np.ndarray) -> np.ndarray:
        """Return the F1 of each class, [C]."""
        return self._divided(2 * hits, true + predicted)


class ConfusionMatrix(_Counted):
    """How often each class (row) was taken for each (column). A table: shown by ``eval``, no column of metrics files.

    Of labels there is a table of 2 x 2 for each.

    Args:
        threshold: the probability above which a yes-or-no answer is yes.

    Example:
        >>> import trainctl
        >>> matrix = ConfusionMatrix()
        >>> matrix.update(trainctl.tensor([[2.0, 1.0], [0.0, 1.0], [0.0, 1.0]]), trainctl.tensor([0, 1, 0]))
        >>> matrix.compute()["values"]
        [[1, 1], [0, 1]]
    """

    is_table = True
    label = "confusion_matrix"

    def compute(self) -> dict[str, Any]:
        """Return the table: ``rows`` and ``columns`` say what they are, ``values`` are the counts."""
        if self.cells is None or self.answers is None:
            return {"rows": "target", "columns": "answer", "values": []}
        if self.answers.form == "labels":
            return {"rows": "target of each label", "columns": "answer", "values": self.cells.reshape(-1, 2).tolist()}
        table = self.cells.reshape(self.answers.classes, -1)
        return {"rows": "target", "columns": "answer", "values": table.tolist()}


class PerClass(_Counted):
    """Precision, recall, F1 and the number of targets of each class, as a table.

    Args:
        threshold: the probability above which a yes-or-no answer is yes.

    Example:
        >>> import trainctl
        >>> figures = PerClass()
        >>> figures.update(trainctl.tensor([[2.0, 1.0], [0.0, 1.0], [0.0, 1.0]]), trainctl.tensor([0, 1, 0]))
        >>> figures.compute()["values"]
        [[1.0, 0.5, 0.6666666666666666, 2], [0.5, 1.0, 0.6666666666666666, 1]]
    """

    is_table = True
    label = "per_class"
    header = ("precision", "recall", "f1", "targets")

    def compute(self) -> dict[str, Any]:
        """Return the table: a row a class; a figure without answers or targets is None."""
        marks = self.marks()
        if marks is None:
            return {"rows": "class", "header": list(self.header), "values": []}
        rows = [
            [_ratio(hits, predicted), _ratio(hits, true), _ratio(2 * hits, true + predicted), true]
            for true, predicted, hits in marks.T.tolist()
        ]
        return {"rows": "class", "header": list(self.header), "values": rows}


def _ratio(above: int, below: int) -> float | None:
    return above / below if below else None
