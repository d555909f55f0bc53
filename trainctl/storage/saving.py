"""``save`` and ``load``: trees of tensors and numbers in one file, under PyTorch's names and without pickle."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import IO, Any

from trainctl.autograd.ops.transfer import move
from trainctl.autograd.tensor import Tensor
from trainctl.errors import CheckpointError
from trainctl.storage.files import reading, replace_file
from trainctl.storage.packing import Arrays, check_packed, pack, unpack
from trainctl.storage.strict_json import parse
from trainctl.storage.tensor_file import Header, array_of, encode_tensors, parse_header, read_tensors

_TREE = "trainctl.tree"

Target = str | os.PathLike[str] | IO[bytes]


def save(obj: Any, f: Target) -> None:
    """Write a tensor, or a tree of dicts, lists, tuples, tensors and numbers, to a file.

    The file is safetensors; a ``state_dict`` keeps its keys in it, so PyTorch reads it with ``safetensors``. A file
    that is replaced is whole at every moment.

    Args:
        obj: what to write, for instance ``model.state_dict()``.
        f: a path, or a file opened for writing bytes.

    Raises:
        CheckpointError: something in the tree can't be written, such as a whole module.
        OSError: the system refused; what was at the path before is as it was.

    Example:
        >>> import io, trainctl
        >>> file = io.BytesIO()
        >>> save({"weight": trainctl.ones(2), "epoch": 3}, file)
        >>> _ = file.seek(0)
        >>> load(file)
        {'weight': tensor([1., 1.]), 'epoch': 3}
    """
    arrays: Arrays = {}
    tree = pack(obj, "", arrays)
    arrays = {name.removeprefix("."): array for name, array in arrays.items()}
    try:
        parts = encode_tensors(arrays, {_TREE: json.dumps(tree, allow_nan=False)})
    except ValueError as error:
        raise CheckpointError(f"cannot save: {error}") from None
    if isinstance(f, (str, os.PathLike)):
        replace_file(Path(f), *parts)
    else:
        f.writelines(parts)


def load(f: Target, map_location: Any = None, *, weights_only: bool = True, mmap: bool | None = None) -> Any:
    """Read what :func:`save` wrote, or the tensors of any safetensors file as a dict.

    Args:
        f: a path, or a file opened for reading bytes.
        map_location: a device for the tensors; default: the CPU.
        weights_only: accepted for PyTorch's sake; nothing but data is ever read.
        mmap: accepted, without effect.

    Raises:
        CheckpointError: the file is missing, too large for the memory, or no safetensors file (a pickle, for
            instance).
    """
    name = str(f) if isinstance(f, (str, os.PathLike)) else getattr(f, "name", "the file")
    try:
        found = _loaded(name, *_read(f))
        return found if map_location is None else _moved(found, map_location)
    except ValueError as error:
        raise CheckpointError(
            f"{name}: not a safetensors file: {error}",
            hint="files of torch.save are pickles, which can run code; write them again with safetensors",
        ) from None
    except OSError as error:
        raise CheckpointError(f"{name}: {error.strerror}") from error
    except MemoryError as error:
        raise CheckpointError(f"{name}: not enough memory to read it. {error}".rstrip(". ")) from error


def _read(f: Target) -> tuple[Header, bytes | bytearray]:
    if isinstance(f, (str, os.PathLike)):
        with reading(f, follow=True) as file:
            return read_tensors(file)
    data = f.read()
    return parse_header(data, len(data)), data


def _loaded(name: str, header: Header, data: bytes | bytearray) -> Any:
    arrays = {key: array_of(data, entry) for key, entry in header.entries.items()}
    tree = header.metadata.get(_TREE)
    if tree is None:
        return {key: Tensor._wrap(array.copy()) for key, array in arrays.items()}
    packed = parse(tree)
    dotted = {**arrays, **{f".{key}": array for key, array in arrays.items()}}  # as the tree has them
    try:
        check_packed(packed, dotted)
    except CheckpointError as error:
        raise CheckpointError(f"{name}: {error.message}", hint=error.hint) from None
    return unpack(packed, dotted)


def _moved(value: Any, where: Any) -> Any:
    if isinstance(value, Tensor):
        return move(value, where)
    if isinstance(value, dict):
        return {key: _moved(each, where) for key, each in value.items()}
    return type(value)(_moved(each, where) for each in value) if type(value) in (tuple, list) else value
