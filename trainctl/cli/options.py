"""Arguments and options that several commands share; each is explained once, here."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from trainctl.config import LoadedConfig

LogFormat = Literal["auto", "rich", "plain", "json"]

ConfigArgument = Annotated[
    Path, typer.Argument(metavar="CONFIG", help="YAML file that describes the run.", show_default=False)
]
OverridesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE", help="Values that replace the file's: train.epochs=5."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        "-s",
        metavar="KEY=VALUE",
        help="Replace a value of the config; may be repeated.",
        rich_help_panel="Config",
    ),
]
SeedOption = Annotated[int | None, typer.Option("--seed", metavar="N", help="Replace seed.", rich_help_panel="Config")]
DeviceOption = Annotated[
    str | None,
    typer.Option("--device", metavar="auto|cpu|cuda[:N]", help="Replace device.", rich_help_panel="Config"),
]
DevicesOption = Annotated[
    str | None,
    typer.Option(
        "--devices", metavar="cuda:N,...", help="Replace devices: GPUs that share each batch.", rich_help_panel="Config"
    ),
]
ThreadsOption = Annotated[
    str | None,
    typer.Option("--threads", metavar="auto|N", help="Replace threads.", rich_help_panel="Config"),
]
EpochsOption = Annotated[
    int | None,
    typer.Option("--epochs", metavar="N", help="Replace train.epochs.", rich_help_panel="Config"),
]
InitFromOption = Annotated[
    str | None,
    typer.Option(
        "--init-from",
        metavar="PATH",
        help="Begin with the weights of a run, a checkpoint, a safetensors file or an ONNX model.",
        rich_help_panel="Config",
    ),
]


def _allow_plugins(names: list[str] | None) -> list[str] | None:
    """Let the config of a run import these; the command line is kept for the error that says what else to name."""
    from trainctl.config import allow_plugins

    allow_plugins(names or (), sys.argv[1:])
    return names


PluginsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--plugins",
        metavar="FILE|MODULE",
        help="Let a run's config import this plugin; may be repeated.",
        callback=_allow_plugins,
        rich_help_panel="Config",
    ),
]
JsonOption = Annotated[
    str | None,
    typer.Option(
        "--json",
        metavar="PATH|-",
        help="Write the result as JSON to a file, or alone on stdout.",
        rich_help_panel="Output",
    ),
]
LogFormatOption = Annotated[
    LogFormat,
    typer.Option(
        "--log-format",
        metavar="auto|rich|plain|json",
        help="Progress on stderr; auto is rich on a terminal and plain elsewhere.",
        show_default=False,
        rich_help_panel="Output",
    ),
]
RuntimeOption = Annotated[
    Literal["trainctl", "onnxruntime"],
    typer.Option(
        "--runtime",
        metavar="trainctl|onnxruntime",
        help="What runs the model; ONNX Runtime is the extra onnx.",
    ),
]
QuietOption = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Say nothing on stderr but errors.", rich_help_panel="Output"),
]
NoColorOption = Annotated[
    bool, typer.Option("--no-color", help="No colour; so does NO_COLOR=1.", rich_help_panel="Output")
]
# The command line's entry looks for --debug itself: an error may come before the options are read.
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def load(
    config: Path,
    overrides: list[str] | None,
    sets: list[str] | None,
    *,
    seed: int | None,
    device: str | None,
    threads: str | None,
    epochs: int | None,
    devices: str | None = None,
    init_from: str | None = None,
) -> LoadedConfig:
    """Read a config with what the command line says about it."""
    from trainctl.config import load_config

    flags = {
        "seed": ("--seed", seed),
        "device": ("--device", device),
        "devices": ("--devices", None if devices is None else devices.split(",")),
        "threads": ("--threads", int(threads) if threads and re.fullmatch("[0-9]{1,18}", threads) else threads),
        "train.epochs": ("--epochs", epochs),
        "init_from.path": ("--init-from", init_from),
    }
    return load_config(config, [*(overrides or []), *(sets or [])], flags)
