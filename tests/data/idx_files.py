"""IDX files made by the format's own words, for the tests to read back."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx_header(code: int, *dims: int) -> bytes:
    return bytes([0, 0, code, len(dims)]) + struct.pack(f">{len(dims)}I", *dims)


def idx_bytes(array: np.ndarray) -> bytes:
    kind = array.dtype.str[1:]
    return idx_header(CODES[kind], *array.shape) + array.astype(f">{kind}").tobytes()


def write_mnist(root: Path, images: np.ndarray, labels: np.ndarray, part: str = "train") -> None:
    root.mkdir(exist_ok=True)
    (root / f"{part}-images-idx3-ubyte").write_bytes(idx_bytes(images))
    (root / f"{part}-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
