"""``$name`` in the layers of a block: the value of a parameter, which each use of the block decides."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from trainctl.config.problems import Fault
from trainctl.config.tree import Path
from trainctl.config.words import did_you_mean

NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
"""What a block or a parameter may be called."""


def is_reference(value: Any) -> bool:
    """Whether a value stands for that of a parameter.

    Example:
        >>> is_reference("$channels"), is_reference("channels"), is_reference("$2")
        (True, False, False)
    """
    return isinstance(value, str) and value[:1] == "$" and NAME.fullmatch(value[1:]) is not None


def holds_reference(value: Any) -> bool:
    """Whether a value is a reference or a list with one somewhere in it."""
    return is_reference(value) or (isinstance(value, list) and any(map(holds_reference, value)))


def references(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every reference in a plain value, with its key path and the name it refers to."""
    if is_reference(value):
        yield path, value[1:]
    elif isinstance(value, Mapping):
        for key, child in value.items():
            yield from references(child, (*path, key))
    elif isinstance(value, list | tuple):
        for index, child in enumerate(value):
            yield from references(child, (*path, index))


def substituted(value: Any, values: Mapping[str, Any]) -> Any:
    """A plain value with what each reference stands for.

    Example:
        >>> substituted({"Conv2d": {"out_channels": "$channels"}}, {"channels": 8})
        {'Conv2d': {'out_channels': 8}}
    """
    if is_reference(value):
        return values[value[1:]]
    if isinstance(value, Mapping):
        return {key: substituted(child, values) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [substituted(child, values) for child in value]
    return value


def unknown(value: Any, names: Collection[str] | None, path: Path = ()) -> list[Fault]:
    """A mistake for each reference that nothing stands behind.

    Args:
        value: a plain value.
        names: the parameters there are; None where there can be none.
        path: the value's own.
    """
    faults = []
    for where, name in references(value, path):
        if names is None:
            message, hint = f"'${name}' is a parameter, which only the layers of a block have", "write the value itself"
            faults.append(Fault(where, message, hint))
        elif name not in names:
            hint = did_you_mean(name, names) or f"write `parameters: [{name}]` in the block"
            faults.append(Fault(where, f"the block has no parameter '{name}'", hint))
    return faults
