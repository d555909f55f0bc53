"""``trainctl quantize``: a trained model in integers, and what that cost."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from trainctl.cli.options import DebugOption, JsonOption, LogFormatOption, PluginsOption, QuietOption
from trainctl.cli.output import check_targets, json_line, write_json
from trainctl.cli.text import printable

EXAMPLES = """\
trainctl quantize runs/mnist-cnn -o runs/mnist-cnn-int8
trainctl quantize runs/mnist-cnn --max-drop 0.002 -o runs/mnist-cnn-int8
trainctl quantize runs/mnist-cnn --method dynamic --exclude '0' -o out/int8 --json - -q | jq .bytes.ratio"""

_QUANTIZATION, _GATES, _OUTPUT = "Quantization", "Gates", "Output"


def quantize(
    run: Annotated[
        Path | None,
        typer.Argument(
            metavar="RUN|CHECKPOINT",
            help="A run, whose best checkpoint is meant, or a checkpoint; by default the latest run.",
        ),
    ] = None,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "--output-dir", "-o", metavar="DIR", help="The checkpoint to write; needed.", rich_help_panel=_OUTPUT
        ),
    ] = None,
    method: Annotated[
        Literal["static", "dynamic"],
        typer.Option(
            "--method",
            metavar="static|dynamic",
            help="Static: activations on calibrated grids. Dynamic: each row on a grid of its own, as it comes.",
            rich_help_panel=_QUANTIZATION,
        ),
    ] = "static",
    bits: Annotated[
        Literal["8", "4"],
        typer.Option(
            "--bits", metavar="8|4", help="Of a weight; 4 keeps activations in float.", rich_help_panel=_QUANTIZATION
        ),
    ] = "8",
    calibration_batches: Annotated[
        int,
        typer.Option(
            "--calibration-batches",
            metavar="N",
            min=1,
            max=2**31 - 1,
            help="Batches of training samples that activations are looked at on.",
            rich_help_panel=_QUANTIZATION,
        ),
    ] = 32,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            "--exclude",
            metavar="PATTERN",
            help="Leave layers in float, by name ('4.*') or class (Conv2d); may be repeated.",
            rich_help_panel=_QUANTIZATION,
        ),
    ] = None,
    per_channel: Annotated[
        bool,
        typer.Option(
            "--per-channel/--per-tensor",
            help="A scale for each output of a layer, or one for all its weights.",
            rich_help_panel=_QUANTIZATION,
        ),
    ] = True,
    observer: Annotated[
        Literal["histogram", "minmax", "moving-average", "percentile", "kl"],
        typer.Option(
            "--observer",
            metavar="histogram|minmax|moving-average|percentile|kl",
            help="What finds the range of activations; histogram: the one of least squared error.",
            rich_help_panel=_QUANTIZATION,
        ),
    ] = "histogram",
    rounding: Annotated[
        Literal["adaround", "nearest"],
        typer.Option(
            "--rounding",
            metavar="adaround|nearest",
            help="How 4-bit weights are rounded: learnt from calibration data, or to the nearest code.",
            rich_help_panel=_QUANTIZATION,
        ),
    ] = "adaround",
    group_size: Annotated[
        int,
        typer.Option(
            "--group-size",
            metavar="N",
            min=1,
            max=2**31 - 1,
            help="4-bit weights that share a scale.",
            rich_help_panel=_QUANTIZATION,
        ),
    ] = 32,
    equalize: Annotated[
        bool,
        typer.Option(
            "--equalize",
            help="First bring the ranges of a layer's channels together, where only the next layer reads them.",
            rich_help_panel=_QUANTIZATION,
        ),
    ] = False,
    correct_biases: Annotated[
        bool,
        typer.Option(
            "--correct-biases/--keep-biases",
            help="Whether the mean error of a layer's output is taken off its bias, where no ReLU is part of it.",
            rich_help_panel=_QUANTIZATION,
        ),
    ] = True,
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            "-s",
            metavar="KEY=VALUE",
            help="Replace a value of the run's data or metrics; may be repeated.",
            rich_help_panel=_QUANTIZATION,
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            "--seed",
            metavar="N",
            min=0,
            max=2**63 - 1,
            help="Of the samples for calibration.",
            rich_help_panel=_QUANTIZATION,
        ),
    ] = 0,
    max_drop: Annotated[
        float | None,
        typer.Option(
            "--max-drop",
            metavar="X",
            help="Exit 3 if the metric may be worse than the float model's by more; layers are left in float to hold it.",
            rich_help_panel=_GATES,
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric",
            metavar="NAME",
            help="The figure that decides; by default the first metric, else the loss.",
            rich_help_panel=_GATES,
        ),
    ] = None,
    split: Annotated[
        Literal["train", "val", "test"] | None,
        typer.Option(
            "--split",
            metavar="train|val|test",
            help="The samples that decide; by default test, else val.",
            rich_help_panel=_GATES,
        ),
    ] = None,
    no_fallback: Annotated[
        bool,
        typer.Option("--no-fallback", help="Exit 3 if any layer with weights stays in float.", rich_help_panel=_GATES),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Replace the checkpoint that is there.", rich_help_panel=_OUTPUT)
    ] = False,
    plugins: PluginsOption = None,
    json: JsonOption = None,
    log_format: LogFormatOption = "auto",
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Quantize a trained model, and show what it cost."""
    from trainctl.cli.quantization_table import report
    from trainctl.errors import GateError, UsageError
    from trainctl.jobs import run_quantization
    from trainctl.storage.quantization_record import Settings

    check_targets({"--json": json})
    if max_drop is not None and not 0 <= max_drop < float("inf"):
        raise UsageError(f"--max-drop: expected a number of 0 or more, got {max_drop:g}", hint="a drop is positive")
    if output_dir is None:
        raise UsageError("--output-dir is needed: where to write the checkpoint", hint="-o runs/NAME-int8")
    settings = Settings(
        method=method,
        bits=8 if bits == "8" else 4,
        per_channel=per_channel,
        observer=observer,
        rounding=rounding,
        group_size=group_size,
        equalize=equalize,
        bias_correction=correct_biases,
        exclude=exclude or [],
        calibration_batches=calibration_batches,
        seed=seed,
        max_drop=max_drop,
        metric=metric,
        split=split,
        no_fallback=no_fallback,
        overrides=sets or [],
    )

    def say(stage: str) -> None:
        if not quiet:
            print(json_line("stage", {"stage": stage}) if log_format == "json" else stage, file=sys.stderr, flush=True)

    result: dict[str, Any] = run_quantization(run, output_dir, settings, force=force, on_stage=say)
    if json is not None:
        write_json(json, result)
    if log_format == "json" and not quiet:
        print(json_line("quantize", result), file=sys.stderr)
    elif not quiet:
        print(printable(report(result)), file=sys.stderr)
    if not result["passed"]:
        raise GateError(f"gate failed: {result['reason']}; nothing was written")
