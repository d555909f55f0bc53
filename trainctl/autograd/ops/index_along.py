"""Whole entries of one dim written at indices: added, copied, filled."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.dims import wrap_dim
from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import mul
from trainctl.autograd.ops.cast import check_tensor
from trainctl.autograd.ops.comparison import where
from trainctl.autograd.ops.index_write import AddAt, SetAt, fill_value, number_as_tensor
from trainctl.autograd.ops.indexing import INDEX_TYPES, check_range
from trainctl.autograd.ops.shape import reshape
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

METHODS = "index_add index_copy index_fill"
IN_PLACE = METHODS
FUNCTIONS = METHODS


def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
    """Return ``input`` with the entries of ``source`` times ``alpha`` added at ``index`` of ``dim``.

    Args:
        input: ``[d0, d1, ...]``.
        dim: the dimension that ``index`` counts in.
        index: 1-d, int64 or int32; an entry named twice gets both.
        source: of the shape of ``input`` but in ``dim``, where it has as many entries as ``index``.
        alpha: a number.

    Raises:
        IndexError: the index has dims, or leaves the one dim that there is.
        RuntimeError: it leaves one dim of several, or is of another type; shapes or dtypes that do not fit.

    Example:
        >>> import trainctl
        >>> index_add(trainctl.zeros(2), 0, trainctl.tensor([1, 1]), trainctl.tensor([1.0, 2.0]), alpha=10)
        tensor([ 0., 30.])
    """
    dim, ndim = check_entries("index_add", input, dim, index, source), input._array.ndim
    check_range(index._array, input._array.shape[dim] if ndim else 1, dim, RuntimeError if ndim > 1 else IndexError)
    if alpha != 1:
        source = mul(source, number_as_tensor(alpha, source))
    return write_entries(AddAt, input, dim, index, source)


def check_entries(op: str, input: Tensor, dim: int, index: Tensor, source: Tensor) -> int:
    """Return ``dim`` counted from the front.

    Raises:
        IndexError: there is no such dim, or the index has dims, or several indices and a 0-d source.
        RuntimeError: the index is of another type; ``source`` has another dtype or shape.
    """
    check_tensor(op, index, "index")
    check_tensor(op, source, "source")
    dim = wrap_dim(dim, input._array.ndim)
    if index._array.ndim > 1:
        raise IndexError(f"{op}_(): Index is supposed to be a vector, but got shape {list(index.shape)}")
    if index._array.dtype not in INDEX_TYPES:
        raise RuntimeError(f"{op}_(): Expected dtype int32/int64 for index but got: {index.dtype.name}")
    if input._array.dtype != source._array.dtype:
        raise RuntimeError(
            f"{op}_(): self ({input.dtype.name}) and source ({source.dtype.name}) must have the same scalar type"
        )
    shape, given = list(input.shape), list(source.shape)
    if not given and index._array.size != 1:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions: {index.numel()} indices for it")
    entries = given[dim] if dim < len(given) else 1
    if entries != index.numel():
        raise RuntimeError(
            f"{op}_(): Number of indices ({index.numel()}) should be equal to source.size(dim): ({entries}), "
            f"for dim: {dim}"
        )
    if len(shape) != len(given) or shape[:dim] != given[:dim] or shape[dim + 1 :] != given[dim + 1 :]:
        raise RuntimeError(
            "source tensor shape must match self tensor shape, excluding the specified dimension. "
            f"Got self.shape = {shape} source.shape = {given}"
        )
    return dim


def write_entries(cls: type[Op], input: Tensor, dim: int, index: Tensor, source: Tensor, **params: Any) -> Tensor:
    """Apply an op that writes ``source`` at entries of ``dim``; a 0-d tensor has one."""
    shape = input._array.shape
    if not shape:
        input, source = reshape(input, 1), reshape(source, 1)
    pattern = (*[False] * dim, True)
    return reshape(cls.apply(input, source, reshape(index, -1), pattern=pattern, **params), shape)


def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """Return ``input`` with the entries at ``index`` (int64, 1-d) of ``dim`` replaced by those of ``source``.

    Raises:
        IndexError: the index leaves ``dim``, has dims, or is not as long as ``dim`` of ``source``.
        RuntimeError: it is of another type; shapes or dtypes that do not fit.
    """
    check_tensor("index_copy", index, "index")
    check_tensor("index_copy", source, "source")
    dim, shape, given = wrap_dim(dim, input._array.ndim), input._array.shape, source._array.shape
    if index._array.ndim > 1:
        raise IndexError(f"index_copy_(): Index should have dimension 1 or 0 (got {index.ndim})")
    if given and shape and len(given) != len(shape):
        raise IndexError(
            "index_copy_(): When source and destination are not scalars, their dimensionality must match. "
            f"Source dimensionality ({len(given)}), destination dimensionality ({len(shape)})"
        )
    entries = given[dim] if given else 1
    if entries != index.numel():
        raise IndexError(
            f"index_copy_(): Number of indices ({index.numel()}) should be equal to source.size(dim) ({entries})"
        )
    if index._array.dtype != dtypes.int64.array_dtype:
        raise RuntimeError(f"index_copy_(): Expected a long tensor for index, but got {index.dtype.name}")
    if input._array.dtype != source._array.dtype:
        raise RuntimeError(
            "index_copy_(): self and source expected to have the same dtype, "
            f"but got (self) {input.dtype.name} and (source) {source.dtype.name}"
        )
    if (*shape[:dim], *shape[dim + 1 :]) != (*given[:dim], *given[dim + 1 :]):
        raise RuntimeError(
            "index_copy_(): Source/destination tensor must have same slice shapes, "
            f"got {list(given)} for {list(shape)} at dimension {dim}"
        )
    check_range(index._array, shape[dim] if shape else 1, dim, IndexError)
    return write_entries(SetAt, input, dim, index, source if given else reshape(source, 1))


def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """Return ``input`` with the entries at ``index`` of ``dim`` all ``value``.

    Args:
        input: ``[d0, d1, ...]``.
        dim: the dimension that ``index`` counts in.
        index: int64, 1-d; negative ones count from the end.
        value: a number or a 0-d tensor.

    Raises:
        IndexError: the index leaves ``dim``, or is of another type.
        RuntimeError: it has dims, the value has dims, or ``input`` cannot hold it.
    """
    check_tensor("index_fill", index, "index")
    dim, shape = wrap_dim(dim, input._array.ndim), input._array.shape
    if index._array.dtype != dtypes.int64.array_dtype:
        raise IndexError(f"index_fill_(): Expected dtype int64 for index, got {index.dtype.name}")
    if index._array.ndim > 1:
        raise RuntimeError(f"Index has to be a vector/scalar, got shape {list(index.shape)}")
    value = fill_value("index_fill_", value, input)
    size = shape[dim] if shape else 1
    check_range(index._array, size, dim, IndexError, from_end=True)
    mask = input._xp.zeros(size, bool)  # names an entry once, however often the index does: so the value's gradient
    mask[index._array.reshape(-1)] = True
    return where(reshape(Tensor._wrap(mask), (size, *(1,) * (len(shape) - dim - 1)) if shape else ()), value, input)
