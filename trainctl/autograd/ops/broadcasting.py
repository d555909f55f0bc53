"""Broadcasting: sizes made to fit without copying, and the sums that undo it."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.dims import given_shape
from trainctl.autograd.op import Op
from trainctl.autograd.ops.cast import cast, check_tensor
from trainctl.autograd.size import Size
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

METHODS = "expand expand_as broadcast_to=expand sum_to_size"
FUNCTIONS = "broadcast_shapes broadcast_tensors broadcast_to"


class Expand(Op):
    is_view = True
    shape: tuple[int, ...]

    def forward(self, x: Any, out: Any = None) -> Any:
        new = len(self.shape) - x.ndim
        steps = (
            0 if size != have else step for size, have, step in zip(self.shape[new:], x.shape, x.strides, strict=True)
        )
        return self.xp.as_strided(x, self.shape, (*(0,) * new, *steps))  # writable, as x is

    def backward(self, gy: Tensor) -> Any:
        return gy  # the walk sums it back


def expand(input: Tensor, *sizes: Any, size: Any = None, implicit: bool = False) -> Tensor:
    """Return a view with size-1 dims repeated to ``sizes`` (-1: as it is), without copying.

    Raises:
        RuntimeError: a size differs from one that is not 1.
    """
    shape, have = given_shape(sizes, size), input._array.shape
    if len(shape) < len(have):
        raise RuntimeError(
            f"expand({input.dtype}{list(have)}, size={list(shape)}): the number of sizes provided ({len(shape)}) must be "
            f"greater or equal to the number of dimensions in the tensor ({len(have)})"
        )
    new = len(shape) - len(have)
    full = tuple(have[i - new] if size == -1 and i >= new else size for i, size in enumerate(shape))
    for i, size in enumerate(full):
        if size < 0 or (i >= new and have[i - new] not in (1, size)):
            raise RuntimeError(
                f"The expanded size of the tensor ({size}) must match the existing size ({have[i - new] if i >= new else 'none'}) "
                f"at non-singleton dimension {i}. Target sizes: {list(shape)}. Tensor sizes: {list(have)}"
            )
    return Expand.apply(input, shape=full)


def expand_as(self: Tensor, other: Tensor) -> Tensor:
    """Return the tensor expanded to the shape of ``other``."""
    return expand(self, other.shape)


def broadcast_to(input: Tensor, size: Any) -> Tensor:
    """Return the tensor expanded to a shape, see ``Tensor.expand``."""
    return expand(input, size)


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Return the tensors expanded to the shape that they broadcast to; one that has it, as it is.

    Raises:
        RuntimeError: they do not broadcast.
        TypeError: something is no tensor.
    """
    for each in tensors:
        check_tensor("broadcast_tensors", each, "tensors")
    shape = broadcast_shapes(*(each._array.shape for each in tensors))
    return tuple(each if each._array.shape == shape else expand(each, shape) for each in tensors)


def broadcast_shapes(*shapes: Any) -> Size:
    """Return the shape that tensors of these shapes broadcast to.

    Raises:
        RuntimeError: they do not.

    Example:
        >>> broadcast_shapes((2, 1), (3,))
        trainctl.Size([2, 3])
    """
    sizes = [(each,) if isinstance(each, int) else tuple(each) for each in shapes]
    result = [1] * max((len(each) for each in sizes), default=0)
    for each in sizes:
        for back, size in enumerate(reversed(each), 1):
            if size != 1 and result[-back] not in (1, size):
                raise RuntimeError(
                    "Shape mismatch: objects cannot be broadcast to a single shape: " + ", ".join(map(str, sizes))
                )
            result[-back] = result[-back] if size == 1 else size
    return Size(result)


class SumTo(Op):
    """Undo a broadcast: sum to a smaller shape."""

    shape: tuple[int, ...]

    def forward(self, x: Any, out: Any = None) -> Any:
        self.before = x.shape
        extra = x.ndim - len(self.shape)
        dims = tuple(i for i in range(x.ndim) if i < extra or (self.shape[i - extra] == 1 and x.shape[i] != 1))
        summed = total(self.xp, x, dims, True).reshape(self.shape)
        return summed if out is None else self.xp.copyto(out, summed) or out

    def backward(self, gy: Tensor) -> Any:
        return expand(gy, self.before)


def total(xp: Any, x: Any, dims: tuple[int, ...], keepdim: bool, out: Any = None) -> Any:
    """Return the sum over ``dims`` in the dtype of ``x``; half precision is summed in float32."""
    if x.dtype != xp.float16:
        return xp.add.reduce(x, dims, x.dtype, out, keepdim)  # xp.sum, without what NumPy wraps around it
    summed = xp.asarray(xp.sum(x, axis=dims, keepdims=keepdim, dtype=xp.float32)).astype(x.dtype)
    return summed if out is None else xp.copyto(out, summed) or out


def sum_to_shape(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return ``x`` summed over the dims that broadcasting from ``shape`` would have added or stretched.

    Raises:
        RuntimeError: ``shape`` does not broadcast to that of ``x``.
    """
    have = x._array.shape
    if have == shape:
        return x
    behind = have[len(have) - len(shape) :] if len(have) >= len(shape) else None
    if behind is None or any(want not in (1, got) for want, got in zip(shape, behind, strict=True)):
        raise RuntimeError(f"size {list(shape)} is not expandable to size {list(have)}")
    return SumTo.apply(x, shape=shape)


def sum_to_size(input: Tensor, *sizes: Any, size: Any = None) -> Tensor:
    """Return the tensor summed to a shape that broadcasts to its own; integers are summed in int64."""
    shape = given_shape(sizes, size)
    if input._array.dtype.kind in "bui" and (shape == () or shape != input._array.shape):
        input = cast(input, dtypes.int64)
    return sum_to_shape(input, shape)
