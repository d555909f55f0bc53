"""Datasets whose samples lie in two arrays, inputs and targets, which are read when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from trainctl.autograd import Tensor
from trainctl.autograd.ops.creation import from_numpy
from trainctl.data.dataset import Dataset
from trainctl.data.transforms import apply_to_batch
from trainctl.errors import DataError


class ArrayDataset(Dataset[tuple[Any, Any]]):
    """Base of datasets that hold two arrays; a subclass has ``_read() -> (inputs, targets)``.

    A sample is ``(input, target)``: a class number as an int, any other target as a tensor. Inputs may be of another
    dtype, and on disk (memory-mapped): a batch alone is converted.

    Args:
        dtype: of the inputs of a sample.
        transform: called with an input, or with a batch of them where it has ``takes_batches``.

    Example:
        >>> class Doubles(ArrayDataset):
        ...     def _read(self):
        ...         return np.arange(3), np.arange(3) * 2
        >>> Doubles("float32")[2]
        (tensor(2.), 4)
    """

    def __init__(self, dtype: str, transform: Callable[[Any], Any] | None = None) -> None:
        self.dtype = dtype
        self.transform = transform

    def _read(self) -> tuple[np.ndarray, np.ndarray]:
        raise NotImplementedError(f"{type(self).__name__} has no _read")

    @cached_property
    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """The inputs, [N, ...], and the targets, [N, ...], as they are kept."""
        return self._read()

    def __len__(self) -> int:
        return len(self.arrays[1])

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        inputs, targets = self.arrays
        sample = self._tensor(inputs[index])
        target = targets[index]
        is_number = np.ndim(target) == 0 and np.issubdtype(targets.dtype, np.integer)
        return (self.transform(sample) if self.transform else sample), int(target) if is_number else from_numpy(
            np.array(target)
        )

    def gather(self, indices: np.ndarray) -> list[Tensor]:
        """Return the batch of these samples: inputs [len(indices), ...] and targets [len(indices), ...]."""
        inputs, targets = self.arrays
        batch = self._tensor(inputs.take(indices, axis=0))
        return [apply_to_batch(self.transform, batch), from_numpy(targets.take(indices, axis=0))]

    def _tensor(self, values: Any) -> Tensor:
        return from_numpy(np.array(values, self.dtype))  # a copy: what is done to a batch stays out of the data


def find_file(path: str | Path, what: str) -> Path:
    """Return ``path``, once it is seen to be a file.

    Raises:
        DataError: it is not there, or is not a file.

    Example:
        >>> find_file("no/iris.csv", "a CSV file")
        Traceback (most recent call last):
        trainctl.errors.DataError: no/iris.csv: expected a CSV file, got no such file
    """
    path = Path(path)
    try:
        if path.is_file():
            return path
        found = "a directory" if path.is_dir() else "something that is not a file" if path.exists() else "no such file"
    except (OSError, ValueError) as error:  # a name too long, a NUL in it, a folder that may not be looked into
        found = getattr(error, "strerror", None) or str(error)
    raise DataError(
        f"{path}: expected {what}, got {found}",
        hint="check the path in `data.dataset`; it is taken from where trainctl runs",
    )
