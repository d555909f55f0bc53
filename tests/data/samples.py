"""Small datasets, and what can be seen of their batches."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import trainctl
from trainctl.data import Dataset, IterableDataset, TensorDataset
from trainctl.errors import DataError


class Squares(Dataset):
    """Samples without gather: an image, its index squared, its name."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __getitem__(self, index):
        if not -self.size <= index < self.size:
            raise IndexError(index)
        return np.full((1, 2), index, np.float32), index**2, f"number {index}"

    def __len__(self):
        return self.size


class Numbers(IterableDataset):
    def __init__(self, size: int) -> None:
        self.size = size

    def __iter__(self):
        return iter(range(self.size))

    def __len__(self):
        return self.size


def tensors(size: int) -> TensorDataset:
    return TensorDataset(trainctl.arange(size * 6).reshape(size, 2, 3), trainctl.arange(size))


def plain(value):
    """The value without its tensors, comparable between libraries and runs."""
    if hasattr(value, "numpy"):
        return str(value.dtype).rpartition(".")[2], value.tolist()
    if isinstance(value, list | tuple):
        return type(value), [plain(each) for each in value]
    return value


def outcome(read: Callable[[], Any]) -> tuple[Any, DataError | None]:
    """What is read, and None; or None, and the error of data that is refused."""
    try:
        return read(), None
    except DataError as error:
        return None, error


def worker_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("DataLoader worker")]


def wait_for_threads_to_end() -> None:
    gc.collect()
    deadline = time.monotonic() + 5
    while worker_threads() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert worker_threads() == []
