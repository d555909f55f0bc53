"""What of a trace matters, and from when to when each array is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from trainctl.plan.trace import Apply, Effect, Gradient, Record, Returned, RowsGradient, Trace, Value, Write


def without_dead_work(trace: Trace) -> list[Record]:
    """Return the records whose outcome somebody sees: the caller, a gradient, a kept tensor, a random stream."""
    needed = {each.root for each in values_in(trace.result)}
    needed |= {each.value.root for each in trace.records if isinstance(each, Gradient) and each.value is not None}
    alive: list[Record] = []
    for record in reversed(trace.records):
        if _matters(record, needed):
            needed.update(each.root for each in read_by(record))
            alive.append(record)
    return alive[::-1]


def _matters(record: Record, needed: set[Value]) -> bool:
    if isinstance(record, Write):
        target = record.inputs[0].root
        return target.origin == "kept" or target in needed
    if isinstance(record, Apply):
        return record.op.draws or any(each.root in needed for each in record.outputs)
    return True


def read_by(record: Record) -> list[Value]:
    """Return the values that a record reads (or writes over)."""
    if isinstance(record, Effect):
        return []
    if isinstance(record, RowsGradient):
        return read_by(record.source)
    if isinstance(record, Gradient):
        return [] if record.value is None else [record.value]
    return [each for each in record.inputs if isinstance(each, Value)]


def lifetimes(records: list[Record], interleaved: Callable[[Record], bool]) -> dict[Value, tuple[int, int]]:
    """Return for the memory of each value made here the first and the last time that it is used.

    Args:
        records: in order.
        interleaved: says which records may run block by block together with their neighbours: a run of such is one
            time, for the first block of the last is written before the last block of the first is read.
    """
    lives: dict[Value, tuple[int, int]] = {}
    number, before = 0, False
    for record in records:
        if not (isinstance(record, Apply) and record.is_view):  # a view takes no time
            joins = interleaved(record)
            number += not (joins and before)
            before = joins
        made = list(record.outputs) if isinstance(record, Apply) else []
        for value in (*read_by(record), *made):
            root = value.root
            if root.origin == "made":
                lives[root] = (lives.get(root, (number, 0))[0], number)
    return lives


def values_in(result: Any) -> Iterator[Value]:
    """Yield the values in what a step returned."""
    if isinstance(result, Returned):
        yield result.value
    elif isinstance(result, (tuple, list)):
        for each in result:
            yield from values_in(each)
    elif isinstance(result, dict):
        for each in result.values():
            yield from values_in(each)
