"""Datasets: samples by index, and ways to combine and split them.

A dataset may have ``gather(indices: int64 array) -> batch``: what collating these samples would give, a
tuple or list of tensors, in one go. ``DataLoader`` prefers it to a loop over samples.
"""

from __future__ import annotations

import bisect
import itertools
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from trainctl.autograd import Tensor
from trainctl.autograd.ops.joining import cat
from trainctl.autograd.ops.random import Generator
from trainctl.autograd.ops.random_integers import randperm
from trainctl.data.bulk import as_index_array, bulk_method

T_co = TypeVar("T_co", covariant=True)


class Dataset(Generic[T_co]):
    """Base of every map-style dataset: ``dataset[index]`` is a sample; most also have ``len(dataset)``.

    Follows ``torch.utils.data.Dataset``.

    Example:
        >>> class Squares(Dataset):
        ...     def __getitem__(self, index):
        ...         return index**2
        >>> Squares()[3]
        9
    """

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError("Subclasses of Dataset should implement __getitem__.")

    def __add__(self, other: Dataset[Any]) -> ConcatDataset[Any]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co]):
    """Base of every iterable-style dataset: a stream of samples without indices.

    Example:
        >>> class Count(IterableDataset):
        ...     def __iter__(self):
        ...         return iter(range(3))
        >>> list(Count())
        [0, 1, 2]
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError("Subclasses of IterableDataset should implement __iter__.")


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Tensors that belong together: sample ``i`` is the ``i``-th entry of each.

    Args:
        *tensors: at least one; each [N, ...], with the same N.

    Raises:
        AssertionError: the tensors differ in their first dimension (PyTorch's error).

    Example:
        >>> import trainctl
        >>> data = TensorDataset(trainctl.tensor([[1.0], [2.0]]), trainctl.tensor([0, 1]))
        >>> data[1]
        (tensor([2.]), tensor(1))
    """

    def __init__(self, *tensors: Tensor) -> None:
        sizes = [tensor.size(0) for tensor in tensors]
        if len(set(sizes)) != 1:
            raise AssertionError(f"Size mismatch between tensors: their first dimensions are {sizes}")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def gather(self, indices: np.ndarray) -> list[Tensor]:
        """Return the batch of these samples: each tensor's entries, [len(indices), ...]."""
        return [tensor[indices] for tensor in self.tensors]

    def __len__(self) -> int:
        return self.tensors[0].size(0)


class Subset(Dataset[T_co]):
    """Some samples of a dataset, in the order of ``indices``.

    Args:
        dataset: the whole.
        indices: indices into it; batches are quickest from an array.

    Example:
        >>> Subset("abcd", [3, 1])[0]
        'd'
    """

    def __init__(self, dataset: Any, indices: Sequence[int] | np.ndarray) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> T_co:
        if isinstance(index, list):
            return self.dataset[[self._whole_index(each) for each in index]]
        return self.dataset[self._whole_index(index)]

    def __getitems__(self, indices: list[int]) -> list[T_co]:
        """Return these samples, read as the dataset itself reads several."""
        return read_samples(self.dataset, [self._whole_index(index) for index in indices])

    @property
    def gather(self) -> Callable[[np.ndarray], Sequence[Tensor]]:
        """The batch of these samples in one go, where the dataset can do it."""
        gather = _gather_of(self.dataset)
        return lambda indices: gather(self._to_whole(indices))

    def _whole_index(self, index: Any) -> Any:
        found = self.indices[index]
        return found.item() if isinstance(found, np.integer) else found

    def _to_whole(self, indices: np.ndarray) -> np.ndarray:
        if isinstance(self.indices, np.ndarray):
            return as_index_array(self.indices[indices])
        return as_index_array([self.indices[index] for index in indices.tolist()])

    def __len__(self) -> int:
        return len(self.indices)


