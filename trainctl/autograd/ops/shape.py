"""Shapes and views: the same elements, seen or laid out differently."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from trainctl.autograd.dims import given_shape, numpy_names, wrap_dim, wrap_dims
from trainctl.autograd.op import Op
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

METHODS = (
    "clone contiguous reshape view flatten unflatten permute transpose t squeeze unsqueeze narrow view_as reshape_as"
)
PROPERTIES = "T=transposed mT=matrix_transposed"
IN_PLACE_VIEWS = "squeeze unsqueeze transpose t"
FUNCTIONS = "clone reshape flatten unflatten permute transpose t squeeze unsqueeze narrow"


class Clone(Op):
    def forward(self, x: Any, out: Any = None) -> Any:
        if out is None:
            return x.copy(order="K") if not self.params.get("contiguous") else self.xp.ascontiguousarray(x).copy()
        self.xp.copyto(out, x)
        return out

    def backward(self, gy: Tensor) -> Any:
        return gy


def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """Return a copy that gradients flow through."""
    return Clone.apply(input)


def contiguous(input: Tensor, memory_format: Any = None) -> Tensor:
    """Return the tensor with its elements in order in memory: itself, or a copy."""
    return input if input.is_contiguous() else Clone.apply(input, contiguous=True)


class View(Op):
    """Another shape over the same memory."""

    is_view = True
    shape: tuple[int, ...]

    def forward(self, x: Any, out: Any = None) -> Any:
        self.before = x.shape
        return x.reshape(self.shape)

    def backward(self, gy: Tensor) -> Any:
        return reshape(gy, self.before)


def infer_shape(shape: tuple[int, ...], count: int) -> tuple[int, ...]:
    """Return ``shape`` with its one -1 filled in.

    Raises:
        RuntimeError: the sizes do not multiply to ``count``, or more than one is -1.

    Example:
        >>> infer_shape((2, -1), 6)
        (2, 3)
    """
    if prod(shape) == count and (not shape or min(shape) >= 0):
        return shape
    known = 1
    for place, size in enumerate(shape):
        if size < -1:
            raise RuntimeError(f"invalid shape dimension {size} at index {place} of shape {list(shape)}")
        known *= 1 if size == -1 else size
    if shape.count(-1) > 1:
        raise RuntimeError("only one dimension can be inferred")
    if -1 in shape:
        if known == count == 0:
            raise RuntimeError(
                f"cannot reshape tensor of {count} elements into shape {list(shape)} because the unspecified "
                "dimension size -1 can be any value and is ambiguous"
            )
        if known and count % known == 0:
            return tuple(count // known if size == -1 else size for size in shape)
    elif known == count:
        return shape
    raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {count}")


def shares_on_reshape(x: Tensor, shape: tuple[int, ...]) -> bool:
    """Return whether the elements can be seen in this shape without a copy."""
    if x.is_contiguous() or x._array.size == 0:
        return True
    return bool(x._xp.may_share_memory(x._array, x._array.reshape(shape)))


def reshape(input: Tensor, *sizes: Any, shape: Any = None) -> Tensor:
    """Return the elements in another shape (one size may be -1): a view where possible, else a copy.

    Raises:
        RuntimeError: the sizes do not fit.

    Example:
        >>> import trainctl
        >>> trainctl.arange(6).reshape(2, -1).shape
        trainctl.Size([2, 3])
    """
    wanted = infer_shape(given_shape(sizes, shape), input._array.size)
    if not shares_on_reshape(input, wanted):
        input = contiguous(input)
    return View.apply(input, shape=wanted)


def view(input: Tensor, *sizes: Any, size: Any = None, dtype: Any = None) -> Tensor:
    """Return the same memory in another shape; with a dtype, the same bytes as that type.

    Raises:
        RuntimeError: the memory cannot be seen so; ``reshape`` copies where needed.
    """
    if dtype is None and len(sizes) == 1 and isinstance(sizes[0], dtypes.dtype):
        dtype = sizes[0]
    if dtype is not None:
        return _view_as_dtype(input, dtype)
    wanted = infer_shape(given_shape(sizes, size), input._array.size)
    if not shares_on_reshape(input, wanted):
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans across "
            f"two contiguous subspaces): size {list(input.shape)}, stride {list(input.stride())}, wanted {list(wanted)}. "
            "Use .reshape(...) instead."
        )
    return View.apply(input, shape=wanted)


class ViewBytes(Op):
    """The same bytes as elements of another dtype."""

    is_view = True
    differentiable = False
    array_dtype: Any

    def forward(self, x: Any, out: Any = None) -> Any:
        return x.view(self.array_dtype)


def _view_as_dtype(input: Tensor, kind: dtypes.dtype) -> Tensor:
    shape, old, new = input._array.shape, input._array.itemsize, kind.itemsize
    if old != new and not shape:
        raise RuntimeError(f"self.dim() cannot be 0 to view {input.dtype} as {kind} (different element sizes)")
    if old != new and input.stride(-1) != 1:
        raise RuntimeError(
            f"self.stride(-1) must be 1 to view {input.dtype} as {kind} (different element sizes), got {input.stride(-1)}"
        )
    if old < new and shape[-1] % (new // old):
        raise RuntimeError(
            f"self.size(-1) must be divisible by {new // old} to view {input.dtype} as {kind} (different element sizes), "
            f"but got {shape[-1]}"
        )
    return ViewBytes.apply(input, array_dtype=kind.array_dtype)


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Return the tensor with dims ``start_dim`` to ``end_dim`` made one.

    Raises:
        RuntimeError: ``start_dim`` comes after ``end_dim``.
    """
    shape = input._array.shape
    start, end = wrap_dim(start_dim, len(shape)), wrap_dim(end_dim, len(shape))
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if not shape:
        return reshape(input, (1,))
    if start == end:
        return input
    size = 1
    for each in shape[start : end + 1]:
        size *= each
    return reshape(input, (*shape[:start], size, *shape[end + 1 :]))


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Return the tensor with ``dim`` split into ``sizes`` (one may be -1).

    Raises:
        RuntimeError: there are no sizes, or they do not multiply to the dim.
    """
    shape = input._array.shape
    dim = wrap_dim(dim, len(shape))
    if not shape:
        raise RuntimeError("unflatten: a 0-d tensor has no dimension to split")
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    try:
        parts = infer_shape(tuple(sizes), shape[dim])
    except RuntimeError:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {dim} ({shape[dim]}) in the "
            f"input tensor of shape {list(shape)}"
        ) from None
    return reshape(input, (*shape[:dim], *parts, *shape[dim + 1 :]))


class Permute(Op):
    is_view = True
    dims: tuple[int, ...]

    def forward(self, x: Any, out: Any = None) -> Any:
        return x.transpose(self.dims)

    def backward(self, gy: Tensor) -> Any:
        back = [0] * len(self.dims)
        for place, dim in enumerate(self.dims):
            back[dim] = place
        return Permute.apply(gy, dims=tuple(back))


def permute(input: Tensor, *order: Any, dims: Any = None) -> Tensor:
    """Return a view with the dims in another order.

    Raises:
        RuntimeError: the dims are not all of the tensor's, once each.
    """
    wanted = given_shape(order, dims)
    if len(wanted) != input._array.ndim:
        raise RuntimeError(
            f"permute: the number of dimensions of the tensor ({input.ndim}) is not that of the order asked for "
            f"({len(wanted)}): shape {list(input.shape)}, dims {list(wanted)}"
        )
    return Permute.apply(input, dims=wrap_dims(wanted, input._array.ndim) if wanted else ())


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Return a view with two dims exchanged."""
    ndim = input._array.ndim
    dim0, dim1 = wrap_dim(dim0, ndim), wrap_dim(dim1, ndim)
    order = list(range(ndim))
    if ndim:
        order[dim0], order[dim1] = dim1, dim0
    return Permute.apply(input, dims=tuple(order))


