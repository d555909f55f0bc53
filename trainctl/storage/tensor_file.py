"""Safetensors files, read with every claim of their header checked before memory is taken for it.

    8 bytes   the header's length, unsigned, little-endian
    header    JSON: by name, dtype, shape and where the elements begin and end; ``__metadata__``, text by name
    rest      the elements, little-endian

The format (https://github.com/huggingface/safetensors) has no holes: each byte belongs to one tensor.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainctl.backend.bfloat16 import BFloat16Array
from trainctl.storage.files import InputFile
from trainctl.storage.strict_json import parse

MAX_HEADER = 8 << 20
MAX_TENSORS = 50_000
_MAX_NAME = 1000
_MAX_DIMS = 64  # NumPy's
# By the format's name, NumPy's type; the tensors of a file go by type in this order, then by name.
_TYPES = {
    name: np.dtype(text)
    for name, text in {
        "I64": "<i8", "F64": "<f8", "C64": "<c8", "F32": "<f4", "I32": "<i4", "BF16": "<u2", "F16": "<f2",
        "I16": "<i2", "I8": "i1", "U8": "u1", "BOOL": "?",
    }.items()
}  # fmt: skip
_NAMES = {each: name for name, each in _TYPES.items() if name != "BF16"}
_ORDER = list(_TYPES)


@dataclass(frozen=True, slots=True)
class Entry:
    """One tensor of a file: its elements are the bytes from ``begin`` to ``end`` of the whole file."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True)
class Header:
    """What a file says of itself.

    Attributes:
        entries: the tensors by name, in the order of their bytes.
        metadata: text by name.
    """

    entries: dict[str, Entry]
    metadata: dict[str, str]


def read_tensors(file: InputFile) -> tuple[Header, bytearray]:
    """Return the header of a safetensors file and all its bytes.

    Raises:
        ValueError: it is not such a file; no more of it has been read than the header.
        MemoryError: it is larger than this machine's memory.
        OSError: it cannot be read.
    """
    start = file.read(8)
    length = _header_length(start, file.size)
    start += file.read(length)
    header = parse_header(start, file.size)
    if file.size > _machine_memory():
        raise MemoryError(f"{file.size} bytes are more than this machine's memory")
    data = bytearray(file.size)
    data[: len(start)] = start
    if file.fill(data, len(start)) < len(data):
        raise ValueError("cut short while it was read")
    return header, data


def parse_header(data: bytes | bytearray, size: int) -> Header:
    """Return the header of a safetensors file.

    Args:
        data: the file's bytes, at least to the header's end.
        size: how many bytes the file has.

    Raises:
        ValueError: the bytes are no header, or it does not fit the file.

    Example:
        >>> parse_header(b"PK not a safetensors file", 25)
        Traceback (most recent call last):
        ValueError: a header of 6998721842871552848 bytes; the file has 25
    """
    length = _header_length(data, size)
    found = parse(bytes(data[8 : 8 + length]))
    if not isinstance(found, dict):
        raise ValueError("the header is not a JSON object")
    metadata = found.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise ValueError("__metadata__ is not text by name")
    if len(found) > MAX_TENSORS:
        raise ValueError(f"{len(found)} tensors; expected at most {MAX_TENSORS}")
    entries = {name: _entry(name, entry, 8 + length) for name, entry in found.items()}
    entries = dict(sorted(entries.items(), key=lambda item: (item[1].begin, item[1].end)))
    _check_no_holes(entries, 8 + length, size)
    return Header(entries, metadata)


def _header_length(data: bytes | bytearray, size: int) -> int:
    if len(data) < 8:
        raise ValueError(f"{size} bytes are too few for a header")
    length = int.from_bytes(data[:8], "little")
    if length > size - 8:
        raise ValueError(f"a header of {length} bytes; the file has {size}")
    if length > MAX_HEADER:
        raise ValueError(f"a header of {length} bytes; expected at most {MAX_HEADER}")
    return length


