"""Which part of a histogram codes should cover: by the error that they make, or by what they lose.

A histogram is float32 counts of equal bins from ``low`` to ``high``. The search by norm takes PyTorch's steps in
PyTorch's arithmetic, float32 and in its order, so that it ends at the same bins.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from functools import cache
from typing import Any

import numpy

from trainctl.backend.arrays import Array

_STEP = 1e-5  # of the cumulative histogram, by which a search by norm goes in from an end


def by_norm(histogram: Array, low: Any, high: Any, steps: int) -> tuple[Any, Any]:
    """Return the ends for which the squared error of ``steps`` equal steps is least, as far as walking inwards shows.

    Each time that end is moved behind which fewer elements lie, until the error grows (caffe2's approximation).
    """
    bins = len(histogram)
    total = float(cascade_sum(histogram))
    cumulative = numpy.cumsum(histogram, dtype=numpy.float64).astype(numpy.float32).tolist()
    lower, upper = _shares()
    wanted, left_over = ((each * total).astype(numpy.float32) for each in (lower, upper))
    i, j, first, last, least = 0, 0, 0, bins - 1, float("inf")
    width = numpy.float32(high - low) / numpy.float32(bins)
    while lower[i] < upper[j]:
        left = _first_above(cumulative, float(wanted[i + 1]), first, last)
        if left == first:  # then only the upper end moves: on to the step at which it does
            j = max(j, int(numpy.searchsorted(-left_over, -cumulative[last], side="right")) - 1)
            if first == last or j + 1 == len(upper) or lower[i] >= upper[j]:
                break
        right = _last_below(cumulative, float(left_over[j + 1]), first, last)
        if left - first > last - right:
            i, moved = i + 1, (left, last)
        else:
            j, moved = j + 1, (first, right)
        norm = squared_error(histogram, (float(high) - float(low)) / bins, *moved, steps)
        if norm > least:
            break
        least, (first, last) = norm, moved
    return low + width * numpy.float32(first), low + width * numpy.float32(last + 1)


@cache
def _shares() -> tuple[Array, Array]:
    """Return the shares of the elements below the lower end and below the upper one that are tried, step after step."""
    away = numpy.full(round(1 / _STEP) + 3, _STEP)
    away[0] = 0.0
    lower = numpy.cumsum(away)
    away[0] = -1.0
    return lower, numpy.cumsum(-away)


def _first_above(cumulative: list[float], threshold: float, first: int, last: int) -> int:
    """Return the first place, from ``first`` to ``last``, that is not below a threshold."""
    return min(max(bisect_left(cumulative, threshold, first), first), last)


def _last_below(cumulative: list[float], threshold: float, first: int, last: int) -> int:
    """Return the last place, from ``last`` down to ``first``, that is not above a threshold."""
    return max(bisect_right(cumulative, threshold, 0, last + 1) - 1, first)


def squared_error(histogram: Array, width: float, first: int, last: int, steps: int) -> float:
    """Return the squared error when bins ``first`` to ``last``, each of a width, are divided into ``steps`` equal steps.

    Elements are taken to be spread evenly over their bin: from ``a`` to ``b`` off a code the error is the integral of
    ``x ** 2``, times how many there are.
    """
    step = width * (last - first + 1) / steps
    if step == 0.0:
        return 0.0
    begin = (numpy.arange(len(histogram)) - first).astype(numpy.float32) * width
    end = begin + width
    code_of_begin = numpy.clip(numpy.floor_divide(begin, numpy.float32(step)), 0, steps - 1)
    code_of_end = numpy.clip(numpy.floor_divide(end, numpy.float32(step)), 0, steps - 1)
    density = histogram / numpy.float32(width)
    half = numpy.float32(step / 2)
    norm = _moment(begin - (code_of_begin + 0.5) * step, half, density)
    norm += (code_of_end - code_of_begin - 1) * _moment(-half, half, density)
    norm += _moment(-half, end - (code_of_end * step + step / 2), density)
    return float(cascade_sum(norm))


def _moment(begin: Any, end: Any, density: Array) -> Array:
    return density * ((end * end * end - begin * begin * begin) / numpy.float32(3))


def cascade_sum(x: Array, lanes: int = 8, rows: int = 4) -> Any:
    """Return the float32 sum of a vector, added up in the order in which PyTorch's CPU kernel does it.

    Lanes of a vector register, four registers at a time, in four levels of partial sums.
    """
    blocks = len(x) // lanes
    groups = blocks // rows
    head = x[: groups * rows * lanes].reshape(groups, rows, lanes)
    power = max(4, (max(groups - 1, 0)).bit_length() // 4)
    levels = numpy.zeros((4, rows, lanes), numpy.float32)
    for start in range(0, groups, 1 << power):
        part = head[start : start + (1 << power)]
        for each in part:
            levels[0] += each
        done = start + len(part)
        if len(part) < 1 << power:
            break
        for level in range(1, 4):
            levels[level] += levels[level - 1]
            levels[level - 1] = 0
            if done & (((1 << power) - 1) << (level * power)):
                break
    for level in range(1, 4):
        levels[0] += levels[level]
    sums = levels[0]
    for each in x[groups * rows * lanes : blocks * lanes].reshape(-1, lanes):
        sums[0] += each
    for row in range(1, rows):
        sums[0] += sums[row]
    total = numpy.float32(0)
    for element in (*x[blocks * lanes :], *sums[0]):
        total += element
    return total
