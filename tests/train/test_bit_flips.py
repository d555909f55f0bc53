"""Every bit of a checkpoint counts: one that is not as it was written is found, whichever it is."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainctl.errors import CheckpointError
from trainctl.train import checkpoint_files
from trainctl.train.checkpoint import INDEX, MODEL, STATE, Best, Checkpoint, Progress, encode, read_checkpoint

FILES = (MODEL, STATE, INDEX)


def small_checkpoint() -> dict[str, bytearray]:
    draw = np.random.default_rng(0)
    rows = [{"epoch": 1, "global_step": 4, "train_loss": 0.5, "val_loss": None, "lr": 1e-3}]
    progress = Progress(2, 1, 5, 64, 1 / 3, 1.5, 1.25, 1e-3, Best(0.25, 1, 4), rows)
    model = {"0.weight": draw.normal(size=(3, 2)).astype(np.float32), "0.bias": np.zeros(3, np.float32)}
    arrays = {"m": draw.normal(size=(3, 2)), "rng": draw.integers(0, 256, 20).astype(np.uint8)}
    packed = {"optimizer": {"$pairs": [[0, {"$tensor": "m"}]]}, "rng": {"$array": "rng"}}
    files = encode(Checkpoint("seed: 0\n", 1, "numpy", progress, model, packed, arrays))
    return {name: bytearray(b"".join(parts)) for name, parts in files.items()}


class MemoryFile:
    """A file in memory, as :class:`trainctl.storage.files.InputFile` is one on the disk."""

    def __init__(self, data: bytearray) -> None:
        self.data, self.size, self.place = data, len(data), 0

    def fill(self, buffer: bytearray, start: int = 0) -> int:
        part = self.data[self.place : self.place + len(buffer) - start]
        buffer[start : start + len(part)] = part
        self.place += len(part)
        return start + len(part)

    def read(self, count: int) -> bytearray:
        buffer = bytearray(min(count, self.size))
        del buffer[self.fill(buffer) :]
        return buffer


@contextmanager
def in_memory(files: dict[str, bytearray]) -> Iterator[None]:
    """Let checkpoints be read from memory: a thousand times as often as from a disk."""

    @contextmanager
    def reading(path: Path, **_: Any) -> Iterator[MemoryFile]:
        yield MemoryFile(files[path.name])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint_files, "reading", reading)
        patch.setattr(checkpoint_files, "read_file", lambda path, limit: bytes(files[path.name]))
        yield


def survivors(files: dict[str, bytearray], flips: Iterator[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    """The flips that are not found."""
    missed = []
    with in_memory(files):
        read_checkpoint("step")
        for name, place, bit in flips:
            files[name][place] ^= 1 << bit
            try:
                read_checkpoint("step")
            except CheckpointError as error:
                assert name in error.message  # noqa: PT017 - ten thousand `raises` are slow
            else:
                missed.append((name, place, bit))
            files[name][place] ^= 1 << bit
        read_checkpoint("step")
    return missed


def random_flips(files: dict[str, bytearray], count: int, seed: int) -> Iterator[tuple[str, int, int]]:
    draw = random.Random(seed)
    names = draw.choices(FILES, [len(files[name]) for name in FILES], k=count)
    return ((name, draw.randrange(len(files[name])), draw.randrange(8)) for name in names)


def header_flips(files: dict[str, bytearray]) -> Iterator[tuple[str, int, int]]:
    """Each bit of the headers, and of checkpoint.json, which is nothing else."""
    for name in FILES:
        end = len(files[name]) if name == INDEX else 8 + int.from_bytes(files[name][:8], "little")
        yield from ((name, place, bit) for place in range(end) for bit in range(8))


def test_ten_thousand_random_flips_are_found():
    files = small_checkpoint()
    assert survivors(files, random_flips(files, 10_000, 0)) == []


def test_each_bit_of_each_header_is_looked_at():
    files = small_checkpoint()
    flips = list(header_flips(files))
    assert len(flips) > 10_000
    assert survivors(files, iter(flips)) == []
