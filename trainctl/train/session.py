"""A session of a run: the loop, and what keeps the run's files as it goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from trainctl.errors import UsageError
from trainctl.train.checkpoint import Checkpoint, read_checkpoint
from trainctl.train.events import Event, Notice, TrainEnd
from trainctl.train.loop import Loop
from trainctl.train.recorder import Recorder
from trainctl.train.resolve import find_checkpoint
from trainctl.train.retention import Keep
from trainctl.train.rundir import RunDirectory
from trainctl.train.signals import StopSignals
from trainctl.train.state import load_weights
from trainctl.train.stops import out_of_memory
from trainctl.train.summary import config_sha256, summarize
from trainctl.train.threads import blas_threads, eager_threads

if TYPE_CHECKING:
    from trainctl.build import Experiment


def train(
    experiment: Experiment,
    run: RunDirectory,
    *,
    resume: Checkpoint | None = None,
    stop: StopSignals | None = None,
) -> Iterator[Event]:
    """Train, yielding an event for all that happens; the model ends with the weights of the best epoch.

    After every epoch, and every ``train.checkpoint_every`` steps, a checkpoint is saved. A run that goes on
    from one ends with the same bits, in weights and metrics files, as a run that never stopped.

    Args:
        experiment: model, data and the rest, as :func:`trainctl.build.build` makes them.
        run: where the run is recorded.
        resume: where to go on from; default: from the start.
        stop: looked at after every step; once its ``signum`` is set, the state is saved and the run stops.

    Raises:
        DataError: there is not one batch to train on.
        CheckpointError: ``resume`` is another model's.
        UsageError: ``resume`` is past ``train.epochs``.
        DivergedError: the loss or a weight is no longer finite; the checkpoints stay as they were.
        Interrupted: ``stop`` said so, and everything is saved.
        TrainctlError: a file cannot be written, or memory is short; the last checkpoint stays as it was.
    """
    loop = Loop(experiment, run.path, resume, stop)
    with blas_threads(eager_threads(loop.config, loop.threads)):
        try:
            yield from _events(loop, run)
        except MemoryError as error:
            raise out_of_memory(run.path, loop.progress, error) from error


def _events(loop: Loop, run: RunDirectory) -> Iterator[Event]:
    _check_length(loop)
    loop.restore()
    run.checkpoints.keep = Keep.of(loop.config, loop.monitor)
    recorder = Recorder(run, loop.columns)
    recorder.open(loop.config_text, loop.progress)
    if not loop.goes_on:  # else the next save does it
        run.checkpoints.prune(loop.progress)
    summary = _summary_of_finished(loop, run)
    yield loop.start()
    if summary or loop.stopped_early:
        yield Notice(_nothing_left(loop))
    if not summary:
        run.remove_summary()
    if loop.goes_on:
        yield from recorder.follow(loop.epochs())
    best = read_checkpoint(find_checkpoint(run.path))
    for model in (loop.model, loop.evaluated):
        load_weights(best, model)
    if summary is None:
        summary = _measured(loop, run)
        recorder.close(summary)
    yield TrainEnd(run.path, summary)


def _check_length(loop: Loop) -> None:
    done, epochs = loop.progress.epoch - 1, loop.config.train.epochs
    if done > epochs:
        raise UsageError(
            f"{loop.run}: the run is past train.epochs {epochs}: it has {done}",
            hint=f"--epochs {done} or more goes on with it",
        )


def _summary_of_finished(loop: Loop, run: RunDirectory) -> dict[str, Any] | None:
    """The summary of a run that is where it was to get to; None of one with something left to do."""
    summary = None if loop.goes_on else run.read_summary()
    now = {"steps": loop.progress.global_step, "config_sha256": config_sha256(loop.experiment)}
    return summary if summary and now.items() <= summary.items() else None


def _nothing_left(loop: Loop) -> str:
    if loop.early and loop.stopped_early:
        patience = loop.early.patience + 5
        return (
            f"{loop.run}: the run stopped early, after epoch {loop.progress.epoch - 1}: {loop.early.reason}; it goes on "
            f"with more patience: --set train.early_stopping.patience={patience}, or train.early_stopping=null"
        )
    return f"{loop.run}: the run has its {loop.config.train.epochs} epochs already"


def _measured(loop: Loop, run: RunDirectory) -> dict[str, Any]:
    """The best weights, which the model has, measured on the test split; and all else that a summary holds."""
    test = loop.evaluate(loop.experiment.test_data)
    loop.tick()
    return summarize(
        loop.experiment,
        loop.progress,
        test,
        monitor=loop.monitor.name,
        stopped_early=loop.stopped_early,
        threads=loop.threads,
        last=find_checkpoint(run.path, "last"),
        best=find_checkpoint(run.path),
    )
