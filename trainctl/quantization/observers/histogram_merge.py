"""A histogram on another range: what was counted in narrower bins moves to wider ones, as PyTorch moves it."""

from __future__ import annotations

from typing import Any

import numpy

from trainctl.backend.arrays import Array

UPSAMPLE = 16  # parts of a bin that may go to different bins


def evenly(low: Any, high: Any, count: int) -> Array:
    """Return ``count`` float32 numbers from ``low`` to ``high``, each rounded once, from the end that is nearer."""
    places = numpy.arange(count)
    low, high = numpy.float32(low), numpy.float32(high)
    step = numpy.float64((high - low) / numpy.float32(count - 1))
    return numpy.where(places < count // 2, step * places + low, high - step * (count - 1 - places)).astype(
        numpy.float32
    )


def moved(histogram: Array, low: Any, high: Any, new_low: Any, new_high: Any) -> Array:
    """Return the counts of a histogram from ``low`` to ``high`` in bins from ``new_low`` to ``new_high``, a wider range."""
    bins = len(histogram)
    fine = numpy.repeat(histogram, UPSAMPLE) / numpy.float32(UPSAMPLE)
    width = numpy.float32(high - low) / numpy.float32(bins * UPSAMPLE)
    middles = evenly(low, high, bins * UPSAMPLE + 1)[:-1] + numpy.float32(0.5) * width
    places = numpy.searchsorted(evenly(new_low, new_high, bins + 1), middles, side="right") - 1
    counts = numpy.zeros(bins, numpy.float32)
    numpy.add.at(counts, numpy.clip(places, 0, bins - 1), fine)
    return counts
