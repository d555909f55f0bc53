"""How much worse one model is than another on the same samples, and how much worse it might be."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainctl.nn.outputs import OutputLoss
from trainctl.train.batches import OutputMetric
from trainctl.train.metrics import Metric, SampleLoss, SummedMetric
from trainctl.train.records import Recorder
from trainctl.train.resampling import draws, units_of

LEVEL = 0.95
RESAMPLES = 2000
REPLAYS = 200
"""For metrics that have no sums: each resample measures all samples again."""
SEED = 0


@dataclass(frozen=True)
class Drop:
    """By how much a figure of one model is worse than another's: below 0 it is better.

    Attributes:
        value: the model's figure.
        baseline: the other's.
        drop: how much worse; infinite where the model's is not a number and the other's is.
        bound: the drop is at most this, at the level that was asked for.
    """

    value: float
    baseline: float
    drop: float
    bound: float


class Observed:
    """Keeps what one figure follows from, sample by sample; an observer of :func:`trainctl.train.evaluate.evaluate`.

    Args:
        name: of the figure: ``loss``, or a metric's.
        loss: what the model was trained with.
        metrics: by name.

    Attributes:
        name: of the figure.
        recorder: of the samples.

    Example:
        >>> from trainctl import nn, tensor
        >>> ours, theirs = (Observed("loss", nn.L1Loss(), {}) for _ in range(2))
        >>> ours(tensor([[1.5], [2.0]]), tensor([[1.0], [2.0]]))
        >>> theirs(tensor([[1.0], [2.0]]), tensor([[1.0], [2.0]]))
        >>> worst_drop(ours, theirs)
        Drop(value=0.25, baseline=0.0, drop=0.25, bound=0.5)
    """

    def __init__(self, name: str, loss: Any, metrics: Mapping[str, Metric]) -> None:
        self.name = name
        self._select: Callable[[Any, Any], tuple[Any, Any]] = _whole
        metric: Any = None if name == "loss" else metrics[name]
        if isinstance(metric, OutputMetric):
            output = metric.output
            self._select = lambda outputs, target: (outputs[output], _target(target, output))
            loss, metric = loss.losses[output] if isinstance(loss, OutputLoss) else loss, metric.metric
        elif isinstance(loss, OutputLoss):
            metric = _OutputsLoss(loss)
        self.recorder = Recorder(loss, {} if metric is None else {name: metric})

    def __call__(self, output: Any, target: Any) -> None:
        """Take in a batch."""
        self.recorder(*self._select(output, target))

    @property
    def metric(self) -> Metric:
        """What the figure is of."""
        return self.recorder.metrics[self.name]


def worst_drop(ours: Observed, theirs: Observed, level: float = LEVEL) -> Drop:
    """Return how much worse a figure is, and the upper bound of that by a paired bootstrap.

    Args:
        ours: what was kept of the model.
        theirs: what was kept of the other, on the same samples in the same order.
        level: how sure the bound is, from one side.
    """
    drawn = _drawn(ours, theirs)
    value, baseline = next(drawn)
    sign = 1 if theirs.metric.higher_is_better else -1
    if not math.isfinite(value - baseline):
        drop = math.inf if math.isfinite(baseline) else math.nan
        return Drop(value, baseline, drop, drop)
    with np.errstate(invalid="ignore"):
        drops = np.array([sign * (theirs - ours) for ours, theirs in drawn])
    drops = drops[np.isfinite(drops)]
    bound = float(np.quantile(drops, level, method="higher")) if drops.size else math.inf
    return Drop(value, baseline, sign * (baseline - value), bound)


def _drawn(ours: Observed, theirs: Observed) -> Iterator[tuple[float, float]]:
    """Both figures, of all samples and then of each resample."""
    metric, other, name = ours.metric, theirs.metric, ours.name
    draw = np.random.default_rng(SEED)
    if not (isinstance(metric, SummedMetric) and isinstance(other, SummedMetric)):
        kept = ours.recorder.outputs(), theirs.recorder.outputs()
        yield from _replayed(metric, other, kept, draw)
        return
    units = units_of((metric, other), (ours.recorder.records(name), theirs.recorder.records(name)), draw)
    whole = units.counts(np.arange(len(units.tickets)))
    with np.errstate(invalid="ignore", divide="ignore"):
        yield float(metric.figure(whole @ units.ours)), float(other.figure(whole @ units.theirs))
        for one, another in draws(units, draw, RESAMPLES):
            yield float(metric.figure(one)), float(other.figure(another))


def _replayed(metric: Metric, other: Metric, kept: Any, draw: np.random.Generator) -> Iterator[tuple[float, float]]:
    count = len(kept[0][1])
    yield _figure(metric, *kept[0]), _figure(other, *kept[1])
    for _ in range(REPLAYS):
        samples = draw.integers(0, count, count)
        yield tuple(  # type: ignore[misc]  # mypy counts no items of a generator
            _figure(each, outputs[samples], targets[samples])
            for each, (outputs, targets) in zip((metric, other), kept, strict=True)
        )


def _figure(metric: Metric, outputs: Any, targets: Any) -> float:
    metric.reset()
    metric.update(outputs, targets)
    return float(metric.compute())


# -- several outputs ----------------------------------------------------------------------------------


def _whole(output: Any, target: Any) -> tuple[Any, Any]:
    return output, target


def _target(target: Any, output: str) -> Any:
    return target[output] if isinstance(target, Mapping) else target


class _OutputsLoss(SummedMetric):
    """The weighted sum of the outputs' losses, from each sample's share in each."""

    higher_is_better = False

    def __init__(self, loss: OutputLoss) -> None:
        self._parts = {name: SampleLoss(each) for name, each in loss.losses.items()}
        self._weights = np.array([loss.weights.get(name, 1.0) for name in self._parts])
        super().__init__()

    def records(self, output: Any, target: Any) -> np.ndarray:
        """Return of each sample two numbers an output: its loss, and over how much the mean is taken, [N, 2 * outputs]."""
        parts = [part.records(output[name], _target(target, name)) for name, part in self._parts.items()]
        return np.concatenate(parts, axis=1)

    def figure(self, sums: np.ndarray) -> float:
        """Return the sum of the means."""
        sums = sums.reshape(-1, 2)
        return float((self._weights * sums[:, 0] / sums[:, 1]).sum()) if sums[:, 1].all() else math.nan
