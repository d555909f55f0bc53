"""``extends: base.yaml``: a config that says only what is different from others.

A base is a file, relative to the one that names it, or ``{file: base.yaml, without: [optimizer.SGD]}``. Of
several the later one wins, and the config itself over all. Mappings merge by key; lists and values replace,
and so does a class under another name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from trainctl.config.files import MAX_BYTES, read_text
from trainctl.config.reader import MAX_VALUES, read
from trainctl.config.schema import Config
from trainctl.config.shape import below, classes, is_part, names, required
from trainctl.config.tree import Node, Place
from trainctl.config.words import did_you_mean, got
from trainctl.errors import ConfigError, Problem

KEY = "extends"
MAX_FILES = 16
SUFFIXES = (".yaml", ".yml")

_FORMS = "a file, or `{file: base.yaml, without: [a.b]}`, or a list of these"


@dataclass(frozen=True, slots=True)
class _Base:
    """One entry of ``extends``.

    Attributes:
        file: the node that names the file.
        without: those that name what is left out of it.
    """

    file: Node
    without: tuple[Node, ...] = ()


class Extension:
    """Reads what a config extends.

    Attributes:
        problems: the mistakes found on the way.
        complete: whether every base could be read; without one it is not known what is missing.
        files: the files in the order they were read, the config's own first.
    """

    def __init__(self, file: str) -> None:
        self.problems: list[Problem] = []
        self.complete = True
        self.files = [file]
        self._bytes = 0

    def apply(self, tree: Node) -> Node:
        """The config's tree over what it extends."""
        file = self.files[0]
        return self._over_bases(tree, file, {os.path.realpath(file): file})

    def _over_bases(self, tree: Node, file: str, chain: dict[str, str]) -> Node:
        extends = tree.child(KEY)
        if extends is None:
            return tree
        result: Node | None = None
        for base in self._entries(extends):
            part = self._read(base, file, chain)
            if part is not None:
                result = part if result is None else merged(result, part)
        own = tree.without(KEY)
        result = own if result is None else merged(result, own)
        if result.count() > MAX_VALUES:
            raise ConfigError([extends.place.problem(f"{KEY}: over {MAX_VALUES} values together")])
        return result

    # -- what `extends` says ----------------------------------------------------------------------

    def _entries(self, node: Node) -> Iterator[_Base]:
        items = node.value if isinstance(node.value, list) else [node]
        if not items:
            self.complete = False
            self._report(node.place, f"expected {_FORMS}, got {got([])}")
        for item in items:
            base = self._entry(item)
            if base is None:
                self.complete = False
            else:
                yield base

    def _entry(self, node: Node) -> _Base | None:
        if isinstance(node.value, str):
            return _Base(node)
        if not isinstance(node.value, dict):
            self._report(node.place, f"expected {_FORMS}, got {got(node.plain())}")
            return None
        for key, child in node.value.items():
            if key not in _Base.__slots__:
                self._report(child.key or child.place, f"{key}: unknown key", did_you_mean(key, _Base.__slots__))
        file = node.value.get("file")
        if file is None or not isinstance(file.value, str):
            what = "missing key 'file'" if file is None else f"file: expected a string, got {got(file.plain())}"
            self._report((file or node).place, what, "for example `{file: base.yaml, without: [scheduler]}`")
            return None
        return _Base(file, tuple(self._paths(node.value.get("without"))))

    def _paths(self, without: Node | None) -> Iterator[Node]:
        items = [] if without is None else without.value if isinstance(without.value, list) else [without]
        for path in items:
            if isinstance(path.value, str):
                yield path
            else:
                self._report(path.place, f"without: expected keys such as optimizer.SGD, got {got(path.plain())}")

    # -- the files --------------------------------------------------------------------------------

    def _read(self, base: _Base, file: str, chain: dict[str, str]) -> Node | None:
        written, place = str(base.file.value), base.file.place
        path, refusal, hint = located(written, file)
        real = os.path.realpath(path)
        if not refusal and real in chain:
            names = list(chain.values())[list(chain).index(real) :]
            refusal, hint = f"a circle: {' -> '.join([*names, chain[real]])}", "remove one of them"
        if not refusal and len(self.files) > MAX_FILES:
            refusal = f"over {MAX_FILES} files together"
        if refusal:
            self.complete = False
            self._report(place, refusal, hint)
            return None
        tree = self._tree(path, place)
        if tree is None:
            self.complete = False
            return None
        return self._without(self._over_bases(tree, path, {**chain, real: path}), base, path)

    def _tree(self, path: str, place: Place) -> Node | None:
        """A file's tree; None, and the mistakes, where it cannot be read or is no mapping."""
        self.files.append(path)
        try:
            text = read_text(path)
            self._bytes += len(text)
            if self._bytes > MAX_BYTES:
                raise ConfigError([Problem(f"over {MAX_BYTES} bytes together")])
            tree, problems = read(text, path)
        except ConfigError as error:
            for each in error.problems:
                in_file = each.line is not None
                self.problems.append(each) if in_file else self._report(place, f"{path}: {each.message}", each.hint)
            return None
        self.problems += problems
        if tree is None or not isinstance(tree.value, dict):
            self._report(place, f"{path}: expected a mapping, got {got(tree.plain() if tree else None)}")
            return None
        return tree

    def _without(self, tree: Node, base: _Base, path: str) -> Node:
        for node in base.without:
            keys = str(node.value).split(".")
            left, missing = _less(tree, keys)
            if left is None:
                self._report(node.place, f"without: {path} has no '{node.value}'", missing)
            else:
                tree = left
        return tree

    def _report(self, place: Place, message: str, hint: str | None = None) -> None:
        self.problems.append(place.problem(f"{KEY}: {message}", hint))


