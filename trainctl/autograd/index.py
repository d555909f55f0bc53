"""What a user writes between brackets, taken apart: first a view, then elements of that view by index tensors.

As in PyTorch an integer is applied before index tensors are, and so does not count as one of them when it
is decided where their dims go: ``x[0, :, [1, 2]]`` is ``x[0][:, [1, 2]]``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy

from trainctl.autograd.tensor import Tensor

_ALL = slice(None)
_ENDS = (int, type(None))


class Index(NamedTuple):
    """An index in two steps.

    Attributes:
        view: integers, slices, None and ``...`` for a view; None where that would be the whole tensor.
        at: index tensors (int64, int32 or bool) for the view's dims, from the front.
        pattern: for each of the view's dims whether it takes the next of ``at`` (a mask takes as many as it has).
    """

    view: tuple[Any, ...] | None
    at: tuple[Tensor, ...]
    pattern: tuple[bool, ...]


def parse_index(x: Tensor, index: Any) -> Index:
    """Return what an index means for a tensor.

    Raises:
        IndexError: too many indices, one out of range, a mask of another shape, or a type that is no index.
        ValueError: a step that is not positive.
    """
    usual = _usual_view(x, index)
    if usual is not None:
        return Index(usual, (), ())
    view: list[Any] = []
    at: list[Tensor] = []
    pattern: list[bool] = []
    dim = 0
    for part in _without_ellipsis(x, [_plain(x, part) for part in _parts(index)]):
        if isinstance(part, Tensor):
            taken = part.ndim if is_mask(part) else 1
            _check_mask(x, part, dim)
            view += [_ALL] * taken
        elif isinstance(part, bool):  # a new dim of size 1, or 0
            taken, part = 0, Tensor._constant(x._xp.zeros(int(part), numpy.int64))
            view.append(None)
        else:
            taken = 0 if part is None else 1
            view.append(part if part is None or isinstance(part, slice) else _in_range(x, part, dim))
        dim += taken
        if isinstance(part, Tensor):
            at.append(part)
        if part is None or isinstance(part, (slice, Tensor)):
            pattern.append(isinstance(part, Tensor))
    whole = bool(at) and all(part == _ALL for part in view)
    return Index(None if whole else tuple(view), tuple(at), tuple(pattern))


def _usual_view(x: Tensor, index: Any) -> tuple[Any, ...] | None:
    """Return an index as it is if it has nothing but None, ints in range and slices of ints without a step; else None."""
    parts = index if type(index) is tuple else (index,)
    shape, dim = x._array.shape, 0
    for part in parts:
        if part is None:
            continue
        if dim == len(shape):
            return None
        if type(part) is int:
            if not -shape[dim] <= part < shape[dim]:
                return None
        elif not _is_usual_slice(part):
            return None
        dim += 1
    return parts


def _is_usual_slice(part: Any) -> bool:
    return type(part) is slice and part.step is None and type(part.start) in _ENDS and type(part.stop) in _ENDS


def _parts(index: Any) -> Any:
    """Return the indices, one for each dim: a list that holds more than numbers counts as a tuple."""
    if isinstance(index, list) and len(index) < 32:
        special = (Tensor, list, tuple, range, slice, numpy.ndarray)
        if any(part is None or part is ... or isinstance(part, special) for part in index):
            return tuple(index)
    return index if isinstance(index, tuple) else (index,)


def _plain(x: Tensor, part: Any) -> Any:
    """Return one index as an int, bool, slice, None, ``...`` or a tensor with dims."""
    if part is None or part is ... or isinstance(part, bool):
        return part
    if isinstance(part, slice):
        return _plain_slice(part)
    if isinstance(part, (int, numpy.integer)):
        return int(part)
    if isinstance(part, (list, tuple, range, numpy.ndarray, numpy.bool)):
        part = Tensor._wrap(x._xp.from_host(_as_indices(part)))
    if isinstance(part, Tensor):
        return _plain_tensor(part)
    raise IndexError(
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices "
        f"(got {type(part).__name__})"
    )


def _plain_slice(part: slice) -> slice:
    start, stop, step = (None if end is None else int(end) for end in (part.start, part.stop, part.step))
    if step is not None and step <= 0:
        raise ValueError(f"step must be greater than zero, got {step}; to reverse a dim use flip()")
    return slice(start, stop, step)


def _plain_tensor(part: Tensor) -> Any:
    """Return an index tensor; a 0-d one as an int or bool.

    Raises:
        IndexError: not an integer or bool type.
    """
    kind = part._array.dtype
    if kind == numpy.uint8:
        part = Tensor._wrap(part._array.astype(bool))
    elif kind.kind not in "ib" or (part.ndim and kind not in (numpy.int64, numpy.int32, numpy.bool)):
        raise IndexError(f"tensors used as indices must be long, int, byte or bool tensors, got {part.dtype}")
    if part.ndim == 0:
        return bool(part) if is_mask(part) else int(part)
    return part


def _as_indices(part: Any) -> Any:
    """Return a list of integers or bools (or of 0-d tensors) as an array."""
    if isinstance(part, (list, tuple)):
        part = [each.tolist() if isinstance(each, Tensor) else each for each in part]
    array = numpy.asarray(part)
    return array.astype(numpy.int64) if array.size == 0 or array.dtype.kind == "u" else array


def is_mask(part: Any) -> bool:
    """Return whether an index is a tensor of bools."""
    return isinstance(part, Tensor) and bool(part._array.dtype.kind == "b")


def _without_ellipsis(x: Tensor, parts: list[Any]) -> Iterator[Any]:
    """Return one index for each dim: ``...`` becomes the dims that the others leave.

    Raises:
        IndexError: too many indices.
    """
    used = 0
    for part in parts:
        if isinstance(part, Tensor):
            used += part.ndim if is_mask(part) else 1
        elif part is not None and part is not ... and not isinstance(part, bool):
            used += 1
    if used > x.ndim:
        raise IndexError(f"too many indices for tensor of dimension {x.ndim}: got {used}, shape {list(x.shape)}")
    rest = x.ndim - used
    for part in parts:
        if part is ...:
            yield from [_ALL] * rest
            rest = 0
        else:
            yield part
    yield from [_ALL] * rest


def _in_range(x: Tensor, index: int, dim: int) -> int:
    size = x._array.shape[dim]
    if not -size <= index < size:
        raise IndexError(f"index {index} is out of bounds for dimension {dim} with size {size}: shape {list(x.shape)}")
    return index


def _check_mask(x: Tensor, mask: Tensor, dim: int) -> None:
    if is_mask(mask) and mask._array.shape != x._array.shape[dim : dim + mask.ndim]:
        raise IndexError(
            f"The shape of the mask {list(mask.shape)} at index {dim} does not match the shape of the indexed tensor "
            f"{list(x.shape)} at index {dim}"
        )
