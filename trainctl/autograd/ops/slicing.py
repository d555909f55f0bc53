"""Parts of a tensor along one dim: a slice, and the windows that slide over it."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.dims import wrap_dim
from trainctl.autograd.op import Op
from trainctl.autograd.ops.cast import check_tensor
from trainctl.autograd.ops.indexing import slice_dim
from trainctl.autograd.ops.shape import clone, narrow, reshape
from trainctl.autograd.tensor import Tensor

METHODS = "slice=slice_along narrow_copy unfold"
FUNCTIONS = "slice=slice_along narrow_copy"


def slice_along(input: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Tensor:
    """Return the view ``start:end:step`` along ``dim``; ends beyond the tensor mean its end, as in Python.

    Raises:
        IndexError: no such dim, or a 0-d tensor.
        RuntimeError: a step that is not positive.

    Example:
        >>> import trainctl
        >>> slice_along(trainctl.arange(6), 0, 1, -1, 2)
        tensor([1, 3])
    """
    check_tensor("slice", input, "input")
    if input._array.ndim == 0:
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")
    if step <= 0:
        raise RuntimeError(f"slice step must be positive, got {step}; to reverse a dim use flip()")
    return slice_dim(input, dim, start, end, step)


def narrow_copy(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """Return a copy of ``length`` elements from ``start`` along ``dim``, see :func:`trainctl.narrow`."""
    return clone(narrow(input, dim, start, length))


class SlidingWindows(Op):
    """``[*, n, *] -> [*, places, *, size]``: a view in which an element is once for each window that sees it."""

    is_view = True
    dim: int
    size: int
    step: int

    def forward(self, x: Any, out: Any = None) -> Any:
        self.before = x.shape
        return window_view(self.xp, x, self.dim, self.size, self.step)

    def backward(self, gy: Tensor) -> Any:
        return WindowSums.apply(gy, **self.params, shape=self.before)


class WindowSums(Op):
    """``[*, places, *, size] -> [*, n, *]``: what all windows have for an element is added up."""

    shape: tuple[int, ...]
    dim: int
    size: int
    step: int

    def forward(self, seen: Any, out: Any = None) -> Any:
        total = self.xp.zeros(self.shape, seen.dtype)
        places = seen.shape[self.dim]
        if self.step >= self.size:  # no element is in two windows
            window_view(self.xp, total, self.dim, self.size, self.step)[...] = seen
            return total
        before = (slice(None),) * self.dim
        if places < self.size:
            seen = self.xp.moveaxis(seen, -1, self.dim + 1)
            for place in range(places):
                start = place * self.step
                total[(*before, slice(start, start + self.size))] += seen[(*before, place)]
        else:
            last = (places - 1) * self.step + 1
            for offset in range(self.size):
                total[(*before, slice(offset, offset + last, self.step))] += seen[..., offset]
        return total

    def backward(self, ggx: Tensor) -> Any:
        return SlidingWindows.apply(ggx, dim=self.dim, size=self.size, step=self.step)


def window_view(xp: Any, x: Any, dim: int, size: int, step: int) -> Any:
    """Return the windows along a dim of an array, as a view."""
    places = (x.shape[dim] - size) // step + 1
    shape = (*x.shape[:dim], places, *x.shape[dim + 1 :], size)
    strides = (*x.strides[:dim], x.strides[dim] * step, *x.strides[dim + 1 :], x.strides[dim])
    return xp.as_strided(x, shape, strides)


def unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Return the windows of ``size`` elements along a dim, a ``step`` apart: a view ``[*, places, *, size]``.

    Args:
        input: any shape; a scalar counts as one element.
        dimension: the dim over which the window slides.
        size: elements in a window.
        step: elements from one window to the next.

    Raises:
        IndexError: no such dim.
        RuntimeError: a window larger than the dim or of negative size, or a step that is not positive.

    Example:
        >>> import trainctl
        >>> unfold(trainctl.arange(4), 0, 2, 1)
        tensor([[0, 1],
                [1, 2],
                [2, 3]])
    """
    shape = input._array.shape
    dim = wrap_dim(dimension, len(shape))
    have = shape[dim] if shape else 1
    if size < 0:
        raise RuntimeError(f"size is {size} but must be >= 0")
    if size > have:
        raise RuntimeError(f"maximum size for tensor at dimension {dim} is {have} but size is {size}")
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    if not shape:
        return slice_along(reshape(input, 1), 0, 0, size)
    return SlidingWindows.apply(input, dim=dim, size=size, step=step)
