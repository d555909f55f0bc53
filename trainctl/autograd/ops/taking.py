"""Elements by their place in the flattened tensor, read and written; and one for each index along a dim."""

from __future__ import annotations

from trainctl.autograd.dims import wrap_dim
from trainctl.autograd.ops.broadcasting import broadcast_shapes, expand
from trainctl.autograd.ops.cast import check_broadcast, check_tensor
from trainctl.autograd.ops.index_write import AddAt, SetAt
from trainctl.autograd.ops.indexing import TakeAt, gather, outlier
from trainctl.autograd.ops.shape import reshape
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

METHODS = "put take take_along_dim"
IN_PLACE = "put"
FUNCTIONS = METHODS


def take(input: Tensor, index: Tensor) -> Tensor:
    """Return the elements of the flattened ``input`` that ``index`` (int64, from the end if negative) names.

    Raises:
        IndexError: the index leaves the tensor.
        RuntimeError: it is not int64.

    Example:
        >>> import trainctl
        >>> take(trainctl.tensor([[1.0, 2.0], [3.0, 4.0]]), trainctl.tensor([0, -1]))
        tensor([1., 4.])
    """
    _check_index("take", input, index)
    taken = TakeAt.apply(reshape(input, -1), reshape(index, -1), pattern=(True,))
    return reshape(taken, index.shape)


def _check_index(op: str, input: Tensor, index: Tensor) -> None:
    """Raise an error if ``index`` is not int64 or leaves the flattened tensor."""
    check_tensor(op, index, "index")
    if index._array.dtype != dtypes.int64.array_dtype:
        raise RuntimeError(f"{op}(): Expected a long tensor for index, but got {index.dtype.name}")
    count, at = input._array.size, index._array
    if at.size and not count:
        raise IndexError(f"{op}(): there is nothing at an index of an empty tensor, shape {list(input.shape)}")
    bad = outlier(at, count, -count)
    if bad is not None:
        raise IndexError(f"out of range: tried to access index {bad} on a tensor of {count} elements.")


def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """Return ``input`` with elements of ``source`` at the places of the flattened tensor that ``index`` names.

    Args:
        input: any shape.
        index: int64, from the end if negative.
        source: as many elements as ``index``, of the dtype of ``input``.
        accumulate: add to what is there, once for each time that a place is named, instead of replacing it.

    Raises:
        IndexError: the index leaves the tensor, or has another number of elements than ``source``.
        RuntimeError: it is not int64, or the dtypes differ.
    """
    check_tensor("put", source, "source")
    if input._array.dtype != source._array.dtype:
        raise RuntimeError(
            "put_(): self and source expected to have the same dtype, "
            f"but got self.dtype = {input.dtype.name} and source.dtype = {source.dtype.name}"
        )
    _check_index("put", input, index)
    if index._array.size != source._array.size:
        raise IndexError(
            "put_(): Expected source and index to have the same number of elements, "
            f"but got source.numel() = {source.numel()}, index.numel() = {index.numel()}"
        )
    written = (AddAt if accumulate else SetAt).apply(
        reshape(input, -1), reshape(source, -1), reshape(index, -1), pattern=(True,)
    )
    return reshape(written, input.shape)


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """Return one element for each index along ``dim``; the two broadcast in all other dims.

    Args:
        input: ``[d0, d1, ...]``.
        indices: int64, of as many dims (without ``dim`` of any); taken modulo the size of ``dim``, so that -1 is the last.
        dim: None takes from the flattened tensor by the flattened indices.

    Raises:
        IndexError: there is no such dim.
        RuntimeError: the indices are not int64 or have other dims.

    Example:
        >>> import trainctl
        >>> x = trainctl.tensor([[10, 30, 20], [60, 40, 50]])
        >>> take_along_dim(x, x.argsort(dim=1), dim=1)
        tensor([[10, 20, 30],
                [40, 50, 60]])
    """
    check_tensor("take_along_dim", indices, "indices")
    if dim is None:
        return gather(reshape(input, -1), 0, reshape(indices, -1))
    if indices._array.dtype != dtypes.int64.array_dtype:
        raise RuntimeError(f"take_along_dim(): dtype of indices should be Long but got {indices.dtype.name}")
    if input._array.ndim != indices._array.ndim:
        raise RuntimeError(
            "take_along_dim(): input and indices should have the same number of dimensions, "
            f"but got {input.ndim} dimensions for input, and {indices.ndim} dimensions for indices"
        )
    if not input._array.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    dim = wrap_dim(dim, input._array.ndim)
    size, count = input._array.shape[dim], indices._array.shape[dim]
    around = _common_shape(input, indices, dim)
    if size:
        indices = Tensor._wrap(indices._xp.remainder(indices._array, size))
    return gather(_with_size(input, around, dim, size), dim, _with_size(indices, around, dim, count))


def _common_shape(input: Tensor, indices: Tensor, dim: int) -> list[int]:
    """Return the shape that two tensors broadcast to, where ``dim`` is left out of account."""
    shapes = [list(each.shape) for each in (input, indices)]
    for each in shapes:
        each[dim] = 1
    check_broadcast(*map(tuple, shapes))
    return list(broadcast_shapes(*shapes))


def _with_size(x: Tensor, shape: list[int], dim: int, size: int) -> Tensor:
    return expand(x, (*shape[:dim], size, *shape[dim + 1 :]))
