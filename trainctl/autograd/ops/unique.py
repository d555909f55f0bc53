"""Distinct elements, and membership."""

from __future__ import annotations

import math
from typing import Any

from trainctl.autograd.dims import numpy_names, wrap_dim
from trainctl.autograd.op import Op
from trainctl.autograd.ops.cast import check_tensor, promote, refuse
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

METHODS = "unique unique_consecutive"
FUNCTIONS = "unique unique_consecutive isin"


class Distinct(Op):
    """(values, inverse, counts) of the elements, or of the entries of ``dim``.

    It has no gradient, and says so when asked. A NaN equals nothing, so every NaN is an entry of its own.
    """

    replays = False
    dim: int | None
    sorts: bool

    def forward(self, x: Any, out: Any = None) -> Any:
        xp, shape = self.xp, x.shape
        x = x.reshape(-1) if self.dim is None else xp.moveaxis(x, self.dim, 0)
        size = x.shape[0]
        rows = x.reshape((size, math.prod(x.shape[1:])))
        columns = xp.ascontiguousarray(rows.T[::-1])  # the last key counts most: the first element
        order = xp.lexsort(columns) if self.sorts else xp.arange(size)
        rows = rows[order]
        new = xp.concatenate((xp.ones(min(size, 1), bool), (rows[1:] != rows[:-1]).any(axis=1)))
        inverse = xp.empty(size, xp.int64)
        inverse[order] = xp.cumsum(new) - 1
        starts = xp.nonzero(new)[0]
        counts = xp.diff(starts, append=xp.full(1, size, starts.dtype))
        values = x[order[starts]]
        if self.dim is None:
            return values, inverse.reshape(shape), counts
        return xp.ascontiguousarray(xp.moveaxis(values, 0, self.dim)), inverse, counts


@numpy_names
def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """Return the distinct elements, or the distinct entries of ``dim``, in ascending order.

    Args:
        input: any shape.
        sorted: ascending; here they always are.
        return_inverse: also where each element went: int64, of the shape of ``input`` (with ``dim``: ``[size]``).
        return_counts: also how often each was there, int64.
        dim: compare whole entries of this dim; None: elements, whatever their place.

    Raises:
        IndexError: no such dim.
        NotImplementedError: complex elements.
        RuntimeError: another dim than ``dim`` is empty.

    Example:
        >>> import trainctl
        >>> trainctl.tensor([3, 1, 3]).unique(return_counts=True)
        (tensor([1, 3]), tensor([1, 2]))
    """
    return _distinct("unique", input, dim, True, return_inverse, return_counts)


@numpy_names
def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """Return one of each run of equal neighbours; arguments as :func:`unique`.

    Raises:
        IndexError: no such dim.
        NotImplementedError: complex elements.
        RuntimeError: another dim than ``dim`` is empty.

    Example:
        >>> import trainctl
        >>> trainctl.tensor([1, 1, 2, 1]).unique_consecutive()
        tensor([1, 2, 1])
    """
    return _distinct("unique_consecutive", input, dim, False, return_inverse, return_counts)


def _distinct(op: str, input: Tensor, dim: int | None, sorts: bool, with_inverse: bool, with_counts: bool) -> Any:
    check_tensor(op, input, "input")
    refuse("c", op, input)
    wrapped = None if dim is None else _checked_dim(op, input, dim)
    values, inverse, counts = Distinct.apply(input, dim=wrapped, sorts=sorts)
    results = (values, *([inverse] if with_inverse else []), *([counts] if with_counts else []))
    return results if len(results) > 1 else values


def _checked_dim(op: str, input: Tensor, dim: int) -> int:
    shape = input._array.shape
    if not shape:
        raise IndexError(f"{op}: Dimension specified as {dim} but tensor has no dimensions")
    dim = wrap_dim(dim, len(shape))
    if any(size == 0 for i, size in enumerate(shape) if i != dim):
        raise RuntimeError(
            f"There are 0 sized dimensions, and they aren't selected, so unique cannot be applied: shape {list(shape)}, "
            f"dim {dim}"
        )
    return dim


class IsIn(Op):
    differentiable = False
    invert: bool

    def forward(self, x: Any, candidates: Any, out: Any = None) -> Any:
        return self.xp.isin(x, candidates, invert=self.invert)


def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Tensor:
    """Return, for each element, whether it is among others; a NaN is among none.

    Args:
        elements: a tensor of any shape, which the result has too, or a number.
        test_elements: a tensor of any shape, or a number; one of the two is a tensor.
        assume_unique: a promise that neither holds an element twice; nothing here depends on it.
        invert: whether it is not among them, instead.

    Raises:
        RuntimeError: bool or complex elements.
        TypeError: neither is a tensor.

    Example:
        >>> import trainctl
        >>> trainctl.isin(trainctl.tensor([1, 2, 3]), trainctl.tensor([2, 5]))
        tensor([False,  True, False])
    """
    tensors = [each for each in (elements, test_elements) if isinstance(each, Tensor)]
    if not tensors:
        names = f"{type(elements).__name__}, {type(test_elements).__name__}"
        raise TypeError(f"isin() expects a tensor among elements and test_elements, got ({names})")
    for each in tensors:
        if each._array.dtype.kind in "bc":
            raise RuntimeError(f"Unsupported input type encountered for isin(): {each.dtype.name}")
    xp = tensors[0]._xp
    both = (
        each if isinstance(each, Tensor) else Tensor._wrap(xp.asarray(each, dtypes.of_number(each).array_dtype))
        for each in (elements, test_elements)
    )
    return IsIn.apply(*promote(*both), invert=invert)
