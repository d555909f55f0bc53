"""YAML text -> :class:`~trainctl.config.tree.Node`.

A key written twice, a tag, a key that is no string are mistakes. Depth and size are limited, also of
what aliases expand to, so that no small file can fill the memory.
"""

from __future__ import annotations

import re

import yaml

from trainctl.config.scalars import MERGE, TAG, add_rules, value_of
from trainctl.config.syntax import explain
from trainctl.config.tree import Node, Place, Scalar
from trainctl.errors import ConfigError, Problem

MAX_DEPTH = 40
MAX_VALUES = 20_000
LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
"""What YAML, and so PyYAML's line numbers, count as the end of a line."""

_LINE_SHOWN = 200
_KINDS = {"str": "a string", "int": "an integer", "float": "a number", "bool": "a boolean", "null": "nothing"}


class _Loader(yaml.SafeLoader):
    """PyYAML's own parser (libyaml's says the same things in other words), with limits."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  PyYAML's table is a class attribute
    depth = 0
    values = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth += 1
        self.values += 1
        if self.depth > MAX_DEPTH or self.values > MAX_VALUES:
            limit = f"{MAX_DEPTH} levels" if self.depth > MAX_DEPTH else f"{MAX_VALUES} values"
            raise yaml.MarkedYAMLError(problem=f"over {limit}", problem_mark=self.peek_event().start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


add_rules(_Loader)


def read(text: str, file: str) -> tuple[Node | None, list[Problem]]:
    """The tree of one YAML document; None for an empty one.

    Args:
        text: the document.
        file: the file's name, for the places.

    Returns:
        The tree, and the mistakes that did not keep it from being read (a key written twice, ...).

    Raises:
        ConfigError: the text is not YAML, or over a limit.

    Example:
        >>> tree, problems = read("lr: 1e-3", "a.yaml")
        >>> tree.plain(), tree.child("lr").place.column
        ({'lr': 0.001}, 5)
    """
    builder = _Builder(text, file)
    unprintable = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if unprintable:
        before = LINE_BREAK.split(text[: unprintable.start()])
        place = builder.place(len(before) - 1, len(before[-1]))
        hint = "a binary file, or not UTF-8? a config is plain text" if unprintable[0] == "\0" else "remove it"
        raise ConfigError([place.problem(f"a control character (U+{ord(unprintable[0]):04X})", hint)])
    root = _compose(text, builder)
    return (builder.build(root) if root is not None else None), builder.problems


def _compose(text: str, builder: _Builder) -> yaml.Node | None:
    loader = _Loader(text)
    try:
        return loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        raise ConfigError([explain(error, builder.place_of)]) from None
    except (ValueError, OverflowError):  # what PyYAML makes of an escape such as "\U99999999"
        raise ConfigError([builder.place_of(loader.get_mark()).problem("no such character")]) from None
    finally:
        loader.dispose()


class _Builder:
    """Turns PyYAML's nodes into ours and collects the mistakes on the way."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.lines = LINE_BREAK.split(text)
        self.problems: list[Problem] = []
        self.values = 0
        self.enclosing: set[int] = set()

    def place(self, line: int, column: int) -> Place:
        """A place by line and column from 0."""
        shown = self.lines[line][:_LINE_SHOWN] if column < _LINE_SHOWN else None
        return Place(self.file, line + 1, column + 1, shown)

    def place_of(self, mark: yaml.Mark | None) -> Place:
        return self.place(mark.line, mark.column) if mark else Place(self.file)

    def build(self, node: yaml.Node, key: Place | None = None) -> Node:
        place = self.place_of(node.start_mark)
        self._check_limits(node, place)
        self.enclosing.add(id(node))
        value = self._value(node, place)
        self.enclosing.remove(id(node))
        return Node(value, place, key)

    def _check_limits(self, node: yaml.Node, place: Place) -> None:
        self.values += 1
        if self.values > MAX_VALUES:
            raise ConfigError([place.problem(f"over {MAX_VALUES} values, aliases expanded")])
        if id(node) in self.enclosing:
            raise ConfigError([place.problem("a value that holds an alias to itself")])
        if len(self.enclosing) >= MAX_DEPTH:
            raise ConfigError([place.problem(f"over {MAX_DEPTH} levels, aliases expanded")])

    def _value(self, node: yaml.Node, place: Place) -> Scalar | dict[str, Node] | list[Node]:
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, place)
        if node.tag not in (TAG + "map", TAG + "seq"):
            self._report_tag(node, place)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node)
        return [self.build(item) for item in node.value]

    def _scalar(self, node: yaml.ScalarNode, place: Place) -> Scalar:
        kind = node.tag.removeprefix(TAG)
        if kind in ("str", "merge"):
            return self._string(node.value, place)
        if kind not in _KINDS:
            self._report_tag(node, place)
            return None
        try:
            return value_of(kind, node.value)
        except ValueError as error:
            self.problems.append(place.problem(str(error)))
            return None

    def _string(self, text: str, place: Place) -> str | None:
        if re.search("[\0\ud800-\udfff]", text):
            self.problems.append(place.problem("a string with \\0 or half a surrogate pair"))
            return None
        return text

    def _report_tag(self, node: yaml.Node, place: Place) -> None:
        shown = node.tag.replace(TAG, "!!", 1)
        self.problems.append(place.problem(f"the tag {shown} has no meaning here", "write the plain value"))

    def _mapping(self, node: yaml.MappingNode) -> dict[str, Node]:
        own: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        seen: dict[tuple[str, str], Place] = {}  # by tag too: '<<' in quotes is a key like any other
        for key_node, value_node in node.value:
            key, place = self._key(key_node), self.place_of(key_node.start_mark)
            if key is None:
                continue
            first = seen.setdefault((key, key_node.tag), place)
            if first is not place:
                message = f"duplicate key '{key[:_LINE_SHOWN]}', first on line {first.line}"
                self.problems.append(place.problem(message, "keep one of them"))
            elif key_node.tag == MERGE:
                merged = self._merged(value_node)
            else:
                own[key] = self.build(value_node, place)
        return {**merged, **own}

    def _key(self, node: yaml.Node) -> str | None:
        if isinstance(node, yaml.ScalarNode) and node.tag in (TAG + "str", MERGE):
            return self._string(node.value, self.place_of(node.start_mark))
        place = self.place_of(node.start_mark)
        self.problems.append(place.problem(f"a key must be a string, not {_kind(node)}"))
        return None

    def _merged(self, node: yaml.Node) -> dict[str, Node]:
        """What ``<<`` brings in; of several mappings that have a key the first wins."""
        merged: dict[str, Node] = {}
        for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            built = self.build(source)
            if isinstance(built.value, dict):
                merged = {**built.value, **merged}
            else:
                self.problems.append(built.place.problem(f"'<<' takes mappings, not {_kind(source)}"))
        return merged


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return _KINDS.get(node.tag.removeprefix(TAG), f"one with the tag {node.tag}")
    return "a mapping" if isinstance(node, yaml.MappingNode) else "a list"
