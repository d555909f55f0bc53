"""Elements by position: slices and integers (views), index tensors and masks (copies)."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.dims import wrap_dim
from trainctl.autograd.index import parse_index
from trainctl.autograd.inplace import apply_inplace
from trainctl.autograd.op import Op
from trainctl.autograd.ops.broadcasting import broadcast_shapes, expand
from trainctl.autograd.ops.cast import cast, check_broadcast, checked
from trainctl.autograd.ops.shape import reshape, unsqueeze
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes
from trainctl.backend.arrays import backend_of

METHODS = "select gather index_select masked_fill masked_select nonzero"
IN_PLACE = "masked_fill"
FUNCTIONS = "select gather index_select masked_fill masked_select nonzero"
FUNCTIONAL = "one_hot"


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
    """Elements named by index tensors, repeats allowed: a copy."""

    pattern: tuple[bool, ...]

    def forward(self, x: Any, *at: Any, out: Any = None) -> Any:
        self.before, self.saves = x.shape, tuple(range(1, len(at) + 1))
        return x[places(self.pattern, at)]

    def backward(self, gy: Tensor) -> Any:
        return PutAt.apply(gy, *self.saved, pattern=self.pattern, shape=self.before)


class PutAt(Op):
    """Zeros with the gradient added at each named place."""

    pattern: tuple[bool, ...]
    shape: tuple[int, ...]

    def forward(self, gy: Any, *at: Any, out: Any = None) -> Any:
        self.saves = tuple(range(1, len(at) + 1))
        if out is None:
            out = self.xp.zeros(self.shape, gy.dtype)
        else:
            out[...] = 0
        if len(at) == 1 and at[0].dtype.kind == "b":
            out[places(self.pattern, at)] = gy  # a mask names no place twice
        else:
            self.xp.scatter_add(out, places(self.pattern, at), gy)
        return out

    def backward(self, ggx: Tensor) -> Any:
        return TakeAt.apply(ggx, *self.saved, pattern=self.pattern)


def places(pattern: tuple[bool, ...], at: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the index for an array: the index arrays where the pattern has them, whole dims elsewhere."""
    remaining = iter(at)
    return tuple(next(remaining) if here else slice(None) for here in pattern)


def getitem(x: Tensor, index: Any) -> Tensor:
    """Return ``x[index]``: a view for integers, slices, None and ``...``; a copy for tensors, lists and masks."""
    view, at, pattern = parse_index(x, index)
    if view is not None:
        x = Slice.apply(x, index=view)
    if not at:
        return x
    try:
        return TakeAt.apply(x, *at, pattern=pattern)
    except IndexError as error:
        raise IndexError(f"{error}: tensor of shape {list(x.shape)}") from None


class SetAt(Op):
    """``x`` with the elements named by index tensors replaced."""

    takes_out = True
    pattern: tuple[bool, ...]
    value_ndim: int

    def forward(self, x: Any, value: Any, *at: Any, out: Any = None) -> Any:
        self.saves, self.value_ndim = tuple(range(2, len(at) + 2)), value.ndim
        if len(at) == 1 and at[0].dtype.kind == "b":  # the one kind of index for which NumPy wants no extra dims
            value = value.reshape(value.shape[_leading_ones(value.shape, x.ndim - at[0].ndim + 1) :])
        if out is None:
            out = x.copy()
        elif out is not x:
            self.xp.copyto(out, x)
        out[places(self.pattern, at)] = value
        return out

    def backward(self, gy: Tensor) -> Any:
        at, zero = self.saved, Tensor._wrap(self.xp.zeros((), gy._array.dtype))
        gx = SetAt.apply(gy, zero, *at, pattern=self.pattern) if self.needs(0) else None
        gv = TakeAt.apply(gy, *at, pattern=self.pattern)
        extra = self.value_ndim - gv._array.ndim  # leading dims of size 1
        return gx, reshape(gv, (*(1,) * extra, *gv.shape)) if extra > 0 else gv


def setitem(x: Tensor, index: Any, value: Any) -> None:
    """Write ``value`` (a tensor or number, broadcast) into ``x[index]``.

    Raises:
        TypeError: ``value`` is neither a tensor nor a number.
        RuntimeError: its shape does not fit, or its dtype differs where index tensors are used.
    """
    view, at, pattern = parse_index(x, index)
    if not isinstance(value, Tensor):
        value = _number_as_tensor(value, x)
    part = x if view is None else Slice.apply(x, index=view)
    if not at:
        part.copy_(_without_leading_ones(value, part._array.ndim))
        return
    if value._array.dtype != x._array.dtype and not (value._array.size == 1 and at[0]._array.dtype.kind == "b"):
        raise RuntimeError(
            "Index put requires the source and destination dtypes match, "
            f"got {x.dtype.name} for the destination and {value.dtype.name} for the source."
        )
    try:
        apply_inplace(SetAt, part, cast(value, x.dtype), *at, pattern=pattern)
    except IndexError as error:
        raise IndexError(f"{error}: tensor of shape {list(x.shape)}") from None
    except ValueError as error:
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(value.shape)} cannot be broadcast to the indexing result: {error}"
        ) from None


