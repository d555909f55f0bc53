"""Times that can be compared: several calls in turn, in one process whose libraries use as many threads each."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

Call = Callable[[], Any]
Times = dict[str, list[float]]

BELOW_CLOCK = 1e-9


def fix_threads(threads: int) -> None:
    """Start the process again with what the libraries read when they are loaded, unless it is set already.

    OpenBLAS, which NumPy uses, gets one thread: a plan spreads the work itself. JAX gets ``threads`` by ``NPROC``;
    PyTorch is told by :func:`torch_of`.
    """
    wanted = {"OPENBLAS_NUM_THREADS": "1", "NPROC": str(threads)}
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        os.execve(sys.executable, sys.orig_argv, {**os.environ, **wanted})


def torch_of(threads: int) -> Any:
    """PyTorch, with its number of threads set."""
    import torch

    torch.set_num_threads(threads)
    return torch


def interleaved(calls: Mapping[str, Call], rounds: int, seconds: float = 0.2) -> Times:
    """Milliseconds a call, one figure a round; a round gives each its share of time in turn."""
    counts = {name: max(1, round(seconds / _once(call))) for name, call in calls.items()}
    times: Times = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            call()  # the caches are another's
            times[name].append(milliseconds(call, counts[name]))
    return times


def milliseconds(call: Call, count: int) -> float:
    """Milliseconds of one of ``count`` calls."""
    start = time.perf_counter()
    for _ in range(count):
        result = call()
    finish(result)
    return (time.perf_counter() - start) / count * 1e3


def finish(result: Any) -> None:
    """Wait for what was only asked for: JAX's calls return before the work is done."""
    wait = getattr(result, "block_until_ready", None)
    if wait is not None:
        wait()


def ratio(times: Times, ours: str, other: str) -> float:
    """The median over the rounds of one's time over another's; a round's are taken under the same load."""
    return median(a / b for a, b in zip(times[ours], times[other], strict=True))


def fastest(times: Times, names: list[str]) -> str:
    """The one of ``names`` whose median is the lowest."""
    return min(names, key=lambda name: median(times[name]))


def _once(call: Call) -> float:
    """Seconds of one call."""
    return max(milliseconds(call, 3) / 1e3, BELOW_CLOCK)