def t(input: Tensor) -> Tensor:
    """Return the transpose of a matrix; a vector or scalar as it is.

    Raises:
        RuntimeError: more than two dimensions.
    """
    if input._array.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D")
    return transpose(input, 0, 1) if input._array.ndim == 2 else input


@numpy_names
def squeeze(input: Tensor, *names: Any, dim: Any = None) -> Tensor:
    """Return a view without the size-1 dims (all of them, or those named)."""
    shape = input._array.shape
    if names:
        dim = names[0] if len(names) == 1 else names
    dims = wrap_dims(dim, len(shape)) if dim != () else ()
    return View.apply(input, shape=tuple(size for i, size in enumerate(shape) if i not in dims or size != 1))


@numpy_names
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """Return a view with a size-1 dim inserted at ``dim``."""
    shape = input._array.shape
    dim = wrap_dim(dim, len(shape) + 1)
    return View.apply(input, shape=(*shape[:dim], 1, *shape[dim:]))


def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """Return the view of ``length`` elements from ``start`` along ``dim``.

    Args:
        input: any shape but ``()``.
        dim: the dimension.
        start: the first element, an int or a 0-d integer tensor; negative: from the end.
        length: how many elements.

    Raises:
        IndexError: ``start`` is outside the dimension.
        RuntimeError: the range leaves the dimension, a negative length, a 0-d input.
    """
    from trainctl.autograd.ops.indexing import slice_dim

    if input._array.ndim == 0:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    if isinstance(start, Tensor) and (start._array.ndim or start._array.dtype.kind not in "ui"):
        raise RuntimeError("start must be an 0-dim integral Tensor.")
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    dim = wrap_dim(dim, input._array.ndim)
    size, start = input._array.shape[dim], int(start)
    if not -size <= start <= size:
        raise IndexError(f"start out of range (expected to be in range of [{-size}, {size}], but got {start})")
    start += size if start < 0 else 0
    if start > size - length:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({size}).")
    return slice_dim(input, dim, start, start + length)


def view_as(self: Tensor, other: Tensor) -> Tensor:
    """Return a view in the shape of ``other``."""
    return view(self, other.shape)


def reshape_as(self: Tensor, other: Tensor) -> Tensor:
    """Return the tensor in the shape of ``other``."""
    return reshape(self, other.shape)


def transposed(input: Tensor) -> Tensor:
    """Return the tensor with its dims reversed."""
    return permute(input, tuple(reversed(range(input._array.ndim))))


def matrix_transposed(input: Tensor) -> Tensor:
    """Return matrices ``[*, n, m]`` transposed to ``[*, m, n]``; a 0-d tensor as it is.

    Raises:
        RuntimeError: a vector.
    """
    if input._array.ndim == 1:
        raise RuntimeError("tensor.mT is only supported on matrices or batches of matrices. Got 1-D tensor.")
    return transpose(input, -2, -1) if input._array.ndim else input
