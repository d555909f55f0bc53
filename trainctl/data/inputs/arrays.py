"""Arrays and images: NPY, NPZ, IDX, PNG and JPEG. Pixels are bytes, which stand for 0 to 1 as in the datasets."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from trainctl.data.idx import read_idx
from trainctl.data.inputs.block import Block, Expected
from trainctl.errors import DataError, UsageError

_NAMES = ("input", "inputs", "x", "X", "images", "data", "arr_0")


def read_npy(path: str, expected: Expected, size: int) -> Iterator[Block]:
    """Yield the samples of a NumPy file, [N, ...], which is mapped, not read.

    Raises:
        DataError: the file is missing, damaged, pickled, or its samples are not such.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise DataError(f"{path}: not a NumPy file of numbers: {error}") from error
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path}: an archive of arrays, not one array", hint="call it .npz, or --input-format npz")
    yield from _blocks(path, array, expected, size)


def read_npz(path: str, expected: Expected, size: int) -> Iterator[Block]:
    """Yield the samples of the one array in an archive, or of the one that is called ``input`` or ``x``.

    Raises:
        DataError: the file is missing, damaged, pickled, has several arrays, or its samples are not such.
    """
    try:
        with open(path, "rb") as file:
            archive: Any = np.load(file, allow_pickle=False)
            if isinstance(archive, np.ndarray):
                raise DataError(f"{path}: one array, not an archive", hint="call it .npy, or --input-format npy")
            names = archive.files
            chosen = names if len(names) == 1 else [name for name in _NAMES if name in names][:1]
            if not chosen:
                raise DataError(f"{path}: expected one array, or one called input or x, got {', '.join(names[:8])}")
            array = archive[chosen[0]]
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: not an archive of NumPy arrays: {error}") from error
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    yield from _blocks(path, array, expected, size)


def read_idx_blocks(path: str, expected: Expected, size: int) -> Iterator[Block]:
    """Yield the samples of an IDX file, plain or gzipped.

    Raises:
        DataError: the file is missing or damaged, or its samples are not such.
    """
    yield from _blocks(path, read_idx(path), expected, size)


def _blocks(path: str, array: np.ndarray, expected: Expected, size: int) -> Iterator[Block]:
    if array.dtype.kind not in "iufb" or array.dtype.itemsize > 8:
        raise DataError(f"{path}: expected numbers, got {array.dtype}")
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
    """Yield the one sample in a PNG or JPEG file, grey or RGB as the model takes it.

    Raises:
        DataError: the file is missing, damaged or of another size.
        UsageError: Pillow is not installed, or the model takes no images.
    """
    shape = expected.spec.shape
    if len(shape) != 3 or shape[0] not in (1, 3):
        raise UsageError(f"{path}: the model takes samples of {expected.words}, which are no images [1 or 3, H, W]")
    try:
        from PIL import Image
    except ImportError:
        raise UsageError(f"{path}: reading images needs Pillow", hint="pip install 'trainctl[images]'") from None
    try:
        with Image.open(Path(path), formats=["PNG", "JPEG"]) as image:
            _check_image(path, image, shape)
            pixels = np.asarray(image.convert("L" if shape[0] == 1 else "RGB"), np.uint8)
    except Image.DecompressionBombError as error:
        raise DataError(f"{path}: {error}") from error
    except (OSError, SyntaxError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not an intact PNG or JPEG image"
        raise DataError(f"{path}: {reason}", hint="replace the file with a fresh copy") from error
    yield Block(pixels.reshape(1, *pixels.shape[:2], shape[0]).transpose(0, 3, 1, 2))


def _check_image(path: str, image: Any, shape: tuple[int, ...]) -> None:
    """Refuse an image before its pixels are read."""
    width, height = image.size
    if (height, width) != shape[1:]:
        raise DataError(
            f"{path}: expected an image of {shape[2]} x {shape[1]} pixels, got {width} x {height}",
            hint="scale it as the training images were; nothing is scaled here",
        )
    if image.mode.startswith(("I", "F")):
        raise DataError(f"{path}: expected 8 bits a channel, got mode {image.mode}", hint="save it with 8 bits")
