"""Whether one model is better than another on the same samples, or it only looks so.

Every test is paired and two-sided. ``docs/decisions/2026-11-24-paired-tests.md`` says why these.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from trainctl.train.metrics import Metric, SummedMetric
from trainctl.train.records import Recorder
from trainctl.train.resampling import draws, swaps, units_of

RESAMPLES = 2000
REPLAYS = 200
"""For metrics that have no sums: each resample measures all samples again."""
SEED = 0


@dataclass(frozen=True)
class Difference:
    """How a figure of two models differs on the same samples.

    Attributes:
        value: the first model's figure.
        baseline: the second model's.
        difference: the first less the second.
        interval: of the difference, at the level 1 - alpha.
        p: how probable a difference as large is between models that are equally good.
        test: which test gave ``p``.
    """

    value: float
    baseline: float
    difference: float
    interval: tuple[float, float]
    p: float
    test: str


def difference(name: str, ours: Recorder, theirs: Recorder, alpha: float = 0.05) -> Difference | None:
    """Return how a figure differs; None where one of the two is not a number.

    Args:
        name: of the figure.
        ours: the records of one model.
        theirs: those of the other, of the same samples in the same order.
        alpha: the interval holds the difference in a share of 1 - alpha of all cases.
    """
    metrics = ours.metrics[name], theirs.metrics[name]
    if not isinstance(metrics[0], SummedMetric):
        return _replayed(metrics, ours.outputs(), theirs.outputs(), alpha)
    records = ours.records(name), theirs.records(name)
    right = [_right(metric, record) for metric, record in zip(metrics, records, strict=True)]
    if right[0] is not None and right[1] is not None:
        return mcnemar(right[0], right[1], alpha)
    assert isinstance(metrics[1], SummedMetric)
    return _resampled((metrics[0], metrics[1]), records, alpha)


def _right(metric: Metric, records: np.ndarray) -> np.ndarray | None:
    """Which samples are right, where that is all there is to a figure."""
    if not getattr(metric, "is_share", False) or not len(records):
        return None
    right, total, spoiled = records.T
    return right == 1 if (total == 1).all() and not spoiled.any() else None


# -- right or wrong -----------------------------------------------------------------------------------


def mcnemar(ours: np.ndarray, theirs: np.ndarray, alpha: float = 0.05) -> Difference:
    """Compare two models that are right or wrong: McNemar's test, exact, and Bonett and Price's interval.

    Args:
        ours: which samples one model is right about, bool [N].
        theirs: which the other is.
        alpha: of the interval.

    Example:
        >>> found = mcnemar(np.array([True] * 9 + [False]), np.array([False] * 9 + [True]))
        >>> round(found.p, 4), found.difference
        (0.0215, 0.8)
    """
    count = len(ours)
    gained, lost = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    shares = (gained + 1) / (count + 2), (lost + 1) / (count + 2)
    middle = shares[0] - shares[1]
    reach = NormalDist().inv_cdf(1 - alpha / 2) * math.sqrt((sum(shares) - middle**2) / (count + 2))
    return Difference(
        value=float(ours.mean()),
        baseline=float(theirs.mean()),
        difference=(gained - lost) / count,
        interval=(max(middle - reach, -1.0), min(middle + reach, 1.0)),
        p=sign_test(gained, lost),
        test="McNemar, exact",
    )


def sign_test(gained: int, lost: int) -> float:
    """Return how probable it is that a fair coin falls as unevenly, or more so, in ``gained + lost`` throws.

    Example:
        >>> sign_test(0, 5), sign_test(3, 3)
        (0.0625, 1.0)
    """
    throws, fewer = gained + lost, min(gained, lost)
    if gained == lost:
        return 1.0
    if throws <= 1000:
        return min(1.0, 2 * sum(math.comb(throws, each) for each in range(fewer + 1)) / 2**throws)
    logs = [
        math.lgamma(throws + 1) - math.lgamma(each + 1) - math.lgamma(throws - each + 1) for each in range(fewer + 1)
    ]
    return min(1.0, 2 * math.fsum(math.exp(each - throws * math.log(2)) for each in logs))


# -- figures of sums ----------------------------------------------------------------------------------


def _resampled(
    metrics: tuple[SummedMetric, SummedMetric], records: tuple[np.ndarray, np.ndarray], alpha: float
) -> Difference | None:
    """A permutation test, which swaps the models sample by sample, and a bootstrap interval."""
    draw = np.random.default_rng(SEED)
    units = units_of(metrics, records, draw)
    whole = units.counts(np.arange(len(units.tickets)))
    sums = whole @ units.ours, whole @ units.theirs
    value, baseline = (float(metric.figure(each)) for metric, each in zip(metrics, sums, strict=True))
    if not math.isfinite(value - baseline):
        return None

    def differences(pairs: Iterator[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.array([metrics[0].figure(one) - metrics[1].figure(other) for one, other in pairs])

    resamples = max(RESAMPLES, math.ceil(40 / alpha))
    swapped = differences(swaps(units, sums, draw, resamples))
    extreme = int((np.abs(swapped) >= abs(value - baseline) * (1 - 1e-12)).sum())
    drawn = differences(draws(units, draw, resamples))
    return Difference(
        value,
        baseline,
        value - baseline,
        _interval(drawn, alpha),
        (1 + extreme) / (1 + resamples),
        f"permutation, {resamples:,} resamples",
    )


def _interval(drawn: np.ndarray, alpha: float) -> tuple[float, float]:
    drawn = drawn[np.isfinite(drawn)]
    if not drawn.size:
        return (math.nan, math.nan)
    low, high = np.quantile(drawn, [alpha / 2, 1 - alpha / 2])
    return float(low), float(high)


# -- any other figure ---------------------------------------------------------------------------------


def _replayed(
    metrics: tuple[Metric, Metric], ours: tuple[Any, Any], theirs: tuple[Any, Any], alpha: float
) -> Difference | None:
    """A bootstrap: both models are measured on resamples, and ``p`` is how often the difference changes its side."""
    count = len(ours[1])
    measure = [_measure_of(metric, *kept) for metric, kept in zip(metrics, (ours, theirs), strict=True)]
    value, baseline = (each(np.arange(count)) for each in measure)
    if not math.isfinite(value - baseline):
        return None
    draw = np.random.default_rng(SEED)
    resamples = max(REPLAYS, math.ceil(10 / alpha))
    drawn = []
    for _ in range(resamples):
        samples = draw.integers(0, count, count)
        drawn.append(measure[0](samples) - measure[1](samples))
    found = np.array(drawn)
    found = found[np.isfinite(found)]
    beyond = min(int((found <= 0).sum()), int((found >= 0).sum()))
    p = 2 * (1 + beyond) / (1 + len(found))
    smallest = 2.0 ** max(1 - count, -1000)  # of few samples nothing can be said, however they differ
    return Difference(
        value,
        baseline,
        value - baseline,
        _interval(found, alpha),
        min(1.0, max(p, smallest)),
        f"bootstrap, {resamples:,} resamples",
    )


def _measure_of(metric: Metric, outputs: Any, targets: Any) -> Callable[[np.ndarray], float]:
    def measure(samples: np.ndarray) -> float:
        metric.reset()
        metric.update(outputs[samples], targets[samples])
        return float(metric.compute())

    return measure


# -- several figures ----------------------------------------------------------------------------------


def holm(p: Sequence[float]) -> list[float]:
    """Return p-values adjusted for there being several, so that a chance find stays as rare: Holm's method.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p)), key=lambda index: p[index])
    adjusted, least = [0.0] * len(p), 0.0
    for place, index in enumerate(order):
        least = max(least, min(1.0, p[index] * (len(p) - place)))
        adjusted[index] = least
    return adjusted
