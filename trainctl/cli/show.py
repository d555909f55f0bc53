"""``trainctl show``: what a config amounts to, and where each value came from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from trainctl.cli.options import (
    ConfigArgument,
    DebugOption,
    DeviceOption,
    EpochsOption,
    OverridesArgument,
    PluginsOption,
    SeedOption,
    SetOption,
    ThreadsOption,
    load,
)
from trainctl.cli.text import printable

if TYPE_CHECKING:
    import yaml

    from trainctl.config import LoadedConfig

EXAMPLES = """\
trainctl show configs/mlp.yaml
trainctl show configs/mlp.yaml train.epochs=3 > resolved.yaml"""

COMMENT_COLUMN = 40
"""Where comments stand at most to the right, unless a value is longer."""


def show(
    config: ConfigArgument,
    overrides: OverridesArgument = None,
    sets: SetOption = None,
    seed: SeedOption = None,
    device: DeviceOption = None,
    threads: ThreadsOption = None,
    epochs: EpochsOption = None,
    plugins: PluginsOption = None,
    debug: DebugOption = False,
) -> None:
    """Print the resolved config and where each value came from."""
    loaded = load(config, overrides, sets, seed=seed, device=device, threads=threads, epochs=epochs)
    print(annotated(loaded), end="")


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
