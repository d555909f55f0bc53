"""Values set from outside the file: the environment, ``--set a.b=c`` and named flags."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from trainctl.config.reader import read
from trainctl.config.tree import Node, Place, node_of
from trainctl.config.words import got
from trainctl.errors import ConfigError, Problem

PREFIX = "TRAINCTL__"


@dataclass(frozen=True, slots=True)
class Override:
    """One value to set.

    Attributes:
        keys: the keys that lead to it.
        value: the value, plain.
        place: what set it, for messages and origins.
        any_case: whether a key matches one of the file in another case, as environment names must.
    """

    keys: Sequence[str]
    value: Any
    place: Place
    any_case: bool = False

    def apply(self, tree: Node) -> Node:
        """The tree with the value set.

        Raises:
            ConfigError: the keys lead through a value that has nothing below it, or past a list's end.
        """
        if not all(self.keys):
            raise ConfigError([self.place.problem("an empty key", "write keys and indices as in train.epochs")])
        return self._set(tree, self.keys)

    def _set(self, node: Node, keys: Sequence[str]) -> Node:
        if not keys:
            return node_of(self.value, self.place)
        node = _opened(node, self._match(node, keys[0]))
        if self.keys[0] == "init_from" and isinstance(node.value, str):
            node = replace(node, value={"path": node})  # a path alone, as the mapping that it stands for
        if node.value is not None and not isinstance(node.value, dict | list):
            raise self._error(f"{self._above(keys)} is {got(node.value)}; nothing is below it")
        part = self._index(node.value, keys) if isinstance(node.value, list) else self._match(node, keys[0])
        below = node.child(part) or Node({}, self.place, self.place)
        return node.with_child(part, self._set(below, keys[1:]))

    def _match(self, node: Node, key: str) -> str:
        """The key as the file writes it."""
        if not self.any_case:
            return key
        written = node.value if isinstance(node.value, dict) else [node.value]
        return next((str(each) for each in written if str(each).lower() == key), key)

    def _index(self, items: list[Node], keys: Sequence[str]) -> int:
        if re.fullmatch("[0-9]{1,6}", keys[0]) and int(keys[0]) < len(items):
            return int(keys[0])
        have = f"0 to {len(items) - 1}" if items else "none, it is empty"
        raise self._error(f"{self._above(keys)} has no item '{keys[0]}'; its indices: {have}")

    def _above(self, keys: Sequence[str]) -> str:
        """The path that the remaining keys are below of."""
        return ".".join(self.keys[: len(self.keys) - len(keys)]) or "the config"

    def _error(self, message: str) -> ConfigError:
        return ConfigError([self.place.problem(message)])


def _opened(node: Node, key: str) -> Node:
    """A class name without arguments as the mapping that its arguments can be added to."""
    if node.value == key:
        return replace(node, value={key: Node(None, node.place, node.place)})
    return node


def from_set(text: str) -> Override:
    """What ``a.b=c`` sets: split at the first ``=``, the value is one YAML value.

    Raises:
        ConfigError: there is no ``=``, or the value is not YAML.

    Example:
        >>> override = from_set("optimizer.SGD.lr=1e-3")
        >>> override.keys, override.value
        (['optimizer', 'SGD', 'lr'], 0.001)
    """
    key, equals, value = text.partition("=")
    place = Place(f"--set {key}")
    if not equals:
        raise ConfigError([place.problem("expected KEY=VALUE", "for example train.epochs=5")])
    return Override(key.split("."), _yaml_value(value, place), place)


def from_environment(name: str, text: str) -> Override:
    """What ``TRAINCTL__A__B=c`` sets: ``a.b``; the keys match in any case.

    Raises:
        ConfigError: the value is not YAML.

    Example:
        >>> from_environment("TRAINCTL__TRAIN__EPOCHS", "3").keys
        ['train', 'epochs']
    """
    place = Place(name)
    return Override(name.removeprefix(PREFIX).lower().split("__"), _yaml_value(text, place), place, any_case=True)


def _yaml_value(text: str, place: Place) -> Any:
    try:
        tree, problems = read(text, place.file)
    except ConfigError as error:
        problems = list(error.problems)
    if problems:
        raise ConfigError([replace(each, line=None, column=None) for each in problems])
    return tree.plain() if tree else None


def overridden(
    tree: Node, sets: Sequence[str], environ: Mapping[str, str], flags: Mapping[str, tuple[str, Any]]
) -> tuple[Node, list[Problem]]:
    """The tree with all values set, each kind over the one before: environment, ``--set``, flags.

    Args:
        tree: the file's.
        sets: ``a.b=c`` each.
        environ: the environment; variables that do not begin with ``TRAINCTL__`` are passed over.
        flags: by key path, the flag's name and its value; None where the flag was not given.

    Returns:
        The tree, and the mistakes in what was to be set.

    Example:
        >>> tree, problems = overridden(node_of({"seed": 0}, Place("a.yaml")), ["seed=3"], {}, {})
        >>> tree.plain(), tree.child("seed").place.origin
        ({'seed': 3}, '--set')
    """
    named = [name for name in sorted(environ) if name.startswith(PREFIX)]
    steps: list[Callable[[], Override]] = [partial(from_environment, name, environ[name]) for name in named]
    steps += [partial(from_set, text) for text in sets]
    steps += [
        partial(Override, path.split("."), value, Place(flag))
        for path, (flag, value) in flags.items()
        if value is not None
    ]
    problems: list[Problem] = []
    for step in steps:
        try:
            tree = step().apply(tree)
        except ConfigError as error:
            problems += error.problems
    return tree, problems
