"""The line search of L-BFGS: a step that satisfies the strong Wolfe conditions (Nocedal and Wright, 2006, 3.5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from trainctl.autograd.tensor import Tensor

_DECREASE, _CURVATURE, _SMALLEST = 1e-4, 0.9, 1e-9


class Point(NamedTuple):
    """A place on the line.

    Attributes:
        t: how far along, a number or a 0-d tensor.
        loss: there.
        grad: there, one vector.
        slope: of the loss along the line.
    """

    t: Any
    loss: float
    grad: Tensor
    slope: Tensor


def strong_wolfe(at: Callable[[Any], Point], start: Point, t: Any, largest: Tensor, limit: int) -> tuple[Point, int]:
    """Return the best point found along a line, and how often the loss was evaluated.

    Args:
        at: evaluates the loss at a step.
        start: where the line begins, ``t`` 0 there.
        t: first step to try.
        largest: the largest absolute element of the line's direction.
        limit: of the steps to try.
    """
    ends, tried = _bracket(at, start, t, limit)
    if len(ends) == 1:
        return ends[0], tried
    return _zoom(at, start, ends, largest, tried, limit)


def _too_high(point: Point, start: Point) -> bool:
    """Return whether the loss did not fall enough (Armijo's condition)."""
    return bool(point.loss > start.loss + _DECREASE * point.t * start.slope)


def _flat_enough(point: Point, start: Point) -> bool:
    """Return whether the slope is small enough (the curvature condition)."""
    return bool(abs(point.slope) <= -_CURVATURE * start.slope)


def _bracket(at: Callable[[Any], Point], start: Point, t: Any, limit: int) -> tuple[list[Point], int]:
    """Step on until the conditions hold (one point) or hold somewhere between two points."""
    before, here, tried = start, at(t), 1
    for number in range(limit):
        if _too_high(here, start) or (number > 1 and here.loss >= before.loss):
            return [before, here], tried
        if _flat_enough(here, start):
            return [here], tried
        if here.slope >= 0:
            return [before, here], tried
        t = _lowest(before, here, (here.t + 0.01 * (here.t - before.t), here.t * 10))
        before, here = here, at(t)
        tried += 1
    return [start, here], tried


def _zoom(
    at: Callable[[Any], Point], start: Point, ends: list[Point], largest: Tensor, tried: int, limit: int
) -> tuple[Point, int]:
    """Narrow an interval until the conditions hold at a point in it."""
    low, stuck = _lower(ends), False
    while tried <= limit:
        if abs(ends[1].t - ends[0].t) * largest < _SMALLEST:
            break
        t, stuck = _kept_away(_lowest(ends[0], ends[1]), ends, stuck)
        here = at(t)
        tried += 1
        if _too_high(here, start) or here.loss >= ends[low].loss:
            ends[1 - low] = here
            low = _lower(ends)
            continue
        found = _flat_enough(here, start)
        if not found and here.slope * (ends[1 - low].t - ends[low].t) >= 0:
            ends[1 - low] = ends[low]
        ends[low] = here
        if found:
            break
    return ends[low], tried


def _lower(ends: list[Point]) -> int:
    return 0 if ends[0].loss <= ends[1].loss else 1


def _kept_away(t: Any, ends: list[Point], stuck: bool) -> tuple[Any, bool]:
    """Return a step that is not close to an end twice in a row, and whether it is close now."""
    low, high = min(ends[0].t, ends[1].t), max(ends[0].t, ends[1].t)
    margin = 0.1 * (high - low)
    if not min(high - t, t - low) < margin:
        return t, False
    if stuck or t >= high or t <= low:
        return (high - margin if abs(t - high) < abs(t - low) else low + margin), False
    return t, True


def _lowest(one: Point, two: Point, bounds: tuple[Any, Any] | None = None) -> Any:
    """Return the minimum, within bounds, of the cubic through two points with their slopes; else the middle."""
    if bounds is None:
        bounds = (one.t, two.t) if one.t <= two.t else (two.t, one.t)
    d1 = one.slope + two.slope - 3 * (one.loss - two.loss) / (one.t - two.t)
    square = d1**2 - one.slope * two.slope
    if not square >= 0:
        return (bounds[0] + bounds[1]) / 2.0
    d2 = square.sqrt()
    left, right = (one, two) if one.t <= two.t else (two, one)
    t = right.t - (right.t - left.t) * ((right.slope + d2 - d1) / (right.slope - left.slope + 2 * d2))
    return min(max(t, bounds[0]), bounds[1])
