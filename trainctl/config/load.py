"""From a file to a :class:`LoadedConfig`: read, overridden, checked."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic import ValidationError

from trainctl.config.blocks import entries, layers_of
from trainctl.config.components import Component, parse
from trainctl.config.dump import dump, plain
from trainctl.config.extends import KEY, Extension
from trainctl.config.files import read_text
from trainctl.config.losses import WEIGHTS, Losses
from trainctl.config.models import OUTPUTS, Graph
from trainctl.config.overrides import overridden
from trainctl.config.plugins import RESOLVED, Plugin, load_plugins
from trainctl.config.problems import faults_of, in_file_order, located, misfit, place_of, used_at
from trainctl.config.reader import read
from trainctl.config.schema import Config
from trainctl.config.section import Section
from trainctl.config.tree import Node, Path, Place
from trainctl.errors import ConfigError, Problem
from trainctl.registry import Names, extended


class Setting(NamedTuple):
    """One value and where it came from: ``default``, ``file:line``, ``--set``, a flag or a variable."""

    path: Path
    value: Any
    origin: str


@dataclass(frozen=True)
class LoadedConfig:
    """A checked config that knows where each of its values was written.

    Attributes:
        config: the values, defaults included.
        file: the file's name as it was given.
        tree: what was written.
        names: its blocks and the classes of its plugins.
        notices: what the user should know of it although it is no mistake: a plugin that changed since the run.

    Example:
        >>> loaded = load_config("configs/mlp.yaml", environ={})
        >>> loaded.locate(("train", "epochs")).line, loaded.origin(("seed",))
        (32, 'configs/mlp.yaml:8')
        >>> print(loaded.problem(("loss",), "no such loss"))
        configs/mlp.yaml:24:7: no such loss
            loss: CrossEntropyLoss
                  ^
    """

    config: Config
    file: str
    tree: Node
    names: Names = field(default_factory=dict, compare=False, repr=False)
    notices: tuple[str, ...] = ()

    def locate(self, path: Path) -> Place:
        """Where a key path such as ``("model", 1, "Linear")`` is written, or what encloses it.

        For a mapping or a list under a key, that is the key.
        """
        node = list(self.tree.walk(path))[-1]
        return place_of(self.tree, path, "key" if isinstance(node.value, dict | list) else "value")

    def problem(self, path: Path, message: str, hint: str | None = None) -> Problem:
        """A mistake in the value of a key path."""
        return self.locate(path).problem(message, hint)

    def origin(self, path: Path) -> str:
        """Where the value of a key path came from: ``default``, ``file:line``, ``--set``, a flag."""
        nodes = list(self.tree.walk(path))
        return nodes[-1].place.origin if len(nodes) > len(path) else "default"

    def layers_of(self, use: Component) -> list[Component]:
        """The layers that a use of a block stands for."""
        return [parse("layer", layer) for layer in layers_of(use, self.config.blocks)]

    def used_at(self, path: Path) -> str:
        """Where a block is used, for the message of a mistake in it."""
        return used_at(self.tree, path)

    def describe(self) -> list[Setting]:
        """Every value of the resolved config, in its order."""
        return [Setting(path, value, self.origin(path)) for path, value in _leaves((), self.config)]

    def to_yaml(self) -> str:
        """The resolved config; :func:`config_from_yaml` reads it back as an equal one."""
        return dump(self.config)


def _leaves(path: Path, value: Any) -> Iterator[tuple[Path, Any]]:
    """The values that hold no others; an argument counts as one, whatever it is."""
    if isinstance(value, Section):
        for name, info in type(value).model_fields.items():
            yield from _leaves((*path, info.alias or name), getattr(value, name))
    elif isinstance(value, Losses):
        yield from _leaves(path, {**value.parts, **({WEIGHTS: value.weights} if value.weights else {})})
    elif isinstance(value, Graph):
        yield from _leaves(path, {**value.nodes, OUTPUTS: value.outputs})
    elif isinstance(value, dict) and value:
        for name, child in value.items():
            yield from _leaves((*path, name), child)
    elif isinstance(value, tuple) and value:
        for index, child in enumerate(value):
            yield from _leaves((*path, index), child)
    elif isinstance(value, Component) and value.args:
        for name, argument in value.args.items():
            below = (*path, value.name, name)
            if _holds_parts(argument):
                yield from _leaves(below, argument)
            else:
                yield below, plain(argument)
    else:
        yield path, plain(value)


def _holds_parts(argument: Any) -> bool:
    """Whether an argument is a list of components, or of lists of them."""
    return isinstance(argument, tuple) and any(isinstance(each, Component) or _holds_parts(each) for each in argument)


def load_config(
    path: str | os.PathLike[str],
    overrides: Sequence[str] = (),
    flags: Mapping[str, tuple[str, Any]] | None = None,
    environ: Mapping[str, str] | None = None,
) -> LoadedConfig:
    """Read and check a config file and what it extends; no data is read.

    Defaults < file < ``TRAINCTL__A__B`` variables < ``overrides`` < ``flags``; a file is over those it extends.

    Args:
        path: the YAML file.
        overrides: ``a.b=c`` each; the value is one YAML value.
        flags: by key path, the flag's name and its value; None where the flag was not given.
        environ: the environment; this process's by default.

    Raises:
        ConfigError: the file cannot be read, or every mistake in it.

    Example:
        >>> loaded = load_config("configs/mlp.yaml", ["train.epochs=3"], {"seed": ("--seed", 7)}, {})
        >>> loaded.config.train.epochs, loaded.origin(("train", "epochs")), loaded.origin(("seed",))
        (3, '--set', '--seed')
    """
    environ = os.environ if environ is None else environ
    file = os.fspath(path)
    tree, problems = _read(read_text(file), file)
    extension = Extension(file)
    tree = extension.apply(tree)
    problems += extension.problems
    if not extension.complete:  # what else is missing, the file that could not be read may have
        raise ConfigError(in_file_order(problems, extension.files))
    tree, unset = overridden(tree, overrides, environ, flags or {})
    trusted = pathlib.PurePath(file).name != RESOLVED
    return _checked(tree, problems, unset, extension.files, trusted=trusted)


def config_from_yaml(
    text: str, file: str, overrides: Sequence[str] = (), flags: Mapping[str, tuple[str, Any]] | None = None
) -> LoadedConfig:
    """Read back a resolved config: the environment has no say.

    Args:
        text: what :meth:`LoadedConfig.to_yaml` gave.
        file: where it is from, for messages.
        overrides: as :func:`load_config` takes them.
        flags: as :func:`load_config` takes them.

    Raises:
        ConfigError: every mistake in it.

    Example:
        >>> loaded = load_config("configs/mlp.yaml", ["seed=7"], environ={})
        >>> config_from_yaml(loaded.to_yaml(), "config.resolved.yaml").config == loaded.config
        True
    """
    tree, problems = _read(text, file)
    extends = tree.child(KEY)
    if extends is not None:
        message = f"{KEY}: a resolved config stands alone and reads no other file"
        problems.append((extends.key or extends.place).problem(message))
        tree = tree.without(KEY)
    tree, unset = overridden(tree, overrides, {}, flags or {})
    return _checked(tree, problems, unset, [file], trusted=False)


def _read(text: str, file: str) -> tuple[Node, list[Problem]]:
    tree, problems = read(text, file)
    if tree is None or tree.value is None:
        raise ConfigError([Problem("the file is empty", file)], hint="trainctl init writes a whole config")
    return tree, problems


def _checked(
    tree: Node, problems: list[Problem], unset: list[Problem], files: Sequence[str], *, trusted: bool
) -> LoadedConfig:
    """The config of a tree.

    Args:
        tree: what was written.
        problems: the mistakes found in the files so far.
        unset: those in what was to be set.
        files: the config and those that it extends.
        trusted: whether its plugins may be imported unasked.

    Raises:
        ConfigError: the mistakes found so far, and every other one.
    """
    plugins = load_plugins(tree, trusted)
    names = {**plugins.names, "layer": {**entries(_below(tree, "blocks")), **plugins.names.get("layer", {})}}
    with extended(names):
        config, unfit = _check(tree, files[0], plugins.plugins)
    if plugins.problems:  # then a name that is not known may be one of theirs
        problems = [*problems, *plugins.problems]
        unfit = [each for each in unfit if ": unknown " not in each.message]
    broken = {_spot(each) for each in problems}
    found = [*problems, *(each for each in unfit if each.line is None or _spot(each) not in broken), *unset]
    if found or config is None:
        raise ConfigError(in_file_order(found, files))
    return LoadedConfig(config, files[0], tree, names, tuple(plugins.notices))


def _spot(problem: Problem) -> tuple[object, ...]:
    return problem.file, problem.line, problem.column


def _below(tree: Node, key: str) -> Any:
    """The plain value under a key, None where there is none."""
    node = tree.child(key)
    return node.plain() if node else None


def _check(tree: Node, file: str, plugins: Sequence[Plugin]) -> tuple[Config | None, list[Problem]]:
    value = tree.plain()
    if not isinstance(value, dict):
        return None, located([misfit((), "a mapping with data, model, loss, optimizer and train", value)], tree)
    value = {"name": pathlib.PurePath(file).stem, **value}
    if plugins:
        value["plugins"] = tuple(plugins)
    try:
        return Config.model_validate(value), []
    except ValidationError as error:
        return None, located(faults_of(error, Config, value), tree)
