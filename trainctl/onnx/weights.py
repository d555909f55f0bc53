"""Weights of ONNX files, by the names that a model has for them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy

from trainctl.onnx import protos


def read_state(path: str | Path, shapes: Mapping[str, list[int]]) -> dict[str, numpy.ndarray]:
    """Return an ONNX file's weights for a model.

    An initializer is taken by its name. Where a dense layer's matrix was stored for MatMul, as other exporters do, it is
    transposed; where it lost its name, the operator's says which layer it is: ``/fc/MatMul`` has ``fc.weight``. What is no
    weight of the model (shapes, constants) is left out.

    Args:
        path: the file.
        shapes: of the model's weights, by name.

    Raises:
        UsageError: the package ``onnx`` is missing.
        ValueError: it is no ONNX file.
    """
    arrays, uses = protos.read(path)
    found = {name: array for name, array in arrays.items() if name in shapes}
    for use in uses:
        name = use.weight
        if name in shapes and list(arrays[name].shape) == shapes[name]:
            continue  # under its own name it is as the model has it
        own = name if name in shapes else f"{use.layer}.weight"
        if own not in shapes or (own in found and own != name):
            continue
        array = arrays[name]
        if use.is_transposed and array.ndim == 2 and list(array.shape[::-1]) == shapes[own]:
            array = numpy.ascontiguousarray(array.T)
        if list(array.shape) == shapes[own]:
            found[own] = array
    return found


def uncounted(state: Mapping[str, Any], found: Mapping[str, Any]) -> set[str]:
    """Return the counters of batches, which no ONNX file has: they stay as they are.

    Example:
        >>> uncounted({"1.weight": 0, "1.num_batches_tracked": 0}, {"1.weight": 0})
        {'1.num_batches_tracked'}
    """
    return {name for name in state if name.endswith("num_batches_tracked") and name not in found}
