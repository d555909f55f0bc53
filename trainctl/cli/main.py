"""The program ``trainctl``: its commands, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, TextIO

import typer
from typer.main import get_command

from trainctl.cli import (
    checkpoint,
    data,
    doctor,
    evaluate,
    export,
    init,
    predict,
    profile,
    quantize,
    runs,
    schema,
    show,
    train,
    validate,
)
from trainctl.cli.errors import report
from trainctl.cli.help import Command, Group
from trainctl.cli.output import STDOUT, writing
from trainctl.cli.startup import collecting_seldom
from trainctl.cli.stopping import Stopping
from trainctl.version import __version__

app = typer.Typer(cls=Group, rich_markup_mode=None, add_completion=False)
app.command(cls=Command, epilog=init.EXAMPLES)(init.init)
app.command(cls=train.TrainCommand, epilog=train.EXAMPLES)(train.train)
app.command("eval", cls=Command, epilog=evaluate.EXAMPLES)(evaluate.evaluate)
app.command("evaluate", cls=Command, epilog=evaluate.EXAMPLES, hidden=True)(evaluate.evaluate)
app.command(cls=Command, epilog=predict.EXAMPLES)(predict.predict)
app.command(cls=Command, epilog=export.EXAMPLES)(export.export)
app.command(cls=Command, epilog=quantize.EXAMPLES)(quantize.quantize)
app.command(cls=Command, epilog=validate.EXAMPLES)(validate.validate)
app.command(cls=Command, epilog=show.EXAMPLES)(show.show)
app.command(cls=Command, epilog=schema.EXAMPLES)(schema.schema)
app.command(cls=Command, epilog=profile.EXAMPLES)(profile.profile)
app.command(cls=Command, epilog=doctor.EXAMPLES)(doctor.doctor)
app.add_typer(checkpoint.app, name="checkpoint")
app.add_typer(runs.app, name="runs")
app.add_typer(data.app, name="data")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"trainctl {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Train and evaluate neural networks from one YAML file; `trainctl init` writes one to begin with."""
    if context.invoked_subcommand is None:
        print(context.get_help(), file=sys.stderr)
        raise typer.Exit(2)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code; nothing is raised.

    Args:
        argv: the words after ``trainctl``; by default those of this process.

    Example:
        >>> main(["--version"])
        trainctl 0.1.0
        0
    """
    words = list(sys.argv[1:] if argv is None else argv)
    _open_closed_streams()
    with Stopping() as stopping:
        try:
            return _reported(words)
        except KeyboardInterrupt:
            with suppress(OSError):
                print(stopping.message, file=sys.stderr)
            return 128 + stopping.signum
        finally:
            _settle(sys.stdout)
            _settle(sys.stderr)


def _reported(words: list[str]) -> int:
    """Run a command line; what it raises becomes a message and an exit code."""
    try:
        with collecting_seldom():
            code = _run(words)
        with writing(STDOUT):
            sys.stdout.flush()  # here, where a full disk can still be reported
        return code
    except BrokenPipeError:
        return 128 + signal.SIGPIPE  # what a shell reports of any tool whose reader left
    except Exception as error:  # all of them: the last word is a message, never a bare traceback
        return report(error, debug="--debug" in words)


def _run(words: list[str]) -> int:
    program = get_command(app)
    try:
        with program.make_context("trainctl", words) as context:
            program.invoke(context)
    except typer.Exit as stop:
        return stop.exit_code
    return 0


def _open_closed_streams() -> None:
    """Give a process that was started with a closed stdout or stderr one that leads nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            nowhere = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - open until the process ends
            setattr(sys, name, nowhere)


def _settle(stream: TextIO) -> None:
    """Drop what cannot be written, or the interpreter would try again at exit and change the exit code."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
