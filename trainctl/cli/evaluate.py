"""``trainctl eval``: how good a trained model is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from trainctl.cli.options import DebugOption, JsonOption, LogFormatOption, PluginsOption, QuietOption
from trainctl.cli.output import check_json_target, json_line, write_json
from trainctl.cli.text import count, number, printable, table

EXAMPLES = """\
trainctl eval runs/mnist-mlp
trainctl eval runs/mnist-mlp/last --split val
trainctl eval --json - | jq .metrics.accuracy"""


def evaluate(
    run: Annotated[
        Path | None,
        typer.Argument(
            metavar="RUN|CHECKPOINT",
            help="A run, whose best checkpoint is meant, or a checkpoint; by default the latest run.",
        ),
    ] = None,
    split: Annotated[
        Literal["train", "val", "test"],
        typer.Option(
            "--split",
            metavar="train|val|test",
            help="The samples to measure on.",
            rich_help_panel="Evaluation",
        ),
    ] = "test",
    batch_size: Annotated[
        int | None,
        typer.Option("--batch-size", metavar="N", min=1, help="Samples at a time.", rich_help_panel="Evaluation"),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option("--threads", metavar="N", min=1, help="By default as in the run.", rich_help_panel="Evaluation"),
    ] = None,
    plugins: PluginsOption = None,
    json: JsonOption = None,
    log_format: LogFormatOption = "auto",
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Measure a trained model on one split of its data."""
    from trainctl.jobs import run_evaluation

    check_json_target(json)
    result = run_evaluation(run, split=split, threads=threads, batch_size=batch_size)
    if json is not None:
        write_json(json, result)
    if log_format == "json" and not quiet:
        print(json_line("eval", result), file=sys.stderr)
    elif not quiet:
        print(printable(result_table(result)), file=sys.stderr)


def result_table(result: dict[str, Any]) -> str:
    """What was measured, on what, and the figures."""
    figures = {"loss": result["loss"], **result["metrics"]}
    rows = [[name, "not finite" if value is None else number(value)] for name, value in figures.items()]
    what = f"{result['checkpoint']}, {result['split']} split, {count(result['samples'], 'sample')}"
    return f"{what}\n{table(['metric', 'value'], rows, '<>')}"
