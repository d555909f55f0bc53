"""Order along a dim: sorting, and the k largest or smallest.

Sorting is always stable and a NaN is larger than every number, so a result depends on neither size nor machine.
"""

from __future__ import annotations

from operator import index
from typing import Any

from trainctl.autograd.dims import numpy_names, wrap_dim
from trainctl.autograd.op import Op
from trainctl.autograd.ops.cast import check_tensor, refuse
from trainctl.autograd.ops.reduction import ValuesIndices
from trainctl.autograd.ops.scan import taken_along
from trainctl.autograd.ops.shape import narrow, reshape, squeeze
from trainctl.autograd.tensor import Tensor

METHODS = "sort argsort msort topk kthvalue"
FUNCTIONS = "sort argsort msort topk kthvalue"


class Order(Op):
    """The indices that sort; equal elements stay in their order, also when descending."""

    differentiable = False
    dim: int
    descending: bool

    def forward(self, x: Any, out: Any = None) -> Any:
        return _order(self.xp, x, self.dim, self.descending)


def _order(xp: Any, x: Any, dim: int, descending: bool) -> Any:
    if not descending:
        return xp.argsort(x, axis=dim, kind="stable")
    backwards = xp.argsort(xp.flip(x, dim), axis=dim, kind="stable")
    return x.shape[dim] - 1 - xp.flip(backwards, dim)


class Extremes(Op):
    """The indices of the k largest or smallest elements, in order."""

    differentiable = False
    dim: int
    k: int
    largest: bool

    def forward(self, x: Any, out: Any = None) -> Any:
        xp, size = self.xp, x.shape[self.dim]
        if self.k in (0, size):
            return _order(xp, x, self.dim, self.largest)[(*(slice(None),) * self.dim, slice(self.k))]
        edge, chosen = (size - self.k, slice(size - self.k, None)) if self.largest else (self.k - 1, slice(self.k))
        places = xp.argpartition(x, edge, axis=self.dim)[(*(slice(None),) * self.dim, chosen)]
        places = xp.sort(places, axis=self.dim)  # so that equal elements are in their order
        found = xp.take_along_axis(x, places, axis=self.dim)
        return xp.take_along_axis(places, _order(xp, found, self.dim, self.largest), axis=self.dim)


def order(op: str, input: Tensor, dim: int, descending: bool = False) -> Tensor:
    """Return the indices that sort ``input`` along ``dim``, for an op that is named in errors.

    Raises:
        IndexError: no such dim.
        RuntimeError: complex elements, which have no order.
        TypeError: no tensor.
    """
    check_tensor(op, input, "input")
    dim = wrap_dim(dim, input._array.ndim)
    if input._array.dtype.kind == "c":
        raise RuntimeError(f"{op}: complex elements have no order, got a tensor of dtype {input.dtype.name}")
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
        sorted: in order; here they always are, equal ones in the order of their places.

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
    if input._array.dtype.kind in "bc":
        raise RuntimeError(f"topk does not support {input.dtype.name}")
    if input._array.ndim == 0:
        return sort(input)
    indices = Extremes.apply(input, dim=wrap_dim(dim, input._array.ndim), k=k, largest=largest)
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
    size = _size(input, dim)
    if size == 0:
        raise IndexError(
            f"kthvalue(): Expected reduction dim {dim} to have non-zero size, got shape {list(input.shape)}."
        )
    refuse("bc", "kthvalue", input)
    if not 1 <= index(k) <= size:
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {dim}: {k} of {size} elements")
    indices = order("kthvalue", input, dim)
    return pick(input, narrow(indices, dim, k - 1, 1) if input._array.ndim else indices, dim, keepdim)


def pick(input: Tensor, indices: Tensor, dim: int, keepdim: bool) -> ValuesIndices:
    """Return (values, indices) of one element along ``dim``; ``indices`` has the size 1 there."""
    values = taken_along(input, indices, dim)
    if keepdim or input._array.ndim == 0:
        return ValuesIndices(values, indices)
    return ValuesIndices(squeeze(values, dim), squeeze(indices, dim))
