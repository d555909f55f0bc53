"""Where a plan's time goes: a table of :mod:`trainctl.plan.profile`'s calls."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from statistics import median
from typing import Any

from benchmarks import report
from trainctl.plan.profile import calls_of, timed

SMALL = 0.005  # of the whole: kinds of calls below it share a row


def rows_of(plan: Any, call: Callable[[], Any], rounds: int) -> list[report.Row]:
    """One row for all calls of a plan with the same label, the longest first. ``call`` replays the plan."""
    with timed(plan) as times:
        for _ in range(rounds):
            call()
    kinds: dict[str, list[float]] = {}
    for each, seconds in zip(calls_of(plan), times, strict=True):
        kinds.setdefault(each.label, []).append(median(seconds) * 1e3)
    everything = list(chain(*kinds.values()))
    small = [name for name in kinds if sum(kinds[name]) < SMALL * sum(everything)]
    others = list(chain(*(kinds.pop(name) for name in small)))
    ordered = sorted(kinds.items(), key=lambda kind: -sum(kind[1]))
    return [
        {"call": name, "times": len(each), "ms": sum(each), "share": f"{sum(each) / sum(everything):.1%}"}
        for name, each in [*ordered, ("others", others), ("all", everything)]
    ]
