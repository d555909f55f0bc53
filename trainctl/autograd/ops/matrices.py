"""What the matrix functions ask of their input, and the error for a matrix that has no answer."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from trainctl.autograd.ops.cast import check_tensor
from trainctl.autograd.tensor import Tensor

LINALG = "LinAlgError"


class LinAlgError(RuntimeError):
    """A matrix is singular, not positive definite, or an iteration did not converge."""


def check_matrices(op: str, x: Tensor, argument: str = "A", integers: bool = False) -> None:
    """Raise RuntimeError unless the tensor holds matrices ``[*, n, m]`` of a type that can be divided.

    Those are float32, float64 and their complex types; ``integers`` allows every type.
    """
    check_tensor(op, x, argument)
    if x._array.ndim < 2:
        raise RuntimeError(
            f"{op}: The input tensor {argument} must have at least 2 dimensions, got shape {list(x.shape)}"
        )
    if integers:
        return
    if x._array.dtype.kind in "bui":
        raise RuntimeError(f"{op}: Expected a floating point or complex tensor as input. Got {x.dtype.name}")
    if x._array.dtype.itemsize < 4:
        raise NotImplementedError(f"{op}: Low precision dtypes not supported. Got {x.dtype.name}")


def check_square(op: str, x: Tensor, integers: bool = False) -> None:
    """Raise RuntimeError unless the tensor holds square matrices ``[*, n, n]``, as :func:`check_matrices`."""
    check_matrices(op, x, integers=integers)
    rows, columns = x._array.shape[-2:]
    if rows != columns:
        raise RuntimeError(f"{op}: A must be batches of square matrices, but they are {rows} by {columns} matrices")


def check_same_types(op: str, A: Tensor, B: Tensor) -> None:
    """Raise RuntimeError if two tensors differ in dtype."""
    if A._array.dtype != B._array.dtype:
        raise RuntimeError(
            f"{op}: Expected A and B to have the same dtype, "
            f"but found A of type {A.dtype.name} and B of type {B.dtype.name} instead"
        )


def failing_element(xp: Any, function: Callable[..., Any], *batches: Any) -> tuple[str, tuple[Any, ...]]:
    """Return the first matrices of some batches for which ``function`` fails, and their place as words."""
    elements = zip(*map(_elements, batches), strict=True)
    number, matrices = next((i, each) for i, each in enumerate(elements) if fails(xp, function, *each))
    return f"(Batch element {number}): " if batches[0].ndim > 2 else "", matrices


def _elements(batch: Any) -> Any:
    return batch.reshape(math.prod(batch.shape[:-2]), *batch.shape[-2:])


def fails(xp: Any, function: Callable[..., Any], *matrices: Any) -> bool:
    """Return whether the array library has no answer for these matrices."""
    try:
        function(*matrices)
    except xp.linalg.LinAlgError:
        return True
    return False
