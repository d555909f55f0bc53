"""Where the time and the memory of an experiment's training steps go."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from trainctl.backend import jit
from trainctl.backend.kernel_cache import log
from trainctl.data import EpochLoader
from trainctl.plan.compiled import Compiled
from trainctl.plan.footprint import footprint
from trainctl.plan.op_timer import OpTimer
from trainctl.plan.peaks import Peaks, measure
from trainctl.plan.plan import Plan
from trainctl.plan.profile import Call, calls_of, timed
from trainctl.plan.table_gradient import TableGradient
from trainctl.train.batches import size_of
from trainctl.train.steps import Steps

if TYPE_CHECKING:
    from trainctl.build import Experiment

SCHEMA_VERSION = 1


@dataclass
class Row:
    """What a step spends on one kind of op.

    Attributes:
        op: its name, or the names of those that are done together.
        how: as :class:`trainctl.plan.profile.Call` has it; ``eager`` without a plan.
        calls: a step.
        seconds: a step.
        flops: a step; of matrix products alone.
        traffic: bytes a step that are read and written at least.
    """

    op: str
    how: str
    calls: int = 0
    seconds: float = 0.0
    flops: int = 0
    traffic: int = 0

    def add(self, calls: int, seconds: float, flops: int, traffic: int) -> None:
        """Count more of the kind."""
        self.calls, self.seconds = self.calls + calls, self.seconds + seconds
        self.flops, self.traffic = self.flops + flops, self.traffic + traffic


def profile(experiment: Experiment, threads: int, steps: int) -> dict[str, Any]:
    """Train an experiment for some steps on batches of its own and return where time and memory went.

    Args:
        experiment: what is trained; its weights change.
        threads: how many threads plans use.
        steps: how many steps are timed as a whole, and then how many call by call.
    """
    reasons: list[str] = []
    learn = Steps(experiment, threads, jit.kind(), reasons.append).learn
    batches = _batches(experiment)
    experiment.model.train()
    started, making = time.perf_counter(), log.making
    learn(*next(batches)).item()
    making = log.making - making
    recording = time.perf_counter() - started - making
    learn(*next(batches)).item()
    plans = learn.plans if isinstance(learn, Compiled) else []
    loading = _Clock(lambda: next(batches))
    step = _mean([_seconds_of(learn, loading()) for _ in range(steps)])
    rows = _of_plan(plans[-1], learn, loading, steps) if plans else _of_ops(learn, loading, steps)
    timed_step = sum(row.seconds for row in rows)
    memory = _memory(experiment, plans)
    peaks = measure(threads)
    return {
        "schema_version": SCHEMA_VERSION,
        "name": experiment.config.name,
        "threads": threads,
        "kernels": jit.kind() if plans else None,
        "batch_size": size_of(next(batches)[1]),
        "steps": steps,
        "step_ms": 1e3 * step,
        "timed_step_ms": 1e3 * timed_step,
        "batch_ms": 1e3 * loading.mean,
        "peaks": asdict(peaks),
        "plan": _described(plans, recording, making) if plans else None,
        "no_plan": None if plans else _why(experiment, reasons),
        "ops": [_figures(row, timed_step, peaks) for row in sorted(rows, key=lambda row: -row.seconds)],
        "memory": memory,
    }


def _batches(experiment: Experiment) -> Iterator[Any]:
    """Yield the run's batches, epoch after epoch; not the last one of an epoch where it is smaller than the others."""
    settings, data = experiment.config.data, experiment.training_data
    loader = EpochLoader(
        data,
        batch_size=settings.batch_size,
        seed=experiment.config.seed,
        shuffle=settings.shuffle,
        drop_last=len(data) >= settings.batch_size,
        num_workers=settings.num_workers,
    )
    for epoch in count(1):
        loader.set_epoch(epoch)
        yield from loader