def _entry(name: str, entry: Any, start: int) -> Entry:
    check_name(name)
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"tensor {name!r}: expected dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _TYPES:
        raise ValueError(f"tensor {name!r}: no such dtype here: {str(dtype)[:40]!r}")
    if not _are_sizes(shape) or len(shape) > _MAX_DIMS or math.prod(filter(None, shape)) >= 2**60:
        raise ValueError(f"tensor {name!r}: no shape of a tensor: {str(shape)[:80]}")
    if not _are_sizes(offsets) or len(offsets) != 2:
        raise ValueError(f"tensor {name!r}: no offsets: {str(offsets)[:80]}")
    begin, end = offsets
    nbytes = math.prod(shape) * _TYPES[dtype].itemsize
    if end - begin != nbytes:
        raise ValueError(f"tensor {name!r}: {dtype} {shape} takes {nbytes} bytes, not those from {begin} to {end}")
    return Entry(dtype, tuple(shape), start + begin, start + end)


def check_name(name: str) -> None:
    """Check the name of a tensor: text that can be printed, and that is no path out of a folder.

    Raises:
        ValueError: it is something else.
    """
    if len(name) > _MAX_NAME or re.search("[\0-\x1f\x7f\ud800-\udfff]", name):
        raise ValueError(f"{name[:80]!a} is no name of a tensor")
    parts = re.split(r"[/\\]", name)
    if len(parts) > 1 and (not parts[0] or ".." in parts):
        raise ValueError(f"{name[:80]!r} is no name of a tensor but a path")


def _are_sizes(value: Any) -> bool:
    return isinstance(value, list) and all(type(each) is int and 0 <= each < 2**63 for each in value)


def _check_no_holes(entries: dict[str, Entry], start: int, size: int) -> None:
    for name, entry in entries.items():
        if entry.begin != start:
            what = "lie in another tensor" if entry.begin < start else "leave a hole before them"
            raise ValueError(f"tensor {name!r}: its bytes {what}")
        start = entry.end
    if start != size:
        raise ValueError(f"the tensors end at byte {start}; the file has {size}")


def array_of(data: bytes | bytearray, entry: Entry) -> Any:
    """Return a tensor's elements as an array on the file's own bytes, bfloat16 as the backend has it."""
    kind = _TYPES[entry.dtype]
    if entry.begin == entry.end:  # at the end of a file there is no byte to point at
        array = np.empty(entry.shape, kind)
    else:
        array = np.frombuffer(data, kind, math.prod(entry.shape), entry.begin).reshape(entry.shape)
    return BFloat16Array(array) if entry.dtype == "BF16" else array


def encode_tensors(arrays: Mapping[str, Any], metadata: Mapping[str, str] | None = None) -> list[bytes | memoryview]:
    """Return a safetensors file as parts to write one after another; the elements are not copied.

    The same arrays give the same bytes, those that the ``safetensors`` package writes.

    Raises:
        ValueError: a name or an element type has no place in such a file, or there are too many tensors.

    Example:
        >>> data = b"".join(encode_tensors({"bias": np.zeros(2, np.float32)}))
        >>> parse_header(data, len(data)).entries
        {'bias': Entry(dtype='F32', shape=(2,), begin=72, end=80)}
    """
    stored = {name: _storable(name, array) for name, array in arrays.items()}
    names = sorted(stored, key=lambda name: (_ORDER.index(stored[name][0]), name))
    fields: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name in names:
        begin, end = end, end + stored[name][1].nbytes
        fields[name] = {"dtype": stored[name][0], "shape": list(arrays[name].shape), "data_offsets": [begin, end]}
    header = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    if len(header) > MAX_HEADER or len(names) > MAX_TENSORS:
        raise ValueError(f"{len(names)} tensors are too many for one file")
    parts = [stored[name][1].reshape(-1).view(np.uint8).data for name in names]
    return [len(header).to_bytes(8, "little") + header, *parts]


def _storable(name: str, array: Any) -> tuple[str, np.ndarray]:
    """The format's name of the element type, and the elements in C order, little-endian."""
    check_name(name)
    if isinstance(array, BFloat16Array):
        return "BF16", np.asarray(array.bits, "<u2", order="C")
    kind = array.dtype.newbyteorder("<")
    if kind not in _NAMES:
        raise ValueError(f"tensor {name!r}: {array.dtype.name} has no place in a safetensors file")
    return _NAMES[kind], np.asarray(array, kind, order="C")


def _machine_memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
