"""Train what a config describes, from the start or from a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainctl.errors import CheckpointError, ConfigError, DivergedError, UsageError
from trainctl.jobs.experiments import checked_build, first_build
from trainctl.jobs.places import RUNS, point_latest
from trainctl.train.checkpoint import Checkpoint, read_checkpoint, read_quantization
from trainctl.train.commands import resume_command
from trainctl.train.events import CheckpointSaved, Event, Notice, TrainEnd
from trainctl.train.resolve import CONFIG, find_checkpoint, run_of
from trainctl.train.rundir import RunDirectory, check_available, is_run
from trainctl.train.signals import StopSignals
from trainctl.train.threads import resolve_threads

if TYPE_CHECKING:
    from trainctl.build import Experiment
    from trainctl.config import LoadedConfig
    from trainctl.config.tree import Path as KeyPath

# With all that is below them; of a plugin that changed there is a notice.
_MAY_DIFFER = (("threads",), ("plugins",), ("train", "epochs"), ("train", "early_stopping"), ("data", "num_workers"))


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
            its checkpoints. Its config must be ``loaded``, but for ``train.epochs``, ``train.early_stopping``,
            ``threads`` and ``data.num_workers``.
        on_event: called with every event.

    Raises:
        ConfigError: the config cannot be built, or is not that of the run to resume.
        UsageError: the run directory is taken, or cannot be written.
        DataError: data is missing or corrupt.
        CheckpointError: there is nothing to resume, or it is damaged.
        DivergedError: the loss or a weight is no longer finite.
        Interrupted: a signal came, and everything is saved.
    """
    with StopSignals() as stop:
        from trainctl.train.first_use import announced
        from trainctl.train.session import train

        if resume and force:
            raise UsageError("--resume goes on with a run and --force deletes it", hint="give one of the two")
        path = Path(resume if isinstance(resume, str | Path) else output_dir or RUNS / loaded.config.name)
        if output_dir is not None and Path(output_dir) != path:
            raise UsageError(f"--resume {path} writes to {path}, not to {output_dir}", hint="leave out --output-dir")
        opened = _resumed(loaded, path, stop, on_event) if resume else _fresh(loaded, path, force, stop, on_event)
        with opened as (experiment, run, checkpoint):
            try:
                for event in announced(train(experiment, run, resume=checkpoint, stop=stop), on_event):
                    on_event(event)
                    if isinstance(event, CheckpointSaved):
                        point_latest(run.path)
            except DivergedError as error:
                run.write_diverged(error.message)
                raise
    assert isinstance(event, TrainEnd)
    return dict(event.summary)


_Opened = Iterator[tuple["Experiment", RunDirectory, Checkpoint | None]]


@contextmanager
def _fresh(
    loaded: LoadedConfig, path: Path, force: bool, stop: StopSignals, on_event: Callable[[Event], object]
) -> _Opened:
    """A new run. Nothing is made and nothing deleted before all that can be refused has been looked at."""
    check_available(path, force=force)
    stop.check(_SET_UP)
    experiment = first_build(loaded, on_event)
    stop.check(_SET_UP)
    with RunDirectory.create(path, force=force) as run:
        yield experiment, run, None


@contextmanager
def _resumed(loaded: LoadedConfig, path: Path, stop: StopSignals, on_event: Callable[[Event], object]) -> _Opened:
    """A run that goes on, from its last checkpoint or from the one that ``path`` names."""
    from trainctl.backend import jit

    named = None if is_run(path) else check_resumable(find_checkpoint(path))
    checkpoint = read_checkpoint(named) if named else None
    if named and not is_run(run_of(named)):
        raise CheckpointError(f"{named}: a checkpoint that is not in a run", hint="name a run directory to resume")
    with RunDirectory.open(run_of(named) if named else path) as run:
        last = run.checkpoints.recover()
        if checkpoint is None and last is not None:
            checkpoint = read_checkpoint(last)
        continued = _continued(loaded, checkpoint, run)
        for text in dict.fromkeys((*loaded.notices, *continued.notices)):
            on_event(Notice(text))
        asked = resolve_threads(loaded.config.threads)
        if checkpoint is None:
            on_event(Notice(f"{run.path}: stopped before its first checkpoint; it starts from the beginning"))
        elif checkpoint.threads != asked:
            on_event(Notice(_threads_kept(checkpoint.threads, asked)))
        if checkpoint is not None and checkpoint.kernels == "numba" and not jit.available():
            on_event(Notice(_NO_KERNELS))
        experiment = checked_build(continued) if checkpoint else first_build(continued, on_event)
        stop.check("before the run went on; it is as it was", resume_command(run.path))
        yield experiment, run, checkpoint


def check_resumable(found: Path) -> Path:
    """Return a checkpoint that a run may go on from.

    Raises:
        CheckpointError: it is a quantized one, or damaged.
    """
    if read_quantization(found) is not None:
        hint = "resume the run that it was made from"
        raise CheckpointError(f"{found}: a quantized checkpoint; it has no training to go on with", hint=hint)
    return found


def _continued(loaded: LoadedConfig, checkpoint: Checkpoint | None, run: RunDirectory) -> LoadedConfig:
    """The config a run goes on with: ``loaded``, once it is seen to be the run's but for the epochs."""
    from trainctl.config import config_from_yaml

    text = checkpoint.config if checkpoint else run.read_config()
    if text is None:  # killed before the config was written
        return loaded
    theirs = config_from_yaml(text, str(run.path / CONFIG))
    loaded = _with_sha256(loaded, theirs)
    problems = [
        loaded.problem(path, f"{'.'.join(map(str, path))} is {ours}, and {before} in the run")
        for path, ours, before in _differences(loaded, theirs)
    ]
    if problems:
        hint = f"{resume_command(run.path)} goes on with the run's own config; --output-dir starts another run"
        raise ConfigError(problems, hint=hint)
    config = loaded.config.model_copy(update={"threads": theirs.config.threads})
    return replace(loaded, config=config, notices=theirs.notices)


def _with_sha256(ours: LoadedConfig, theirs: LoadedConfig) -> LoadedConfig:
    """A config with the SHA-256 that the run recorded of its first weights, where it does not say another itself."""
    init, recorded = ours.config.init_from, theirs.config.init_from
    if init is None or recorded is None or init.sha256 is not None:
        return ours
    known = init.model_copy(update={"sha256": recorded.sha256})
    return replace(ours, config=ours.config.model_copy(update={"init_from": known}))


def _differences(ours: LoadedConfig, theirs: LoadedConfig) -> Iterator[tuple[KeyPath, str, str]]:
    """The key paths whose values differ, with both values; those that may differ left out."""
    values = [{setting.path: repr(setting.value) for setting in each.describe()} for each in (ours, theirs)]
    for path in {**values[0], **values[1]}:
        here, there = (side.get(path, "missing") for side in values)
        if here != there and not any(path[: len(each)] == each for each in _MAY_DIFFER):
            yield path, here, there


_SET_UP = "before the run began; nothing was written"

_NO_KERNELS = (
    "the run began with compiled kernels, which are not here: the last bits of its results will differ; "
    "`pip install 'trainctl[fast]'` brings them"
)


def _threads_kept(recorded: int, asked: int) -> str:
    return f"threads: {recorded} as the run began with, not {asked}; the last bits of its results depend on it"
