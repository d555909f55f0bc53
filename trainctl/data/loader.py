"""``DataLoader``: batches of a dataset, in some order, loaded here or in threads."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

import numpy as np

from trainctl.autograd import Tensor
from trainctl.autograd.ops.random import Generator
from trainctl.data.bulk import as_index_array, bulk_method
from trainctl.data.collate import UnequalShapesError, default_collate, default_convert
from trainctl.data.dataset import IterableDataset, read_samples
from trainctl.data.sampler import BatchSampler, RandomSampler, SequentialSampler
from trainctl.data.workers import WorkerPool, load_ahead

T_co = TypeVar("T_co", covariant=True)

_END = object()  # what loading from a stream returns when the stream is over
_FIXED = {"batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"}


class DataLoader(Generic[T_co]):
    """Iterate over a dataset in batches; each ``for`` is a new pass.

    Follows ``torch.utils.data.DataLoader``. A batch of ``(image, label)`` samples is the list
    ``[images, labels]``. Workers are threads that share the dataset: they give the same batches as no
    workers, need nothing to be picklable, and call ``dataset[index]`` from several threads at once.

    Args:
        dataset: has ``[index]`` and ``len``; or an ``IterableDataset``.
        batch_size: samples in a batch; None loads single samples, not batches.
        shuffle: a new random order in each pass.
        sampler: an iterable of indices, instead of ``shuffle``.
        batch_sampler: an iterable of lists of indices, instead of ``batch_size``, ``shuffle``,
            ``sampler`` and ``drop_last``.
        num_workers: threads that load ahead; 0 loads when a batch is asked for. A stream is read by one.
        collate_fn: makes a batch of a list of samples; default: :func:`default_collate`.
        pin_memory: accepted; there is no pinned memory on a CPU.
        drop_last: leave out a last batch that is not full.
        timeout: seconds to wait for a worker's batch; 0 waits for ever.
        worker_init_fn: called in each worker thread with its number, before it loads.
        multiprocessing_context: accepted; workers are threads.
        generator: the source of the random order; default: the global one.
        prefetch_factor: batches loaded ahead by each worker; default: 2.
        persistent_workers: keep the threads from pass to pass.
        pin_memory_device: accepted, as ``pin_memory``.
        in_order: accepted; batches always come in order.

    Raises:
        ValueError: arguments that exclude each other or are out of range.

    Example:
        >>> import trainctl
        >>> data = trainctl.utils.data.TensorDataset(trainctl.arange(5))
        >>> [batch[0].tolist() for batch in DataLoader(data, batch_size=2)]
        [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Sequence[Any]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], object] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        stream = isinstance(dataset, IterableDataset)
        _raise_first(
            (num_workers < 0, "num_workers option should be non-negative; use num_workers=0 for no workers."),
            (timeout < 0, "timeout option should be non-negative"),
            (timeout > 0 and not num_workers, "timeout option needs num_workers > 0"),
            (prefetch_factor is not None and not num_workers, "prefetch_factor option needs num_workers > 0"),
            (prefetch_factor is not None and prefetch_factor < 0, "prefetch_factor should be non-negative"),
            (persistent_workers and not num_workers, "persistent_workers option needs num_workers > 0"),
            (
                multiprocessing_context is not None and not num_workers,
                "multiprocessing_context option needs num_workers > 0",
            ),
            (stream and shuffle, _not_for_streams("shuffle", shuffle)),
            (stream and sampler is not None, _not_for_streams("sampler", sampler)),
            (stream and batch_sampler is not None, _not_for_streams("batch_sampler", batch_sampler)),
            (sampler is not None and shuffle, "sampler option is mutually exclusive with shuffle"),
            (
                batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last),
                "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last",
            ),
            (
                batch_size is None and drop_last,
                "batch_size=None option disables auto-batching and is mutually exclusive with drop_last",
            ),
        )
        if sampler is None:
            sampler = _default_sampler(dataset, shuffle, generator)
        if batch_sampler is not None:
            batch_size = None
        elif batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        if collate_fn is None:
            collate_fn = default_convert if batch_sampler is None else default_collate
        self.dataset = dataset
        self.batch_size = batch_size
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.num_workers = num_workers
        self.collate_fn = collate_fn
        self.pin_memory = pin_memory
        self.drop_last = drop_last
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.generator = generator
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.persistent_workers = persistent_workers
        self.pin_memory_device = pin_memory_device
        self.in_order = in_order
        self._pool: WorkerPool | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED and name in vars(self):
            raise ValueError(f"{name} attribute should not be set after {type(self).__name__} is initialized")
        super().__setattr__(name, value)

    def __len__(self) -> int:
        if not isinstance(self.dataset, IterableDataset):
            keys: Any = self.sampler if self.batch_sampler is None else self.batch_sampler
            return len(keys)
        stream: Any = self.dataset  # one without a length says so here
        samples = len(stream)
        if self.batch_size is None:
            return samples
        return samples // self.batch_size if self.drop_last else -(-samples // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        load, keys = self._plan()
        # A generator, not `map`: there a StopIteration out of a dataset would end the pass in silence.
        batches = self._load_ahead(load, keys) if self.num_workers else (load(key) for key in keys)
        for batch in batches:
            if batch is _END:
                return
            yield batch

    def _plan(self) -> tuple[Callable[[Any], Any], Iterable[Any]]:
        """Return what turns a key (one index, or a batch of them) into a batch, and the keys of a pass."""
        if isinstance(self.dataset, IterableDataset):
            return _Stream(self), self.sampler
        if self.batch_sampler is None:
            return self._load_sample, self.sampler
        gather = bulk_method(self.dataset, "gather", "__getitem__")
        if gather is None or self.collate_fn is not default_collate:
            return self._load_batch, self.batch_sampler
        batches = bulk_method(self.batch_sampler, "batches", "__iter__")
        return partial(_gather_batch, gather), batches() if batches else self.batch_sampler

    def _load_sample(self, index: Any) -> Any:
        return self.collate_fn(read_samples(self.dataset, [index])[0])

    def _load_batch(self, indices: Iterable[Any]) -> Any:
        indices = list(indices)
        return self._collate(read_samples(self.dataset, indices), indices)

    def _collate(self, samples: list[Any], indices: Sequence[Any]) -> Any:
        try:
            return self.collate_fn(samples)
        except UnequalShapesError as error:
            names = " and ".join(str(indices[entry]) for entry in error.entries)
            raise RuntimeError(f"{error} (samples {names}): make their shapes equal, or pass a collate_fn") from None
        except Exception as error:
            error.add_note(f"while collating samples {list(indices)}")
            raise

    def _load_ahead(self, load: Callable[[Any], Any], keys: Iterable[Any]) -> Iterator[Any]:
        pool = self._pool or self._start_workers()
        if self.persistent_workers:
            self._pool = pool
        depth = max(1, self.num_workers * (self.prefetch_factor or 0))
        try:
            yield from load_ahead(pool, load, keys, depth=depth, timeout=self.timeout)
        finally:
            if pool is not self._pool:
                pool.close()

    def _start_workers(self) -> WorkerPool:
        stream = isinstance(self.dataset, IterableDataset)
        return WorkerPool(1 if stream else self.num_workers, self.worker_init_fn)