def _less(tree: Node, keys: list[str]) -> tuple[Node | None, str | None]:
    """The tree without what the keys lead to; None, and the nearest key, where they lead nowhere."""
    key, *rest = keys
    part: str | int = int(key) if isinstance(tree.value, list) and re.fullmatch("[0-9]{1,6}", key) else key
    child = tree.child(part)
    if child is None:
        return None, did_you_mean(key, tree.value) if isinstance(tree.value, dict) else None
    if not rest:
        return tree.without(part), None
    left, missing = _less(child, rest)
    return (tree.with_child(part, left) if left else None), missing


def located(written: str, file: str) -> tuple[str, str | None, str | None]:
    """The path of a base that ``file`` names, and why it is refused, with advice, where it is.

    Nothing is fetched, and nothing is opened but a YAML file that is where its name says: a symbolic link may
    not lead out of the folders that the path names.
    """
    folder = os.path.dirname(file)
    path = os.path.join(folder, written)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", written):
        return path, "a URL; nothing is fetched from a network", "download it, and name the file"
    if not written.endswith(SUFFIXES):
        return path, f"expected a {' or '.join(SUFFIXES)} file, got '{written}'", _with_suffix(path, written)
    home, real = os.path.realpath(folder), os.path.realpath(path)
    target = os.path.normpath(os.path.join(home, written))
    around = os.path.commonpath([home, os.path.dirname(target)])
    if os.path.commonpath([around, real]) != around or not real.endswith(SUFFIXES):
        return path, f"{path}: a symbolic link that leads to {real}", "name the file itself"
    if os.path.exists(real) and not os.path.isfile(real) and not os.path.isdir(real):
        return path, f"{path}: not a file", None
    normal = os.path.normpath(path)
    return (normal if os.path.realpath(normal) == real else path), None, None


def _with_suffix(path: str, written: str) -> str | None:
    near = [suffix for suffix in SUFFIXES if written and os.path.isfile(path + suffix)]
    return f"did you mean {written}{near[0]}?" if near else None


def merged(base: Node, own: Node, hint: Any = Config) -> Node:
    """One tree over another.

    Args:
        base: what is changed.
        own: what it is changed to.
        hint: what may stand here.

    Example:
        >>> from trainctl.config.tree import node_of
        >>> base = node_of({"optimizer": {"SGD": {"lr": 0.1, "momentum": 0.9}}}, Place("base.yaml"))
        >>> merged(base, node_of({"optimizer": {"SGD": {"lr": 0.2}}}, Place("a.yaml"))).plain()
        {'optimizer': {'SGD': {'lr': 0.2, 'momentum': 0.9}}}
        >>> merged(base, node_of({"optimizer": {"Adam": {"lr": 0.2}}}, Place("a.yaml"))).plain()
        {'optimizer': {'Adam': {'lr': 0.2}}}
    """
    if not isinstance(base.value, dict) or not isinstance(own.value, dict):
        return own
    if is_part(hint) and base.value.keys() != own.value.keys() and not _are_entries(base.value, own.value, hint):
        return own  # another class, with arguments of its own
    children = dict(base.value)
    for key, node in own.value.items():
        children[key] = merged(children[key], node, below(hint, key)) if key in children else node
    return replace(own, value=children)


def _are_entries(base: dict[str, Node], own: dict[str, Node], hint: Any) -> bool:
    """Whether both are mappings of names that the user chose, such as a graph's, and neither is a class's name."""
    if not {*base, *own}.isdisjoint(classes(hint)):
        return False
    several = len(base) > 1 or all(_is_entry(key, node, hint) for key, node in base.items())
    return several and all(key in base or _is_entry(key, node, hint) for key, node in own.items())


def _is_entry(key: str, node: Node, hint: Any) -> bool:
    """Whether a value cannot be the arguments of a class that is not known, a plugin's."""
    if node.value is None or key in names(hint) or not isinstance(node.value, dict):
        return node.value is not None
    inside = below(hint, key)
    return bool({*node.value} & {*classes(inside), *required(inside)})
