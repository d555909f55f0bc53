"""In which order the samples of a dataset are drawn.

A sampler yields indices. One that knows its whole order beforehand also has ``order() -> int64 array``,
which ``BatchSampler`` slices instead of collecting indices one by one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any, Generic, TypeVar

import numpy as np

from trainctl.autograd.ops.random import Generator, rand
from trainctl.autograd.ops.random_integers import randint, randperm
from trainctl.backend.dtypes import float64
from trainctl.data.bulk import bulk_method

T_co = TypeVar("T_co", covariant=True)


class Sampler(Generic[T_co]):
    """Base of every sampler: ``__iter__`` yields indices (or lists of them); ``__len__`` counts them.

    Follows ``torch.utils.data.Sampler``.

    Example:
        >>> class Evens(Sampler):
        ...     def __iter__(self):
        ...         return iter([0, 2, 4])
        >>> list(Evens())
        [0, 2, 4]
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__} has no __iter__")


class _OrderedSampler(Sampler[int]):
    """A sampler that knows its whole order."""

    def order(self) -> np.ndarray:
        """Return the indices of one pass, int64."""
        raise NotImplementedError(f"{type(self).__name__} has no order")

    def __iter__(self) -> Iterator[int]:
        return iter(self.order().tolist())


class SequentialSampler(_OrderedSampler):
    """Every sample, in the dataset's order.

    Args:
        data_source: the dataset.

    Example:
        >>> list(SequentialSampler("abc"))
        [0, 1, 2]
    """

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def order(self) -> np.ndarray:
        """Return 0, 1, ..., len - 1."""
        return np.arange(len(self.data_source))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(_OrderedSampler):
    """Samples at random, each once, or with replacement.

    Args:
        data_source: the dataset.
        replacement: draw each sample afresh from all of them.
        num_samples: how many to draw in a pass; default: as many as there are. Without replacement,
            more than there are means one permutation after another.
        generator: the source of randomness; default: the global one.

    Raises:
        TypeError: ``replacement`` is not a bool.
        ValueError: ``num_samples`` is not a positive integer, or the dataset is empty.

    Example:
        >>> sorted(RandomSampler("abc"))
        [0, 1, 2]
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        if not isinstance(replacement, bool):
            raise TypeError(f"replacement should be a boolean value, but got replacement={replacement}")
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        _check_positive("num_samples", self.num_samples)

    @property
    def num_samples(self) -> int:
        """How many samples a pass draws."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def order(self) -> np.ndarray:
        """Draw a new order."""
        n = len(self.data_source)
        if self.replacement:
            return randint(n, (self.num_samples,), generator=self.generator).numpy()
        passes = -(-self.num_samples // n)
        drawn = [randperm(n, generator=self.generator).numpy() for _ in range(passes)]
        return np.concatenate(drawn)[: self.num_samples]

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """The given indices at random, each once.

    Args:
        indices: the indices to draw from.
        generator: the source of randomness; default: the global one.

    Example:
        >>> sorted(SubsetRandomSampler([7, 3]))
        [3, 7]
    """

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for position in randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[position]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Indices ``0 .. len(weights) - 1``, drawn with probabilities proportional to ``weights``.

    Args:
        weights: one number a sample, not negative; they need not sum to one.
        num_samples: how many to draw in a pass.
        replacement: draw each from all of them; otherwise each sample is drawn at most once.
        generator: the source of randomness; default: the global one.

    Raises:
        ValueError: an argument that makes no sense, or too few positive weights to draw from.

    Example:
        >>> list(WeightedRandomSampler([0.0, 1.0], num_samples=3))
        [1, 1, 1]
    """

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        _check_positive("num_samples", num_samples)
        if not isinstance(replacement, bool):
            raise ValueError(f"replacement should be a boolean value, but got replacement={replacement}")
        self.weights = np.asarray(weights, np.float64)
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator
        self._check_weights()

    def _check_weights(self) -> None:
        if self.weights.ndim != 1:
            shape = self.weights.shape
            raise ValueError(f"weights should be a 1d sequence but given weights have shape {shape}")
        if not (np.isfinite(self.weights).all() and (self.weights >= 0).all()):
            raise ValueError("weights should be finite and not negative")
        positive = np.count_nonzero(self.weights)
        needed = 1 if self.replacement else self.num_samples
        if positive < needed:
            raise ValueError(f"{needed} positive weights are needed to draw from, but there are {positive}")

    def __iter__(self) -> Iterator[int]:
        candidates = np.flatnonzero(self.weights)
        weights = self.weights[candidates]
        if self.replacement:
            cumulative = np.cumsum(weights)
            drawn = np.searchsorted(cumulative, self._uniform(self.num_samples) * cumulative[-1], "right")
            drawn = np.minimum(drawn, len(candidates) - 1)  # a product that rounds up to the whole sum
        else:
            # Exponential races: the first to finish, at rates `weights`, are a draw without replacement.
            finish = -np.log1p(-self._uniform(len(candidates))) / weights
            drawn = np.argsort(finish, kind="stable")[: self.num_samples]
        return iter(candidates[drawn].tolist())

    def _uniform(self, count: int) -> np.ndarray:
        return rand(count, dtype=float64, generator=self.generator).numpy()

    def __len__(self) -> int:
        return self.num_samples


class EpochSampler(_OrderedSampler):
    """Every sample once, in an order that depends on seed and epoch alone.

    A run that stopped continues where it was with ``set_epoch(epoch, start=samples_consumed)``, whatever
    else drew random numbers. The order comes from Philox (Salmon et al. 2011), keyed by seed and epoch,
    whose raw stream NumPy keeps the same from version to version.

    Args:
        data_source: the dataset.
        seed: any integer from -2**63 to 2**64 - 1.
        shuffle: False keeps the dataset's order.

    Raises:
        ValueError: ``seed`` is out of range.

    Example:
        >>> sampler = EpochSampler(range(5), seed=0)
        >>> sampler.set_epoch(3)
        >>> whole = list(sampler)
        >>> sampler.set_epoch(3, start=2)
        >>> list(sampler) == whole[2:]
        True
    """

    def __init__(self, data_source: Sized, *, seed: int, shuffle: bool = True) -> None:
        if not -(2**63) <= seed < 2**64:
            raise ValueError(f"seed should be in [-2**63, 2**64), but got seed={seed}")
        self.data_source = data_source
        self.seed = seed
        self.shuffle = shuffle
        self.set_epoch(0)

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Choose the epoch of the next pass, and how many of its samples to skip.

        Raises:
            ValueError: ``epoch`` is negative, or ``start`` is not in ``0 .. len(data_source)``.
        """
        if not 0 <= epoch < 2**64:
            raise ValueError(f"epoch should not be negative, but got epoch={epoch}")
        if not 0 <= start <= len(self.data_source):
            size = len(self.data_source)
            raise ValueError(f"start should be in 0..{size}, the size of the dataset, but got start={start}")
        self.epoch = epoch
        self.start = start

    def order(self) -> np.ndarray:
        """Return the epoch's indices from ``start`` on."""
        n = len(self.data_source)
        if not self.shuffle:
            return np.arange(self.start, n)
        key = np.array([self.seed % 2**64, self.epoch], np.uint64)
        # No stable sort, which is slower: among n keys of 64 bits, two are equal once in 2**65 / n**2 epochs.
        return np.argsort(np.random.Philox(key=key).random_raw(n))[self.start :]

    def __len__(self) -> int:
        return len(self.data_source) - self.start


class BatchSampler(Sampler[list[int]]):
    """The indices of another sampler in groups of ``batch_size``.

    Args:
        sampler: any iterable of indices.
        batch_size: samples in a batch.
        drop_last: leave out a last batch that is not full.

    Raises:
        ValueError: ``batch_size`` is not a positive integer, or ``drop_last`` not a bool.

    Example:
        >>> list(BatchSampler(range(5), batch_size=2, drop_last=False))
        [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[Any], batch_size: int, drop_last: bool) -> None:
        _check_positive("batch_size", batch_size)
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[Any]]:
        indices = iter(self.sampler)
        while len(batch := list(itertools.islice(indices, self.batch_size))) == self.batch_size:
            yield batch
        if batch and not self.drop_last:
            yield batch

    def batches(self) -> Iterator[np.ndarray | list[Any]]:
        """Yield what iteration does, as int64 arrays where the sampler knows its whole order."""
        order = bulk_method(self.sampler, "order", "__iter__")
        return iter(self) if order is None else self._slices(order())

    def _slices(self, order: np.ndarray) -> Iterator[np.ndarray]:
        stop = len(order) // self.batch_size * self.batch_size if self.drop_last else len(order)
        for start in range(0, stop, self.batch_size):
            yield order[start : start + self.batch_size]

    def __len__(self) -> int:
        sampler: Any = self.sampler  # one without a length says so here
        samples = len(sampler)
        return samples // self.batch_size if self.drop_last else -(-samples // self.batch_size)


def _check_positive(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ValueError(f"{name} should be a positive integer value, but got {name}={value}")
