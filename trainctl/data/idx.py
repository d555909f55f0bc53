"""IDX, the file format of MNIST: a small header, then the elements of one array.

    2 bytes   zero
    1 byte    element type (``ELEMENT_TYPES``)
    1 byte    number of dimensions
    4 bytes   each dimension, unsigned
    rest      the elements, last dimension fastest

Every number is big-endian. A file may be gzipped; its content says so, not its name.
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from trainctl.errors import DataError

ELEMENT_TYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype(">u1"),
    0x09: np.dtype(">i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}

_GZIP_MAGIC = b"\x1f\x8b"
_DEFLATE_MAX_RATIO = 1032
_CHUNK = 1 << 18  # fits the cache, so that inflating and copying overlap in it


def read_idx(path: str | Path) -> np.ndarray:
    """Read one IDX file, plain or gzipped.

    Args:
        path: the file.

    Returns:
        The array, in the machine's byte order, writable.

    Raises:
        DataError: the file is missing, unreadable, not IDX, or its length is not what its header says.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp(), "labels-idx1-ubyte")
        >>> _ = path.write_bytes(bytes([0, 0, 0x08, 1, 0, 0, 0, 3, 7, 2, 1]))
        >>> read_idx(path)
        array([7, 2, 1], dtype=uint8)
    """
    path = Path(path)
    if not os.path.isfile(path):
        found = "a directory" if os.path.isdir(path) else "no such file"
        raise _error(path, "an IDX file", found, hint="check the path")
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if file.peek(2)[:2] == _GZIP_MAGIC:
                with gzip.open(file) as unzipped:
                    return _read_array(cast(BinaryIO, unzipped), path, size * _DEFLATE_MAX_RATIO)
            return _read_array(file, path, size)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise _error(path, "intact gzip data", str(error)) from error
    except OSError as error:
        raise _error(path, "a readable file", error.strerror or str(error), hint="check its permissions") from error


def _read_array(stream: BinaryIO, path: Path, most_bytes: int) -> np.ndarray:
    """Read header and elements; ``most_bytes`` bounds what the stream can hold."""
    dtype, shape = _read_header(stream, path)
    nbytes = math.prod(shape) * dtype.itemsize
    expected = f"{nbytes} bytes of data for {list(shape)} of {dtype.newbyteorder('=')}"
    if nbytes > most_bytes:  # a header that lies must not reserve memory
        raise _error(path, expected, f"{most_bytes} at most: the file is cut short")
    try:
        data = np.empty(nbytes, np.uint8)
        array = data.view(dtype).reshape(shape)
    except MemoryError as error:
        raise _error(path, expected, "not enough memory", hint="use a machine with more memory") from error
    except ValueError as error:  # an empty array whose other dimensions overflow NumPy's sizes
        raise _error(path, "dimensions that NumPy can hold", f"{list(shape)}: {error}") from error
    filled = _fill(stream, data.data)
    if filled < nbytes:
        raise _error(path, expected, f"{filled}: the file is cut short")
    if stream.read(1):  # at the end of a gzip stream this also checks its CRC
        raise _error(path, expected, "more: bytes follow the data")
    return array.astype(dtype.newbyteorder("="), copy=False)


def _read_header(stream: BinaryIO, path: Path) -> tuple[np.dtype, tuple[int, ...]]:
    magic = stream.read(4)
    if len(magic) < 4:
        raise _error(path, "an IDX header of at least 4 bytes", f"{len(magic)} bytes")
    code, ndim = magic[2], magic[3]
    if magic[:2] != b"\0\0" or code not in ELEMENT_TYPES:
        codes = " ".join(f"{known:02x}" for known in ELEMENT_TYPES)
        raise _error(path, f"an IDX magic number: 00 00, one of {codes}, dimensions", magic.hex(" "))
    dims = stream.read(4 * ndim)
    if len(dims) < 4 * ndim:
        raise _error(path, f"a header with {ndim} dimensions of 4 bytes", f"{len(dims)} bytes of them")
    return ELEMENT_TYPES[code], struct.unpack(f">{ndim}I", dims)


def _fill(stream: BinaryIO, buffer: memoryview) -> int:
    """Read until ``buffer`` is full or the stream ends; return the bytes read."""
    filled = 0
    while filled < len(buffer) and (chunk := stream.read(min(_CHUNK, len(buffer) - filled))):
        buffer[filled : filled + len(chunk)] = chunk
        filled += len(chunk)
    return filled


def _error(path: Path, expected: str, got: str, *, hint: str | None = None) -> DataError:
    damaged = "the file is damaged or not an IDX file: replace it with a fresh copy"
    return DataError(f"{path}: expected {expected}, got {got}", hint=hint or damaged)
