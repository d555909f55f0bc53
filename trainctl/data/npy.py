"""Arrays in NumPy's files: ``.npy``, mapped into memory, and ``.npz``, whose checksums are looked at. Never pickle."""

from __future__ import annotations

import math
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from trainctl.errors import DataError

_DEFLATE_MAX_RATIO = 1032
_NUMBERS = "biuf"  # kinds of dtype that are numbers: bool, integers, floating point
_LENGTHS = {b"\x01\x00": 2, b"\x02\x00": 4, b"\x03\x00": 4}  # how a header's length is written, by version
_LONGEST = 10_000  # bytes of a header
_SIZE = r" *(?:0|[1-9]\d*) *"
_HEADER = re.compile(
    r"\{ *'descr': *'([<>|=]?[A-Za-z?]\d*)', *'fortran_order': *(True|False), *"
    rf"'shape': *\(((?:(?:{_SIZE},)+(?:{_SIZE})?)?) *\),? *\}}[ \n]*",
    re.ASCII,
)


def open_npy(path: Path) -> np.ndarray:
    """Return the array of a ``.npy`` file, mapped into memory: only what is used is read.

    Raises:
        DataError: the file is damaged, or does not hold numbers.

    Example:
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp(), "x.npy")
        >>> np.save(file, np.arange(3))
        >>> open_npy(file)[1].item()
        1
    """
    try:
        with path.open("rb") as file:
            shape, fortran, dtype = _header(file, str(path))
            start = file.tell()
            size = file.seek(0, 2) - start
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}", hint="check its permissions") from error
    _check_size(str(path), shape, dtype, size)
    if math.prod(shape) == 0:
        return np.zeros(shape, dtype)
    order: Any = "F" if fortran else "C"
    return np.asarray(np.memmap(path, dtype, "r", start, shape, order))


def names_in_npz(path: Path) -> list[str]:
    """Return the names of the arrays in a ``.npz`` file, in its order.

    Raises:
        DataError: the file is missing or damaged.
    """
    with _archive(path) as archive:
        return _names(archive)


def read_npz(path: Path, name: str) -> np.ndarray:
    """Return one array of a ``.npz`` file.

    Raises:
        DataError: the file is damaged, has no such array, or one that does not hold numbers.
    """
    with _archive(path) as archive:
        names = _names(archive)
        if names.count(name) != 1:
            held = ", ".join(names[:20]) or "none"
            found = f"there is no array '{name}'" if name not in names else f"the array '{name}' is there twice"
            raise DataError(f"{path}: {found}", hint=f"its arrays are {held}")
        return _read_member(archive, archive.getinfo(f"{name}.npy"), f"{path}: array '{name}'")


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}", hint="check its permissions") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise _damaged(str(path), "a NumPy .npz file", str(error) or "a file cut short") from error


def _names(archive: zipfile.ZipFile) -> list[str]:
    return [each.removesuffix(".npy") for each in archive.namelist() if each.endswith(".npy")]


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str) -> np.ndarray:
    if info.file_size > info.compress_size * _DEFLATE_MAX_RATIO + 1024:  # an index that lies must not reserve memory
        raise _damaged(where, "sizes that fit each other", f"{info.file_size} bytes out of {info.compress_size}")
    with archive.open(info) as file:
        shape, fortran, dtype = _header(file, where)
        _check_size(where, shape, dtype, info.file_size - file.tell())
        data = file.read()  # to the end, where its checksum is compared
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def _header(file: IO[bytes], where: str) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, order and dtype; the file stands at the first element then.

    Read by a pattern: what NumPy does with a header of another form, it does by Python's own parser.
    """
    magic = file.read(8)
    if magic[:6] != b"\x93NUMPY" or magic[6:] not in _LENGTHS:
        raise _damaged(where, "an array in NumPy's format", f"a file that begins with {magic!r}")
    length = file.read(_LENGTHS[magic[6:]])
    text = file.read(min(int.from_bytes(length, "little"), _LONGEST)).decode("latin-1")
    found = _HEADER.fullmatch(text)
    if found is None:
        raise _damaged(where, "the header of an array of numbers", repr(text[:80]))
    descr, order, sizes = found.groups()
    try:
        dtype = np.dtype(descr)
        shape = tuple(int(size) for size in sizes.split(",") if size.strip())
    except (TypeError, ValueError) as error:
        raise _damaged(where, "an array of numbers", f"one of {descr[:40]!r}") from error
    if dtype.kind not in _NUMBERS:
        raise DataError(f"{where}: expected an array of numbers, got one of {dtype}", hint="save it as numbers")
    return shape, order == "True", dtype


def _check_size(where: str, shape: tuple[int, ...], dtype: np.dtype, size: int) -> None:
    expected = math.prod(shape) * dtype.itemsize
    if size != expected:
        raise _damaged(where, f"{expected} bytes of data for {list(shape)} of {dtype}", str(size))


def _damaged(where: str, expected: str, got: str) -> DataError:
    return DataError(
        f"{where}: expected {expected}, got {got}", hint="the file is damaged: replace it with a fresh copy"
    )
