"""Tensors repeated as a whole, and their entries each so often."""

from __future__ import annotations

from operator import index
from typing import Any

from trainctl.autograd.dims import given_shape, wrap_dim
from trainctl.autograd.op import Op
from trainctl.autograd.ops.cast import check_tensor
from trainctl.autograd.ops.indexing import index_select
from trainctl.autograd.ops.reduction import sum
from trainctl.autograd.ops.shape import flatten, reshape, unsqueeze
from trainctl.autograd.state import note_read
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

METHODS = "repeat tile repeat_interleave"
FUNCTIONS = "tile repeat_interleave"


class Repeat(Op):
    """The whole tensor ``counts`` times along each dim."""

    moves_elements = True
    counts: tuple[int, ...]

    def forward(self, x: Any, out: Any = None) -> Any:
        self.before = x.shape
        source = (*(1,) * (len(self.counts) - x.ndim), *x.shape)
        self.apart = tuple(size for pair in zip(self.counts, source, strict=True) for size in pair)
        copies = self.xp.empty(self.apart, x.dtype)
        copies[...] = x.reshape([part for size in source for part in (1, size)])
        return copies.reshape([count * size for count, size in zip(self.counts, source, strict=True)])

    def backward(self, gy: Tensor) -> Any:
        if not self.counts:
            return gy
        return reshape(sum(reshape(gy, self.apart), tuple(range(0, len(self.apart), 2))), self.before)


def repeat(self: Tensor, *sizes: Any, repeats: Any = None) -> Tensor:
    """Return the tensor repeated along each dim; extra leading sizes add dims.

    Raises:
        RuntimeError: fewer sizes than dims, or a negative one.
        TypeError: no sizes are given.
    """
    if not sizes and repeats is None:
        raise TypeError('repeat() missing 1 required positional arguments: "repeats"')
    counts = given_shape(sizes, repeats)
    if len(counts) < self.ndim:
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor: "
            f"got {list(counts)} for shape {list(self.shape)}"
        )
    if any(each < 0 for each in counts):
        raise RuntimeError(f"Trying to create tensor with negative dimension: repeats {list(counts)}")
    return Repeat.apply(self, counts=counts)


def tile(input: Tensor, *sizes: Any, dims: Any = None) -> Tensor:
    """Return the tensor repeated along its last dims, or along more dims than it has.

    Raises:
        RuntimeError: a negative size.
        TypeError: no sizes are given.

    Example:
        >>> import trainctl
        >>> tile(trainctl.tensor([[1, 2]]), (2,))
        tensor([[1, 2, 1, 2]])
    """
    if not sizes and dims is None:
        raise TypeError('tile() missing 1 required positional arguments: "dims"')
    counts = given_shape(sizes, dims)
    return repeat(input, (*(1,) * (input._array.ndim - len(counts)), *counts))


class Runs(Op):
    """``[n] -> [sum]``: each index as often as its element says."""

    differentiable = False
    length: int

    def forward(self, repeats: Any, out: Any = None) -> Any:
        ends = self.xp.cumsum(repeats)
        return self.xp.searchsorted(ends, self.xp.arange(self.length), side="right").astype(repeats.dtype)


def repeat_interleave(
    input: Any = None, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Return the entries of ``dim`` repeated, each so often; of all elements in order without a dim.

    ``repeat_interleave(repeats)`` returns the indices of the entries instead.

    Args:
        input: any shape.
        repeats: how often: an int, or an int64 or int32 tensor with one number (for all) or one for each entry.
        dim: the dim; None: the elements in order, as if there were one.
        output_size: the sum of the repeats, if known: then nothing is read back from a GPU.

    Raises:
        IndexError: no such dim.
        RuntimeError: negative or misshapen repeats, or an ``output_size`` that is not their sum.
        NotImplementedError: repeats of another type.
        TypeError: repeats that are neither an int nor a tensor.

    Example:
        >>> import trainctl
        >>> x = trainctl.tensor([[1, 2], [3, 4]])
        >>> repeat_interleave(x, trainctl.tensor([1, 2]), dim=0)
        tensor([[1, 2],
                [3, 4],
                [3, 4]])
        >>> repeat_interleave(trainctl.tensor([1, 2]))
        tensor([0, 1, 1])
    """
    if repeats is None or input is None:
        return _runs_alone(repeats if input is None else input, dim, output_size)
    check_tensor("repeat_interleave", input, "input")
    x, dim = (reshape(input, -1), 0) if dim is None else (input, wrap_dim(dim, input._array.ndim))
    if not x._array.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    if isinstance(repeats, Tensor):
        return index_select(x, dim, _runs(_one_each(repeats, x._array.shape[dim], dim), output_size))
    if isinstance(repeats, bool):
        raise TypeError("repeat_interleave(): argument 'repeats' must be Tensor or int, not bool")
    return _repeat_each(x, index(repeats), dim, output_size)


def _repeat_each(x: Tensor, count: int, dim: int, output_size: int | None) -> Tensor:
    if count < 0:
        raise RuntimeError(f"Repeats must be non-negative, got {count}")
    if output_size not in (None, size := count * x._array.shape[dim]):
        raise RuntimeError(f"repeat_interleave: Invalid output_size, expected {size} but got {output_size}")
    counts = tuple(count if place == dim + 1 else 1 for place in range(x._array.ndim + 1))
    return flatten(Repeat.apply(unsqueeze(x, dim + 1), counts=counts), dim, dim + 1)


def _one_each(repeats: Tensor, size: int, dim: int) -> Tensor:
    """Return repeats of one number for each entry."""
    if repeats._array.ndim > 1:
        raise RuntimeError(f"repeats must be 0-dim or 1-dim tensor, got shape {list(repeats.shape)}")
    if repeats._array.size == 1:
        return reshape(repeats, 1).expand(size)
    if repeats._array.size != size:
        raise RuntimeError(
            "repeats must have the same size as input along dim, but got "
            f"repeats.size(0) = {repeats._array.size} and input.size({dim}) = {size}"
        )
    return repeats


def _runs_alone(repeats: Any, dim: int | None, output_size: int | None) -> Tensor:
    check_tensor("repeat_interleave", repeats, "repeats")
    if dim is not None:
        raise TypeError("repeat_interleave() takes no dim where repeats is the only tensor")
    if repeats._array.ndim != 1:
        raise RuntimeError(f"repeat_interleave only accept 1D vector as repeat, got shape {list(repeats.shape)}")
    return _runs(repeats, output_size)


def _runs(repeats: Tensor, output_size: int | None) -> Tensor:
    """Return the index of the entry for each place of the output."""
    array = repeats._array
    if repeats.dtype not in (dtypes.int32, dtypes.int64):
        raise NotImplementedError(f'"repeat_interleave" not implemented for {repeats.dtype.name}')
    note_read("repeat_interleave()")
    readable = repeats._xp.on_host or output_size is None
    if readable and array.size and array.min() < 0:
        raise RuntimeError("repeats can not be negative")
    length = int(array.sum()) if readable else output_size
    if output_size not in (None, length):
        raise RuntimeError(f"allocated size does not match required size: output_size {output_size}, sum {length}")
    return Runs.apply(repeats, length=length)
