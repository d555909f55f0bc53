"""What ops make of quantized tensors, whose arrays are codes with a grid.

What moves elements moves codes. A few functions PyTorch has for codes, too: on codes themselves where order is all that
counts, else on the numbers that they stand for, rounded to the same grid or to one that is the function's own.
Everything else is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trainctl.backend.quantized_array import QuantizedArray, not_for_codes
from trainctl.backend.quantized_dtypes import qint8, quint8

Run = Callable[[list[Any]], Any]

_MOVING = frozenset(["Clone", "TakeAt", "IndexSelect", "Gather", "SetAt"])
_ORDERED = frozenset(["Arg", "MaxAlong", "Amax", "ExtremeOfAll", "Order", "Extremes"])
_COMPARING = frozenset(["Equal", "NotEqual", "Less", "LessEqual", "Greater", "GreaterEqual"])
_SAME_GRID = frozenset(
    ["ReLU", "Clamp", "Hardtanh", "LeakyReLU", "Elu", "Threshold", "Mean", "Gelu", "Deviation", "PReLU", "ConstantPad"]
)
_OWN_GRID = {  # by whether the codes have a sign: scale and zero point
    "Sigmoid": {quint8: (1 / 256, 0), qint8: (1 / 256, -128)},
    "Hardsigmoid": {quint8: (1 / 256, 0), qint8: (1 / 256, -128)},
    "Tanh": {quint8: (2 / 256, 128), qint8: (2 / 256, 0)},
}


def run_on_codes(node: Any, arrays: list[Any], run: Run) -> Any:
    """Run an op of which an operand is a :class:`QuantizedArray`.

    Raises:
        NotImplementedError: quantized tensors cannot do that.
        RuntimeError: they can, but not with a grid for each channel, or not with several grids.
    """
    name = type(node).__name__
    if getattr(node, "takes_codes", False):
        return run(arrays)
    if node.is_view or node.moves_elements or name in _MOVING | _ORDERED:
        return _moved(name, node, arrays, run)
    if name in _COMPARING:
        return run(_numbers(arrays))
    grid = _one_grid(name, arrays)
    if name in _OWN_GRID:
        if grid.kind not in _OWN_GRID[name]:
            raise NotImplementedError(not_for_codes(f"{name.lower()} of {grid.kind.name}"))
        scale, zero_point = _OWN_GRID[name][grid.kind]
        return QuantizedArray(grid.codes, grid.kind, scale, zero_point).quantized(run(_numbers(arrays)))
    if name in _SAME_GRID:
        return grid.quantized(run(_numbers(arrays)))
    raise NotImplementedError(not_for_codes(f"aten::{name.lower()}"))


def _moved(name: str, node: Any, arrays: list[Any], run: Run) -> Any:
    """Run an op on codes; what comes out of their type has their grid."""
    first = next(each for each in arrays if isinstance(each, QuantizedArray))
    if any(isinstance(each, QuantizedArray) and not each.same_grid(first) for each in arrays):
        raise RuntimeError(f"{name.lower()}: all inputs should share the same quantization parameters")
    if first.axis is not None and name != "Clone":
        raise RuntimeError(
            f"{name.lower()}: a tensor with a grid for each channel keeps its shape; dequantize() it first"
        )

    def named(found: Any) -> Any:
        return first.like(found) if found.dtype == first.codes.dtype else found  # places are no codes

    result = run([each.codes if isinstance(each, QuantizedArray) else each for each in arrays])
    return tuple(map(named, result)) if type(result) is tuple else named(result)


def _one_grid(name: str, arrays: list[Any]) -> QuantizedArray:
    grids = [each for each in arrays if isinstance(each, QuantizedArray)]
    if grids[0].axis is not None:
        raise RuntimeError(f"{name.lower()}: expected a tensor quantized per tensor, got a grid for each channel")
    if len(grids) > 1:
        raise NotImplementedError(not_for_codes(f"aten::{name.lower()}"))
    return grids[0]


def _numbers(arrays: list[Any]) -> list[Any]:
    return [each.values if isinstance(each, QuantizedArray) else each for each in arrays]
