"""``trainctl validate``: every mistake of a config, found without its data."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from trainctl.cli.options import (
    ConfigArgument,
    DebugOption,
    DeviceOption,
    DevicesOption,
    EpochsOption,
    JsonOption,
    OverridesArgument,
    PluginsOption,
    QuietOption,
    SeedOption,
    SetOption,
    ThreadsOption,
    load,
)
from trainctl.cli.output import check_json_target, write_json
from trainctl.cli.text import printable, table

if TYPE_CHECKING:
    from trainctl.build import ModelSummary

EXAMPLES = """\
trainctl validate configs/mlp.yaml
trainctl validate configs/mlp.yaml model.1.Linear.out_features=64"""

SCHEMA_VERSION = 1


def validate(
    config: ConfigArgument,
    overrides: OverridesArgument = None,
    sets: SetOption = None,
    seed: SeedOption = None,
    device: DeviceOption = None,
    devices: DevicesOption = None,
    threads: ThreadsOption = None,
    epochs: EpochsOption = None,
    plugins: PluginsOption = None,
    json: JsonOption = None,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Check a config, without its data, and show its layers."""
    from trainctl.build import check

    check_json_target(json)
    loaded = load(config, overrides, sets, seed=seed, device=device, devices=devices, threads=threads, epochs=epochs)
    model = check(loaded)
    if json is not None:
        write_json(json, {"schema_version": SCHEMA_VERSION, "name": loaded.config.name, **described(model)})
    if not quiet:
        print(printable(layer_table(model)), file=sys.stderr)
        print(printable(f"{config}: config is valid"), file=sys.stderr)


def described(model: ModelSummary) -> dict[str, Any]:
    """The layers of a model as plain data."""
    return {**asdict(model), "parameters": model.parameters}


def layer_table(model: ModelSummary) -> str:
    """The layers of a model, one a line, with what each gives and how much it learns."""
    rows = [["", name, _shape(shape), ""] for name, shape in model.inputs.items()]
    rows += [[each.path, each.layer, _shape(each.output_shape), f"{each.parameters:,}"] for each in model.layers]
    rows.append(["", "total", "", f"{model.parameters:,}"])
    return table(["path", "layer", "output shape", "parameters"], rows, "<<<>")


def _shape(sizes: tuple[int, ...]) -> str:
    """The shape of a batch, whose size N is open."""
    return f"[{', '.join(['N', *map(str, sizes)])}]"
