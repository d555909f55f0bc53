"""``trainctl train``: from a config to a run directory."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trainctl.cli.help import Command
from trainctl.cli.options import (
    DebugOption,
    DeviceOption,
    DevicesOption,
    EpochsOption,
    InitFromOption,
    JsonOption,
    LogFormatOption,
    NoColorOption,
    OverridesArgument,
    PluginsOption,
    QuietOption,
    SeedOption,
    SetOption,
    ThreadsOption,
    load,
)
from trainctl.cli.output import check_json_target, write_json
from trainctl.cli.startup import started
from trainctl.errors import UsageError

if TYPE_CHECKING:
    from trainctl.config import LoadedConfig
    from trainctl.train.events import Event

EXAMPLES = """\
trainctl train configs/mlp.yaml
trainctl train configs/mlp.yaml train.epochs=3 -s optimizer.SGD.lr=0.05 -o runs/fast
trainctl train configs/mlp.yaml --init-from runs/mnist-mlp -o runs/finetuned
trainctl train --resume runs/mnist-mlp
trainctl train configs/mlp.yaml --resume --epochs 20"""


class TrainCommand(Command):
    """A command whose ``--resume`` may go without a value, for which Typer has no word."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the command line."""
        return super().parse_args(ctx, with_resume_value(args))


def with_resume_value(words: Sequence[str]) -> list[str]:
    """A command line in which ``--resume`` has its value attached, if it has one.

    The word after it is its value unless it is an option, a config or an override.

    Example:
        >>> with_resume_value(["a.yaml", "--resume", "runs/a"])
        ['a.yaml', '--resume=runs/a']
        >>> with_resume_value(["--resume", "a.yaml", "--resume"])
        ['--resume=', 'a.yaml', '--resume=']
    """
    words = list(words)
    end = words.index("--") if "--" in words else len(words)
    result: list[str] = []
    open_ended = False
    for word in words[:end]:
        if open_ended and not is_option_or_config(word):
            result[-1] += word
            open_ended = False
        else:
            open_ended = word == "--resume"
            result.append("--resume=" if open_ended else word)
    return result + words[end:]


def is_option_or_config(word: str) -> bool:
    """Whether a word on the command line cannot be meant as a run.

    Example:
        >>> [is_option_or_config(word) for word in ("-q", "a.yaml", "train.epochs=3", "runs/lr=0.1")]
        [True, True, True, False]
    """
    return word.startswith("-") or (not Path(word).is_dir() and bool(_CONFIG.search(word) or is_override(word)))


def is_override(word: str) -> bool:
    """Whether a word has the form ``KEY=VALUE``; a file's name may hold a ``=`` after a ``/``."""
    return re.match("[^/=]+=", word) is not None


_CONFIG = re.compile(r"\.ya?ml$", re.IGNORECASE)


def train(
    config: Annotated[
        Path | None,
        typer.Argument(metavar="CONFIG", help="YAML file that describes the run; --resume RUN has its own."),
    ] = None,
    overrides: OverridesArgument = None,
    sets: SetOption = None,
    seed: SeedOption = None,
    device: DeviceOption = None,
    devices: DevicesOption = None,
    threads: ThreadsOption = None,
    epochs: EpochsOption = None,
    init_from: InitFromOption = None,
    plugins: PluginsOption = None,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "--output-dir",
            "-o",
            metavar="DIR",
            help="The run directory; by default runs/<name>.",
            rich_help_panel="Run",
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", "-f", help="Delete the run that is there.", rich_help_panel="Run"),
    ] = False,
    resume: Annotated[
        str | None,
        typer.Option(
            "--resume",
            metavar="[RUN]",
            help="Go on with a run or a checkpoint, by default with the one in the run directory.",
            rich_help_panel="Run",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Read the data, take one step, write nothing.", rich_help_panel="Run"),
    ] = False,
    json: JsonOption = None,
    log_format: LogFormatOption = "auto",
    quiet: QuietOption = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="Name every checkpoint saved.", rich_help_panel="Output"),
    ] = False,
    no_color: NoColorOption = False,
    debug: DebugOption = False,
) -> None:
    """Train a network and write a run directory."""
    from trainctl.cli.display import make_display
    from trainctl.jobs import run_training
    from trainctl.train.events import StepEnd

    check_json_target(json)
    if dry_run and (resume is not None or json is not None):
        raise UsageError("--dry-run goes without --resume and --json: nothing is trained, there is no result")
    if config is not None and resume is not None and is_override(str(config)):
        config, overrides = None, [str(config), *(overrides or [])]  # the config is the run's own
    file, run = chosen(config, resume)
    loaded = load(
        file,
        overrides,
        sets,
        seed=seed,
        device=device,
        devices=devices,
        threads=threads,
        epochs=epochs,
        init_from=init_from,
    )
    with make_display(log_format, quiet=quiet, verbose=verbose, no_color=no_color) as display:
        if dry_run:
            rehearse(loaded, output_dir=output_dir, force=force, on_event=display)
            return
        starting = True

        def on_event(event: Event) -> None:
            nonlocal starting
            if starting and isinstance(event, StepEnd):
                starting = False
                started()
            display(event)

        summary = run_training(loaded, output_dir=output_dir, force=force, resume=run, on_event=on_event)
    if json is not None:
        write_json(json, summary)


def chosen(config: Path | None, resume: str | None) -> tuple[Path, Path | bool]:
    """The config file, and the run to go on with: its path, True for the config's own, False for none.

    Args:
        config: the CONFIG of the command line.
        resume: the value of ``--resume``; None without the option.

    Raises:
        UsageError: there is neither.
        CheckpointError: the run to resume is not there.
    """
    if config is not None:
        return config, Path(resume) if resume else resume is not None
    if resume is None:
        hint = "trainctl train configs/mlp.yaml, or trainctl train --resume RUN"
        raise UsageError("missing CONFIG: the YAML file that describes the run", hint=hint)
    from trainctl.jobs import RUNS
    from trainctl.train.resolve import CONFIG, config_of, find_checkpoint, find_run, latest_run, run_of

    run = find_run(resume) if resume else latest_run(RUNS)
    if not (run / CONFIG).is_file():  # a checkpoint, then
        from trainctl.jobs.training import check_resumable

        return config_of(run_of(check_resumable(find_checkpoint(run)))), run
    return config_of(run), run


def rehearse(
    loaded: LoadedConfig, *, output_dir: Path | None, force: bool, on_event: Callable[[Event], object]
) -> None:
    """Do all that training does up to its first step, in a directory that is then deleted.

    Args:
        loaded: the config.
        output_dir: the run directory that training would use; it is looked at only.
        force: whether training would delete the run that is there.
        on_event: called with the start, and with what came of the step.
    """
    from trainctl.jobs import RUNS
    from trainctl.jobs.experiments import first_build
    from trainctl.train.events import Notice, StepEnd, TrainStart
    from trainctl.train.first_use import announced
    from trainctl.train.rundir import RunDirectory, check_available
    from trainctl.train.session import train as training

    path = output_dir or RUNS / loaded.config.name
    check_available(path, force=force)
    experiment = first_build(loaded, on_event)
    with TemporaryDirectory() as folder, RunDirectory.create(Path(folder) / path.name) as run:
        for event in announced(training(experiment, run), on_event):
            if isinstance(event, TrainStart):
                on_event(replace(event, run_dir=path))
            elif isinstance(event, StepEnd):
                outcome = f"dry run: the first step's loss is {event.loss:.4f}; nothing was written to {path}"
                on_event(Notice(outcome))
                break