class _Stream:
    """One pass over an iterable dataset: each call loads the next batch (or sample), then ``_END``."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        self._loader = loader
        self._samples = iter(loader.dataset)
        self._position = 0

    def __call__(self, _: object) -> Any:
        size = self._loader.batch_size
        wanted = size or 1
        samples = self._read(wanted)
        if not samples or (self._loader.drop_last and len(samples) < wanted):
            return _END
        if size is None:
            return self._loader.collate_fn(samples[0])
        return self._loader._collate(samples, range(self._position - len(samples), self._position))

    def _read(self, count: int) -> list[Any]:
        samples: list[Any] = []
        try:
            for sample in itertools.islice(self._samples, count):
                samples.append(sample)
                self._position += 1
        except Exception as error:
            error.add_note(f"while reading sample {self._position} of {type(self._loader.dataset).__name__}")
            raise
        return samples


def _gather_batch(gather: Callable[[np.ndarray], Sequence[Tensor]], indices: Iterable[Any]) -> list[Tensor]:
    indices = as_index_array(indices)
    try:
        batch = gather(indices)
    except Exception as error:
        error.add_note(f"while reading samples {indices.tolist()}")
        raise
    if not isinstance(batch, tuple | list):
        raise TypeError(f"gather should return a tuple or list of tensors, got {type(batch).__name__}")
    return list(batch)


def _default_sampler(dataset: Any, shuffle: bool | None, generator: Generator | None) -> Iterable[Any]:
    if isinstance(dataset, IterableDataset):
        return itertools.repeat(None)  # a stream has no indices: its end is the pass's end
    return RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)


def _not_for_streams(option: str, value: object) -> str:
    return f"DataLoader with IterableDataset: expected unspecified {option} option, but got {option}={value}"


def _raise_first(*checks: tuple[object, str]) -> None:
    for wrong, message in checks:
        if wrong:
            raise ValueError(message)
