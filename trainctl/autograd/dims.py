"""Dimensions as a user gives them: negative, several, or none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def wrap_dim(dim: int, ndim: int) -> int:
    """Return ``dim`` counted from the front; a 0-d tensor has the dims 0 and -1.

    Raises:
        IndexError: there is no such dimension.

    Example:
        >>> wrap_dim(-1, 3)
        2
    """
    room = max(ndim, 1)
    if not -room <= dim < room:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-room}, {room - 1}], but got {dim})")
    return dim % room


def wrap_dims(dim: Any, ndim: int) -> tuple[int, ...]:
    """Return the dimensions meant by an int, several ints, or None and ``()`` (all of them).

    Raises:
        IndexError: there is no such dimension.
        RuntimeError: a dimension is named twice.

    Example:
        >>> wrap_dims((0, -1), 3), wrap_dims(None, 2)
        ((0, 2), (0, 1))
    """
    if dim is None or (isinstance(dim, Iterable) and len(tuple(dim)) == 0):
        return tuple(range(ndim))
    wrapped = tuple(wrap_dim(int(each), ndim) for each in (dim if isinstance(dim, Iterable) else (dim,)))
    if len(set(wrapped)) != len(wrapped):
        twice = next(each for each in wrapped if wrapped.count(each) > 1)
        raise RuntimeError(f"dim {twice} appears multiple times in the list of dims")
    return wrapped if ndim else ()
