"""Elements written along one dim, each at the place that its index names: :func:`gather` the other way round."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.dims import wrap_dim
from trainctl.autograd.op import Op
from trainctl.autograd.ops.broadcasting import expand
from trainctl.autograd.ops.cast import check_tensor
from trainctl.autograd.ops.index_write import AddAt, SetAt, number_as_tensor
from trainctl.autograd.ops.indexing import INDEX_TYPES, Slice, along, check_range
from trainctl.autograd.ops.shape import reshape
from trainctl.autograd.tensor import Tensor

METHODS = "scatter scatter_add"
IN_PLACE = METHODS
FUNCTIONS = METHODS


def scatter(
    input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None, reduce: str | None = None
) -> Tensor:
    """Return ``input`` with ``src`` written along ``dim`` at the places that ``index`` names.

    For two dims and ``dim=0``: ``result[index[i, j], j] = src[i, j]``; of several for one place the last stays.

    Args:
        input: ``[d0, d1, ...]``.
        dim: the dimension whose place ``index`` replaces.
        index: int64 or int32, as many dims; no larger than ``src``, nor than ``input`` but in ``dim``.
        src: a tensor of the dtype of ``input``, or a number for all places.
        value: such a number, by its own name.
        reduce: ``"add"`` or ``"multiply"`` to combine with what is there instead.

    Raises:
        TypeError: neither ``src`` nor ``value`` is given, or both.
        RuntimeError: an index leaves ``dim``; shapes or dtypes that do not fit; an unknown ``reduce``.

    Example:
        >>> import trainctl
        >>> scatter(trainctl.zeros(2, 3), 1, trainctl.tensor([[2], [0]]), 1.0)
        tensor([[0., 0., 1.],
                [1., 0., 0.]])
    """
    if (src is None) == (value is None):
        raise TypeError("scatter() takes either src (a tensor) or value (a number)")
    if reduce not in (None, "add", "multiply"):
        raise RuntimeError(f"reduce argument must be either add or multiply, got {reduce}")
    if not isinstance(src, Tensor):
        src = _number("scatter", src if value is None else value, input, index)
    if reduce == "multiply":
        from trainctl.autograd.ops.scatter_reduce import scatter_reduce

        return scatter_reduce(input, dim, index, src, "prod")
    return write_along("scatter", SetAt if reduce is None else AddAt, input, dim, index, src)


def _number(op: str, value: Any, input: Tensor, index: Tensor) -> Tensor:
    """Return a number as a tensor of the shape of ``index``.

    Raises:
        TypeError: neither a number nor a 0-d tensor.
    """
    if isinstance(value, Tensor) and not value._array.ndim:
        value = value.item()
    if not isinstance(value, (bool, int, float, complex)):
        raise TypeError(f"{op}(): argument 'value' must be a number, not {type(value).__name__}")
    return expand(number_as_tensor(value, input), index.shape)


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """Return ``input`` with ``src`` added along ``dim`` at the places that ``index`` names, several for one too.

    Arguments and errors are those of :func:`scatter`.

    Example:
        >>> import trainctl
        >>> scatter_add(trainctl.zeros(3), 0, trainctl.tensor([2, 2, 0]), trainctl.tensor([1.0, 2.0, 4.0]))
        tensor([4., 0., 3.])
    """
    return write_along("scatter_add", AddAt, input, dim, index, src)


def write_along(op: str, cls: type[Op], input: Tensor, dim: int, index: Tensor, src: Tensor, **params: Any) -> Tensor:
    """Apply an op that writes at index tensors to the places that ``index`` names along ``dim``."""
    dim = _checked_dim(op, input, dim, index, src)
    shape = input._array.shape
    if not index._array.size:
        return input.clone()
    input, index, src = (each if each._array.ndim else reshape(each, 1) for each in (input, index, src))
    check_range(index._array, input._array.shape[dim], dim, RuntimeError)
    if src._array.shape != index._array.shape:
        src = Slice.apply(src, index=tuple(slice(0, size) for size in index._array.shape))
    at = map(Tensor._wrap, along(index._xp, index._array, dim))
    return reshape(cls.apply(input, src, *at, pattern=(True,) * input._array.ndim, **params), shape)


def _checked_dim(op: str, input: Tensor, dim: int, index: Tensor, src: Tensor) -> int:
    """Return ``dim`` counted from the front.

    Raises:
        IndexError: there is no such dim.
        RuntimeError: dtypes or shapes that do not fit.
    """
    check_tensor(op, index, "index")
    check_tensor(op, src, "src")
    dim = wrap_dim(dim, input._array.ndim)
    if input._array.dtype != src._array.dtype:
        raise RuntimeError(
            f"{op}(): Expected self.dtype to be equal to src.dtype, got {input.dtype.name} and {src.dtype.name}"
        )
    if not index._array.size:
        return dim
    if index._array.dtype not in INDEX_TYPES:
        raise RuntimeError(f"{op}(): Expected dtype int32/int64 for index, got {index.dtype.name}")
    shape, wanted, given = (each._array.shape or (1,) for each in (input, index, src))
    for name, other in (("self", shape), ("src", given)):
        if len(wanted) != len(other):
            raise RuntimeError(
                f"Index tensor must have the same number of dimensions as {name} tensor, "
                f"got {list(wanted)} and {list(other)}"
            )
    if any(want > have for i, (want, have) in enumerate(zip(wanted, shape, strict=True)) if i != dim) or any(
        want > have for want, have in zip(wanted, given, strict=True)
    ):
        raise RuntimeError(
            f"Expected index {list(wanted)} to be no larger than self {list(shape)} apart from dimension {dim} "
            f"and to be no larger than src {list(given)}"
        )
    return dim
