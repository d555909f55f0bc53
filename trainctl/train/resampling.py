"""Samples drawn again and again: what the figures of two models would have been on other samples.

Both models are drawn alike, sample by sample, so that what they share does not count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from trainctl.train.metrics import SummedMetric

UNITS = 20_000
"""More samples than this are resampled in as many random groups."""
_LARGEST = 20_000_000  # numbers in a table of units
_FEWEST = 1000  # groups: their sums are as good as normally distributed, and there are still many of them
_AT_A_TIME = 50


@dataclass(frozen=True)
class Units:
    """What is drawn in resampling: tickets, of which those of one unit are alike.

    Attributes:
        tickets: the unit of each ticket, [T].
        ours: what a ticket of each unit adds to one model's sums, [U, K].
        theirs: and to the other's.
    """

    tickets: np.ndarray
    ours: np.ndarray
    theirs: np.ndarray

    def counts(self, drawn: np.ndarray) -> np.ndarray:
        """Return how many of the drawn tickets are of each unit, [U]."""
        return np.bincount(self.tickets[drawn], minlength=len(self.ours)).astype(np.float64)


def units_of(
    metrics: tuple[SummedMetric, SummedMetric], records: tuple[np.ndarray, np.ndarray], draw: np.random.Generator
) -> Units:
    """Samples whose records are alike in one unit; where that takes too much memory, random groups of samples."""
    count, width = records[0].shape
    columns = metrics[0].rows(records[0][:1]).shape[1]
    most = min(UNITS, max(_FEWEST, _LARGEST // columns))
    if count <= most:
        alike, tickets = np.unique(np.concatenate(records, axis=1), axis=0, return_inverse=True)
        ours, theirs = alike[:, :width], alike[:, width:]
        return Units(tickets.reshape(-1), _rows(metrics[0], ours), _rows(metrics[1], theirs))
    group = draw.permutation(count) % most
    sums = np.zeros((2, most, columns))
    for start in range(0, count, _FEWEST):
        part = slice(start, start + _FEWEST)
        for total, metric, record in zip(sums, metrics, records, strict=True):
            np.add.at(total, group[part], _rows(metric, record[part]))
    return Units(np.arange(most), sums[0], sums[1])


def _rows(metric: SummedMetric, records: np.ndarray) -> np.ndarray:
    return metric.rows(records).astype(np.float64)


def _chunks(total: int) -> Iterator[int]:
    for start in range(0, total, _AT_A_TIME):
        yield min(_AT_A_TIME, total - start)


def swaps(
    units: Units, sums: tuple[np.ndarray, np.ndarray], draw: np.random.Generator, resamples: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Both models' sums, with a random half of the tickets changing sides each time."""
    change = units.theirs - units.ours
    for many in _chunks(resamples):
        sides = draw.integers(0, 2, (many, len(units.tickets)), dtype=np.int8).astype(bool)
        moved = np.stack([units.counts(side) for side in sides]) @ change
        yield from zip(sums[0] + moved, sums[1] - moved, strict=True)


def draws(units: Units, draw: np.random.Generator, resamples: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Both models' sums over as many tickets drawn with replacement, the same for both."""
    tickets = len(units.tickets)
    for many in _chunks(resamples):
        counts = np.stack([units.counts(each) for each in draw.integers(0, tickets, (many, tickets))])
        yield from zip(counts @ units.ours, counts @ units.theirs, strict=True)
