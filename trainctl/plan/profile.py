"""Where a plan's time goes: each of its calls timed, named after the ops it does and how it does them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import FunctionType, MethodType
from typing import Any, Literal

import numpy

from trainctl.autograd.op import Op
from trainctl.backend import jit
from trainctl.backend.arrays import Array
from trainctl.plan.costs import flops, size_of, traffic
from trainctl.plan.lowering import Parts, Run
from trainctl.plan.plan import Plan
from trainctl.plan.trace import Apply, Effect, Gradient, Record, RowsGradient, Value, Write

How = Literal["kernel", "NumPy kernel", "elementwise", "call", "-"]

_PLANS = "trainctl.plan."
_OP_BY_OP, _BLOCKED = "trainctl.plan.plan", "trainctl.plan.elementwise"  # who calls an op's own forward


@dataclass(frozen=True)
class Call:
    """What a plan does at one place: a few records' work.

    Attributes:
        ops: their names, each once, in order.
        how: ``kernel`` for compiled loops, ``NumPy kernel`` for calls of NumPy that do better than ``forward``,
            ``elementwise`` for ops that go block by block through memory, together where they are neighbours, ``call``
            for an op's ``forward`` as eager mode calls it, ``-`` where nothing is computed.
        records: how many records there are.
        parts: into how many independent calls the work is cut, for the threads.
        shape: of the largest array among them.
        flops: multiplications and additions of their matrix products.
        traffic: bytes that they read and write at least.
        is_fused: the ops are several, or one that a plan makes of several.
    """

    ops: tuple[str, ...]
    how: How
    records: int
    parts: int
    shape: tuple[int, ...]
    flops: int
    traffic: int
    is_fused: bool

    @property
    def label(self) -> str:
        """The ops, the largest shape and the parts, as one line of text."""
        shape = " " + "x".join(map(str, self.shape)) if self.shape else ""
        return f"{' + '.join(self.ops)}{shape}" + (f", {self.parts} calls" if self.parts > 1 else "")


def calls_of(plan: Plan) -> list[Call]:
    """Return what a plan does, in order; the times of :func:`timed` have the same order."""
    return [_call(records, runs) for records, runs in plan.work]


def _call(records: list[Record], runs: list[Run]) -> Call:
    found = [each for run in runs for each in parts_of(run)]
    shapes = [each.shape for record in records for each in _arrays_of(record)]
    return Call(
        ops=tuple(dict.fromkeys(map(_name_of, records))),
        how=_how(records, runs, found),
        records=len(records),
        parts=max((len(each.calls) for each in found if isinstance(each, Parts)), default=1),
        shape=max(shapes, key=numpy.prod, default=()),
        flops=sum(flops(each.op, each.params, each.inputs, each.outputs) for each in map(_apply_of, records) if each),
        traffic=sum(map(_traffic_of, records)),
        is_fused=len(records) > 1 or any(map(_is_plans_own, records)),
    )


def _name_of(record: Record) -> str:
    if isinstance(record, Effect):
        return record.what
    applied = _apply_of(record)
    if applied is None:
        return "gradient"
    name = applied.op.__name__.lstrip("_")
    return f"{name} in place" if isinstance(record, Write) else name


def _is_plans_own(record: Record) -> bool:
    return isinstance(record, RowsGradient) or (isinstance(record, Apply) and record.op.__module__.startswith(_PLANS))


def _apply_of(record: Record) -> Apply | None:
    if isinstance(record, RowsGradient):
        return record.source
    return record if isinstance(record, Apply) else None


def _arrays_of(record: Record) -> list[Any]:
    """Return the arrays, or what stands for them, that a record reads and writes."""
    applied = _apply_of(record)
    if isinstance(record, Effect):
        return [each for group in _optimized(record) for each in group]
    if applied is None:
        return []
    return [each for each in (*applied.inputs, *applied.outputs) if isinstance(each, Value)]


def _traffic_of(record: Record) -> int:
    if isinstance(record, Effect):  # all are read, and all but the gradients written
        return sum(2 * size_of(parameter) + size_of(grad) + 2 * sum(map(size_of, state))
                   for parameter, grad, *state in _optimized(record))  # fmt: skip
    applied = _apply_of(record)
    if applied is None:
        return 0
    written = applied.inputs[:1] if isinstance(record, Write) else applied.outputs
    if isinstance(record, RowsGradient):  # sums of the rows that are given, which are no table
        written = applied.inputs[:1]
    return traffic(applied.op, applied.inputs, written)


def _optimized(record: Effect) -> list[list[Array]]:
    """Return for each parameter of an optimizer's step its array, its gradient's and its state's."""
    optimizer = next(iter(getattr(record.call, "args", ())), None)
    groups = getattr(optimizer, "param_groups", [])
    found = []
    for parameter in (each for group in groups for each in group["params"] if each.grad is not None):
        state = getattr(optimizer, "state", {}).get(parameter, {})
        kept = [each._array for each in state.values() if hasattr(each, "_array") and each._array.ndim]
        found.append([parameter._array, parameter._array, *kept])  # its gradient has its shape
    return found


