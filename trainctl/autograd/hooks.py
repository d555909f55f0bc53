"""Hooks: functions kept in order of registration, each removable by its handle."""

from __future__ import annotations

import itertools
from typing import Any, Self

_ids = itertools.count()


class RemovableHandle:
    """Takes a hook out again: ``handle.remove()``, or leaving a ``with`` block."""

    def __init__(self, hooks: dict[int, Any]) -> None:
        self.id = next(_ids)
        self._hooks = hooks

    def remove(self) -> None:
        """Remove the hook; removing it twice is harmless."""
        self._hooks.pop(self.id, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def add_hook(hooks: dict[int, Any], hook: Any) -> RemovableHandle:
    """Add ``hook`` to ``hooks`` and return its handle.

    Example:
        >>> hooks = {}
        >>> handle = add_hook(hooks, print)
        >>> handle.remove()
        >>> hooks
        {}
    """
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle
