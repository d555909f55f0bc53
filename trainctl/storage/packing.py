"""A tree of numbers and tensors as JSON beside a flat table of arrays, and back, exactly.

An optimizer's ``state_dict`` is such a tree. JSON keeps its form and its numbers (a float's shortest repr
reads back as the same float), with a key that begins with ``$`` around what JSON lacks; the tensors go to a
safetensors file under flat names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from trainctl.autograd.tensor import Tensor
from trainctl.backend import quantized_dtypes
from trainctl.backend.bfloat16 import BFloat16Array
from trainctl.backend.quantized_array import QuantizedArray
from trainctl.errors import CheckpointError
from trainctl.storage.tensor_file import check_name

Arrays = dict[str, Any]
"""NumPy's arrays by name; bfloat16 ones as the backend has them."""

_ARRAYS = ("$tensor", "$array", "$scalar")
_NOT_FINITE = ("nan", "inf", "-inf")


def to_array(tensor: Any) -> Any:
    """Return a tensor's elements as a contiguous array in host memory."""
    array = tensor.detach().cpu()._array
    return array.copy() if isinstance(array, BFloat16Array) else np.asarray(array, order="C")


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
        case Tensor() if value.dtype.is_quantized:
            array = value._array
            parts = [array.kind.name, Tensor._wrap(array.codes), array.scale, array.zero_point, array.axis]
            return {"$quantized": pack(parts, name, arrays)}
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


def _add(array: Any, name: str, arrays: Arrays) -> str:
    try:
        check_name(name)
    except ValueError:  # a key of the tree that no tensor may be called by; the tree itself keeps it
        name = f"tensor-{len(arrays)}"
    while name in arrays:  # the keys 1 and "1", or "a.b" and a nested a, b
        name += "_"
    arrays[name] = array
    return name


def check_packed(packed: Any, arrays: Mapping[str, Any]) -> None:
    """Check that a tree read from a file is one that :func:`pack` can have made; nothing is made of it.

    Raises:
        CheckpointError: it is not.

    Example:
        >>> check_packed({"$tensor": "elsewhere"}, {})
        Traceback (most recent call last):
        trainctl.errors.CheckpointError: a tree names the tensor 'elsewhere', which is not there
    """
    if isinstance(packed, list):
        for item in packed:
            check_packed(item, arrays)
    elif isinstance(packed, dict):
        kind = next(iter(packed), "")
        if kind.startswith("$"):
            _check_kind(kind, packed, arrays)
        else:
            for item in packed.values():
                check_packed(item, arrays)


def _check_kind(kind: str, packed: dict[str, Any], arrays: Mapping[str, Any]) -> None:
    content = packed[kind]
    if kind in _ARRAYS:
        if not isinstance(content, str) or content not in arrays:
            raise CheckpointError(f"a tree names the tensor {str(content)[:80]!r}, which is not there")
        fits = kind != "$scalar" or arrays[content].shape == ()
    elif kind == "$float":
        fits = content in _NOT_FINITE
    elif kind == "$quantized":
        check_packed(content, arrays)
        fits = _is_quantized(content, arrays)
    elif kind == "$tuple":
        fits = isinstance(content, list)
        check_packed(content, arrays)
    elif kind == "$pairs":
        fits = isinstance(content, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in content)
        fits = fits and all(_is_key(key) for key, _ in content)
        check_packed(content, arrays)
    else:
        raise CheckpointError(f"a checkpoint holds a value of the unknown kind {kind!r}", hint="upgrade trainctl")
    if not fits or len(packed) > 1:
        raise CheckpointError(f"a tree holds {str(content)[:80]!r} as {kind[1:]}, which it is not")


def _is_quantized(parts: Any, arrays: Mapping[str, Any]) -> bool:
    """Whether packed parts are those of a quantized tensor, whose grid fits its codes."""
    if not isinstance(parts, list) or len(parts) != 5 or parts[0] not in {each.name for each in quantized_dtypes.ALL}:
        return False
    kind = next(each for each in quantized_dtypes.ALL if each.name == parts[0])
    _, codes, scale, zero_point, axis = parts
    codes = arrays.get(codes["$tensor"]) if isinstance(codes, dict) and "$tensor" in codes else None
    if codes is None or codes.dtype != kind.array_dtype:
        return False
    if axis is None:
        return type(scale) is float and type(zero_point) is int
    grids = [arrays[each["$array"]] for each in (scale, zero_point) if isinstance(each, dict) and "$array" in each]
    fits_codes = type(axis) is int and 0 <= axis < codes.ndim and len(grids) == 2
    return fits_codes and all(each.shape == (codes.shape[axis],) and each.dtype.kind in "fi" for each in grids)


def _is_key(packed: Any) -> bool:
    """Whether a packed value becomes one that a dict can have as a key."""
    if not isinstance(packed, dict):
        return not isinstance(packed, list)
    kind = next(iter(packed), "")
    items = packed["$tuple"] if kind == "$tuple" else []
    return kind in ("$tuple", "$float", "$scalar") and isinstance(items, list) and all(map(_is_key, items))


def unpack(packed: Any, arrays: Mapping[str, Any]) -> Any:
    """Return the tree that :func:`pack` made ``packed`` and ``arrays`` of.

    What comes from a file is for :func:`check_packed` first.
    """
    if isinstance(packed, list):
        return [unpack(item, arrays) for item in packed]
    if not isinstance(packed, dict):
        return packed
    kind = next(iter(packed), "")
    content: Any = packed.get(kind)
    match kind:
        case "$float":
            return float(content)
        case "$tensor":
            return Tensor._wrap(arrays[content].copy())
        case "$quantized":
            name, codes, *grid = unpack(content, arrays)
            kind = next(each for each in quantized_dtypes.ALL if each.name == name)
            return Tensor._wrap(QuantizedArray(codes._array, kind, *grid))
        case "$array":
            return arrays[content].copy()
        case "$scalar":
            return arrays[content][()]
        case "$tuple":
            return tuple(unpack(content, arrays))
        case "$pairs":
            return {unpack(key, arrays): unpack(item, arrays) for key, item in content}
    return {key: unpack(item, arrays) for key, item in packed.items()}