def _how(records: list[Record], runs: list[Run], found: list[Any]) -> How:
    if any(isinstance(each, jit.Kernel) or hasattr(each, "py_func") for each in found):
        return "kernel"
    if all(type(each) is Gradient for each in records):
        return "-"
    if any(isinstance(each, FunctionType) and each.__module__ == _BLOCKED for each in found):
        return "elementwise"
    is_own = isinstance(records[0], Effect) and runs == [records[0].call]
    return (
        "call" if is_own or any(getattr(run, "func", run).__module__ == _OP_BY_OP for run in runs) else "NumPy kernel"
    )


def parts_of(each: Any, seen: set[int] | None = None) -> Iterator[Any]:
    """Yield everything that a call is bound to, and itself: ops, functions, compiled loops, arrays, independent parts."""
    seen = set() if seen is None else seen
    if id(each) in seen:
        return
    if isinstance(each, (partial, list, tuple)) or type(each).__module__.startswith("trainctl.plan"):
        seen.add(id(each))
    if isinstance(each, (Op, numpy.ndarray, FunctionType, jit.Kernel, Parts)) or hasattr(each, "py_func"):
        yield each
    for inside in _inside(each):
        yield from parts_of(inside, seen)


def _inside(each: Any) -> Sequence[Any]:
    if isinstance(each, partial):
        return each.func, *each.args, *each.keywords.values()
    if isinstance(each, MethodType):
        return each.__func__, each.__self__
    if isinstance(each, FunctionType) and each.__module__.startswith(
        "trainctl.plan"
    ):  # others' are no part of the plan
        called = [each.__globals__.get(name) for name in each.__code__.co_names]
        cells = [cell.cell_contents for cell in each.__closure__ or ()]
        return [*cells, *(each for each in called if isinstance(each, jit.Kernel))]
    if isinstance(each, (list, tuple)):
        return each
    if type(each).__module__.startswith("trainctl.plan") and not isinstance(each, (Plan, type)):
        held = getattr(each, "__dict__", {}).values()
        return [part for part in held if not isinstance(part, jit.Kernel)]  # it may be one of two that it could call
    return ()


@contextmanager
def timed(plan: Plan) -> Iterator[list[list[float]]]:
    """Time each call of a plan while it is replayed inside the block; compiled loops are then not linked together.

    What is yielded has a list of seconds for each of :func:`calls_of`, which grows by one with each replay.
    """
    times: list[list[float]] = [[] for _ in plan.work]
    linked, plan.linked = (
        plan.linked,
        [
            _timed(run, seen, place == 0)
            for (_, group), seen in zip(plan.work, times, strict=True)
            for place, run in enumerate(group)
        ],
    )
    try:
        yield times
    finally:
        plan.linked = linked


def _timed(run: Run, seen: list[float], is_first: bool) -> Callable[[], None]:
    def timed_run() -> None:
        start = time.perf_counter()
        run()
        seconds = time.perf_counter() - start
        if is_first:
            seen.append(seconds)
        else:
            seen[-1] += seconds

    return timed_run
