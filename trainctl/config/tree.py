"""Plain config values that remember where each was written.

A :class:`Node` is what a YAML file, an override or a flag becomes before it is checked. Trees are
never changed in place: setting a value gives a new tree that shares the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from trainctl.errors import Problem

Path = tuple[str | int, ...]
Scalar = str | int | float | bool | None


def dotted(path: Path) -> str:
    """``("model", 1, "Linear")`` as the user writes it: ``model.1.Linear``."""
    return ".".join(str(part) for part in path)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value was written.

    Attributes:
        file: the file's name, or what else gave the value: ``--set train.epochs``, ``--seed``.
        line: line in the file, from 1; None where the value is from no file.
        column: column in the line, from 1.
        text: the line itself, where it is short enough to show.
    """

    file: str
    line: int | None = None
    column: int | None = None
    text: str | None = None

    @property
    def origin(self) -> str:
        """``file:line``, or the option that gave the value."""
        return f"{self.file}:{self.line}" if self.line else self.file.partition(" ")[0]

    def problem(self, message: str, hint: str | None = None) -> Problem:
        """A mistake at this place."""
        return Problem(message, self.file, self.line, self.column, self.text, hint)


@dataclass(frozen=True, slots=True)
class Node:
    """A value with its place; the values of a mapping also know where their key is.

    Example:
        >>> here = Place("a.yaml", 1, 1)
        >>> Node({"lr": Node(0.1, here)}, here).plain()
        {'lr': 0.1}
    """

    value: Scalar | dict[str, Node] | list[Node]
    place: Place
    key: Place | None = None

    def plain(self) -> Any:
        """The value without places, as ``yaml.safe_load`` would give it."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        return self.value

    def child(self, part: str | int) -> Node | None:
        """The value under a key or at an index; None where there is none."""
        if isinstance(self.value, dict):
            return self.value.get(str(part))
        if isinstance(self.value, list) and isinstance(part, int) and 0 <= part < len(self.value):
            return self.value[part]
        return None

    def walk(self, path: Path) -> Iterator[Node]:
        """This node and those along the path, as far as it leads."""
        node: Node | None = self
        yield self
        for part in path:
            node = node.child(part) if node else None
            if node is None:
                return
            yield node

    def with_child(self, part: str | int, child: Node) -> Node:
        """A copy with one child of this mapping or list replaced, or added to the mapping."""
        if isinstance(self.value, list):
            items = list(self.value)
            items[int(part)] = child
            return replace(self, value=items)
        children = self.value if isinstance(self.value, dict) else {}
        return replace(self, value={**children, str(part): child})

    def without(self, part: str | int) -> Node:
        """A copy less one child of this mapping or list."""
        if isinstance(self.value, list):
            return replace(self, value=[item for index, item in enumerate(self.value) if index != part])
        children = self.value if isinstance(self.value, dict) else {}
        return replace(self, value={key: child for key, child in children.items() if key != part})

    def count(self) -> int:
        """How many values there are in the tree."""
        if not isinstance(self.value, dict | list):
            return 1
        return 1 + sum(child.count() for child in (self.value.values() if isinstance(self.value, dict) else self.value))


def node_of(value: Any, place: Place) -> Node:
    """A tree from plain values that all come from one place."""
    if isinstance(value, dict):
        return Node({str(key): node_of(child, place) for key, child in value.items()}, place, place)
    if isinstance(value, list | tuple):
        return Node([node_of(child, place) for child in value], place, place)
    return Node(value, place, place)
