"""``save`` and ``load``: trees of tensors and numbers in one file, under PyTorch's names and without pickle."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import IO, Any

from trainctl.autograd.ops.transfer import move
from trainctl.autograd.tensor import Tensor
from trainctl.errors import CheckpointError
from trainctl.storage.files import replace_file
from trainctl.storage.packing import Arrays, pack, unpack

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

    Example:
        >>> import io, trainctl
        >>> file = io.BytesIO()
        >>> save({"weight": trainctl.ones(2), "epoch": 3}, file)
        >>> _ = file.seek(0)
        >>> load(file)
        {'weight': tensor([1., 1.]), 'epoch': 3}
    """
    from safetensors.numpy import save as encode

    arrays: Arrays = {}
    tree = pack(obj, "", arrays)
    arrays = {name.removeprefix("."): array for name, array in arrays.items()}
    data = encode(arrays, metadata={_TREE: json.dumps(tree, allow_nan=False)})
    if isinstance(f, (str, os.PathLike)):
        replace_file(Path(f), data)
    else:
        f.write(data)


def load(f: Target, map_location: Any = None, *, weights_only: bool = True, mmap: bool | None = None) -> Any:
    """Read what :func:`save` wrote, or the tensors of any safetensors file as a dict.

    Args:
        f: a path, or a file opened for reading bytes.
        map_location: a device for the tensors; default: the CPU.
        weights_only: accepted for PyTorch's sake; nothing but data is ever read.
        mmap: accepted, without effect.

    Raises:
        CheckpointError: the file is missing, or is no safetensors file (a pickle, for instance).
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load as decode

    data, name = _read(f)
    try:
        arrays = decode(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    except (SafetensorError, ValueError) as error:
        raise CheckpointError(
            f"{name}: not a safetensors file: {error}",
            hint="files of torch.save are pickles, which can run code; write them again with safetensors",
        ) from None
    tree = header.get("__metadata__", {}).get(_TREE)
    if tree is None:
        found: Any = {key: Tensor._wrap(array) for key, array in arrays.items()}
    else:
        found = unpack(json.loads(tree), _Prefixed(arrays))
    return found if map_location is None else _moved(found, map_location)


class _Prefixed(dict[str, Any]):
    """Arrays by the names that the tree uses, which begin with the dot that a key's path begins with."""

    def __missing__(self, name: str) -> Any:
        return self[name.removeprefix(".")]


def _read(f: Target) -> tuple[bytes, str]:
    if not isinstance(f, (str, os.PathLike)):
        return f.read(), getattr(f, "name", "the file")
    try:
        return Path(f).read_bytes(), str(f)
    except OSError as error:
        raise CheckpointError(f"{f}: {error.strerror}") from error


def _moved(value: Any, where: Any) -> Any:
    if isinstance(value, Tensor):
        return move(value, where)
    if isinstance(value, dict):
        return {key: _moved(each, where) for key, each in value.items()}
    return type(value)(_moved(each, where) for each in value) if type(value) in (tuple, list) else value
