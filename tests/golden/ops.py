"""The golden files of the op tables: for each case PyTorch's results and gradients, a family a file.

A file holds the elements of all arrays of one dtype in a row, and an index of which case has which shapes, in order.
"""

from __future__ import annotations

import json
from collections import defaultdict
from functools import cache
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent

Arrays = list[np.ndarray]
Cases = dict[str, tuple[Arrays, list[np.ndarray | None]]]  # by name: (results, gradients)


def path(family: str) -> Path:
    return FOLDER / f"ops_{family}.npz"


def save(family: str, cases: Cases, torch_version: str) -> None:
    """Write a family's file; the same cases give the same bytes."""
    elements: dict[str, Arrays] = defaultdict(list)
    for results, grads in cases.values():
        for each in (*results, *grads):
            if each is not None:
                elements[each.dtype.name].append(each.ravel())
    index = {name: [[_entry(each) for each in part] for part in parts] for name, parts in cases.items()}
    text = json.dumps({"torch": torch_version, "cases": index}, separators=(",", ":"))
    arrays = {name: np.concatenate(elements[name]) for name in sorted(elements)}
    np.savez_compressed(path(family), index=np.frombuffer(text.encode(), np.uint8), **arrays)


def _entry(array: np.ndarray | None) -> list[object] | None:
    return None if array is None else [array.dtype.name, list(array.shape)]


@cache
def load(family: str) -> Cases:
    """Read a family's file."""
    if not path(family).exists():
        raise FileNotFoundError(f"{path(family).name} is not there yet: python -m tests.golden.make_ops {family}")
    with np.load(path(family)) as stored:
        elements = {name: stored[name] for name in stored.files}
    index = json.loads(elements.pop("index").tobytes())["cases"]
    used = dict.fromkeys(elements, 0)

    def take(entry: tuple[str, list[int]] | None) -> np.ndarray | None:
        if entry is None:
            return None
        (name, shape), start = entry, used[entry[0]]
        used[name] = start + int(np.prod(shape))
        return elements[name][start : used[name]].reshape(shape)

    return {name: tuple([take(entry) for entry in part] for part in parts) for name, parts in index.items()}
