"""Tensors taken apart along a dim: views."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any

from trainctl.autograd.dims import wrap_dim
from trainctl.autograd.ops.cast import check_tensor
from trainctl.autograd.ops.joining import Split, Unbind
from trainctl.autograd.ops.slicing import slice_along
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

METHODS = (
    "chunk unbind split=split_method split_with_sizes tensor_split hsplit vsplit dsplit "
    "unsafe_chunk=chunk unsafe_split=split_method unsafe_split_with_sizes=split_with_sizes"
)
FUNCTIONS = (
    "chunk unbind split split_with_sizes tensor_split hsplit vsplit dsplit "
    "unsafe_chunk=chunk unsafe_split=split_method unsafe_split_with_sizes=split_with_sizes"
)


def split(tensor: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Return views of the tensor in pieces of a size (the last may be smaller) or of the sizes listed.

    Raises:
        RuntimeError: the sizes do not sum to the dim, a negative size, or a 0-d tensor.
        TypeError: a size that is no integer.

    Example:
        >>> import trainctl
        >>> split(trainctl.arange(5), 2)
        (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    if isinstance(split_size_or_sections, (list, tuple)):
        return split_with_sizes(tensor, split_size_or_sections, dim)
    dim, size = _dim_and_size("split", tensor, dim)
    return Split.apply(tensor, sizes=_equal_sizes(index(split_size_or_sections), size), dim=dim)


def split_method(input: Tensor, split_size: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Return views of the tensor in pieces of a size, or of the sizes listed; see :func:`trainctl.split`."""
    return split(input, split_size, dim)


