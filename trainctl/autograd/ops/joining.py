"""Tensors put together and taken apart along a dim."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainctl.autograd.dims import wrap_dim
from trainctl.autograd.op import Op
from trainctl.autograd.ops.cast import promote
from trainctl.autograd.ops.shape import narrow, unsqueeze
from trainctl.autograd.tensor import Tensor


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


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Return the tensors joined along an existing dim.

    Raises:
        RuntimeError: no tensors, or sizes that differ in another dim.
    """
    tensors = promote(*tensors) if tensors else ()
    if not tensors:
        raise RuntimeError("cat(): expected a non-empty list of Tensors")
    kept = [each for each in tensors if each._array.shape != (0,)] or list(tensors[:1])  # legacy: skipped
    if kept[0]._array.ndim == 0:
        raise RuntimeError("zero-dimensional tensor (at position 0) cannot be concatenated")
    dim = wrap_dim(dim, kept[0]._array.ndim)
    first = kept[0]._array.shape
    for number, each in enumerate(kept):
        shape = each._array.shape
        if len(shape) != len(first) or any(
            i != dim and a != b for i, (a, b) in enumerate(zip(first, shape, strict=True))
        ):
            raise RuntimeError(
                f"Sizes of tensors must match except in dimension {dim}. Expected {list(first)} but got {list(shape)} "
                f"for tensor number {number} in the list."
            )
    return Cat.apply(*kept, dim=dim)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Return the tensors, all of one shape, joined along a new dim.

    Raises:
        RuntimeError: no tensors, or shapes that differ.
    """
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    first = tensors[0]._array.shape
    for number, each in enumerate(tensors):
        if each._array.shape != first:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(first)} at entry 0 and "
                f"{list(each.shape)} at entry {number}"
            )
    dim = wrap_dim(dim, len(first) + 1)
    return cat([unsqueeze(each, dim) for each in tensors], dim)


def split(tensor: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Return views of the tensor in pieces of a size (the last may be smaller) or of the sizes listed.

    Raises:
        RuntimeError: the sizes do not sum to the dim.
    """
    dim = wrap_dim(dim, tensor._array.ndim)
    size = tensor._array.shape[dim]
    if isinstance(split_size_or_sections, int):
        step = split_size_or_sections
        if step < 0 or (step == 0 and size):
            raise RuntimeError(f"split expects split_size be non-negative, but got split_size={step}")
        sizes = [min(step, size - start) for start in range(0, size, step)] if size else [0]
    else:
        sizes = [int(each) for each in split_size_or_sections]
        if sum(sizes) != size:
            raise RuntimeError(
                f"split_with_sizes expects split_sizes to sum exactly to {size} (input tensor's size at dimension {dim}), "
                f"but got split_sizes={sizes}"
            )
    pieces, start = [], 0
    for each in sizes:
        pieces.append(narrow(tensor, dim, start, each))
        start += each
    return tuple(pieces)


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Return at most ``chunks`` views of equal size along ``dim`` (the last may be smaller)."""
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    size = input._array.shape[wrap_dim(dim, input._array.ndim)]
    return split(input, max(-(-size // chunks), 1), dim) if size else (input,) * chunks


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Return the views with ``dim`` removed, one for each of its elements."""
    from trainctl.autograd.ops.indexing import select

    return tuple(select(input, dim, i) for i in range(input._array.shape[wrap_dim(dim, input._array.ndim)]))
