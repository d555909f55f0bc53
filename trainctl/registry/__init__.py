"""One explicit table from a name in a config to the class it stands for.

A class is imported when a config names it. Its constructor's signature is the schema of its arguments
(:mod:`trainctl.config.components`); the table says only what a signature cannot. Plugins and blocks of a config are
names like any other while that config is checked or built: see :func:`extended`.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from trainctl.registry.entry import Entry, Kind
from trainctl.registry.layers import NO_LAYERS
from trainctl.registry.tables import TABLES

__all__ = ["NO_LAYERS", "TABLES", "Entry", "Kind", "Names", "extended", "resolve"]

Names = Mapping[Kind, Mapping[str, Entry]]
"""Entries by kind and name."""


def resolve(kind: Kind, name: str) -> Any:
    """Import the class that a name stands for.

    Raises:
        KeyError: the table has no such name.

    Example:
        >>> resolve("layer", "ReLU").__name__
        'ReLU'
    """
    entry = TABLES[kind][name]
    if entry.made is not None:
        return entry.made
    module, _, attribute = entry.target.partition(":")
    return getattr(importlib.import_module(module), attribute)


@contextmanager
def extended(names: Names) -> Iterator[None]:
    """Have the table know more names for a while; where one is there already, the table's own stays.

    Example:
        >>> with extended({"layer": {"Twice": Entry("trainctl.nn:Identity")}}):
        ...     resolve("layer", "Twice").__name__
        'Identity'
        >>> "Twice" in TABLES["layer"]
        False
    """
    added = [(kind, name) for kind, entries in names.items() for name in entries if name not in TABLES[kind]]
    for kind, name in added:
        TABLES[kind][name] = names[kind][name]
    try:
        yield
    finally:
        for kind, name in added:
            del TABLES[kind][name]
