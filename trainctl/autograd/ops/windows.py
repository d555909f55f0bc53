"""Windows that slide over the last dims of ``[N, C, *spatial]``: where they stand and what they see."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from operator import index
from typing import Any

from trainctl.autograd.ops.cast import cast
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

Sizes = tuple[int, ...]

_CACHED = 2 << 20  # bytes of columns worked on at once: about what the second-level cache of a core holds
_LAUNCHED = 64 << 20  # the same on a GPU, where many small products cost more than memory does


def as_sizes(value: Any, n: int, name: str) -> Sizes:
    """Return one size for each spatial dim, from an int or a sequence (of one: for all dims).

    Raises:
        RuntimeError: a sequence of another length.
        TypeError: something that is no integer.

    Example:
        >>> as_sizes(2, 3, "stride")
        (2, 2, 2)
    """
    try:
        sizes = tuple(map(index, value)) if isinstance(value, (tuple, list)) else (index(value),)
    except TypeError:
        raise TypeError(f"{name} must be an int or a tuple of {n} ints, got {value!r}") from None
    if len(sizes) not in (1, n):
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of {n} values to match the spatial dimensions, "
            f"but got {name}={list(sizes)}"
        )
    return sizes * n if len(sizes) == 1 else sizes


def output_size(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """Return the number of places of a window along a dimension.

    Example:
        >>> output_size(28, 3, 1, 1, 1), output_size(28, 3, 2, 0, 1)
        (28, 13)
    """
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def pad_spatial(xp: Any, x: Any, padding: Sizes) -> Any:
    """Return ``x`` with zeros on both sides of its spatial dims."""
    if not any(padding):
        return x
    padded = xp.zeros((*x.shape[:2], *(size + 2 * p for size, p in zip(x.shape[2:], padding, strict=True))), x.dtype)
    padded[inside(x.shape[2:], padding)] = x
    return padded


def inside(spatial: Sizes, padding: Sizes) -> tuple[Any, ...]:
    """Return the index of what is not padding."""
    return (..., *(slice(p, p + size) for size, p in zip(spatial, padding, strict=True)))


def windows(xp: Any, x: Any, kernel: Sizes, stride: Sizes, dilation: Sizes) -> Any:
    """Return what each element of the window sees at each place, as a view: ``[N, C, *kernel, *places]``."""
    spatial, steps = x.shape[2:], x.strides[2:]
    places = tuple(map(output_size, spatial, kernel, stride, (0,) * len(kernel), dilation))
    strides = (
        *x.strides[:2],
        *(step * d for step, d in zip(steps, dilation, strict=True)),
        *(step * s for step, s in zip(steps, stride, strict=True)),
    )
    return xp.as_strided(x, (*x.shape[:2], *kernel, *places), strides)


def add_windows(seen: Any, into: Any, stride: Sizes, dilation: Sizes, first: int = 0) -> None:
    """Add ``[N, C, *kernel, *places]`` into ``[N, C, *spatial]``: undo :func:`windows`.

    Args:
        seen: what each element of the window contributes at each place.
        into: is added to.
        stride: step of the window.
        dilation: step between its elements.
        first: the place along the first spatial dim that ``seen`` starts with.
    """
    n = into.ndim - 2
    kernel, places = seen.shape[2 : 2 + n], seen.shape[2 + n :]
    starts = (first * stride[0], *(0,) * (n - 1))
    for at in itertools.product(*map(range, kernel)):
        spots = tuple(
            slice(start + a * d, start + a * d + (count - 1) * s + 1 if count else start, s)
            for start, a, d, s, count in zip(starts, at, dilation, stride, places, strict=True)
        )
        into[(..., *spots)] += seen[(slice(None), slice(None), *at)]


def blocks(xp: Any, batch: int, places: Sizes, nbytes: int) -> Iterator[tuple[slice, list[slice]]]:
    """Split the places of all images into blocks whose columns stay in the cache.

    Args:
        xp: the backend; a GPU gets larger blocks.
        batch: number of images.
        places: of the window in one image.
        nbytes: of one column: what the window sees at one place.

    Yields:
        A range of images, and the ranges along their first spatial dim: several where one image is too much.
    """
    budget = _CACHED if xp.device_type == "cpu" else _LAUNCHED
    row = max(nbytes * math.prod(places[1:]), 1)
    images, rows = max(budget // (row * max(places[0], 1)), 1), max(budget // row, 1)
    ranges = [slice(i, min(i + rows, places[0])) for i in range(0, places[0], rows)]
    for i in range(0, batch, images):
        yield slice(i, i + images), ranges


def without(params: dict[str, Any], name: str) -> dict[str, Any]:
    """Return an op's parameters but for one: what its gradient, or the gradient of that, has in common with it."""
    return {key: value for key, value in params.items() if key != name}


def widened(x: Tensor) -> Tensor:
    """Return 16-bit floats as float32, in which PyTorch accumulates them; others as they are."""
    return cast(x, dtypes.float32) if x.dtype.is_floating_point and x.dtype.itemsize == 2 else x
