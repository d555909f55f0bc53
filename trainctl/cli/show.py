"""``trainctl show``: what a config amounts to, and where each value came from."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trainctl.cli.options import (
    DebugOption,
    DeviceOption,
    DevicesOption,
    EpochsOption,
    JsonOption,
    OverridesArgument,
    PluginsOption,
    SeedOption,
    SetOption,
    ThreadsOption,
    load,
)
from trainctl.cli.output import STDOUT, check_json_target, write_json, write_text
from trainctl.cli.text import printable
from trainctl.errors import UsageError

if TYPE_CHECKING:
    import yaml

    from trainctl.config import LoadedConfig

EXAMPLES = """\
trainctl show configs/mlp.yaml
trainctl show configs/mlp.yaml train.epochs=3 > resolved.yaml
trainctl show configs/mlp.yaml --json - | jq '.origins["train.epochs"]'
trainctl show runs/mnist-mlp"""

COMMENT_COLUMN = 40
"""Where comments stand at most to the right, unless a value is longer."""

SCHEMA_VERSION = 1
"""Of what ``--json`` writes."""

_LINKS = ("best", "last", "latest")
_CHECKPOINT = ("checkpoint.json", "model.safetensors", "state.safetensors")
_RUN = ("config.resolved.yaml", "checkpoints", *_CHECKPOINT)


def show(
    config: Annotated[
        Path,
        typer.Argument(
            metavar="CONFIG|RUN|CHECKPOINT",
            help="YAML file, or a run or checkpoint, whose recorded config is meant.",
            show_default=False,
        ),
    ],
    overrides: OverridesArgument = None,
    sets: SetOption = None,
    seed: SeedOption = None,
    device: DeviceOption = None,
    devices: DevicesOption = None,
    threads: ThreadsOption = None,
    epochs: EpochsOption = None,
    plugins: PluginsOption = None,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Print the resolved config and where each value came from."""
    check_json_target(json)
    if is_recorded(config):
        loaded = recorded(config, [*(overrides or []), *(sets or [])], [seed, device, devices, threads, epochs])
    else:
        loaded = load(
            config, overrides, sets, seed=seed, device=device, devices=devices, threads=threads, epochs=epochs
        )
    if json is None:
        write_text(STDOUT, annotated(loaded))
    else:
        write_json(json, described(loaded))


def is_recorded(path: Path) -> bool:
    """Whether a path means a run or a checkpoint, and not a config file."""
    if path.is_dir():
        return path.name == "checkpoints" or any((path / name).exists() for name in _RUN)
    return path.name in _CHECKPOINT or (path.name in _LINKS and (path.parent / "checkpoints").is_dir())


def recorded(path: Path, sets: Sequence[str], flags: Sequence[object]) -> LoadedConfig:
    """The config of a run or checkpoint, as it was.

    Raises:
        UsageError: a value is to be changed.
    """
    from trainctl.jobs import recorded_config

    if sets or any(flag is not None for flag in flags):
        hint = f"trainctl show {shlex.quote(str(path / 'config.resolved.yaml'))} KEY=VALUE"
        raise UsageError(f"{path}: a run is shown as it was, without changes", hint=hint)
    return recorded_config(path)


def described(loaded: LoadedConfig) -> dict[str, Any]:
    """The resolved config as plain data, and by key path where each value came from."""
    from trainctl.config.dump import plain
    from trainctl.config.tree import dotted

    origins = {dotted(setting.path): setting.origin for setting in loaded.describe()}
    return {"schema_version": SCHEMA_VERSION, "config": plain(loaded.config), "origins": origins}


def annotated(loaded: LoadedConfig) -> str:
    """The resolved config as YAML, one value a line, each with a comment that says where it came from."""
    import yaml

    origins = {setting.path: setting.origin for setting in loaded.describe()}
    tree = _compose(loaded.to_yaml())
    for path, node in _walk(tree):
        if isinstance(node, yaml.CollectionNode):
            node.flow_style = path in origins
        elif isinstance(node, yaml.ScalarNode) and not node.value.isprintable():
            node.style = '"'  # a line break in it is written as \n, and the value stays on one line
    text = yaml.serialize(tree, Dumper=yaml.SafeDumper, allow_unicode=True, width=2**20)
    lines = text.splitlines()
    places = {path: node.start_mark.line for path, node in _walk(_compose(text))}
    width = min(max(len(lines[places[path]]) for path in origins), COMMENT_COLUMN)
    for path, origin in origins.items():
        lines[places[path]] = f"{lines[places[path]]:{width}}  # {printable(origin).replace(chr(10), ' ')}"
    return "".join(f"{line}\n" for line in lines)


def _compose(text: str) -> yaml.Node:
    import yaml

    tree = yaml.compose(text, Loader=yaml.SafeLoader)
    assert tree is not None
    return tree


def _walk(node: yaml.Node, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], yaml.Node]]:
    """Every value of a YAML document with the keys and indices that lead to it."""
    import yaml

    yield path, node
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _walk(value, (*path, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _walk(value, (*path, index))
