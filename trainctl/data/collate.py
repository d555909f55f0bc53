"""From a list of samples to one batch, as PyTorch's ``default_collate`` does it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from trainctl.autograd import Tensor
from trainctl.autograd.ops.creation import as_tensor, tensor
from trainctl.autograd.ops.joining import stack
from trainctl.backend.dtypes import float64

_TEXT_OR_OBJECTS = "SUO"  # kinds of NumPy arrays that no tensor holds


class UnequalShapesError(RuntimeError):
    """Samples of a batch whose tensors cannot be stacked.

    Attributes:
        entries: the places in the batch of two samples that differ.
        shapes: their shapes.
    """

    def __init__(self, entries: tuple[int, int], shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
        self.entries, self.shapes = entries, shapes
        (first, other), (expected, got) = entries, shapes
        super().__init__(
            "stack expects each tensor to be equal size, "
            f"but got {list(expected)} at entry {first} and {list(got)} at entry {other}"
        )


def default_collate(batch: Sequence[Any]) -> Any:
    """Put samples together along a new first dimension.

    Tensors, NumPy arrays and numbers become tensors (a Python float becomes float64); strings and bytes
    stay as they are; mappings, named tuples and sequences are collated entry by entry, a tuple into a
    list. Follows ``torch.utils.data.default_collate``.

    Args:
        batch: at least one sample; all alike.

    Raises:
        UnequalShapesError: tensors of different shapes; a RuntimeError, as is that for sequences of
            different lengths.
        TypeError: a sample of a type that no batch can be made of.

    Example:
        >>> default_collate([(1, "a"), (2, "b")])
        [tensor([1, 2]), ('a', 'b')]
    """
    sample = batch[0]
    if isinstance(sample, Tensor):
        _check_shapes(batch)
        return stack(batch)
    if isinstance(sample, np.ndarray):
        if sample.dtype.kind in _TEXT_OR_OBJECTS:
            raise _cannot_collate(sample.dtype)
        _check_shapes(batch)
        return as_tensor(np.stack(batch))
    if isinstance(sample, np.number | np.bool_):
        return as_tensor(np.asarray(batch))
    if isinstance(sample, float):
        return tensor(batch, dtype=float64)
    if isinstance(sample, int):
        return tensor(batch)
    if isinstance(sample, str | bytes):
        return batch
    if isinstance(sample, Mapping):
        return _like(sample, {key: default_collate([each[key] for each in batch]) for key in sample})
    if isinstance(sample, Sequence):
        return _collate_sequences(sample, batch)
    raise _cannot_collate(type(sample))


def default_convert(data: Any) -> Any:
    """Make tensors of the NumPy arrays and scalars in one sample; leave all else as it is.

    Follows ``torch.utils.data.default_convert``, the collate function where there are no batches.

    Example:
        >>> default_convert({"x": np.array([1, 2]), "name": "a"})
        {'x': tensor([1, 2]), 'name': 'a'}
    """
    if isinstance(data, np.ndarray):
        return data if data.dtype.kind in _TEXT_OR_OBJECTS else as_tensor(data)
    if isinstance(data, np.number | np.bool_):
        return as_tensor(data)
    if isinstance(data, Mapping):
        return _like(data, {key: default_convert(data[key]) for key in data})
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return _sequence_like(data, [default_convert(each) for each in data])
    return data


def _collate_sequences(sample: Sequence[Any], batch: Sequence[Any]) -> Any:
    lengths = [len(each) for each in batch]
    if len(set(lengths)) != 1:
        raise RuntimeError(f"each element in list of batch should be of equal size, but got sizes {lengths}")
    return _sequence_like(sample, [default_collate(column) for column in zip(*batch, strict=True)])


def _check_shapes(batch: Sequence[Any]) -> None:
    expected = batch[0].shape
    for entry, each in enumerate(batch):
        if each.shape != expected:
            raise UnequalShapesError((0, entry), (expected, each.shape))


def _sequence_like(model: Sequence[Any], items: list[Any]) -> Any:
    if isinstance(model, tuple):
        return type(model)(*items) if hasattr(model, "_fields") else items  # a plain tuple becomes a list
    try:
        if isinstance(model, MutableSequence):
            clone = copy.copy(model)
            clone[:] = items
            return clone
        return type(model)(items)  # type: ignore[call-arg]  # what a sequence's type takes is not known
    except TypeError:  # a sequence that cannot be made from its items, such as a range
        return items


def _like(model: Mapping[Any, Any], items: dict[Any, Any]) -> Any:
    """Return ``items`` in a mapping of the model's type, with whatever else the model carries."""
    try:
        if isinstance(model, MutableMapping):
            clone = copy.copy(model)
            clone.update(items)
            return clone
        return type(model)(items)  # type: ignore[call-arg]  # what a mapping's type takes is not known
    except TypeError:  # a mapping that cannot be made from a mapping
        return items


def _cannot_collate(found: object) -> TypeError:
    return TypeError(
        f"default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {found}"
    )
