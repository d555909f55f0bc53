"""Whole jobs as plain functions: train a config, evaluate a run, profile. Commands, tests and notebooks call these."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainctl.errors import CheckpointError, ConfigError, UsageError
from trainctl.train.checkpoint import INDEX, Checkpoint, read_checkpoint, weights_sha256
from trainctl.train.events import Event, Notice, TrainEnd
from trainctl.train.resolve import CONFIG, find_checkpoint, latest_run, resume_command, run_of
from trainctl.train.rundir import RunDirectory, check_available, is_run
from trainctl.train.signals import StopSignals
from trainctl.train.threads import blas_threads, eager_threads, resolve_threads

if TYPE_CHECKING:
    from trainctl.build import Experiment
    from trainctl.config import LoadedConfig
    from trainctl.config.tree import Path as KeyPath

SPLITS = ("train", "val", "test")
RUNS = Path("runs")
"""Where run directories are, unless told otherwise."""

SCHEMA_VERSION = 1
"""Of what :func:`run_evaluation` returns."""

_MAY_DIFFER = frozenset({("threads",), ("train", "epochs")})


def run_training(
    loaded: LoadedConfig,
    *,
    output_dir: str | Path | None = None,
    force: bool = False,
    resume: bool | str | Path | None = None,
    on_event: Callable[[Event], object] = lambda event: None,
) -> dict[str, Any]:
    """Train what a config describes and return the run's summary.

    SIGINT and SIGTERM save the state and end the run; a second one ends the process at once.

    Args:
        loaded: the config.
        output_dir: the run directory; default: ``runs/<name>``.
        force: delete the run that is there.
        resume: go on with a run: True for the one in the run directory, or a path, of a run or of one of
            its checkpoints. Its config must be ``loaded``, but for ``train.epochs`` and ``threads``.
        on_event: called with every event.

    Raises:
        ConfigError: the config cannot be built, or is not that of the run to resume.
        UsageError: the run directory is taken, or cannot be written.
        DataError: data is missing or corrupt.
        CheckpointError: there is nothing to resume, or it is damaged.
        DivergedError: the loss or a weight is no longer finite.
        Interrupted: a signal came, and everything is saved.
    """
    from trainctl.train.first_use import announced
    from trainctl.train.loop import train

    if resume and force:
        raise UsageError("--resume goes on with a run and --force deletes it", hint="give one of the two")
    path = Path(resume if isinstance(resume, str | Path) else output_dir or RUNS / loaded.config.name)
    if output_dir is not None and Path(output_dir) != path:
        raise UsageError(f"--resume {path} writes to {path}, not to {output_dir}", hint="leave out --output-dir")
    opened = _resumed(loaded, path, on_event) if resume else _fresh(loaded, path, force)
    with opened as (experiment, run, checkpoint), StopSignals() as stop:
        for event in announced(train(experiment, run, resume=checkpoint, stop=stop), on_event):
            on_event(event)
    assert isinstance(event, TrainEnd)
    return dict(event.summary)


def run_evaluation(
    path: str | Path | None = None,
    *,
    split: str = "test",
    threads: int | None = None,
    batch_size: int | None = None,
) -> dict[str, Any]:
    """Measure a trained model and return its loss (mean over the samples) and metrics.

    Args:
        path: a run, whose best checkpoint is meant, or a checkpoint; default: the latest run.
        split: the samples to measure on: train, val or test.
        threads: BLAS threads; default: as the run had, which gives the very figures of its summary.
        batch_size: samples at a time; default: the config's ``data.eval_batch_size``.

    Raises:
        CheckpointError: there is no checkpoint, or it is damaged.
        UsageError: the run has no such split.
        DataError: the run's data is missing or corrupt.

    Example:
        >>> run_evaluation("runs/no-such-run")
        Traceback (most recent call last):
        trainctl.errors.CheckpointError: runs/no-such-run: no such run or checkpoint
    """
    from trainctl.data import DataLoader
    from trainctl.train.evaluate import evaluate
    from trainctl.train.steps import Steps
    from trainctl.train.summary import number

    found = find_checkpoint(latest_run(RUNS) if path is None else path)
    checkpoint = read_checkpoint(found)
    experiment = _build_from(checkpoint, found)
    data = getattr(experiment, f"{split}_data") if split in SPLITS else None
    if data is None:
        raise UsageError(
            f"{found}: the run has no {split} split",
            hint="the splits are train, val (if data.split holds some out) and test",
        )
    threads = threads or checkpoint.threads
    batch_size = batch_size or experiment.config.data.eval_batch_size
    started = time.perf_counter()
    steps = Steps(experiment, threads, checkpoint.kernels, lambda text: None)
    with blas_threads(eager_threads(experiment.config, threads)):
        loader: Any = DataLoader(data, batch_size)
        result = evaluate(experiment.model, experiment.loss, experiment.metrics, loader, measure=steps.measure)
    return {
        "schema_version": SCHEMA_VERSION,
        "name": experiment.config.name,
        "checkpoint": str(found),
        "epochs": len(checkpoint.progress.history),
        "global_step": checkpoint.progress.global_step,
        "split": split,
        "samples": result.samples,
        "loss": number(result.loss),
        "metrics": {name: number(value) for name, value in result.metrics.items()},
        "threads": threads,
        "seconds": round(time.perf_counter() - started, 3),
        "weights_sha256": weights_sha256(found),
    }


def run_profile(loaded: LoadedConfig, *, steps: int = 20) -> dict[str, Any]:
    """Train what a config describes for a few steps, write nothing, and return where time and memory went.

    Args:
        loaded: the config.
        steps: how many steps are timed as a whole, and then how many call by call; a few more come before, while the
            plan is made.

    Returns:
        As plain data: the time of a step; for each kind of op its share, its rates and what they are of the peaks that
        are measured after; the plan, or why there is none; the memory, in bytes.

    Raises:
        ConfigError: the config cannot be built.
        DataError: data is missing or corrupt.
        UsageError: it trains on a GPU.
    """
    from trainctl.train.profile import profile
    from trainctl.train.summary import device_of

    experiment = _checked_build(loaded)
    device = device_of(experiment.model)
    if device != "cpu":
        raise UsageError(f"device {device}: profile times what the CPU does", hint="--device cpu")
    threads = resolve_threads(loaded.config.threads)
    with blas_threads(eager_threads(loaded.config, threads)):
        return profile(experiment, threads, steps)


_Opened = Iterator[tuple["Experiment", RunDirectory, Checkpoint | None]]


@contextmanager
def _fresh(loaded: LoadedConfig, path: Path, force: bool) -> _Opened:
    """A new run. Nothing is made and nothing deleted before all that can be refused has been looked at."""
    check_available(path, force=force)
    experiment = _checked_build(loaded)
    with RunDirectory.create(path, force=force) as run:
        yield experiment, run, None


@contextmanager
def _resumed(loaded: LoadedConfig, path: Path, on_event: Callable[[Event], object]) -> _Opened:
    """A run that goes on, from its last checkpoint or from the one that ``path`` names."""
    from trainctl.backend import jit

    named = None if is_run(path) else find_checkpoint(path)
    checkpoint = read_checkpoint(named) if named else None
    if named and not is_run(run_of(named)):
        raise CheckpointError(f"{named}: a checkpoint that is not in a run", hint="name a run directory to resume")
    with RunDirectory.open(run_of(named) if named else path) as run:
        last = run.checkpoints.recover()
        if checkpoint is None and last is not None:
            checkpoint = read_checkpoint(last)
        continued = _continued(loaded, checkpoint, run)
        asked = resolve_threads(loaded.config.threads)
        if checkpoint is None:
            on_event(Notice(f"{run.path}: stopped before its first checkpoint; it starts from the beginning"))
        elif checkpoint.threads != asked:
            on_event(Notice(_threads_kept(checkpoint.threads, asked)))
        if checkpoint is not None and checkpoint.kernels == "numba" and not jit.available():
            on_event(Notice(_NO_KERNELS))
        yield _checked_build(continued), run, checkpoint


def _checked_build(loaded: LoadedConfig) -> Experiment:
    from trainctl.build import build
    from trainctl.train.loop import check_experiment

    experiment = build(loaded)
    check_experiment(experiment)
    return experiment


def _build_from(checkpoint: Checkpoint, path: Path) -> Experiment:
    """The experiment that a checkpoint is of, with its weights."""
    from trainctl.build import build
    from trainctl.config import config_from_yaml
    from trainctl.train.state import load_weights

    experiment = build(config_from_yaml(checkpoint.config, str(path / INDEX)))
    load_weights(checkpoint, experiment.model)
    return experiment


def _continued(loaded: LoadedConfig, checkpoint: Checkpoint | None, run: RunDirectory) -> LoadedConfig:
    """The config a run goes on with: ``loaded``, once it is seen to be the run's but for the epochs."""
    from trainctl.config import config_from_yaml

    text = checkpoint.config if checkpoint else run.read_config()
    if text is None:  # killed before the config was written
        return loaded
    theirs = config_from_yaml(text, str(run.path / CONFIG))
    problems = [
        loaded.problem(path, f"{'.'.join(map(str, path))} is {ours}, and {before} in the run")
        for path, ours, before in _differences(loaded, theirs)
    ]
    if problems:
        hint = f"{resume_command(run.path)} goes on with the run's own config; --output-dir starts another run"
        raise ConfigError(problems, hint=hint)
    return replace(loaded, config=loaded.config.model_copy(update={"threads": theirs.config.threads}))


def _differences(ours: LoadedConfig, theirs: LoadedConfig) -> Iterator[tuple[KeyPath, str, str]]:
    """The key paths whose values differ, with both values; those that may differ left out."""
    values = [{setting.path: repr(setting.value) for setting in each.describe()} for each in (ours, theirs)]
    for path in {**values[0], **values[1]}:
        here, there = (side.get(path, "missing") for side in values)
        if here != there and path not in _MAY_DIFFER:
            yield path, here, there


_NO_KERNELS = (
    "the run began with compiled kernels, which are not here: the last bits of its results will differ; "
    "`pip install 'trainctl[fast]'` brings them"
)


def _threads_kept(recorded: int, asked: int) -> str:
    return f"threads: {recorded} as the run began with, not {asked}; the last bits of its results depend on it"
