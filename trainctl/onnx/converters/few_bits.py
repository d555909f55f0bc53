"""Weights in few bits: codes, two to a byte, with a scale for each group of weights along the input."""

from __future__ import annotations

from typing import Any

import numpy

from trainctl import nn
from trainctl.backend.weight_groups import GroupedWeight
from trainctl.nn.quantized.weight_only import WeightOnly
from trainctl.onnx.graph import Graph


def few_bit_weights(model: Any) -> dict[int, tuple[str, Any, str]]:
    """Return a model's weights that are kept in few bits: by the id of their array the key, the layer and the name."""
    found = {}
    for path, module in model.named_modules():
        for name in module.kept if isinstance(module, WeightOnly) else ():
            array = getattr(module, name)._array
            found[id(array)] = f"{path}.{name}".lstrip("."), module, name
    return found


def write_weight(graph: Graph, key: str, module: Any, name: str) -> str | None:
    """Write a weight as DequantizeLinear of its codes; None where the operator set has no groups.

    Args:
        graph: where to.
        key: of the weight in the model.
        module: the layer.
        name: of the weight in the layer.
    """
    grouped: GroupedWeight = module.grouped(name)
    outputs, inputs = grouped.codes.shape
    if not grouped.codes.size or not graph.has(21):
        return None
    bits = 4 if grouped.form.bits <= 4 else None
    codes = graph.state(f"{key}_codes", grouped.codes, bits=bits)
    scale = graph.state(f"{key}_scale", grouped.scale.astype(numpy.float32))
    points = grouped.zero_point
    zero_point = None if points is None else graph.state(f"{key}_zero_point", points, bits=bits)
    size = grouped.form.size(inputs)
    rows = graph.op("DequantizeLinear", codes, scale, zero_point, axis=1, block_size=size)
    return _as_weight(graph, rows, (outputs, inputs), module, tuple(getattr(module, name).shape))


def _as_weight(graph: Graph, rows: str, have: tuple[int, int], module: Any, shape: tuple[int, ...]) -> str:
    """Return rows ``[O, K]`` in the weight's shape; the layer says in which order they are."""
    if isinstance(module, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)):
        groups: int = module.groups
        parts = [groups, shape[1], shape[0] // groups, *shape[2:]]
        swapped = graph.transpose(graph.reshape(rows, parts), [0, 2, 1, *range(3, len(parts))])
        return graph.reshape(swapped, shape)
    return rows if shape == have else graph.reshape(rows, shape)
