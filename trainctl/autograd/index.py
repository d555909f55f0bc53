"""What a user writes between brackets, in the array library's terms."""

from __future__ import annotations

from typing import Any

import numpy

from trainctl.autograd.tensor import Tensor


def _is_basic(part: Any) -> bool:
    return (
        part is None
        or part is ...
        or isinstance(part, slice)
        or (isinstance(part, (int, numpy.integer)) and not isinstance(part, bool))
    )


def parse_index(x: Tensor, index: Any) -> tuple[bool, Any]:
    """Return (is it a view, the index for the array library).

    Raises:
        IndexError: too many indices, one out of range, or one of a type that is no index.
        ValueError: a negative step.
    """
    parts = [_plain(part) for part in (tuple(index) if isinstance(index, tuple) else (index,))]
    _check_count(x, parts)
    for part in parts:
        if isinstance(part, slice) and part.step is not None and int(part.step) <= 0:
            raise ValueError("step must be greater than zero")
    return all(_is_basic(part) for part in parts), tuple(parts)


def _plain(part: Any) -> Any:
    """Return one part of an index in the array library's terms."""
    if isinstance(part, Tensor):
        array = part._array
        if array.dtype.kind in "ib" or (array.dtype.kind == "u" and array.ndim):
            if array.dtype == numpy.uint8:
                return array.astype(bool)
            return int(array) if array.ndim == 0 and array.dtype.kind == "i" else array
        if array.dtype.kind == "u":
            return int(array)
        raise IndexError(f"tensors used as indices must be long, int, byte or bool tensors, got {part.dtype}")
    if isinstance(part, slice):
        ends = (None if end is None else int(end) for end in (part.start, part.stop, part.step))
        return slice(*ends)
    if _is_basic(part) or isinstance(part, (bool, numpy.ndarray)):
        return part
    if isinstance(part, (list, range)):
        array = numpy.asarray([int(each) if isinstance(each, Tensor) else each for each in part])
        return array.astype(numpy.int64) if array.size == 0 else array
    raise IndexError(
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices "
        f"(got {type(part).__name__})"
    )


def _check_count(x: Tensor, parts: list[Any]) -> None:
    used = sum(
        part.ndim
        if isinstance(part, numpy.ndarray) and part.dtype.kind == "b"
        else part is not None and part is not ...
        for part in parts
        if not isinstance(part, bool)
    )
    if used > x.ndim:
        raise IndexError(f"too many indices for tensor of dimension {x.ndim}")
