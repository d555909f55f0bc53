"""``trainctl predict``: what a trained model answers to samples in files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from trainctl.cli.options import DebugOption, PluginsOption, QuietOption, RuntimeOption
from trainctl.cli.output import STDOUT, check_target
from trainctl.cli.text import count, printable

EXAMPLES = """\
trainctl predict runs/mnist-mlp digit.png
trainctl predict runs/mnist-mlp images/ --top 3 -o answers.jsonl
trainctl predict runs/model rows.csv --id customer --drop label --format csv
trainctl predict runs/model rows.jsonl --proba | jq .class"""

_INPUT, _OUTPUT = "Input", "Output"


def predict(
    run: Annotated[
        Path, typer.Argument(metavar="RUN|CHECKPOINT", help="A run, whose best checkpoint is meant, or a checkpoint.")
    ],
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT...", help="CSV, TSV, JSONL, NPY, NPZ, IDX, an image, a folder of images, or -."),
    ],
    input_format: Annotated[
        Literal["csv", "tsv", "jsonl", "npy", "npz", "idx", "image"] | None,
        typer.Option(
            "--input-format",
            metavar="csv|tsv|jsonl|npy|npz|idx|image",
            help="By default what the name says; of - what its first byte says.",
            rich_help_panel=_INPUT,
        ),
    ] = None,
    id: Annotated[
        str | None,
        typer.Option(
            "--id",
            metavar="COLUMN",
            help="The column that names a row, by name or from 0; by default one called id.",
            rich_help_panel=_INPUT,
        ),
    ] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option("--drop", metavar="COLUMN", help="Pass over a column; may be repeated.", rich_help_panel=_INPUT),
    ] = None,
    scale: Annotated[
        float | None,
        typer.Option(
            "--scale",
            metavar="X",
            help="Divide numbers by X, as by 255 for pixels in a table; bytes of images and arrays are divided anyway.",
            rich_help_panel=_INPUT,
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option("--batch-size", metavar="N", min=1, help="Samples at a time.", rich_help_panel=_INPUT),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            "--device", metavar="auto|cpu|cuda[:N]", help="By default as in the config.", rich_help_panel=_INPUT
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option("--threads", metavar="N", min=1, help="By default as in the run.", rich_help_panel=_INPUT),
    ] = None,
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="PATH|-", help="Where the answers go.", rich_help_panel=_OUTPUT),
    ] = STDOUT,
    format: Annotated[
        Literal["jsonl", "csv"] | None,
        typer.Option(
            "--format",
            metavar="jsonl|csv",
            help="By default what the output's name says, else jsonl.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option("--top", metavar="K", min=1, help="The K most probable classes, too.", rich_help_panel=_OUTPUT),
    ] = None,
    proba: Annotated[
        bool, typer.Option("--proba", help="The probability of every class, too.", rich_help_panel=_OUTPUT)
    ] = False,
    runtime: RuntimeOption = "trainctl",
    plugins: PluginsOption = None,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Answer samples from files with a trained model."""
    from trainctl.cli.answer_files import Details, write_answers
    from trainctl.errors import DivergedError, UsageError
    from trainctl.jobs import Predictor, Source

    check_target("--output", output)
    if scale is not None and not (scale != 0 and abs(scale) < float("inf")):
        raise UsageError(f"--scale: expected a finite number other than 0, got {scale:g}")
    kind = format or ("csv" if output.lower().endswith(".csv") else "jsonl")
    if "-" in inputs and sys.stdin is None:
        raise UsageError("-: stdin is closed", hint="name a file, or pipe samples into the command")
    predictor = Predictor(run, threads=threads, batch_size=batch_size, device=device, runtime=runtime)
    stdin: Any = sys.stdin.buffer if "-" in inputs else None
    source = Source(inputs, input_format, id, tuple(drop or ()), scale, stdin)
    details = Details(predictor.classes, top or 0, proba, several=len(inputs) > 1 or Path(inputs[0]).is_dir())
    rows, spoiled = write_answers(output, kind, predictor.predict(source), details)
    for note in () if quiet else predictor.notes:
        print(printable(f"note: {note}"), file=sys.stderr)
    if not quiet:
        where = "" if output == STDOUT else f" -> {output}"
        print(printable(f"{predictor.checkpoint}: {count(rows, 'sample')}{where}"), file=sys.stderr)
    if spoiled:
        raise DivergedError(
            f"{count(spoiled, 'answer')} of {rows:,} not finite: the model gave NaN or infinity there",
            hint="look at these inputs, or whether training diverged: trainctl eval",
        )