def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Return views of the tensor in pieces of these sizes.

    Raises:
        RuntimeError: the sizes do not sum to the dim, a negative size, or a 0-d tensor.
        TypeError: a size that is no integer.
    """
    dim, size = _dim_and_size("split", input, dim)
    sizes = tuple(index(each) for each in split_sizes)
    if any(each < 0 for each in sizes):
        raise RuntimeError(
            f"split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes={list(sizes)}"
        )
    if sum(sizes) != size:
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to sum exactly to {size} (input tensor's size at dimension {dim}), "
            f"but got split_sizes={list(sizes)}"
        )
    return Split.apply(input, sizes=sizes, dim=dim)


def _dim_and_size(op: str, x: Tensor, dim: int) -> tuple[int, int]:
    if x._array.ndim == 0:
        raise RuntimeError(f"{op} expects at least a 1-dimensional tensor, but got a tensor with 0 dims")
    dim = wrap_dim(dim, x._array.ndim)
    return dim, x._array.shape[dim]


def _equal_sizes(step: int, size: int) -> tuple[int, ...]:
    if step < 0:
        raise RuntimeError(f"split expects split_size be non-negative, but got split_size={step}")
    if step == 0 and size:
        raise RuntimeError(
            f"split_size can only be 0 if dimension size is 0, but got dimension size of {size} and split_size=0"
        )
    return tuple(min(step, size - start) for start in range(0, size, step)) if size else (0,)


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Return at most ``chunks`` views of equal size along ``dim`` (the last may be smaller).

    Raises:
        RuntimeError: no chunks, or a 0-d tensor.
    """
    if input._array.ndim and chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    dim, size = _dim_and_size("chunk", input, dim)
    return split(input, -(-size // chunks) if size else [0] * chunks, dim)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Return the views with ``dim`` removed, one for each of its elements.

    Raises:
        IndexError: a 0-d tensor, or no such dim.
    """
    if input._array.ndim == 0:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    return Unbind.apply(input, dim=wrap_dim(dim, input._array.ndim))


def tensor_split(
    input: Tensor,
    indices_or_sections: Any = None,
    dim: int = 0,
    *,
    sections: int | None = None,
    indices: Sequence[int] | None = None,
    tensor_indices_or_sections: Tensor | None = None,
) -> tuple[Tensor, ...]:
    """Return views of the tensor: in so many pieces, the first larger by one, or cut at the indices listed.

    Args:
        input: at least one dim.
        indices_or_sections: number of pieces, or where to cut; an int64 tensor means its number or its elements.
        dim: the dim that is cut.
        sections: the number of pieces, by name.
        indices: where to cut, by name.
        tensor_indices_or_sections: either, as a tensor by name.

    Raises:
        RuntimeError: no pieces, a 0-d input, or a tensor of another type or of more dims.
        TypeError: an index that is no integer.

    Example:
        >>> import trainctl
        >>> tensor_split(trainctl.arange(5), 2), tensor_split(trainctl.arange(5), (1, -1))
        ((tensor([0, 1, 2]), tensor([3, 4])), (tensor([0]), tensor([1, 2, 3]), tensor([4])))
    """
    given = (indices_or_sections, sections, indices, tensor_indices_or_sections)
    where = _plain_indices(_the_one_given("tensor_split", given))
    dim, size = _dim_and_size("tensor_split", input, dim)
    if isinstance(where, list):
        starts, ends = [0, *where], [*where, size]
        return tuple(slice_along(input, dim, start, end) for start, end in zip(starts, ends, strict=True))
    if where <= 0:
        raise RuntimeError(f"number of sections must be larger than 0, got {where}")
    least, longer = divmod(size, where)
    return Split.apply(input, sizes=tuple(least + (number < longer) for number in range(where)), dim=dim)


def _the_one_given(op: str, values: tuple[Any, ...]) -> Any:
    given = [each for each in values if each is not None]
    if len(given) != 1:
        raise TypeError(f"{op}() takes either sections or indices, got {len(given)} of them")
    return given[0]


def _plain_indices(where: Any) -> int | list[int]:
    """Return a number of pieces, or the places to cut at, in Python's own integers."""
    if isinstance(where, (tuple, list)):
        return [index(each) for each in where]
    if not isinstance(where, Tensor):
        return index(where)
    if where.dtype is not dtypes.int64:
        raise RuntimeError(
            f"tensor_split expected tensor_indices_or_sections to have dtype of long, but got {where.dtype}"
        )
    if where._array.ndim > 1:
        raise RuntimeError(
            "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or one-dimensional tensor, but got "
            f"a tensor with {where.ndim} dims"
        )
    return where.tolist()


def hsplit(input: Tensor, *where: Any, sections: Any = None, indices: Any = None) -> tuple[Tensor, ...]:
    """Return views of the tensor side by side, cut along dim 1 (a vector along dim 0).

    Args:
        input: at least one dim.
        where: the number of equal pieces, or the indices to cut at, one by one or as a sequence.
        sections: the number of equal pieces, by name.
        indices: where to cut, by name.

    Raises:
        RuntimeError: the pieces would not be equal, or a 0-d input.
    """
    return _split_at("hsplit", input, 1, 0 if input._array.ndim == 1 else 1, where, sections, indices)


def vsplit(input: Tensor, *where: Any, sections: Any = None, indices: Any = None) -> tuple[Tensor, ...]:
    """Return views of the tensor one below the other, cut along dim 0; arguments as for :func:`hsplit`.

    Raises:
        RuntimeError: the pieces would not be equal, or fewer than two dims.
    """
    return _split_at("vsplit", input, 2, 0, where, sections, indices)


def dsplit(input: Tensor, *where: Any, sections: Any = None, indices: Any = None) -> tuple[Tensor, ...]:
    """Return views of the tensor cut along dim 2; arguments as for :func:`hsplit`.

    Raises:
        RuntimeError: the pieces would not be equal, or fewer than three dims.
    """
    return _split_at("dsplit", input, 3, 2, where, sections, indices)


def _split_at(
    op: str, input: Tensor, least: int, dim: int, where: tuple[Any, ...], sections: Any, indices: Any
) -> tuple[Tensor, ...]:
    check_tensor(op, input, "input")
    if input._array.ndim < least:
        raise RuntimeError(
            f"{op} requires a tensor with at least {least} dimension, but got a tensor with {input.ndim} dimensions!"
        )
    at = _the_one_given(op, (where[0] if len(where) == 1 else where or None, sections, indices))
    at = [index(each) for each in at] if isinstance(at, (tuple, list)) else index(at)
    size = input._array.shape[dim]
    if isinstance(at, int) and (at == 0 or size % at):
        raise RuntimeError(
            f"{op} attempted to split along dimension {dim}, but the size of the dimension {size} is not divisible by the "
            f"split_size {at}!"
        )
    return tensor_split(input, at, dim)
