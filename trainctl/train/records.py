"""What two models are compared by: a record of each sample, kept while they are evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import numpy as np

import trainctl
from trainctl.train.metrics import Metric, SampleLoss, SummedMetric


class Recorder:
    """Keeps what figures follow from, sample by sample; an observer of :func:`trainctl.train.evaluate.evaluate`.

    Of a metric that is a :class:`SummedMetric` a few numbers a sample are kept; for any other the outputs are.

    Args:
        loss: the loss that the model was trained with, which says what its outputs are.
        metrics: by name; they are copied.
        measured: the loss that is compared, under the name ``loss``; by default the model's own.

    Attributes:
        metrics: the copies, with the loss.
    """

    def __init__(self, loss: Any, metrics: Mapping[str, Metric], measured: Any = None) -> None:
        self.metrics: dict[str, Metric] = {"loss": SampleLoss(measured or loss), **deepcopy(dict(metrics))}
        for metric in self.metrics.values():
            metric.bind(loss)
            metric.reset()
        self._records: dict[str, list[np.ndarray]] = {name: [] for name in self.metrics}
        self._batches: list[tuple[Any, Any]] = []

    def __call__(self, output: Any, target: Any) -> None:
        """Take in a batch."""
        others = False
        for name, metric in self.metrics.items():
            if isinstance(metric, SummedMetric):
                self._records[name].append(np.array(metric.records(output, target)))
            else:
                others = True
        if others:
            self._batches.append((output.detach().clone(), target.detach().clone()))

    def records(self, name: str) -> np.ndarray:
        """Return the records of a summed metric, [N, R]."""
        return np.concatenate(self._records[name])

    def outputs(self) -> tuple[Any, Any]:
        """Return all outputs [N, ...] and targets [N, ...]."""
        outputs, targets = zip(*self._batches, strict=True)
        return trainctl.cat(outputs), trainctl.cat(targets)
