"""Arrays and images: NPY, NPZ, IDX, PNG and JPEG. Pixels are bytes, which stand for 0 to 1 as in the datasets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from trainctl.data import images
from trainctl.data.idx import read_idx
from trainctl.data.images import need_pillow
from trainctl.data.inputs.block import Block, Expected
from trainctl.data.npy import names_in_npz, open_npy
from trainctl.data.npy import read_npz as npz_array
from trainctl.errors import DataError, UsageError

_NAMES = ("input", "inputs", "x", "X", "images", "data", "arr_0")


def read_npy(path: str, expected: Expected, size: int) -> Iterator[Block]:
    """Yield the samples of a NumPy file, [N, ...], which is mapped, not read.

    Raises:
        DataError: the file is missing, damaged, pickled, or its samples are not such.
    """
    yield from _blocks(path, open_npy(Path(path)), expected, size)


def read_npz(path: str, expected: Expected, size: int) -> Iterator[Block]:
    """Yield the samples of the one array in an archive, or of the one that is called ``input`` or ``x``.

    Raises:
        DataError: the file is missing, damaged, pickled, has several arrays, or its samples are not such.
    """
    names = names_in_npz(Path(path))
    chosen = names if len(names) == 1 else [name for name in _NAMES if name in names][:1]
    if not chosen:
        held = ", ".join(names[:8]) or "none"
        raise DataError(
            f"{path}: expected one array, or one called input or x, got {held}", hint="save the samples as `x`"
        )
    yield from _blocks(path, npz_array(Path(path), chosen[0]), expected, size)


def read_idx_blocks(path: str, expected: Expected, size: int) -> Iterator[Block]:
    """Yield the samples of an IDX file, plain or gzipped.

    Raises:
        DataError: the file is missing or damaged, or its samples are not such.
    """
    yield from _blocks(path, read_idx(path), expected, size)


def _blocks(path: str, array: np.ndarray, expected: Expected, size: int) -> Iterator[Block]:
    if array.dtype.itemsize > 8:
        raise DataError(f"{path}: expected numbers of 64 bits at most, got {array.dtype}", hint="save it as float64")
    shape = expected.spec.shape
    if array.shape == shape and array.shape[1:] != shape:
        array = array[None]  # one sample by itself
    if array.ndim == 0:
        raise DataError(f"{path}: expected samples of {expected.words}, got a single number")
    array = expected.shaped(array, path)
    for start in range(0, len(array), size):
        part = np.array(array[start : start + size])
        if part.dtype != np.uint8:
            part = part.astype(np.float64)
        problem = expected.problem(part)
        if problem:
            bad = next(row for row in range(len(part)) if expected.problem(part[row]))
            raise DataError(f"{path}: sample {start + bad}: {problem}")
        yield Block(part)


def read_image(path: str, expected: Expected, size: int) -> Iterator[Block]:
    """Yield the one sample in an image file, upright, in the colours the model takes; scaled if its data set does so.

    Raises:
        DataError: the file is missing, damaged or of another size.
        UsageError: Pillow is not installed, or the model takes no images.
    """
    shape = expected.spec.shape
    if len(shape) != 3 or shape[0] not in (1, 3, 4):
        raise UsageError(f"{path}: the model takes samples of {expected.words}, which are no images [1, 3 or 4, H, W]")
    need_pillow()
    channels, height, width = shape
    yield Block(images.read_image(Path(path), channels, (height, width), scales=expected.scales_images)[None])
