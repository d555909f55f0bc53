"""Files changed at random, by the million: each is refused with one of our errors, or is what it was.

``python -m tests.torture.mutating COUNT [FIRST]`` tries the seeds from FIRST on and ends with 1 at the first that gets
through, or that raises anything else; ``python -m tests.torture.mutating 1 SEED`` tries that one again.
"""

from __future__ import annotations

import json
import random
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.data.idx_files import idx_bytes
from tests.train.test_bit_flips import FILES, in_memory, small_checkpoint
from tests.train.tiny import CONFIG
from trainctl.config.load import config_from_yaml
from trainctl.data import idx
from trainctl.errors import TrainctlError
from trainctl.storage.saving import load, save
from trainctl.train.checkpoint import INDEX, read_checkpoint
from trainctl.train.checkpoint_files import dump_index

Draw = random.Random


def damaged(data: bytes, draw: Draw) -> bytes:
    """Bytes of which a few are changed, lost, doubled or new."""
    changed = bytearray(data)
    for _ in range(draw.choice([1, 1, 1, 2, 5])):
        place = draw.randrange(len(changed) + 1)
        match draw.randrange(5):
            case 0 if place < len(changed):
                changed[place] ^= 1 << draw.randrange(8)
            case 1 if place < len(changed):
                changed[place] = draw.randrange(256)
            case 2:
                del changed[place : place + draw.choice([1, 2, 8, 100])]
            case 3:
                changed[place:place] = changed[place : place + draw.choice([1, 8, 40])]
            case _:
                changed[place:place] = draw.randbytes(draw.choice([1, 2, 8]))
    return bytes(changed)


ODD: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    -1,
    2**31,
    2**63,
    2**80,
    0.5,
    -1e308,
    "",
    "w",
    "../x",
    [],
    {},
    [[]],
    {"$x": 1},
]
ODD += [{"$tensor": "m"}, {"$tuple": []}, {"$pairs": [[0, 1]]}, {"$float": "nan"}, "a" * 500, [0] * 50]


def rewritten(value: Any, draw: Draw) -> Any:
    """JSON in which one value somewhere is another, is gone or is new."""
    if not isinstance(value, dict | list) or not value or draw.random() < 0.1:
        return draw.choice(ODD)
    copy = dict(value) if isinstance(value, dict) else list(value)
    key: Any = draw.choice(list(value)) if isinstance(value, dict) else draw.randrange(len(value))
    match draw.randrange(12):
        case 0:
            del copy[key]
        case 1 if isinstance(copy, dict):
            copy[draw.choice(["x", "$tensor", "../x", "epoch", "bytes"])] = draw.choice(ODD)
        case _:
            copy[key] = rewritten(value[key], draw)
    return copy


class Attempts:
    """One method for each kind of file; each raises where a file gets through that should not."""

    def __init__(self) -> None:
        self.files = small_checkpoint()
        self.index = json.loads(bytes(self.files[INDEX]))
        del self.index["sha256"]
        saved = Keeper()
        save({"w": np.float32(1), "m": [np.arange(3)], 0: (1.5, None)}, saved)
        self.saved = saved.data
        self.config = CONFIG.format(root="data").encode()
        self.idx = idx_bytes(np.arange(12, dtype=np.uint8).reshape(3, 4))
        self.kinds: list[Callable[[Draw], None]] = [self.checkpoint, self.sealed, self.tensors, self.yaml, self.array]

    def checkpoint(self, draw: Draw) -> None:
        """A checkpoint with damage: it must be found."""
        name = draw.choice(FILES)
        changed = damaged(bytes(self.files[name]), draw)
        if changed != self.files[name] and not refused(lambda: self._read({**self.files, name: bytearray(changed)})):
            raise AssertionError(f"damage in {name} was not found")

    def sealed(self, draw: Draw) -> None:
        """An index that says something else, with the right checksum: it must be refused, or be a checkpoint."""
        index = rewritten(self.index, draw)
        data = dump_index(index) if isinstance(index, dict) and index else json.dumps(index).encode()
        refused(lambda: self._read({**self.files, INDEX: bytearray(data)}))

    def tensors(self, draw: Draw) -> None:
        """A file of ``trainctl.save``."""
        refused(lambda: load(Keeper(damaged(self.saved, draw))))

    def yaml(self, draw: Draw) -> None:
        """A config; its text is what a checkpoint carries, too."""
        text = damaged(self.config, draw).decode("utf-8", "replace")
        refused(lambda: config_from_yaml(text, "a.yaml"))

    def array(self, draw: Draw) -> None:
        """An IDX file."""
        data = damaged(self.idx, draw)
        refused(lambda: idx._read_array(Keeper(data), Path("a"), len(data)))

    def _read(self, files: dict[str, bytearray]) -> None:
        with in_memory(files):
            read_checkpoint("step")


class Keeper:
    """A file in memory, in as far as it is asked for here."""

    def __init__(self, data: bytes = b"") -> None:
        self.data, self.place = data, 0

    def read(self, count: int = -1) -> bytes:
        end = len(self.data) if count < 0 else self.place + count
        part, self.place = self.data[self.place : end], min(end, len(self.data))
        return part

    def writelines(self, parts: list[Any]) -> None:
        self.data = b"".join(parts)


def refused(read: Callable[[], object]) -> bool:
    """Whether reading ended in one of our errors; any other goes on its way."""
    try:
        read()
    except TrainctlError:
        return True
    return False


def main(count: int, first: int = 0) -> int:
    """Try ``count`` seeds."""
    attempts = Attempts()
    for seed in range(first, first + count):
        draw = Draw(seed)
        try:
            draw.choice(attempts.kinds)(draw)
        except Exception:
            traceback.print_exc()
            print(f"seed {seed}: python -m tests.torture.mutating 1 {seed}", flush=True)
            return 1
        if seed % 100_000 == 99_999:
            print(f"{seed + 1 - first:,} of {count:,} files", file=sys.stderr, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