class ConcatDataset(Dataset[T_co]):
    """Several datasets, one after another.

    Args:
        datasets: at least one; map-style.

    Raises:
        AssertionError: no dataset, or an iterable-style one (PyTorch's errors).

    Example:
        >>> data = ConcatDataset(["ab", "cde"])
        >>> len(data), data[3]
        (5, 'd')
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("datasets should not be an empty iterable")
        if any(isinstance(dataset, IterableDataset) for dataset in self.datasets):
            raise AssertionError("ConcatDataset does not support IterableDataset")
        self.cumulative_sizes = list(itertools.accumulate(map(len, self.datasets)))

    def __getitem__(self, index: int) -> T_co:
        if index < 0:
            if -index > len(self):
                raise ValueError("absolute value of index should not exceed dataset length")
            index += len(self)
        number = bisect.bisect_right(self.cumulative_sizes, index)
        return self.datasets[number][index - self._first(number)]

    def _first(self, number: int) -> int:
        """Return the index of the first sample of dataset ``number``."""
        return self.cumulative_sizes[number - 1] if number else 0

    @property
    def gather(self) -> Callable[[np.ndarray], Sequence[Tensor]]:
        """The batch of these samples in one go, where every dataset can do it."""
        gathers = [_gather_of(dataset) for dataset in self.datasets]
        return lambda indices: self._gather(indices, gathers)

    def _gather(self, indices: np.ndarray, gathers: Sequence[Callable[..., Any]]) -> Sequence[Tensor]:
        size = len(self)
        if ((indices < -size) | (indices >= size)).any():
            raise IndexError(f"index out of range for {size} samples: {indices.tolist()}")
        indices = indices % size
        owners = np.searchsorted(self.cumulative_sizes, indices, side="right")
        places = [np.flatnonzero(owners == number) for number in range(len(gathers))]
        parts = [
            gather(indices[place] - self._first(number))
            for number, (gather, place) in enumerate(zip(gathers, places, strict=True))
            if place.size
        ]
        if len(parts) == 1:
            return parts[0]
        back = np.argsort(np.concatenate(places))  # from the order of the parts to the batch's own
        return [cat(column)[back] for column in zip(*parts, strict=True)]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]


def random_split(dataset: Any, lengths: Sequence[int | float], generator: Generator | None = None) -> list[Subset[Any]]:
    """Split a dataset at random into parts that do not overlap.

    Args:
        dataset: what to split.
        lengths: samples in each part; or fractions that sum to 1, rounded down, the samples left over
            given one each to the first parts.
        generator: the source of randomness; default: the global one.

    Raises:
        ValueError: the lengths do not add up to the dataset's, or a fraction is not in 0..1.

    Example:
        >>> [len(part) for part in random_split(range(10), [0.75, 0.25])]
        [8, 2]
    """
    total = len(dataset)
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        lengths = _lengths_of_fractions(lengths, total)
    if any(length % 1 != 0 or length < 0 for length in lengths):
        raise ValueError(f"lengths should be whole numbers, or fractions that sum to 1, got {list(lengths)}")
    if sum(lengths) != total:
        raise ValueError(
            "Sum of input lengths does not equal the length of the input dataset! "
            f"The lengths {list(lengths)} sum to {sum(lengths)}, the dataset has {total} samples."
        )
    order = iter(randperm(total, generator=generator).tolist())
    return [Subset(dataset, list(itertools.islice(order, int(length)))) for length in lengths]


def _lengths_of_fractions(fractions: Sequence[float], total: int) -> list[int]:
    for number, fraction in enumerate(fractions):
        if not 0 <= fraction <= 1:
            raise ValueError(f"Fraction at index {number} is not between 0 and 1: {fraction}")
    lengths = [math.floor(total * fraction) for fraction in fractions]
    for number in range(total - sum(lengths)):
        lengths[number % len(lengths)] += 1
    for number, length in enumerate(lengths):
        if length == 0:
            warnings.warn(
                f"Length of split at index {number} is 0. This might result in an empty dataset.", stacklevel=3
            )
    return lengths


def read_samples(dataset: Any, indices: list[Any]) -> list[Any]:
    """Return ``[dataset[index] for index in indices]``, by ``__getitems__`` where the dataset has it.

    An exception on the way carries a note that names the sample.

    Example:
        >>> read_samples("abc", [2, 0])
        ['c', 'a']
    """
    getitems = bulk_method(dataset, "__getitems__", "__getitem__")
    if getitems is not None:
        return getitems(indices)
    samples = []
    index = None
    try:
        for index in indices:
            samples.append(dataset[index])
    except Exception as error:
        error.add_note(f"while reading sample {index!r} of {type(dataset).__name__}")
        raise
    return samples


def _gather_of(dataset: Any) -> Callable[..., Any]:
    gather = bulk_method(dataset, "gather", "__getitem__")
    if gather is None:
        raise AttributeError(f"{type(dataset).__name__} has no gather")
    return gather
