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
from trainctl.train.rundir import RunDirectory
from trainctl.train.signals import StopSignals
from trainctl.train.state import load_weights
from trainctl.train.summary import summarize
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
    """
    loop = Loop(experiment, run.path, resume, stop)
    with blas_threads(eager_threads(loop.config, loop.threads)):
        yield from _events(loop, run)


def _events(loop: Loop, run: RunDirectory) -> Iterator[Event]:
    _check_length(loop)
    loop.restore()
    recorder = Recorder(run, loop.columns)
    recorder.open(loop.config_text, loop.progress)
    summary = _summary_of_finished(loop, run)
    yield loop.start()
    if summary:
        yield Notice(f"{run.path}: the run has its {loop.config.train.epochs} epochs already")
    else:
        run.remove_summary()
        yield from recorder.follow(loop.epochs())
    load_weights(read_checkpoint(find_checkpoint(run.path)), loop.model)
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
    return summary if summary and summary.get("steps") == loop.progress.global_step else None


def _measured(loop: Loop, run: RunDirectory) -> dict[str, Any]:
    """The best weights, which the model has, measured on the test split; and all else that a summary holds."""
    test = loop.evaluate(loop.experiment.test_data)
    loop.tick()
    return summarize(
        loop.experiment,
        loop.progress,
        test,
        monitor=loop.monitor.name,
        threads=loop.threads,
        last=find_checkpoint(run.path, "last"),
        best=find_checkpoint(run.path),
    )
