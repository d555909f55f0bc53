"""The bytes of a checkpoint's files: their checksums when they are written, every claim looked at when they are read."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from trainctl.errors import CheckpointError
from trainctl.storage.files import Bytes, read_file, reading
from trainctl.storage.packing import Arrays
from trainctl.storage.strict_json import parse
from trainctl.storage.tensor_file import Header, array_of, encode_tensors, parse_header, read_tensors
from trainctl.version import __version__

MAX_INDEX = 12 << 20
"""Bytes of a ``checkpoint.json``; the history of 50,000 epochs fits in."""

_PIECE = 1 << 20

ANOTHER = "use another checkpoint of the run (checkpoints/last or checkpoints/best), or a copy of this one"

Size = Annotated[int, Field(ge=0, lt=2**63)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class DamagedFile(CheckpointError):
    """A file of a checkpoint whose bytes are not those that were written.

    Attributes:
        tensors: the tensors that the damage is in, as far as it can be told.
    """

    def __init__(self, path: Path, what: str, tensors: Sequence[str] = ()) -> None:
        more = f" and {len(tensors) - 3} more" if len(tensors) > 3 else ""
        where = f"; tensor {', '.join(tensors[:3])}{more}" if tensors else ""
        super().__init__(f"{path}: damaged: {what}{where}", hint=ANOTHER)
        self.tensors = tuple(tensors)


class Part(BaseModel):
    """An object of ``checkpoint.json``: nothing unknown in it, and no value converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class TensorSum(Part):
    """Where a tensor's bytes are in its file, and their checksum, which tells where a damaged file is damaged."""

    dtype: Annotated[str, Field(pattern=r"^(bool|u?int8|int(16|32|64)|b?float(16|32|64)|complex(64|128))$")]
    bytes: Annotated[list[Size], Field(min_length=2, max_length=2)]
    crc32: Annotated[int, Field(ge=0, lt=2**32)]


class FileSum(Part):
    """Size and checksum of a safetensors file."""

    bytes: Size
    sha256: Sha256
    tensors: dict[str, TensorSum]


# -- checkpoint.json ----------------------------------------------------------------------------------


def dump_index(fields: dict[str, Any]) -> bytes:
    """Return ``checkpoint.json`` with these fields, and last the SHA-256 of the bytes without it."""
    body = json.dumps(fields, indent=1, allow_nan=False).encode() + b"\n"
    return body.removesuffix(b"\n}\n") + _seal(body)


def _seal(body: bytes) -> bytes:
    return f',\n "sha256": "{hashlib.sha256(body).hexdigest()}"\n}}\n'.encode()


