"""Many samples at once: when a class's bulk method may stand in for its one-by-one method."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np


def bulk_method(owner: object, bulk: str, single: str) -> Callable[..., Any] | None:
    """Return ``owner``'s method ``bulk`` if it still does what ``single`` does one by one.

    A subclass that overrides ``single`` alone (``__getitem__``, say) has changed what a sample is;
    the inherited ``bulk`` (``gather``) would pass it by, so None is returned.

    Example:
        >>> class Numbers:
        ...     def __getitem__(self, index):
        ...         return index
        ...
        ...     def gather(self, indices):
        ...         return indices
        >>> class Squares(Numbers):
        ...     def __getitem__(self, index):
        ...         return index**2
        >>> bulk_method(Squares(), "gather", "__getitem__") is None
        True
    """
    for cls in type(owner).__mro__:
        if bulk in vars(cls):
            return getattr(owner, bulk, None)  # None: a property that finds its parent has no such method
        if single in vars(cls):
            return None
    return None


def as_index_array(indices: Iterable[Any]) -> np.ndarray:
    """Return indices of samples as an int64 array.

    Raises:
        TypeError: an index is not an integer.

    Example:
        >>> as_index_array([3, 1])
        array([3, 1])
    """
    if isinstance(indices, np.ndarray) and indices.dtype == np.int64:
        return indices
    return np.fromiter(map(operator.index, indices), np.int64)
