"""``trainctl export``: a trained model as a file for other programs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from trainctl.cli.options import DebugOption, JsonOption, LogFormatOption, PluginsOption, QuietOption
from trainctl.cli.output import check_target, json_line, write_json
from trainctl.cli.text import count, printable

EXAMPLES = """\
trainctl export runs/mnist-mlp
trainctl export runs/mnist-mlp/last -o model.onnx --opset 17 --tolerance 1e-4
trainctl export runs/mnist-mlp -o weights.safetensors
trainctl export --format npz --json - -q | jq .sha256"""

_ONNX, _OUTPUT = "ONNX", "Output"


def export(
    run: Annotated[
        Path | None,
        typer.Argument(
            metavar="RUN|CHECKPOINT",
            help="A run, whose best checkpoint is meant, or a checkpoint; by default the latest run.",
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where to write it; by default the run's name, here.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    format: Annotated[
        Literal["onnx", "safetensors", "npz"] | None,
        typer.Option(
            "--format",
            metavar="onnx|safetensors|npz",
            help="By default what the file's name says, else onnx; the others are the weights alone.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Replace the file that is there.", rich_help_panel=_OUTPUT)
    ] = False,
    opset: Annotated[
        int | None,
        typer.Option(
            "--opset",
            metavar="N",
            min=17,
            max=21,
            help="The operator set; by default the oldest that has all the model needs.",
            rich_help_panel=_ONNX,
        ),
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            "--tolerance",
            metavar="X",
            help="Exit 3 if ONNX Runtime's outputs differ by more, relative to their size; by default 1e-5, for a "
            "quantized model one step of the last quantization.",
            rich_help_panel=_ONNX,
        ),
    ] = None,
    plugins: PluginsOption = None,
    json: JsonOption = None,
    log_format: LogFormatOption = "auto",
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Write a trained model as ONNX, or its weights alone."""
    from trainctl.errors import UsageError
    from trainctl.jobs import run_export

    check_target("--json", json)
    if tolerance is not None and not 0 <= tolerance < float("inf"):
        raise UsageError(f"--tolerance: expected a number of at least 0, got {tolerance:g}")
    result = run_export(run, output, format=format, opset=opset, tolerance=tolerance, force=force)
    if json is not None:
        write_json(json, result)
    if log_format == "json" and not quiet:
        print(json_line("export", result), file=sys.stderr)
    elif not quiet:
        print(printable(_told(result)), file=sys.stderr)


def _told(result: dict[str, Any]) -> str:
    """What was written, and how it was checked."""
    lines = [f"{result['checkpoint']} -> {result['file']}, {result['bytes']:,} bytes"]
    if result["format"] != "onnx":
        return f"{lines[0]}\n{result['format']}: {count(result['tensors'], 'tensor')}"
    parity = result["parity"]
    names = f"{', '.join(result['inputs'])} -> {', '.join(result['outputs'])}"
    lines.append(f"onnx: opset {result['opset']}, {count(result['nodes'], 'operator')}, {names}")
    batches = ", ".join(map(str, parity["batch_sizes"]))
    lines.append(f"onnxruntime, batches of {batches}: {parity['summary']}")
    return "\n".join(lines)
