"""``trainctl checkpoint``: what a checkpoint holds, and whether it is intact."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from trainctl.cli.help import Command, Group
from trainctl.cli.options import DebugOption, JsonOption, QuietOption
from trainctl.cli.output import check_json_target, write_json
from trainctl.cli.quantization_table import quantization_lines
from trainctl.cli.text import count, number, printable, table
from trainctl.errors import CheckpointError

app = typer.Typer(cls=Group, rich_markup_mode=None, add_completion=False, no_args_is_help=False)

INSPECT_EXAMPLES = """\
trainctl checkpoint inspect runs/mnist-mlp
trainctl checkpoint inspect runs/mnist-mlp/epoch-3
trainctl checkpoint inspect runs/mnist-mlp/last --json - -q | jq '.tensors[] | select(.not_finite > 0) | .name'"""
VERIFY_EXAMPLES = """\
trainctl checkpoint verify runs/mnist-mlp
trainctl checkpoint verify runs/mnist-mlp/best --json - --quiet
trainctl checkpoint verify weights.safetensors"""

PathArgument = Annotated[
    Path,
    typer.Argument(
        metavar="RUN|CHECKPOINT|FILE",
        help="A run, a checkpoint such as RUN/best or RUN/epoch-3, or a safetensors file.",
        show_default=False,
    ),
]


@app.callback()
def checkpoint() -> None:
    """Inspect and verify checkpoints."""


@app.command(cls=Command, epilog=INSPECT_EXAMPLES)
def inspect(
    path: PathArgument, json: JsonOption = None, quiet: QuietOption = False, debug: DebugOption = False
) -> None:
    """Show tensors, place in the run, config and version."""
    from trainctl.jobs import inspect_checkpoint

    check_json_target(json)
    found = inspect_checkpoint(path)
    if json is not None:
        write_json(json, found)
    if not quiet:
        print(printable(description(found)), file=sys.stderr)


@app.command(cls=Command, epilog=VERIFY_EXAMPLES)
def verify(path: PathArgument, json: JsonOption = None, quiet: QuietOption = False, debug: DebugOption = False) -> None:
    """Check every byte, and name the damaged tensors."""
    from trainctl.jobs import verify_checkpoints

    check_json_target(json)
    found = verify_checkpoints(path)
    if json is not None:
        write_json(json, found)
    if not quiet:
        print(printable("\n".join(line for each in found["checkpoints"] for line in verdict(each))), file=sys.stderr)
    damaged = sum(bool(each["damage"]) for each in found["checkpoints"])
    if damaged:
        whole = [each["path"] for each in found["checkpoints"] if not each["damage"]]
        what = f"{path}: {damaged} of {count(len(found['checkpoints']), 'checkpoint')} damaged"
        raise CheckpointError(what, hint=f"use {whole[-1]}" if whole else "use a copy, if there is one")


def verdict(each: dict[str, Any]) -> list[str]:
    """Whether a checkpoint is intact, and if not why.

    Example:
        >>> verdict({"path": "runs/a/checkpoints/step-00000005", "links": ["last", "best"], "damage": []})
        ['runs/a/checkpoints/step-00000005 (last, best): intact']
    """
    links = f" ({', '.join(each['links'])})" if each["links"] else ""
    if not each["damage"]:
        return [f"{each['path']}{links}: intact"]
    return [f"{each['path']}{links}: damaged", *(f"  {damage['message']}" for damage in each["damage"])]


def description(found: dict[str, Any]) -> str:
    """A checkpoint for a person: where it is from, then its tensors."""
    lines = [f"{found['path']}, {count(found['elements'], 'element')}, {found['bytes']:,} bytes"]
    if "position" in found:
        lines += _origin(found)
    if found.get("quantization"):
        lines += quantization_lines(found["quantization"])
    rows = [_row(each) for each in found["tensors"]]
    header = ["tensor", "dtype", "shape", "bytes", "min", "max", "mean", "std", "not finite"]
    return "\n".join([*lines, table(header, rows, "<<<>>>>>>")])


def _origin(found: dict[str, Any]) -> list[str]:
    position, config = found["position"], found["config"]
    where = f"epoch {position['epoch']}, step {position['step']}" if position["step"] else "the end of an epoch"
    best = position["best"]
    shown = f"; best so far {number(best['value'])} in epoch {best['epoch']}" if best else ""
    settings = ", ".join(f"{key} {_short(value)}" for key, value in config.items() if value is not None)
    return [
        f"after step {position['global_step']:,} ({where}), {count(position['epochs_done'], 'epoch')} done{shown}",
        f"config: {settings or 'cannot be read'}",
        f"written by trainctl {found['trainctl_version']} with {found['kernels']} kernels, "
        f"{count(found['threads'], 'thread')}",
    ]


def _short(value: Any) -> str:
    """A part of a config: its class's name, a figure, or text."""
    return ", ".join(map(str, value)) if isinstance(value, dict) else str(value)[:60]


def _row(tensor: dict[str, Any]) -> list[str]:
    figures = ["" if tensor[key] is None else number(tensor[key]) for key in ("min", "max", "mean", "std")]
    shape = "x".join(map(str, tensor["shape"])) or "scalar"
    return [tensor["name"], tensor["dtype"], shape, f"{tensor['bytes']:,}", *figures, str(tensor["not_finite"] or "")]
