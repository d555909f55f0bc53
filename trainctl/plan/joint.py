"""A step's gradients and the optimizer's step on them as one program, as long as nothing comes between the two."""

from __future__ import annotations

from collections.abc import Sequence
from types import MethodType

from trainctl.backend.threads import Pool
from trainctl.plan.gradients import GradientSlot
from trainctl.plan.kernels.optimizers import FusedStep
from trainctl.plan.linking import Linked, group_of
from trainctl.plan.lowering import Note, Run


class Joint:
    """A program, the notes that give leaves the gradients it leaves, and the optimizer's step.

    While everything that the step looks at is what it was at the step before, its loops run in the same program; what
    it notes down (its count, the parameters' versions) is noted once they ran. Else the three come one after another.

    Args:
        first: the program.
        notes: of what it leaves.
        step: the optimizer's.
        pool: the threads.
    """

    uses_numpy = False

    def __init__(
        self, first: Linked, notes: list[Note], slots: list[GradientSlot], step: FusedStep, pool: Pool
    ) -> None:
        self._first, self._notes, self._step, self._pool = first, notes, step, pool
        self._arrays = {id(slot.leaf): slot.array for slot in slots}
        self._together: Linked | None = None
        self._joined: Run | None = None

    def __call__(self) -> None:
        """Do all of it."""
        step = self._step
        if step.is_as_before():
            if self._joined is not step.run:
                self._joined, self._together = step.run, self._program()
            if self._together is not None:
                step.prepare()
                self._together()
                for note in self._notes:
                    note()
                step.settle()
                return
        self._first()
        for note in self._notes:
            note()
        step()

    def _program(self) -> Linked | None:
        """Return both as one, None where the step takes another gradient than one of these."""
        group = group_of(self._step.parts)
        if group is None or not self._step.takes(self._arrays):
            return None
        return Linked([*self._first.groups, group], self._pool)


def joined(runs: Sequence[Run], pool: Pool) -> list[Run]:
    """Return the runs, with an optimizer's step joined to the program before it."""
    result: list[Run] = []
    for run in runs:
        start = len(result)
        while start and isinstance(result[start - 1], Note):
            start -= 1
        notes = [each for each in result[start:] if isinstance(each, Note)]
        slots = [each for each in map(_slot_of, notes) if each is not None]
        first = result[start - 1] if start else None
        if isinstance(run, FusedStep) and isinstance(first, Linked) and notes and len(slots) == len(notes):
            result[start - 1 :] = [Joint(first, notes, slots, run, pool)]
        else:
            result.append(run)
    return result


def _slot_of(note: Note) -> GradientSlot | None:
    """Return the slot whose leaf a note gives its gradient."""
    owner = note.call.__self__ if isinstance(note.call, MethodType) else None
    return owner if isinstance(owner, GradientSlot) else None
