"""Tensors put together and taken apart along a dim."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any

from trainctl.autograd.dims import numpy_names, wrap_dim
from trainctl.autograd.op import Op
from trainctl.autograd.ops.cast import promote
from trainctl.autograd.ops.shape import narrow, unsqueeze
from trainctl.autograd.tensor import Tensor

METHODS = "chunk unbind split=split_method"
FUNCTIONS = "cat stack split chunk unbind concat=cat concatenate=cat"


class Cat(Op):
    dim: int

    def forward(self, *arrays: Any, out: Any = None) -> Any:
        self.sizes = [each.shape[self.dim] for each in arrays]
        return self.xp.concatenate(arrays, axis=self.dim, out=out)

    def backward(self, gy: Tensor) -> Any:
        gxs, start = [], 0
        for size in self.sizes:
            gxs.append(narrow(gy, self.dim, start, size))
            start += size
        return tuple(gxs)


@numpy_names
def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Return the tensors joined along an existing dim.

    Raises:
        TypeError: not a sequence of tensors.
        ValueError: no tensors.
        RuntimeError: sizes that differ in another dim, or a 0-d tensor.

    Example:
        >>> import trainctl
        >>> cat([trainctl.zeros(2, 1), trainctl.ones(2, 2)], dim=1)
        tensor([[0., 1., 1.],
                [0., 1., 1.]])
    """
    _check_tensors("cat", tensors)
    if not tensors:
        raise ValueError("cat(): expected a non-empty list of Tensors")
    tensors = promote(*tensors)
    for number, each in enumerate(tensors):
        if each._array.ndim == 0:
            raise RuntimeError(f"zero-dimensional tensor (at position {number}) cannot be concatenated")
    kept = [each for each in tensors if each._array.shape != (0,)]  # PyTorch skips them, whatever the others' dims
    if not kept:
        return tensors[0].clone()
    dim = wrap_dim(dim, kept[0]._array.ndim)
    for number, each in enumerate(kept):
        _check_joins(kept[0]._array.shape, each._array.shape, dim, number)
    return Cat.apply(*kept, dim=dim)


def _check_tensors(op: str, tensors: Any) -> None:
    """Raise TypeError if an argument is no list or tuple of tensors."""
    if not isinstance(tensors, (list, tuple)):
        raise TypeError(f"{op}(): argument 'tensors' must be tuple of Tensors, not {type(tensors).__name__}")
    for number, each in enumerate(tensors):
        if not isinstance(each, Tensor):
            raise TypeError(f"{op}(): expected Tensor as element {number} of 'tensors', but got {type(each).__name__}")


def _check_joins(first: tuple[int, ...], shape: tuple[int, ...], dim: int, number: int) -> None:
    """Raise RuntimeError if a tensor of this shape cannot follow one of the first shape."""
    if len(shape) != len(first):
        raise RuntimeError(
            f"Tensors must have same number of dimensions: got {len(first)} and {len(shape)} "
            f"(shapes {list(first)} and {list(shape)})"
        )
    for i, (want, got) in enumerate(zip(first, shape, strict=True)):
        if i != dim and want != got:
            raise RuntimeError(
                f"Sizes of tensors must match except in dimension {dim}. Expected size {want} but got size {got} for tensor "
                f"number {number} in the list (shapes {list(first)} and {list(shape)})."
            )


@numpy_names
def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Return the tensors, all of one shape, joined along a new dim.

    Raises:
        TypeError: not a sequence of tensors.
        RuntimeError: no tensors, or shapes that differ.
    """
    _check_tensors("stack", tensors)
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    first = tensors[0]._array.shape
    dim = wrap_dim(dim, len(first) + 1)
    for number, each in enumerate(tensors):
        if each._array.shape != first:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(first)} at entry 0 and "
                f"{list(each.shape)} at entry {number}"
            )
    return cat([unsqueeze(each, dim) for each in tensors], dim)


def split(tensor: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Return views of the tensor in pieces of a size (the last may be smaller) or of the sizes listed.

    Raises:
        RuntimeError: the sizes do not sum to the dim, a negative size, or a 0-d tensor.
        TypeError: a size that is no integer.
    """
    if tensor._array.ndim == 0:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    dim = wrap_dim(dim, tensor._array.ndim)
    size = tensor._array.shape[dim]
    if isinstance(split_size_or_sections, (list, tuple)):
        sizes = _given_sizes(split_size_or_sections, size, dim)
    else:
        sizes = _equal_sizes(index(split_size_or_sections), size)
    pieces, start = [], 0
    for each in sizes:
        pieces.append(narrow(tensor, dim, start, each))
        start += each
    return tuple(pieces)


def _equal_sizes(step: int, size: int) -> list[int]:
    if step < 0:
        raise RuntimeError(f"split expects split_size be non-negative, but got split_size={step}")
    if step == 0 and size:
        raise RuntimeError(
            f"split_size can only be 0 if dimension size is 0, but got dimension size of {size} and split_size=0"
        )
    return [min(step, size - start) for start in range(0, size, step)] if size else [0]


def _given_sizes(sections: Sequence[Any], size: int, dim: int) -> list[int]:
    sizes = [index(each) for each in sections]
    if any(each < 0 for each in sizes):
        raise RuntimeError(
            f"split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes={sizes}"
        )
    if sum(sizes) != size:
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to sum exactly to {size} (input tensor's size at dimension {dim}), "
            f"but got split_sizes={sizes}"
        )
    return sizes


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Return at most ``chunks`` views of equal size along ``dim`` (the last may be smaller).

    Raises:
        RuntimeError: no chunks, or a 0-d tensor.
    """
    if input._array.ndim == 0:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    size = input._array.shape[wrap_dim(dim, input._array.ndim)]
    return split(input, -(-size // chunks) if size else [0] * chunks, dim)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Return the views with ``dim`` removed, one for each of its elements.

    Raises:
        IndexError: a 0-d tensor, or no such dim.
    """
    from trainctl.autograd.ops.indexing import select

    if input._array.ndim == 0:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    return tuple(select(input, dim, i) for i in range(input._array.shape[wrap_dim(dim, input._array.ndim)]))


def split_method(self: Tensor, split_size: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Return views of the tensor in pieces of a size, or of the sizes listed; see :func:`trainctl.split`."""
    return split(self, split_size, dim)