def _number_as_tensor(value: Any, x: Tensor) -> Tensor:
    """Return a number as a 0-d tensor of the dtype of ``x``.

    Raises:
        TypeError: not a number.
    """
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        value = value.item()
    if not isinstance(value, (bool, int, float, complex)):
        raise TypeError(
            f"can't assign a {type(value).__name__} to a tensor of {x.dtype}; expected a tensor or a number"
        )
    return Tensor._wrap(x._xp.asarray(checked(value, x._array.dtype), x._array.dtype))


def _without_leading_ones(value: Tensor, ndim: int) -> Tensor:
    """Return a value without leading dims of size 1 that its place does not have."""
    extra = _leading_ones(value._array.shape, ndim)
    return value.reshape(value.shape[extra:]) if extra else value


def _leading_ones(shape: tuple[int, ...], ndim: int) -> int:
    """Return how many leading dims of size 1 there are beyond the last ``ndim`` dims."""
    extra = 0
    while len(shape) - extra > ndim and shape[extra] == 1:
        extra += 1
    return extra


def slice_dim(input: Tensor, dim: int, start: int | None, end: int | None, step: int = 1) -> Tensor:
    """Return the view of ``input[start:end:step]`` along ``dim``."""
    dim = wrap_dim(dim, input._array.ndim)
    return Slice.apply(input, index=(*[slice(None)] * dim, slice(start, end, step)))


def select(input: Tensor, dim: int, index: Any) -> Tensor:
    """Return the view at ``index`` (an int or a 0-d integer tensor) of ``dim``, without that dim.

    Raises:
        IndexError: the index is out of range.
    """
    if input._array.ndim == 0:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    dim = wrap_dim(dim, input._array.ndim)
    size, index = input._array.shape[dim], int(index)
    if not -size <= index < size:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size {list(input.shape)} at dimension {dim}"
        )
    return Slice.apply(input, index=(*[slice(None)] * dim, index))


class Gather(Op):
    """``take_along_axis``: one element for each index, along one dim."""

    saves = (1,)
    dim: int

    def forward(self, x: Any, index: Any, out: Any = None) -> Any:
        self.before = x.shape
        _check_range(index, x.shape[self.dim], self.dim, RuntimeError)
        return x[along(self.xp, index, self.dim)]

    def backward(self, gy: Tensor) -> Any:
        return ScatterSum.apply(gy, *self.saved, dim=self.dim, shape=self.before)


class ScatterSum(Op):
    """Zeros with each element added at the place that its index names along one dim."""

    saves = (1,)
    dim: int
    shape: tuple[int, ...]

    def forward(self, gy: Any, index: Any, out: Any = None) -> Any:
        if out is None:
            out = self.xp.zeros(self.shape, gy.dtype)
        else:
            out[...] = 0
        self.xp.scatter_add(out, along(self.xp, index, self.dim), gy)
        return out

    def backward(self, ggx: Tensor) -> Any:
        return Gather.apply(ggx, *self.saved, dim=self.dim)


def _check_range(index: Any, size: int, dim: int, kind: type[Exception]) -> None:
    """Raise an error if an index array leaves ``0 .. size - 1``."""
    if backend_of(index).on_host and index.size and not 0 <= index.min() <= index.max() < size:
        bad = index[(index < 0) | (index >= size)].flat[0]
        raise kind(f"index {bad} is out of bounds for dimension {dim} with size {size}")


def along(xp: Any, index: Any, dim: int) -> tuple[Any, ...]:
    """Return index arrays that name, for each place in ``index``, that place with ``dim`` replaced by its value."""
    names = []
    for i, size in enumerate(index.shape):
        shape = [1] * index.ndim
        shape[i] = size
        names.append(index if i == dim else xp.arange(size).reshape(shape))
    return tuple(names)


