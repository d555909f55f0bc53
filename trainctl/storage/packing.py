"""A tree of numbers and tensors as JSON beside a flat table of arrays, and back, exactly.

An optimizer's ``state_dict`` is such a tree. JSON keeps its form and its numbers (a float's shortest repr
reads back as the same float), with a key that begins with ``$`` around what JSON lacks; the tensors go to a
safetensors file under flat names.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from trainctl.autograd.tensor import Tensor
from trainctl.errors import CheckpointError

Arrays = dict[str, np.ndarray]


def to_array(tensor: Any) -> np.ndarray:
    """Return a tensor's elements as a contiguous array in host memory."""
    return np.asarray(tensor.detach().cpu().numpy(), order="C")


def pack(value: Any, name: str, arrays: Arrays) -> Any:
    """Return ``value`` as JSON; each tensor in it moves to ``arrays`` under a name that begins with ``name``.

    Raises:
        CheckpointError: something in the tree is neither a number, text, tensor, list, tuple nor dict.

    Example:
        >>> arrays = {}
        >>> packed = pack({0: {"step": 3, "betas": (0.9, 0.999)}}, "optimizer", arrays)
        >>> unpack(packed, arrays)
        {0: {'step': 3, 'betas': (0.9, 0.999)}}
    """
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return float(value) if math.isfinite(value) else {"$float": repr(float(value))}
        case Tensor():
            return {"$tensor": _add(to_array(value), name, arrays)}
        case np.ndarray() if value.dtype.kind in "biufc":
            return {"$array": _add(np.asarray(value, order="C"), name, arrays)}
        case np.generic():
            return {"$scalar": _add(np.asarray(value), name, arrays)}
        case list():
            return [pack(item, f"{name}.{index}", arrays) for index, item in enumerate(value)]
        case tuple():
            return {"$tuple": pack(list(value), name, arrays)}
        case dict():
            items = [(key, pack(item, f"{name}.{key}", arrays)) for key, item in value.items()]
            if all(isinstance(key, str) and not key.startswith("$") for key in value):
                return dict(items)
            return {"$pairs": [[pack(key, name, arrays), item] for key, item in items]}  # JSON has no key 0
    raise CheckpointError(
        f"cannot save {name}: a value of type {type(value).__name__} has no place in a checkpoint",
        hint="keep numbers, text, tensors, and lists or dicts of them in state_dict()",
    )


def _add(array: np.ndarray, name: str, arrays: Arrays) -> str:
    while name in arrays:  # the keys 1 and "1", or "a.b" and a nested a, b
        name += "_"
    arrays[name] = array
    return name


def unpack(packed: Any, arrays: Arrays) -> Any:
    """Return the tree that :func:`pack` made ``packed`` and ``arrays`` of."""
    if isinstance(packed, list):
        return [unpack(item, arrays) for item in packed]
    if not isinstance(packed, dict):
        return packed
    kind = next(iter(packed), "")
    if not kind.startswith("$"):
        return {key: unpack(item, arrays) for key, item in packed.items()}
    content = packed[kind]
    match kind:
        case "$float":
            return float(content)
        case "$tensor":
            return Tensor._wrap(arrays[content].copy())
        case "$array":
            return arrays[content].copy()
        case "$scalar":
            return arrays[content][()]
        case "$tuple":
            return tuple(unpack(content, arrays))
        case "$pairs":
            return {unpack(key, arrays): unpack(item, arrays) for key, item in content}
    raise CheckpointError(f"a checkpoint holds a value of the unknown kind {kind!r}", hint="upgrade trainctl")
