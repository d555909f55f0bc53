"""Hooks: functions kept in order of registration, each removable by its handle."""

from __future__ import annotations

import itertools
import weakref
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


def add_hook(hooks: dict[int, Any], hook: Any, prepend: bool = False) -> RemovableHandle:
    """Add ``hook`` to ``hooks``, last or, with ``prepend``, first; return its handle.

    Example:
        >>> hooks = {}
        >>> handle = add_hook(hooks, print)
        >>> handle.remove()
        >>> hooks
        {}
    """
    handle = RemovableHandle(hooks)
    later = dict(hooks) if prepend else {}
    for key in later:
        del hooks[key]
    hooks[handle.id] = hook
    hooks.update(later)
    return handle


class RetainGrad:
    """The hook behind ``Tensor.retain_grad``; holds its tensor weakly, for the node must not keep it alive."""

    def __init__(self, tensor: Any) -> None:
        self.tensor = weakref.ref(tensor)

    def __call__(self, grad: Any) -> None:
        """Add a gradient to the tensor's ``grad``."""
        tensor = self.tensor()
        if tensor is not None:
            tensor.grad = grad if tensor.grad is None else tensor.grad + grad
