"""Neighbouring calls of compiled loops as one program, which runs without the interpreter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from trainctl.backend.jit import Kernel
from trainctl.backend.native import entry_of
from trainctl.backend.program import Program
from trainctl.backend.threads import Pool
from trainctl.plan.lowering import Checked, InOrder, MadeLater, Note, Parts, Run

Group = list[list[partial[Any]]]


class Linked:
    """Calls that were linked to a program.

    Args:
        groups: one after another; what is in a group is independent of each other.
        pool: the threads.

    Attributes:
        groups: the same.
    """

    uses_numpy = False

    def __init__(self, groups: list[Group], pool: Pool) -> None:
        self.groups = groups
        self._program, self._execute = Program(groups), pool.execute

    def __call__(self) -> None:
        """Run the program.

        Raises:
            BaseException: what a call that fails raises when the interpreter makes it.
        """
        failed = self._execute(self._program)
        if failed:
            call = self._program.calls[failed - 1]
            call.complain() if isinstance(call, Checked) else call()
            raise RuntimeError(f"a compiled loop failed: {call}")


def linked(runs: Sequence[Run], pool: Pool) -> list[Run]:
    """Return the runs, neighbours that are calls of compiled loops, or made of them, as one."""
    result: list[Run] = []
    groups: list[Group] = []
    notes: list[Run] = []

    def flush() -> None:
        if groups:
            result.append(Linked(groups.copy(), pool))
        result.extend(notes)
        groups.clear()
        notes.clear()

    for run in runs:
        group = group_of(run)
        if group is not None and len(group) == 1 and groups and len(groups[-1]) == 1:
            groups[-1] = [groups[-1][0] + group[0]]  # one thread does both, and nobody waits in between
        elif group is not None:
            groups.append(group)
        elif isinstance(run, Note) and groups:
            notes.append(run)
        else:
            flush()
            result.append(run)
    flush()
    return result


def loops_in(runs: Iterable[Run]) -> Iterator[Kernel]:
    """Yield the loops that runs make calls of, as far as they can say."""
    for run in runs:
        if isinstance(run, (Parts, InOrder)):
            yield from loops_in(run.calls)
        elif isinstance(run, partial) and isinstance(run.func, Kernel):
            yield run.func
        elif isinstance(run, MadeLater):
            yield from run.loops()


def group_of(run: Run) -> Group | None:
    """Return a run's independent parts, each as its calls in order; None if one is not a compiled loop's."""
    parts = run.calls if isinstance(run, Parts) else [run]
    tasks = [_calls_of(part) for part in parts]
    known = [each for each in tasks if each is not None]
    return known if len(known) == len(tasks) else None


def _calls_of(part: Run) -> list[partial[Any]] | None:
    if isinstance(part, InOrder):
        each = [_calls_of(call) for call in part.calls]
        known = [call for calls in each if calls is not None for call in calls]
        return None if None in each else known
    return [part] if isinstance(part, partial) and entry_of(part) is not None else None
