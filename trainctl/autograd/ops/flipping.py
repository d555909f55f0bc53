"""The same shape or its transpose with the elements elsewhere: reversed, rolled, turned."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any

from trainctl.autograd.dims import given_shape, wrap_dim, wrap_dims
from trainctl.autograd.op import Op
from trainctl.autograd.ops.shape import clone, transpose
from trainctl.autograd.tensor import Tensor

METHODS = "flip fliplr flipud roll rot90"
FUNCTIONS = METHODS


class Flip(Op):
    moves_elements = True
    dims: tuple[int, ...]

    def forward(self, x: Any, out: Any = None) -> Any:
        reverse = slice(None, None, -1)
        return x[tuple(reverse if dim in self.dims else slice(None) for dim in range(x.ndim))].copy()

    def backward(self, gy: Tensor) -> Any:
        return Flip.apply(gy, dims=self.dims)


def flip(input: Tensor, *order: Any, dims: Any = None) -> Tensor:
    """Return a copy with some dims reversed.

    Raises:
        IndexError: there is no such dim.
        RuntimeError: a dim is named twice.
        TypeError: no dims are given.

    Example:
        >>> import trainctl
        >>> flip(trainctl.arange(6).reshape(2, 3), (1,))
        tensor([[2, 1, 0],
                [5, 4, 3]])
    """
    if not order and dims is None:
        raise TypeError('flip() missing 1 required positional arguments: "dims"')
    wanted = given_shape(order, dims)
    if not input._array.ndim or not wanted:
        wrap_dims(wanted, input._array.ndim)
        return clone(input)
    return Flip.apply(input, dims=wrap_dims(wanted, input._array.ndim))


def fliplr(input: Tensor) -> Tensor:
    """Return a copy with dim 1, the columns, reversed.

    Raises:
        RuntimeError: fewer than two dims.
    """
    if input._array.ndim < 2:
        raise RuntimeError(f"fliplr: Input must be >= 2-d, got shape {list(input.shape)}")
    return flip(input, 1)


def flipud(input: Tensor) -> Tensor:
    """Return a copy with dim 0, the rows, reversed.

    Raises:
        RuntimeError: a 0-d tensor.
    """
    if input._array.ndim < 1:
        raise RuntimeError("flipud: Input must be >= 1-d, got a 0-d tensor")
    return flip(input, 0)


class Roll(Op):
    """Elements that leave at one end come in at the other; without dims, along all elements in order."""

    moves_elements = True
    shifts: tuple[int, ...]
    dims: tuple[int, ...]

    def forward(self, x: Any, out: Any = None) -> Any:
        return self.xp.roll(x, self.shifts, self.dims) if self.dims else self.xp.roll(x, self.shifts[0])

    def backward(self, gy: Tensor) -> Any:
        return Roll.apply(gy, shifts=tuple(-shift for shift in self.shifts), dims=self.dims)


def roll(input: Tensor, shifts: int | Sequence[int], dims: int | Sequence[int] | None = None) -> Tensor:
    """Return a copy with the elements moved along dims; those that leave at one end come in at the other.

    Args:
        input: any shape.
        shifts: how far, for each of the dims; negative: towards the front.
        dims: the dims; none: the elements are moved in order, as if there were one.

    Raises:
        IndexError: there is no such dim.
        RuntimeError: no shifts, or not as many as dims.

    Example:
        >>> import trainctl
        >>> roll(trainctl.arange(4), 1)
        tensor([3, 0, 1, 2])
    """
    shifts, axes = _ints(shifts), () if dims is None else _ints(dims)
    if not shifts:
        raise RuntimeError("`shifts` required")
    if len(shifts) != max(len(axes), 1):
        raise RuntimeError(f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(axes)}")
    if axes and not input._array.ndim:
        raise IndexError(f"Dimension specified as {axes[0]} but tensor has no dimensions")
    if not input._array.size:
        return clone(input)
    return Roll.apply(input, shifts=shifts, dims=tuple(wrap_dim(dim, input._array.ndim) for dim in axes))


def _ints(value: Any) -> tuple[int, ...]:
    return tuple(map(index, value)) if isinstance(value, (tuple, list)) else (index(value),)


def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Return a copy turned by ``k`` quarters in the plane of two dims, from the first towards the second.

    Raises:
        IndexError: there is no such dim.
        RuntimeError: not two different dims, or fewer than two to choose from.

    Example:
        >>> import trainctl
        >>> rot90(trainctl.arange(4).reshape(2, 2))
        tensor([[1, 3],
                [0, 2]])
    """
    ndim = input._array.ndim
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {ndim}")
    first, second = (wrap_dim(dim, ndim) for dim in dims)
    if first == second:
        raise RuntimeError(f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}")
    quarters = k % 4
    if quarters == 0:
        return clone(input)
    if quarters == 2:
        return flip(input, first, second)
    return flip(transpose(input, first, second), first if quarters == 1 else second)
