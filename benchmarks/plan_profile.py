"""Where a plan's time goes: each of its calls timed, with a name read off what the call is bound to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from statistics import median
from types import FunctionType, MethodType
from typing import Any

import numpy as np

from benchmarks import report
from trainctl.autograd.op import Op
from trainctl.plan.lowering import InOrder, Parts

SMALL = 0.005  # of the whole: kinds of calls below it share a row
AROUND = {"trainctl.plan.plan", "trainctl.plan.lowering", "trainctl.plan.elementwise"}  # call what others wrote


def rows_of(plan: Any, call: Callable[[], Any], rounds: int) -> list[report.Row]:
    """One row for all calls of a plan with the same label, the longest first. ``call`` replays the plan."""
    kinds: dict[str, list[float]] = {}
    for run, milliseconds in zip(plan.runs, _times(plan, call, rounds), strict=True):
        kinds.setdefault(label(run), []).append(milliseconds)
    everything = list(chain(*kinds.values()))
    small = [name for name in kinds if sum(kinds[name]) < SMALL * sum(everything)]
    others = list(chain(*(kinds.pop(name) for name in small)))
    ordered = sorted(kinds.items(), key=lambda kind: -sum(kind[1]))
    return [
        {"call": name, "times": len(each), "ms": sum(each), "share": f"{sum(each) / sum(everything):.1%}"}
        for name, each in [*ordered, ("others", others), ("all", everything)]
    ]


def _times(plan: Any, call: Callable[[], Any], rounds: int) -> list[float]:
    """Milliseconds of each of the plan's calls, the median of several replays."""
    runs = plan.runs
    times: list[list[float]] = [[] for _ in runs]
    linked, plan.linked = plan.linked, [partial(_timed, run, seen) for run, seen in zip(runs, times, strict=True)]
    try:
        for _ in range(rounds):
            call()
    finally:
        plan.linked = linked
    return [median(each) * 1e3 for each in times]


def _timed(run: Callable[[], Any], seen: list[float]) -> None:
    start = time.perf_counter()
    run()
    seen.append(time.perf_counter() - start)


def label(run: Any) -> str:
    """Name a call by the ops in it, or else by its function, and the largest array that a part of it works on."""
    found = list(_parts(run))
    ops = [type(each).__name__ for each in found if isinstance(each, Op)]
    functions = [each for each in found if isinstance(each, FunctionType)]
    own = [each for each in functions if each.__module__ not in AROUND] or functions
    names = list(dict.fromkeys(ops)) or [own[0].__qualname__.replace(".<locals>", "") if own else type(run).__name__]
    arrays = [each for each in found if isinstance(each, np.ndarray)]
    tasks = max((len(each) for each in found if isinstance(each, list) and callable(each[0])), default=1)
    shape = " " + "x".join(map(str, max(arrays, key=lambda each: each.size).shape)) if arrays else ""
    return f"{' + '.join(names)}{shape}" + (f", {tasks} calls" if tasks > 1 else "")


def _parts(each: Any) -> Iterator[Any]:
    """Everything that a call is bound to, and itself: ops, functions, arrays and lists of calls."""
    if isinstance(each, partial):
        yield from _parts(each.func)
        for bound in (*each.args, *each.keywords.values()):
            yield from _parts(bound)
    elif isinstance(each, MethodType):
        yield each.__func__
        if isinstance(each.__self__, Op):
            yield each.__self__
    elif isinstance(each, FunctionType):
        yield each
        if each.__module__.startswith("trainctl.plan"):  # others' are no part of the plan
            for cell in each.__closure__ or ():
                yield from _parts(cell.cell_contents)
    elif isinstance(each, (list, tuple)) and each:
        yield each
        for part in each:
            yield from _parts(part)
    elif isinstance(each, (Op, np.ndarray)):
        yield each
    elif isinstance(each, (Parts, InOrder)):
        yield from _parts(each.calls)
    elif hasattr(each, "py_func"):  # compiled by Numba
        yield each.py_func
