"""Every combination of the elements of vectors."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from trainctl.autograd.ops.broadcasting import expand
from trainctl.autograd.ops.creation import ones, zeros
from trainctl.autograd.ops.indexing import masked_select
from trainctl.autograd.ops.joining import check_tensors, stack
from trainctl.autograd.ops.shape import reshape
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

FUNCTIONS = "meshgrid cartesian_prod combinations"


def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Return the coordinates of a grid: for each vector, its elements along a dim of its own, repeated along the others.

    Args:
        tensors: vectors (or scalars) ``[n_i]`` of one dtype, one by one or as a sequence.
        indexing: ``"ij"``, the default: views ``[n_0, n_1, ...]``; ``"xy"``: the first two dims are exchanged.

    Raises:
        RuntimeError: no vectors, several dtypes, more than one dim, or another ``indexing``.
        TypeError: something is no tensor.

    Example:
        >>> import trainctl
        >>> meshgrid(trainctl.arange(2), trainctl.arange(3), indexing="ij")
        (tensor([[0, 0, 0],
                [1, 1, 1]]), tensor([[0, 1, 2],
                [0, 1, 2]]))
    """
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        (tensors,) = tensors
    _check_vectors(tensors)
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(f'meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    dims = list(range(len(tensors)))
    if indexing == "xy":
        dims[:2] = dims[1::-1]
    sizes = [each._array.size for each in tensors]
    shape = [sizes[dim] for dim in dims]
    own = [[sizes[i] if place == dim else 1 for place in range(len(dims))] for i, dim in enumerate(dims)]
    return tuple(expand(reshape(each, alone), shape) for each, alone in zip(tensors, own, strict=True))


def _check_vectors(tensors: Any) -> None:
    check_tensors("meshgrid", tensors)
    if not tensors:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    for each in tensors:
        if each._array.ndim > 1:
            raise RuntimeError(
                f"meshgrid: Expected 0D or 1D tensor in the tensor list but got shape {list(each.shape)}"
            )
        if each._array.dtype != tensors[0]._array.dtype:
            raise RuntimeError(
                f"meshgrid expects all tensors to have the same dtype, got {tensors[0].dtype} and {each.dtype}"
            )


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """Return each choice of one element from every vector, in order: ``[count, number of vectors]``.

    One vector is returned as it is.

    Raises:
        RuntimeError: no vectors, several dtypes, or a tensor that is no vector.
        TypeError: something is no tensor.

    Example:
        >>> import trainctl
        >>> cartesian_prod(trainctl.tensor([1, 2]), trainctl.tensor([3, 4]))
        tensor([[1, 3],
                [1, 4],
                [2, 3],
                [2, 4]])
    """
    check_tensors("cartesian_prod", tensors)
    for each in tensors:
        _check_vector(each)
    if len(tensors) == 1:
        return tensors[0]
    return stack([reshape(each, -1) for each in meshgrid(*tensors)], 1)


def _check_vector(x: Tensor) -> None:
    if x._array.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(x.shape)}")


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """Return each choice of ``r`` elements of a vector, in order: ``[count, r]``.

    Args:
        input: ``[n]``.
        r: how many are chosen.
        with_replacement: an element may be chosen again.

    Raises:
        RuntimeError: not a vector, or a negative ``r``.

    Example:
        >>> import trainctl
        >>> combinations(trainctl.tensor([1, 2, 3]))
        tensor([[1, 2],
                [1, 3],
                [2, 3]])
    """
    _check_vector(input)
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return zeros(0, dtype=input.dtype, device=input.device)
    xp, size = input._xp, input._array.size
    places = meshgrid(*[Tensor._wrap(xp.arange(size))] * r)
    chosen = ones(places[0].shape, dtype=dtypes.bool_, device=input.device)
    for one, other in pairwise(places):
        chosen = chosen & (one <= other if with_replacement else one < other)
    return stack([masked_select(each, chosen) for each in meshgrid(*[input] * r)], 1)