def read_index(path: Path, newest: int) -> dict[str, Any]:
    """Return the fields of a ``checkpoint.json``, its checksum compared.

    Args:
        path: the file.
        newest: the last schema version that is known.

    Raises:
        CheckpointError: it is missing, damaged, or of a later version.
    """
    with told(path):
        data = read_file(path, MAX_INDEX)
        try:
            index = parse(data)
        except ValueError as error:
            raise CheckpointError(f"{path}: not JSON: {error}", hint=ANOTHER) from None
    version = index.get("schema_version") if isinstance(index, dict) else None
    if type(version) is not int:
        raise CheckpointError(f"{path}: not the index of a checkpoint: no schema_version", hint=ANOTHER)
    if version > newest:
        raise CheckpointError(
            f"{path}: schema_version {version}; trainctl {__version__} reads up to {newest}",
            hint="upgrade trainctl to the version that wrote the checkpoint",
        )
    seal = len(_seal(b""))
    if data[-seal:] != _seal(data[:-seal] + b"\n}\n"):
        raise CheckpointError(f"{path}: damaged or edited: its checksum does not match", hint=ANOTHER)
    del index["sha256"]
    return index


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Say of a file that cannot be read why.

    Raises:
        CheckpointError: in place of what the system raised.
    """
    try:
        yield
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file", hint=ANOTHER) from None
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror}", hint=ANOTHER) from error
    except MemoryError as error:
        raise CheckpointError(f"{path}: not enough memory to read it", hint="use a machine with more memory") from error


# -- the safetensors files ----------------------------------------------------------------------------


def encode_arrays(arrays: Arrays) -> tuple[list[Bytes], dict[str, Any]]:
    """Return a safetensors file in parts, and the :class:`FileSum` of it as plain data."""
    parts = encode_tensors({name: _storable(array) for name, array in arrays.items()})
    size = sum(len(part) for part in parts)
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    entries = parse_header(bytes(parts[0]), size).entries
    sums = {
        name: {"dtype": arrays[name].dtype.name, "bytes": [entry.begin, entry.end], "crc32": zlib.crc32(part)}
        for (name, entry), part in zip(entries.items(), parts[1:], strict=True)
    }
    return parts, {"bytes": size, "sha256": digest.hexdigest(), "tensors": {name: sums[name] for name in arrays}}


def _storable(array: Any) -> Any:
    """The array, complex numbers as pairs: safetensors has no complex128."""
    if array.dtype.kind != "c":
        return array
    array = np.asarray(array, order="C")
    return array.reshape(-1).view(array.real.dtype).reshape(*array.shape, 2)


def read_arrays(path: Path, expected: FileSum) -> Arrays:
    """Return the arrays of a safetensors file, every byte of it checked.

    Raises:
        CheckpointError: it is missing, or not the file that was written.
    """
    with told(path), reading(path) as file:
        if file.size != expected.bytes:
            cut = [name for name, each in expected.tensors.items() if each.bytes[1] > file.size]
            raise DamagedFile(path, f"{file.size} bytes, expected {expected.bytes}", cut)
        try:
            header, data = read_tensors(file)
        except ValueError as error:
            raise DamagedFile(path, f"its header: {error}") from None
    if hashlib.sha256(data).hexdigest() != expected.sha256:
        wrong = [name for name, each in expected.tensors.items() if _crc(data, each) != each.crc32]
        raise DamagedFile(path, "its SHA-256 does not match" + ("" if wrong else " in its header"), wrong)
    return _arrays(path, header, data, expected)


def check_sum(path: Path, expected: FileSum) -> None:
    """Check that a file's bytes are those that were written, a piece at a time: next to no memory is taken.

    Raises:
        CheckpointError: it is missing, or its bytes are others.
    """
    digest = hashlib.sha256()
    buffer = bytearray(_PIECE)
    with told(path), reading(path) as file:
        while count := file.fill(buffer):
            digest.update(memoryview(buffer)[:count])
    if digest.hexdigest() != expected.sha256:
        raise DamagedFile(path, "what was written does not read back")


def _crc(data: bytearray, tensor: TensorSum) -> int:
    with memoryview(data) as view:
        return zlib.crc32(view[slice(*tensor.bytes)])


def _arrays(path: Path, header: Header, data: bytearray, expected: FileSum) -> Arrays:
    places = {name: [entry.begin, entry.end] for name, entry in header.entries.items()}
    if places != {name: each.bytes for name, each in expected.tensors.items()}:
        raise DamagedFile(path, "its tensors are not those that checkpoint.json lists")
    arrays = {name: array_of(data, entry) for name, entry in header.entries.items()}
    return {name: _restored(path, name, arrays[name], each.dtype) for name, each in expected.tensors.items()}


def _restored(path: Path, name: str, array: Any, dtype: str) -> Any:
    """The array as it was saved: of pairs, complex numbers again."""
    if array.dtype.name == dtype:
        return array
    if f"{array.dtype.name} {array.shape[-1:]}" not in ("float32 (2,)", "float64 (2,)") or dtype[:7] != "complex":
        raise DamagedFile(path, f"{array.dtype.name} where checkpoint.json has {dtype}", [name])
    if array.dtype.itemsize * 2 != np.dtype(dtype).itemsize:
        raise DamagedFile(path, f"pairs of {array.dtype.name} where checkpoint.json has {dtype}", [name])
    return np.ascontiguousarray(array).reshape(-1).view(dtype).reshape(array.shape[:-1])