def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """Return ``input[i][index[i][j]]``-like elements: ``index`` replaces the place in ``dim``.

    Args:
        input: ``[d0, d1, ...]``.
        dim: the dimension along which is chosen.
        index: int64 or int32, no larger than ``input`` in any other dim; the output has its shape.
        sparse_grad: accepted for PyTorch's sake; the gradient is dense.

    Raises:
        RuntimeError: the index is no integer tensor, has other dims, is too large, or leaves the tensor.
    """
    dim = wrap_dim(dim, input._array.ndim)
    shape, wanted = input._array.shape, index._array.shape
    if index._array.size == 0:
        return reshape(reshape(input, -1)[:0], wanted)
    if index._array.dtype not in _INDEX_TYPES:
        raise RuntimeError(f"gather(): Expected dtype int32/int64 for index, got {index.dtype.name}")
    if max(len(shape), 1) != max(len(wanted), 1):
        raise RuntimeError(
            f"Index tensor must have the same number of dimensions as input tensor, got {list(wanted)} and {list(shape)}"
        )
    for i, (want, have) in enumerate(zip(wanted, shape, strict=False)):
        if i != dim and want > have:
            raise RuntimeError(
                f"Size does not match at dimension {i} expected index {list(wanted)} to be no larger than self "
                f"{list(shape)} apart from dimension {dim}"
            )
    if not (shape and wanted):
        return reshape(Gather.apply(reshape(input, -1), reshape(index, -1), dim=0), wanted)
    return Gather.apply(input, index, dim=dim)


_INDEX_TYPES = (dtypes.int64.array_dtype, dtypes.int32.array_dtype)


class IndexSelect(TakeAt):
    """Entries of one dim, none counted from the end."""

    def forward(self, x: Any, index: Any, out: Any = None) -> Any:  # type: ignore[override]  # exactly one index
        dim = len(self.pattern) - 1
        _check_range(index, x.shape[dim], dim, IndexError)
        return super().forward(x, index)


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Return the entries of ``dim`` that the 1-d ``index`` names, in its order.

    Raises:
        IndexError: the index leaves the dim, or has more than one dim.
        RuntimeError: the index is no integer tensor.
    """
    dim, ndim = wrap_dim(dim, input._array.ndim), input._array.ndim
    if index._array.ndim > 1:
        raise IndexError(f"index_select(): Index is supposed to be a vector, got shape {list(index.shape)}")
    if index._array.dtype not in _INDEX_TYPES:
        raise RuntimeError(f"index_select(): Expected dtype int32 or int64 for index, got {index.dtype.name}")
    if ndim == 0 and index._array.size != 1:
        raise RuntimeError(f"index_select(): Index to scalar can have only 1 value, got {index.numel()} value(s)")
    source = input if ndim else reshape(input, 1)
    chosen = IndexSelect.apply(source, reshape(index, -1), pattern=(*[False] * dim, True))
    return chosen if ndim else reshape(chosen, ())


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """Return ``input`` with ``value`` (a number or a 0-d tensor) where ``mask`` holds; the two broadcast.

    Raises:
        RuntimeError: the mask is not bool, the value has dims, or ``input`` cannot hold it.
    """
    from trainctl.autograd.ops.comparison import where

    if mask._array.dtype.kind != "b":
        raise RuntimeError(f"masked_fill only supports boolean masks, but got mask with dtype {mask.dtype.name}")
    if not isinstance(value, Tensor):
        value = _number_as_tensor(value, input)
    if value._array.ndim:
        raise RuntimeError(
            f"masked_fill only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s)."
        )
    if value.is_complex() and not input.is_complex():
        raise RuntimeError(f"value cannot be converted to type {input.dtype.name} without overflow: it is complex")
    return where(mask, cast(value, input.dtype), input)


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """Return the elements where ``mask`` holds, as one dim.

    Raises:
        RuntimeError: the mask is not bool, or the shapes do not broadcast.
    """
    if mask._array.dtype.kind != "b":
        raise RuntimeError(f"masked_select: expected BoolTensor for mask, got {mask.dtype.name}")
    check_broadcast(mask._array.shape, input._array.shape)
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
    return Tensor._wrap(xp.stack(found, axis=1))


def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """Return int64 zeros with a 1 at each class index: ``[*] -> [*, num_classes]`` (-1: the largest class + 1).

    Raises:
        RuntimeError: a class outside ``[0, num_classes)``, or no classes to count.

    Example:
        >>> import trainctl
        >>> one_hot(trainctl.tensor([2, 0]), 3)
        tensor([[0, 0, 1],
                [1, 0, 0]])
    """
    array = input._array
    if array.dtype != dtypes.int64.array_dtype:
        raise RuntimeError(f"one_hot is only applicable to index tensor of type LongTensor, got {input.dtype.name}.")
    if array.size == 0 and num_classes <= 0:
        raise RuntimeError("Can not infer total number of classes from empty tensor.")
    if array.size and array.min() < 0:
        raise RuntimeError(f"Class values must be non-negative, got {array.min()}.")
    classes = int(array.max()) + 1 if num_classes == -1 else num_classes
    if array.size and array.max() >= classes:
        raise RuntimeError(f"Class values must be smaller than num_classes, got {array.max()} and {classes}.")
    return cast(unsqueeze(input, -1) == Tensor._wrap(input._xp.arange(classes)), input.dtype)