class _Clock:
    """A function with the mean of the seconds that it took."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function, self._calls, self._seconds = function, 0, 0.0

    def __call__(self) -> Any:
        started = time.perf_counter()
        result = self._function()
        self._seconds += time.perf_counter() - started
        self._calls += 1
        return result

    @property
    def mean(self) -> float:
        return self._seconds / max(1, self._calls)


# -- time ---------------------------------------------------------------------------------------------


def _of_plan(plan: Plan, learn: Any, batch: Callable[[], Any], steps: int) -> list[Row]:
    """Return rows for the calls of a plan and what is around them: means over the middle half of the steps."""
    with timed(plan) as times:
        seconds = [_seconds_of(learn, batch()) for _ in range(steps)]
    middle = _middle(seconds)  # the same steps for all calls, so that they sum to a step
    rows: dict[Any, Row] = {}
    for call, taken in zip(calls_of(plan), times, strict=True):
        row = rows.setdefault((call.ops, call.how), Row(" + ".join(call.ops), call.how))
        row.add(1, sum(taken[number] for number in middle) / len(middle), call.flops, call.traffic)
    return _with_rest(list(rows.values()), _mean(seconds))


def _of_ops(learn: Any, batch: Callable[[], Any], steps: int) -> list[Row]:
    """Return rows for the ops of steps that run eagerly and what is around them: means over all steps."""
    timer, step = OpTimer(), 0.0
    for _ in range(steps):
        given = batch()
        with timer.watching():
            step += _seconds_of(learn, given) / steps
    rows = [
        Row(name, "eager", round(each.calls / steps), each.seconds / steps, each.flops // steps, each.traffic // steps)
        for name, each in timer.times.items()
    ]
    return _with_rest(rows, step)


def _seconds_of(learn: Any, batch: Any) -> float:
    started = time.perf_counter()
    learn(*batch).item()
    return time.perf_counter() - started


def _middle(seconds: list[float]) -> list[int]:
    """Return the numbers of the half of the steps that are neither the fastest nor the slowest."""
    order = sorted(range(len(seconds)), key=lambda number: seconds[number])
    return order[len(order) // 4 : len(order) - len(order) // 4]


def _mean(seconds: list[float]) -> float:
    """Return the mean over the middle half."""
    middle = _middle(seconds)
    return sum(seconds[number] for number in middle) / len(middle)


def _with_rest(rows: list[Row], step: float) -> list[Row]:
    return [*rows, Row("around the calls", "-", 0, max(0.0, step - sum(row.seconds for row in rows)))]


def _figures(row: Row, step: float, peaks: Peaks) -> dict[str, Any]:
    """Return a row as plain data, with its share of a step and its rates; None where there is nothing to measure."""
    products = 1e-9 * row.flops / row.seconds if row.flops and row.seconds else None
    moved = 1e-9 * row.traffic / row.seconds if row.traffic and row.seconds else None
    return {
        "op": row.op,
        "how": row.how,
        "calls": row.calls,
        "ms": 1e3 * row.seconds,
        "share": row.seconds / step,
        "flops": row.flops,
        "bytes": row.traffic,
        "gflops_per_second": products,
        "of_product_peak": products and products / peaks.product,
        "gbytes_per_second": moved,
        "of_copy_peak": moved and moved / peaks.copy,
    }


# -- the plan -----------------------------------------------------------------------------------------


def _described(plans: list[Plan], recording: float, making: float) -> dict[str, Any]:
    """Return what a plan is made of; ``recording`` is the time of the first step without the kernels' ``making``."""
    calls = calls_of(plans[-1])
    return {
        "plans": len(plans),
        "calls": len(plans[-1].runs),
        "blas_threads": plans[-1].context.blas_threads,
        "recording_ms": 1e3 * recording,
        "kernels_ms": 1e3 * making,
        "kernels_compiled": log.compiled,
        "fused": [_run_of(call) for call in calls if call.is_fused],
        "kernels": _names(calls, "kernel", "NumPy kernel"),
        "plain": _names(calls, "call"),
    }


def _run_of(call: Call) -> dict[str, Any]:
    return {"ops": list(call.ops), "records": call.records, "shape": list(call.shape)}


def _names(calls: list[Call], *how: str) -> list[str]:
    """Return the ops that are done in one of these ways, each once."""
    return list(dict.fromkeys(name for call in calls if call.how in how for name in call.ops))


def _why(experiment: Experiment, reasons: list[str]) -> str:
    if not experiment.config.train.compile:
        return "train.compile is false"
    return reasons[0] if reasons else "no two steps were the same"


# -- memory -------------------------------------------------------------------------------------------


def _memory(experiment: Experiment, plans: list[Plan]) -> dict[str, int]:
    """Return the bytes that training holds, by what they are for, and the most that the process ever had."""
    parameters = [each._array for each in experiment.model.parameters()]
    buffers = [each._array for each in experiment.model.buffers()]
    states = experiment.optimizer.state.values()
    state = [each._array for kept in states for each in kept.values() if hasattr(each, "_array")]
    found = {
        "parameters": sum(each.nbytes for each in parameters),
        "buffers": sum(each.nbytes for each in buffers),
        "optimizer_state": sum(each.nbytes for each in state),
    }
    if not plans:
        grads = [each.grad for each in experiment.model.parameters()]
        found["gradients"] = sum(
            each._array.nbytes for each in grads if each is not None and type(each) is not TableGradient
        )
        return {**found, "peak_resident": peak_resident()}
    held = footprint(plans[-1], [*parameters, *buffers, *state])
    return {
        **found,
        "gradients": held.gradients,
        "plan_block": held.block,
        "plan_inputs_and_results": held.inputs_and_results,
        "plan_scratch": held.scratch,
        "peak_resident": peak_resident(),
    }


def peak_resident() -> int:
    """Return the most bytes that this process had in memory so far.

    Example:
        >>> peak_resident() > 1 << 20
        True
    """
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in KiB
