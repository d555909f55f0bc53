"""Elements read by position: slices and integers (views), index tensors and masks (copies)."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.dims import wrap_dim
from trainctl.autograd.index import parse_index
from trainctl.autograd.op import Op
from trainctl.autograd.ops.broadcasting import broadcast_shapes, expand
from trainctl.autograd.ops.cast import cast, check_broadcast
from trainctl.autograd.ops.shape import reshape, unsqueeze
from trainctl.autograd.state import note_read
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes
from trainctl.backend.arrays import backend_of

METHODS = "select gather index_select masked_select nonzero"
FUNCTIONS = METHODS
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
        self.replays = all(each.dtype.kind != "b" for each in at)  # how many elements a mask names is up to its own
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
        check_range(index, x.shape[self.dim], self.dim, RuntimeError)
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


def outlier(index: Any, size: int, low: int = 0) -> int | None:
    """Return the first of the indices outside ``low .. size - 1``, None if there is none.

    On a device nobody looks: that would wait for it.
    """
    if backend_of(index).on_host and index.size and not low <= index.min() <= index.max() < size:
        return int(index[(index < low) | (index >= size)].flat[0])
    return None


def check_range(index: Any, size: int, dim: int, kind: type[Exception], from_end: bool = False) -> None:
    """Raise an error if an index array leaves ``0 .. size - 1``; ``from_end``: -1 is the last entry."""
    bad = outlier(index, size, -size if from_end else 0)
    if bad is not None:
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
    if index._array.dtype not in INDEX_TYPES:
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


INDEX_TYPES = (dtypes.int64.array_dtype, dtypes.int32.array_dtype)


class IndexSelect(TakeAt):
    """Entries of one dim, none counted from the end."""

    def forward(self, x: Any, index: Any, out: Any = None) -> Any:  # type: ignore[override]  # exactly one index
        dim = len(self.pattern) - 1
        check_range(index, x.shape[dim], dim, IndexError)
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
    if index._array.dtype not in INDEX_TYPES:
        raise RuntimeError(f"index_select(): Expected dtype int32 or int64 for index, got {index.dtype.name}")
    if ndim == 0 and index._array.size != 1:
        raise RuntimeError(f"index_select(): Index to scalar can have only 1 value, got {index.numel()} value(s)")
    source = input if ndim else reshape(input, 1)
    chosen = IndexSelect.apply(source, reshape(index, -1), pattern=(*[False] * dim, True))
    return chosen if ndim else reshape(chosen, ())


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
    if num_classes == -1:
        note_read("one_hot() without num_classes")
    classes = int(array.max()) + 1 if num_classes == -1 else num_classes
    if array.size and array.max() >= classes:
        raise RuntimeError(f"Class values must be smaller than num_classes, got {array.max()} and {classes}.")
    return cast(unsqueeze(input, -1) == Tensor._constant(input._xp.arange(classes)), input.dtype)
