"""Elements by position: slices and integers (views), index tensors and masks (copies)."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.dims import wrap_dim
from trainctl.autograd.index import parse_index
from trainctl.autograd.inplace import apply_inplace
from trainctl.autograd.op import Op
from trainctl.autograd.ops.cast import cast
from trainctl.autograd.ops.shape import broadcast_shapes, expand, unsqueeze
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes


class Slice(Op):
    """Integers, slices, None and ``...``: a view."""

    is_view = True
    index: Any

    def forward(self, x: Any, out: Any = None) -> Any:
        self.before = x.shape
        return x[self.index if ... in self.index else (*self.index, ...)]  # `...` keeps a 0-d result an array

    def backward(self, gy: Tensor) -> Any:
        return SliceGradient.apply(gy, index=self.index, shape=self.before)


class SliceGradient(Op):
    """Zeros with the gradient at the place of the slice."""

    index: Any
    shape: tuple[int, ...]

    def forward(self, gy: Any, out: Any = None) -> Any:
        if out is None:
            out = self.xp.zeros(self.shape, gy.dtype)
        else:
            out[...] = 0
        out[self.index] = gy
        return out

    def backward(self, ggx: Tensor) -> Any:
        return Slice.apply(ggx, index=self.index)


class TakeAt(Op):
    """Elements named by index arrays, repeats allowed: a copy."""

    index: Any

    def forward(self, x: Any, out: Any = None) -> Any:
        self.before = x.shape
        return x[self.index]

    def backward(self, gy: Tensor) -> Any:
        return PutAt.apply(gy, index=self.index, shape=self.before)


class PutAt(Op):
    """Zeros with the gradient added at each named place."""

    index: Any
    shape: tuple[int, ...]

    def forward(self, gy: Any, out: Any = None) -> Any:
        if out is None:
            out = self.xp.zeros(self.shape, gy.dtype)
        else:
            out[...] = 0
        self.xp.scatter_add(out, self.index, gy)
        return out

    def backward(self, ggx: Tensor) -> Any:
        return TakeAt.apply(ggx, index=self.index)


def getitem(x: Tensor, index: Any) -> Tensor:
    """Return ``x[index]``: a view for integers, slices, None and ``...``; a copy for tensors, lists and masks."""
    is_view, parts = parse_index(x, index)
    try:
        return Slice.apply(x, index=parts) if is_view else TakeAt.apply(x, index=parts)
    except IndexError as error:
        raise IndexError(f"{error}: tensor of shape {list(x.shape)}") from None


class SetSlice(Op):
    """``x`` with the elements at ``index`` replaced."""

    index: Any

    def forward(self, x: Any, value: Any, out: Any = None) -> Any:
        y = x.copy()
        y[self.index] = value
        return y

    def backward(self, gy: Tensor) -> Any:
        gx = None
        if self.needs(0):
            gx = SetSlice.apply(gy, Tensor._wrap(self.xp.zeros((), gy._array.dtype)), index=self.index)
        return gx, getitem(gy, self.index) if self.needs(1) else None


def setitem(x: Tensor, index: Any, value: Any) -> None:
    """Write ``value`` (a tensor or number, broadcast) into ``x[index]``."""
    is_view, parts = parse_index(x, index)
    if not isinstance(value, Tensor):
        value = Tensor._wrap(x._xp.asarray(value).astype(x._array.dtype))
    elif value._array.dtype != x._array.dtype:
        value = cast(value, x.dtype)
    try:
        if is_view:
            part = Slice.apply(x, index=parts)
            extra = value.ndim - part.ndim
            if extra > 0:  # leading dims of size 1 are dropped, as NumPy and PyTorch both do
                value = value.reshape(value.shape[extra:])
            part.copy_(value)
        else:
            apply_inplace(SetSlice, x, value, index=parts)
    except IndexError as error:
        raise IndexError(f"{error}: tensor of shape {list(x.shape)}") from None
    except ValueError as error:
        raise RuntimeError(
            f"shape mismatch: value of shape {list(value.shape)} cannot be written there: {error}"
        ) from None


def slice_dim(input: Tensor, dim: int, start: int | None, end: int | None, step: int = 1) -> Tensor:
    """Return the view of ``input[start:end:step]`` along ``dim``."""
    dim = wrap_dim(dim, input._array.ndim)
    return Slice.apply(input, index=(*[slice(None)] * dim, slice(start, end, step)))


def select(input: Tensor, dim: int, index: int) -> Tensor:
    """Return the view at ``index`` of ``dim``, without that dim.

    Raises:
        IndexError: the index is out of range.
    """
    if input._array.ndim == 0:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    dim = wrap_dim(dim, input._array.ndim)
    size = input._array.shape[dim]
    if not -size <= index < size:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size {list(input.shape)} at dimension {dim}"
        )
    return Slice.apply(input, index=(*[slice(None)] * dim, int(index)))


class Gather(Op):
    """``take_along_axis``: one element for each index, along one dim."""

    dim: int

    def forward(self, x: Any, index: Any, out: Any = None) -> Any:
        self.before = x.shape
        self.at = along(self.xp, index, self.dim)
        return x[self.at]

    def backward(self, gy: Tensor) -> Any:
        return PutAt.apply(gy, index=self.at, shape=self.before), None


def along(xp: Any, index: Any, dim: int) -> tuple[Any, ...]:
    """Return index arrays that name, for each place in ``index``, that place with ``dim`` replaced by its value."""
    places = []
    for i, size in enumerate(index.shape):
        shape = [1] * index.ndim
        shape[i] = size
        places.append(index if i == dim else xp.arange(size).reshape(shape))
    return tuple(places)


def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Return ``input[i][index[i][j]]``-like elements: ``index`` replaces the place in ``dim``.

    Raises:
        RuntimeError: the index is not int64, has other dimensions, or leaves the tensor.
    """
    dim = wrap_dim(dim, input._array.ndim)
    if index._array.dtype != dtypes.int64.array_dtype:
        raise RuntimeError("gather(): Expected dtype int64 for index")
    if index._array.ndim != input._array.ndim:
        raise RuntimeError("Index tensor must have the same number of dimensions as input tensor")
    if index._array.size and not 0 <= index._array.min() <= index._array.max() < input._array.shape[dim]:
        bad = index._array[(index._array < 0) | (index._array >= input._array.shape[dim])].flat[0]
        raise RuntimeError(f"index {bad} is out of bounds for dimension {dim} with size {input._array.shape[dim]}")
    return Gather.apply(input, index, dim=dim)


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Return the entries of ``dim`` that the 1-d ``index`` names, in its order."""
    dim = wrap_dim(dim, input._array.ndim)
    size = input._array.shape[dim]
    if index._array.size and not 0 <= index._array.min() <= index._array.max() < size:
        raise IndexError("index out of range in self")
    return TakeAt.apply(input, index=(*[slice(None)] * dim, index._array.reshape(-1)))


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """Return ``input`` with ``value`` where ``mask`` holds."""
    from trainctl.autograd.ops.comparison import where

    if not isinstance(value, Tensor):
        value = Tensor._wrap(input._xp.asarray(value).astype(input._array.dtype))
    return where(mask, value, input)


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """Return the elements where ``mask`` holds, as one dim."""
    shape = broadcast_shapes(input._array.shape, mask._array.shape)
    return getitem(expand(input, shape), expand(mask, shape))


def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """Return the indices of nonzero elements: ``[count, ndim]``, or one index tensor a dim."""
    xp = input._xp
    found = xp.nonzero(xp.atleast_1d(input._array))
    if as_tuple:
        return tuple(Tensor._wrap(each) for each in found)
    if input._array.ndim == 0:
        return Tensor._wrap(xp.zeros((len(found[0]), 0), dtypes.int64.array_dtype))
    return Tensor._wrap(xp.stack(found, axis=1) if found else xp.zeros((0, 0), dtypes.int64.array_dtype))


def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """Return int64 zeros with a 1 at each class index: ``[*] -> [*, num_classes]``.

    Raises:
        RuntimeError: a class outside ``[0, num_classes)``.
    """
    array = input._array
    if array.dtype != dtypes.int64.array_dtype:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    classes = int(array.max()) + 1 if num_classes == -1 and array.size else num_classes
    if array.size and not 0 <= array.min() <= array.max() < classes:
        raise RuntimeError("Class values must be non-negative and smaller than num_classes.")
    wide = unsqueeze(input, -1)
    return cast(wide == Tensor._wrap(input._xp.arange(classes)), input.dtype)
