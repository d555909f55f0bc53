"""The range for which codes tell most about a histogram: many are tried, each by what it loses."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy

from trainctl.backend.arrays import Array

_WIDTHS = 128  # tried for the range, and then for each of its ends
_TINY = 1e-12


def best(counts: Array, low: float, high: float, steps: int, method: str, symmetric: bool) -> tuple[Any, Any]:
    """Return the ends of the range that loses least.

    Args:
        counts: of equal bins from ``low`` to ``high``.
        low: lower end.
        high: upper end.
        steps: between the lowest and the highest code.
        method: ``mse`` or ``kl``.
        symmetric: the range reaches as far below 0 as above.

    Example:
        >>> counts = numpy.float32([1, 0, 0, 0, 0, 0, 500, 1000])
        >>> low, high = best(counts, -8.0, 0.0, 3, "mse", symmetric=False)
        >>> float(low), float(high)
        (-1.5, 0.0)
    """
    counts = counts.astype(numpy.float64)
    width = (high - low) / len(counts)
    middles = low + width * (numpy.arange(len(counts)) + 0.5)
    low, high = min(low, 0.0), max(high, 0.0)
    if symmetric:
        low, high = min(low, -high), max(high, -low)
    loss = partial(_LOSSES[method], counts, middles, steps=steps)
    if width == 0 or low == high:
        return numpy.float64(low), numpy.float64(high)
    shares = numpy.arange(1, _WIDTHS + 1) / _WIDTHS
    low, high = _least(loss, [(low * share, high * share) for share in shares])
    if not symmetric:
        low, high = _least(loss, [(low * share, high) for share in shares])
        low, high = _least(loss, [(low, high * share) for share in shares])
    return numpy.float64(low), numpy.float64(high)


def _least(loss: Callable[[float, float], float], ranges: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the range of least loss, of equal ones the widest."""
    return min(reversed(ranges), key=lambda each: loss(*each))


def _squared_error(counts: Array, middles: Array, low: float, high: float, *, steps: int) -> float:
    """Return the squared error of the values on the grid of a range."""
    if low == high:
        return float(counts @ middles**2)
    scale = (high - low) / steps
    first = numpy.rint(low / scale)
    codes = numpy.clip(numpy.rint(middles / scale), first, first + steps)
    return float(counts @ (middles - codes * scale) ** 2)


def _divergence(counts: Array, middles: Array, low: float, high: float, *, steps: int) -> float:
    """Return how far the distribution on the grid of a range is from that of the values, which it cuts off at its ends.

    The count of a code is shared by the bins of it that hold anything; what was cut off is in the outermost bins of the
    values' distribution, but not in the grid's.
    """
    inside = (middles >= low) & (middles <= high)
    if not inside.any() or not counts[inside].any():
        return float("inf")
    codes = numpy.rint(middles[inside] / ((high - low) / steps)).astype(numpy.int64)
    codes -= codes[0]
    here = counts[inside]
    held = numpy.bincount(codes, here > 0)
    shared = (numpy.bincount(codes, here) / numpy.maximum(held, 1))[codes] * (here > 0)
    values = here.copy()
    values[0] += counts[middles < low].sum()
    values[-1] += counts[middles > high].sum()
    p, q = values / values.sum(), shared / shared.sum()
    some = p > 0
    return float(numpy.sum(p[some] * numpy.log(p[some] / numpy.maximum(q[some], _TINY))))


_LOSSES = {"mse": _squared_error, "kl": _divergence}
