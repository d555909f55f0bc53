"""Dimensions as a user gives them: negative, several, or none."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from operator import index
from typing import Any, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., Any])


def wrap_dim(dim: int, ndim: int) -> int:
    """Return ``dim`` counted from the front; a 0-d tensor has the dims 0 and -1.

    Raises:
        IndexError: there is no such dimension.
        TypeError: not an integer.

    Example:
        >>> wrap_dim(-1, 3)
        2
    """
    dim = index(dim)
    if 0 <= dim < ndim:
        return dim
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
    if dim is None:
        return tuple(range(ndim))
    if type(dim) is int and ndim:
        return (wrap_dim(dim, ndim),)
    if isinstance(dim, Iterable) and len(tuple(dim)) == 0:
        return tuple(range(ndim))
    wrapped = tuple(wrap_dim(each, ndim) for each in (dim if isinstance(dim, Iterable) else (dim,)))
    if len(set(wrapped)) != len(wrapped):
        twice = next(each for each in wrapped if wrapped.count(each) > 1)
        raise RuntimeError(f"dim {twice} appears multiple times in the list of dims")
    return wrapped if ndim else ()


def given_shape(sizes: tuple[Any, ...], keyword: Any) -> tuple[int, ...]:
    """Return the sizes given one by one, as one sequence, or by keyword.

    Raises:
        TypeError: one is no integer.

    Example:
        >>> given_shape((2, 3), None), given_shape(((2, 3),), None), given_shape((), [2, 3])
        ((2, 3), (2, 3), (2, 3))
    """
    if keyword is not None:
        sizes = (keyword,)
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = tuple(sizes[0])
    try:
        return tuple(map(index, sizes))
    except TypeError:
        names = ", ".join(type(each).__name__ for each in sizes)
        raise TypeError(f"sizes and dims must be integers, got ({names})") from None


def numpy_names(function: Function) -> Function:
    """Let a function take ``axis`` for ``dim`` and ``keepdims`` for ``keepdim``, as PyTorch does."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if kwargs:
            for theirs, ours in (("axis", "dim"), ("keepdims", "keepdim")):
                if theirs in kwargs:
                    kwargs[ours] = kwargs.pop(theirs)
        return function(*args, **kwargs)

    return cast(Function, call)
