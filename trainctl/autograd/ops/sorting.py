"""Order along a dim: sorting, the k largest or smallest, and places in a sorted sequence.

Sorting is always stable and a NaN is larger than every number, so a result depends on neither size nor machine.
"""

from __future__ import annotations

from operator import index
from typing import Any

from trainctl.autograd.dims import numpy_names, wrap_dim
from trainctl.autograd.op import Op
from trainctl.autograd.ops.cast import check_tensor, promote, refuse
from trainctl.autograd.ops.indexing import gather
from trainctl.autograd.ops.reduction import ValuesIndices
from trainctl.autograd.ops.scan import taken_along
from trainctl.autograd.ops.shape import narrow, reshape, squeeze
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

METHODS = "sort argsort msort topk kthvalue"
FUNCTIONS = "sort argsort msort topk kthvalue searchsorted bucketize"


class Order(Op):
    """The indices that sort; equal elements stay in their order, also when descending."""

    differentiable = False
    dim: int
    descending: bool

    def forward(self, x: Any, out: Any = None) -> Any:
        xp = self.xp
        if not self.descending:
            return xp.argsort(x, axis=self.dim, kind="stable")
        backwards = xp.argsort(xp.flip(x, self.dim), axis=self.dim, kind="stable")
        return x.shape[self.dim] - 1 - xp.flip(backwards, self.dim)


def order(op: str, input: Tensor, dim: int, descending: bool = False) -> Tensor:
    """Return the indices that sort ``input`` along ``dim``, for an op that is named in errors.

    Raises:
        IndexError: no such dim.
        RuntimeError: complex elements, which have no order.
        TypeError: no tensor.
    """
    check_tensor(op, input, "input")
    if input._array.dtype.kind == "c":
        raise RuntimeError(f"{op}: complex elements have no order, got a tensor of dtype {input.dtype.name}")
    dim = wrap_dim(dim, input._array.ndim)
    if input._array.ndim == 0:
        return reshape(Order.apply(reshape(input, 1), dim=0, descending=descending), ())
    return Order.apply(input, dim=dim, descending=descending)


@numpy_names
def sort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool | None = False) -> ValuesIndices:
    """Return (values, indices) sorted along ``dim``.

    Args:
        input: any shape; the results have it too.
        dim: the dimension.
        descending: largest first; NaN counts as the largest.
        stable: equal elements keep their order; here they always do.

    Raises:
        IndexError: no such dim.
        RuntimeError: complex elements.

    Example:
        >>> import trainctl
        >>> trainctl.tensor([3, 1, 2]).sort().indices
        tensor([1, 2, 0])
    """
    indices = order("sort", input, dim, descending)
    return ValuesIndices(taken_along(input, indices, dim), indices)


@numpy_names
def argsort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Tensor:
    """Return the indices that sort ``input`` along ``dim``; arguments as :func:`sort`.

    Raises:
        IndexError: no such dim.
        RuntimeError: complex elements.

    Example:
        >>> import trainctl
        >>> trainctl.tensor([3, 1, 2]).argsort(descending=True)
        tensor([0, 2, 1])
    """
    return order("argsort", input, dim, descending)


def msort(input: Tensor) -> Tensor:
    """Return the tensor sorted along its first dim.

    Raises:
        RuntimeError: complex elements.

    Example:
        >>> import trainctl
        >>> trainctl.msort(trainctl.tensor([3, 1, 2]))
        tensor([1, 2, 3])
    """
    return taken_along(input, order("msort", input, 0), 0)


@numpy_names
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> ValuesIndices:
    """Return (values, indices) of the ``k`` largest (or smallest) elements along ``dim``.

    Args:
        input: any shape; in the results ``dim`` has the size ``k``.
        k: how many.
        dim: the dimension.
        largest: the largest, in descending order; else the smallest, ascending.
        sorted: in order; here they always are.

    Raises:
        IndexError: no such dim.
        RuntimeError: ``k`` is negative or larger than the dim; bool or complex elements.

    Example:
        >>> import trainctl
        >>> trainctl.tensor([3, 1, 2]).topk(2).values
        tensor([3, 2])
    """
    check_tensor("topk", input, "input")
    k, size = index(k), _size(input, dim)
    if not 0 <= k <= size:
        raise RuntimeError(f"selected index k out of range: topk({k}) of {size} elements, shape {list(input.shape)}")
    if input._array.dtype.kind == "b":
        raise RuntimeError("topk does not support bool dtypes")
    indices = order("topk", input, dim, largest)
    if input._array.ndim:
        indices = narrow(indices, dim, 0, k)
    return ValuesIndices(taken_along(input, indices, dim), indices)


def _size(input: Tensor, dim: int) -> int:
    dim = wrap_dim(dim, input._array.ndim)
    return input._array.shape[dim] if input._array.ndim else 1


@numpy_names
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> ValuesIndices:
    """Return (value, index) of the ``k``-th smallest element along ``dim``, counted from 1.

    Raises:
        IndexError: no such dim, or it is empty.
        RuntimeError: there is no ``k``-th element.
        NotImplementedError: bool or complex elements.

    Example:
        >>> import trainctl
        >>> trainctl.tensor([3.0, 1.0, 2.0]).kthvalue(2).values
        tensor(2.)
    """
    check_tensor("kthvalue", input, "input")
    refuse("bc", "kthvalue", input)
    size = _size(input, dim)
    if size == 0:
        raise IndexError(
            f"kthvalue(): Expected reduction dim {dim} to have non-zero size, got shape {list(input.shape)}."
        )
    if not 1 <= k <= size:
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {dim}: {k} of {size} elements")
    indices = order("kthvalue", input, dim)
    return pick(input, narrow(indices, dim, k - 1, 1) if input._array.ndim else indices, dim, keepdim)


