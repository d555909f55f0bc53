"""Why a run diverged: its last steps once more, up to the one that went wrong, and a close look at that.

Nothing of this costs a run anything while it goes well. A step that went wrong has already changed the weights, so
they are brought back: from the last checkpoint (or the start of the session) the same steps are taken again, which
gives the same bits, until the next one is the one that goes wrong. The model then stays with its last good weights.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainctl.data import DataLoader
from trainctl.errors import CheckpointError, DivergedError
from trainctl.train.batches import size_of
from trainctl.train.checkpoint import Checkpoint, read_checkpoint
from trainctl.train.evaluate import evaluation_mode, on_device
from trainctl.train.events import CheckpointDue, Diverged, StepEnd
from trainctl.train.probe import ODD, Finding, gradient_norm, owner_of, probe, sample_ids
from trainctl.train.resolve import CHECKPOINTS
from trainctl.train.state import restore, rewind_to_here
from trainctl.train.stops import infinite_weight
from trainctl.train.store import CheckpointStore

if TYPE_CHECKING:
    from trainctl.train.loop import Loop

PATIENCE = 30.0
"""Seconds that the steps up to the one that went wrong may take."""


@dataclass(frozen=True)
class Diagnosis:
    """What is known of the step that went wrong.

    Attributes:
        finding: the first thing that is not finite; None where that could not be found out.
        global_step: the step that it is in.
        samples: the samples of its batch that it is in, by their indices in the dataset; all of the batch's where it
            cannot be told which.
        grad_norm: the joint norm of the gradients, before they were clipped; None without any.
    """

    finding: Finding | None
    global_step: int
    samples: tuple[int, ...] = ()
    grad_norm: float | None = None


def diagnose(
    loop: Loop, reason: str, base: Checkpoint | None, *, bad_weight: str | None = None, in_validation: bool = False
) -> Diverged:
    """Return what there is to say of a run that diverged; its model ends with its last good weights.

    Args:
        loop: the run.
        reason: what was noticed.
        base: a state of the session from before; None: the last checkpoint is.
        bad_weight: the weight that it was, if it was one.
        in_validation: whether it was the validation loss.
    """
    p, last = loop.progress, CheckpointStore(loop.run / CHECKPOINTS).last()
    epoch, step, global_step = p.epoch, p.step, p.global_step
    if base is None and last is not None:
        base = _readable(last)
    known = diagnose_validation(loop) if in_validation else diagnose_step(loop, base, bad_weight)
    last_good(loop, base)
    finding = known.finding
    return Diverged(
        epoch=epoch, step=step, global_step=global_step, reason=reason, lr=p.lr,
        split="validation" if in_validation else "training",
        first_step=known.global_step if finding else None,
        quantity=finding.quantity if finding else None,
        layer=finding.layer if finding else None,
        layer_type=finding.layer_type if finding else None,
        finding=str(finding) if finding else None,
        samples=known.samples, grad_norm=known.grad_norm, checkpoint=last,
    )  # fmt: skip


def _readable(path: Path) -> Checkpoint | None:
    try:
        return read_checkpoint(path)
    except CheckpointError:
        return None


def diagnose_step(loop: Loop, base: Checkpoint | None, bad_weight: str | None) -> Diagnosis:
    """Return what is known of a run that diverged in training.

    Args:
        loop: the run; its model is given its last good weights back where ``base`` leads to them.
        base: a state of the run from before.
        bad_weight: a weight that was found not to be finite; None: something at the last step was.
    """
    step, ids = loop.progress.global_step, () if bad_weight else _ids_of_step(loop)
    found = Diagnosis(None, step, ids)
    if base is not None:
        with suppress(*ODD, CheckpointError):
            again = _Again(loop, base)
            again.reach(step)
            found = again.look(found)
    if found.finding is None and bad_weight is not None:
        found = replace(found, finding=Finding("update", *owner_of(loop.model, bad_weight), tensor=bad_weight))
    return found


def _ids_of_step(loop: Loop) -> tuple[int, ...]:
    """The samples of the step that a run is in the middle of."""
    start, size = loop.progress.samples, loop.config.data.batch_size * loop.config.train.accumulate
    loop.loader.set_epoch(loop.progress.epoch, start=start)
    return sample_ids(loop.experiment.train_data, loop.loader.order()[: min(size, loop.samples - start)])


def diagnose_validation(loop: Loop) -> Diagnosis:
    """Return what is known of a run whose validation loss is not finite."""
    data, step = loop.experiment.val_data, loop.progress.global_step
    loader: DataLoader[Any] = DataLoader(data, batch_size=loop.config.data.eval_batch_size)
    place = 0
    with suppress(*ODD), evaluation_mode(loop.evaluated):
        for inputs, target in on_device(loader, loop.evaluated):
            finding = probe(loop.evaluated, loop.loss, inputs, target, learns=False)
            if finding:
                return Diagnosis(finding, step, _ids(data, range(place, place + size_of(target)), finding))
            place += size_of(target)
    return Diagnosis(None, step)


class _Again:
    """A run taken up again from an earlier state, its files left alone.

    Args:
        loop: the run that diverged.
        base: the state.
    """

    def __init__(self, loop: Loop, base: Checkpoint) -> None:
        self._loop = type(loop)(loop.experiment, loop.run, base)
        self._loop.diagnoses, self._loop.frozen = False, loop.frozen  # whose names were the config's
        self._loop.restore()
        self._bad_weight: str | None = None
        self._reproduced = True
        self._start, self._epoch = self._loop.progress.samples, self._loop.progress.epoch
        self._step = self._loop.progress.global_step + 1

    def reach(self, step: int) -> None:
        """Take the steps before ``step``, or before the first that goes wrong; give up where that takes too long."""
        deadline, loop = time.monotonic() + PATIENCE, self._loop
        undo = rewind_to_here(loop.model, loop.optimizer)
        if self._step == step and loop.progress.step < loop.steps_per_epoch:
            return
        try:
            for event in loop.epochs():
                if isinstance(event, StepEnd):
                    self._bad_weight = infinite_weight(loop.model)
                    if self._bad_weight is not None:
                        break
                self._epoch, self._start = loop.progress.epoch, loop.progress.samples
                self._step = loop.progress.global_step + 1
                # At the end of an epoch, what comes before the next step is still to come.
                is_before_a_step = isinstance(event, CheckpointDue) or loop.progress.step < loop.steps_per_epoch
                if self._step == step and is_before_a_step:
                    return
                if time.monotonic() > deadline:
                    self._reproduced = False
                    return
                undo = rewind_to_here(loop.model, loop.optimizer)
        except DivergedError:  # not where it did before: something in the model counts calls, say
            self._reproduced = False
        undo()

    def look(self, known: Diagnosis) -> Diagnosis:
        """Look at the batches of the step; return what is known then."""
        loop = self._loop
        loop.optimizer.zero_grad()
        loop.training_mode()
        finding, ids = None, np.arange(0)
        undo = rewind_to_here(loop.model, loop.optimizer)
        try:
            for inputs, target, share, places in self._batches():
                ids = places
                finding = probe(loop.model, loop.loss, inputs, target, share=share)
                if finding:
                    break
        finally:
            norm = gradient_norm(loop.model)
            undo()
        if finding is None and self._bad_weight:
            finding = Finding("update", *owner_of(loop.model, self._bad_weight), tensor=self._bad_weight)
        if finding is None or self._step > known.global_step:
            return replace(known, grad_norm=norm)
        if not self._reproduced:
            return replace(known, finding=finding, grad_norm=norm)
        return Diagnosis(finding, self._step, _ids(loop.experiment.train_data, ids, finding), norm)

    def _batches(self) -> Iterator[tuple[Any, Any, float, Any]]:
        """The batches of the step: input, target, share in the step's samples, places in the training data."""
        loop = self._loop
        whole = min(loop.samples - self._start, loop.config.data.batch_size * loop.config.train.accumulate)
        loop.loader.set_epoch(self._epoch, start=self._start)
        order, seen = loop.loader.order(), 0
        for inputs, target in on_device(loop.loader, loop.model):
            size = size_of(target)
            yield inputs, target, 1.0 if loop.steps.summed else size / whole, order[seen : seen + size]
            seen += size
            if seen >= whole:
                return


def last_good(loop: Loop, base: Checkpoint | None) -> None:
    """Give a run's model and optimizer the state of ``base``, unless the weights are good."""
    if base is not None and infinite_weight(loop.model) is not None:
        restore(base, loop.model, loop.optimizer, loop.schedule, loop.more)


def _ids(data: Any, places: Any, finding: Finding | None) -> tuple[int, ...]:
    rows = finding.rows if finding else None
    return sample_ids(data, places if not rows else [places[row] for row in rows if row < len(places)])
