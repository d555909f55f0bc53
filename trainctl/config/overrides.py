"""Values set from outside the file: the environment, ``--set a.b=c`` and named flags."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from trainctl.config.reader import read
from trainctl.config.schema import Config
from trainctl.config.shape import below, is_part, names, spelled
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
        if self.keys[0] in Config.only_in_files:
            raise self._error(f"{self.keys[0]}: a config file alone can say this")
        return self._set(tree, self.keys)

    def _set(self, node: Node, keys: Sequence[str], hint: Any = Config) -> Node:
        if not keys:
            return node_of(self.value, self.place)
        key = self._match(node, keys[0], hint)
        node = _opened(node, key)
        if self.keys[0] == "init_from" and isinstance(node.value, str):
            node = replace(node, value={"path": node})  # a path alone, as the mapping that it stands for
        if node.value is not None and not isinstance(node.value, dict | list):
            raise self._error(f"{self._above(keys)} is {got(node.value)}; nothing is below it", self._whole(keys, hint))
        part = self._index(node.value, keys) if isinstance(node.value, list) else key
        child = node.child(part) or Node({}, self.place, self.place)
        return node.with_child(part, self._set(child, keys[1:], below(hint, key)))

    def _match(self, node: Node, key: str, hint: Any) -> str:
        """The key as the file writes it, or else as the schema does."""
        if not self.any_case:
            return key
        written = node.value if isinstance(node.value, dict) else [node.value]
        return next((str(each) for each in written if str(each).lower() == key.lower()), None) or spelled(hint, key)

    def _index(self, items: list[Node], keys: Sequence[str]) -> int:
        if re.fullmatch("[0-9]{1,6}", keys[0]) and int(keys[0]) < len(items):
            return int(keys[0])
        have = f"0 to {len(items) - 1}" if items else "none, it is empty"
        raise self._error(f"{self._above(keys)} has no item '{keys[0]}'; its indices: {have}")

    def _above(self, keys: Sequence[str]) -> str:
        """The path that the remaining keys are below of."""
        return ".".join(self.keys[: len(self.keys) - len(keys)]) or "the config"

    def _whole(self, keys: Sequence[str], hint: Any) -> str | None:
        """How to put another class in the place of one."""
        name = spelled(hint, keys[0])
        if not is_part(hint) or name not in names(hint):
            return None
        return f"to replace it, set the whole value: {self._above(keys)}={{{name}: {{...}}}}"

    def _error(self, message: str, hint: str | None = None) -> ConfigError:
        return ConfigError([self.place.problem(message, hint)])


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
    return Override(_keys(name), _yaml_value(text, place), place, any_case=True)


def _keys(name: str) -> list[str]:
    return name[len(PREFIX) :].lower().split("__")


def _variables(environ: Mapping[str, str]) -> tuple[list[str], list[Problem]]:
    """The variables that set something, one above another after it, and those that are mistakes."""
    named: dict[str, str] = {}
    problems = []
    for name in sorted(environ, key=lambda name: (name.upper(), name)):
        if name.upper().startswith(PREFIX):
            first = named.setdefault(name.upper(), name)
            if first != name:
                problems.append(Place(name).problem(f"{first} sets this too", "unset one of them"))
        elif name.upper().startswith("TRAINCTL_") and "__" in name:
            problems.append(Place(name).problem("unknown variable", f"did you mean {PREFIX}{name[len(PREFIX) - 1 :]}?"))
    return list(named.values()), problems


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
    named, problems = _variables(environ)
    steps: list[Callable[[], Override]] = [partial(from_environment, name, environ[name]) for name in named]
    steps += [partial(from_set, text) for text in sets]
    steps += [
        partial(Override, path.split("."), value, Place(flag))
        for path, (flag, value) in flags.items()
        if value is not None
    ]
    for step in steps:
        try:
            tree = step().apply(tree)
        except ConfigError as error:
            problems += error.problems
    return tree, problems