def pick(input: Tensor, indices: Tensor, dim: int, keepdim: bool) -> ValuesIndices:
    """Return (values, indices) of one element along ``dim``; ``indices`` has the size 1 there."""
    values = taken_along(input, indices, dim)
    if keepdim or input._array.ndim == 0:
        return ValuesIndices(values, indices)
    return ValuesIndices(squeeze(values, dim), squeeze(indices, dim))


class SearchSorted(Op):
    """By bisection, which also says what happens to a NaN and to a sequence that is not sorted."""

    differentiable = False
    right: bool

    def forward(self, sequence: Any, values: Any, out: Any = None) -> Any:
        xp, size = self.xp, sequence.shape[-1]
        low, high = xp.zeros(values.shape, xp.int64), xp.full(values.shape, size, xp.int64)
        for _ in range(size.bit_length()):
            middle = (low + high) // 2
            at = xp.minimum(middle, size - 1)  # where low == high there is nothing left to ask
            found = sequence[at] if sequence.ndim == 1 else xp.take_along_axis(sequence, at, axis=-1)
            before = ~(found > values if self.right else found >= values) & (low < high)
            low, high = xp.where(before, middle + 1, low), xp.where(before, high, middle)
        return low


def searchsorted(
    sorted_sequence: Tensor,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """Return where each value would go into a sorted sequence so that it stays sorted.

    Args:
        sorted_sequence: ``[..., n]``, ascending along the last dim.
        input: values: any shape where the sequence has one dim, else ``[..., m]``; or a number.
        out_int32: int32 results instead of int64.
        right: behind equal elements instead of before them.
        side: ``"left"`` or ``"right"``, the same in words.
        sorter: int64 indices that sort ``sorted_sequence``, of its shape.

    Raises:
        RuntimeError: shapes that do not fit, an unknown ``side`` or one against ``right``, or a wrong ``sorter``.
        NotImplementedError: bool or complex elements.

    Example:
        >>> import trainctl
        >>> trainctl.searchsorted(trainctl.tensor([1, 3, 5]), trainctl.tensor([3, 6]), side="right")
        tensor([2, 3])
    """
    check_tensor("searchsorted", sorted_sequence, "sorted_sequence")
    _check_side(right, side)
    _check_fit(sorted_sequence, input)
    if sorter is not None:
        sorted_sequence = _sorted_by(sorted_sequence, sorter)
    return _search(sorted_sequence, input, right or side == "right", out_int32)


def _search(sequence: Tensor, values: Any, right: bool, out_int32: bool) -> Tensor:
    refuse("bc", "searchsorted", sequence, values)
    if not isinstance(values, Tensor):
        values = Tensor._wrap(sequence._xp.asarray(values, dtypes.of_number(values).array_dtype))
    if sequence._array.shape[-1] == 0:  # nothing to bisect
        places = Tensor._wrap(sequence._xp.zeros(values._array.shape, dtypes.int64.array_dtype))
    else:
        places = SearchSorted.apply(*promote(sequence, values), right=right)
    return places.to(dtypes.int32) if out_int32 else places


def _check_side(right: bool, side: str | None) -> None:
    if side not in (None, "left", "right"):
        raise RuntimeError(f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}")
    if right and side == "left":
        raise RuntimeError(
            "torch.searchsorted(): side and right can't be set to opposites, got side of left while right was True"
        )


def _check_fit(sequence: Tensor, values: Any) -> None:
    """Raise RuntimeError unless each value has a sequence to be found in."""
    have = sequence._array.shape
    shape = values._array.shape if isinstance(values, Tensor) else ()
    if not have:
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should have positive dimension, but got 0 dimension"
        )
    if len(have) == 1:
        return
    if not shape:
        raise RuntimeError(
            "torch.searchsorted(): input value can be a scalar only when boundaries tensor dimension is 1, but we got "
            f"boundaries tensor dim({len(have)})"
        )
    if have[:-1] != shape[:-1]:
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries "
            f"tensor and input value tensor must match, but we got boundaries tensor {list(have)} and input value tensor "
            f"{list(shape)}"
        )


def _sorted_by(sequence: Tensor, sorter: Tensor) -> Tensor:
    if sorter._array.shape != sequence._array.shape:
        raise RuntimeError(
            "torch.searchsorted(): boundary and sorter must have the same size, but got boundary tensor "
            f"{list(sequence.shape)} and got sorter tensor {list(sorter.shape)}"
        )
    if sorter._array.dtype != dtypes.int64.array_dtype:
        raise RuntimeError(
            f"torch.searchsorted(): sorter must be a tensor of long dtype but got dtype {sorter.dtype.name}"
        )
    return gather(sequence, -1, sorter)


def bucketize(input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Tensor:
    """Return the number of the bucket that each value falls into.

    Args:
        input: values of any shape, or a number.
        boundaries: ``[n]``, ascending; bucket ``i`` is ``boundaries[i - 1] < value <= boundaries[i]``.
        out_int32: int32 results instead of int64.
        right: the upper boundary belongs to the next bucket: ``boundaries[i - 1] <= value < boundaries[i]``.

    Raises:
        RuntimeError: the boundaries are not one-dimensional.
        NotImplementedError: bool or complex elements.

    Example:
        >>> import trainctl
        >>> trainctl.bucketize(trainctl.tensor([0.5, 1.0, 9.0]), trainctl.tensor([1.0, 2.0]))
        tensor([0, 0, 2])
    """
    check_tensor("bucketize", boundaries, "boundaries")
    if boundaries._array.ndim != 1:
        raise RuntimeError(f"boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})")
    return _search(boundaries, input, right, out_int32)
