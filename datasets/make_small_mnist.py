"""Make ``trainctl/assets/small_mnist``, the digits that come with the package, from the whole of MNIST.

    python -m datasets.make_small_mnist datasets/mnist trainctl/assets/small_mnist

Every 15th training and every 10th test image: the classes and the writers stay mixed as they are. The same
input gives the same bytes.
"""

from __future__ import annotations

import argparse
import gzip
import struct
from pathlib import Path

import numpy as np

from trainctl.data.idx import read_idx

EVERY = {"train": 15, "t10k": 10}


def idx(array: np.ndarray) -> bytes:
    """An array of bytes in MNIST's format."""
    return struct.pack(f">HBB{array.ndim}I", 0, 0x08, array.ndim, *array.shape) + array.tobytes()


def main() -> None:
    """Read the whole of MNIST and write the part."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("source", type=Path, help="the folder of MNIST's four files")
    parser.add_argument("target", type=Path, help="the folder to write to")
    args = parser.parse_args()
    args.target.mkdir(parents=True, exist_ok=True)
    for part, every in EVERY.items():
        for what in ("images-idx3", "labels-idx1"):
            array = read_idx(args.source / f"{part}-{what}-ubyte.gz")[::every]
            data = gzip.compress(idx(array), compresslevel=9, mtime=0)
            (args.target / f"{part}-{what}-ubyte.gz").write_bytes(data)
            print(f"{part}-{what}-ubyte.gz: {list(array.shape)}, {len(data):,} bytes")


if __name__ == "__main__":
    main()
