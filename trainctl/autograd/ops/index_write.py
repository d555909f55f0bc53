"""Elements written by position: at index tensors and masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainctl.autograd.index import is_mask, parse_index
from trainctl.autograd.inplace import apply_inplace
from trainctl.autograd.op import Op
from trainctl.autograd.ops.broadcasting import broadcast_shapes, expand
from trainctl.autograd.ops.cast import cast, check_broadcast, check_tensor, checked
from trainctl.autograd.ops.comparison import where
from trainctl.autograd.ops.indexing import Slice, TakeAt, places
from trainctl.autograd.ops.quantization import dequantize, is_quantized, on_its_grid
from trainctl.autograd.ops.shape import reshape
from trainctl.autograd.tensor import Tensor

METHODS = "index_put masked_fill masked_scatter"
IN_PLACE = METHODS
FUNCTIONS = METHODS


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
        self.write(out, places(self.pattern, at), value)
        return out

    def write(self, target: Any, place: Any, value: Any) -> None:
        target[place] = value

    def backward(self, gy: Tensor) -> Any:
        at, zero = self.saved, Tensor._constant(self.xp.zeros((), gy._array.dtype))
        gx = SetAt.apply(gy, zero, *at, pattern=self.pattern) if self.needs(0) else None
        return gx, self.taken(gy) if self.needs(1) else None

    def taken(self, gy: Tensor) -> Tensor:
        """Return the gradient of the value: a place named twice gives it to both."""
        gv = TakeAt.apply(gy, *self.saved, pattern=self.pattern)
        extra = self.value_ndim - gv._array.ndim  # leading dims of size 1
        return reshape(gv, (*(1,) * extra, *gv.shape)) if extra > 0 else gv


class AddAt(SetAt):
    """``x`` with a value added to the elements named by index tensors; one named twice gets both."""

    def write(self, target: Any, place: Any, value: Any) -> None:
        self.xp.scatter_add(target, place, value)

    def backward(self, gy: Tensor) -> Any:
        return gy, self.taken(gy) if self.needs(1) else None


def setitem(x: Tensor, index: Any, value: Any) -> None:
    """Write ``value`` (a tensor or number, broadcast) into ``x[index]``.

    Raises:
        TypeError: ``value`` is neither a tensor nor a number.
        RuntimeError: its shape does not fit, or its dtype differs where index tensors are used.
    """
    if is_quantized(x):
        numbers = dequantize(x)
        setitem(numbers, index, dequantize(value) if isinstance(value, Tensor) else value)
        x.copy_(numbers)
        return
    view, at, pattern = parse_index(x, index)
    if not isinstance(value, Tensor):
        value = number_as_tensor(value, x)
    part = x if view is None else Slice.apply(x, index=view)
    if not at:
        part.copy_(_without_leading_ones(value, part._array.ndim))
        return
    if _is_nowhere(index):
        value = reshape(value, -1)[:1]  # of any shape: PyTorch does not look at it, but gives it a gradient of 0
        if not value._array.size:
            return
    _check_same_type(part, value, at)
    try:
        apply_inplace(SetAt, part, cast(value, part.dtype), *at, pattern=pattern)
    except (IndexError, ValueError) as error:
        raise _unfit(error, part, value) from None


def _is_nowhere(index: Any) -> bool:
    """Return whether an index holds ``False``, which names no element."""
    parts = index if isinstance(index, tuple) else (index,)
    return any(part is False or (is_mask(part) and part._array.ndim == 0 and not part) for part in parts)


def _check_same_type(x: Tensor, value: Tensor, at: tuple[Tensor, ...]) -> None:
    """Raise RuntimeError if a value is of another dtype, but for a single one at a mask, which is cast."""
    if value._array.dtype == x._array.dtype:
        return
    if not (value._array.size == 1 and is_mask(at[0])):
        raise RuntimeError(
            "Index put requires the source and destination dtypes match, "
            f"got {x.dtype.name} for the destination and {value.dtype.name} for the source."
        )
    _check_no_complex(value, x)


def _check_no_complex(value: Tensor, x: Tensor) -> None:
    if value.is_complex() and not x.is_complex():
        raise RuntimeError(f"value cannot be converted to type {x.dtype.name} without overflow: it is complex")


def _unfit(error: Exception, x: Tensor, value: Tensor) -> Exception:
    """Return PyTorch's error for an index that leaves ``x``, or a value that does not fit the place."""
    if isinstance(error, IndexError):
        return IndexError(f"{error}: tensor of shape {list(x.shape)}")
    return RuntimeError(
        f"shape mismatch: value tensor of shape {list(value.shape)} cannot be broadcast to the indexing result: {error}"
    )


def index_put(input: Tensor, indices: Sequence[Tensor | None], values: Tensor, accumulate: bool = False) -> Tensor:
    """Return ``input`` with ``values`` (broadcast) at ``input[indices]``.

    Args:
        input: ``[d0, d1, ...]``.
        indices: for each dim int64, int32 or bool tensors that broadcast together, or None for the whole dim.
        values: of the dtype of ``input``.
        accumulate: add to what is there, once for each time that an element is named, instead of replacing it.

    Raises:
        TypeError: an index is no tensor.
        IndexError: an index leaves the tensor, or is of another type.
        RuntimeError: another dtype, or values that do not broadcast.

    Example:
        >>> import trainctl
        >>> index_put(trainctl.zeros(3), [trainctl.tensor([0, 0])], trainctl.tensor(2.0), accumulate=True)
        tensor([4., 0., 0.])
    """
    check_tensor("index_put", values, "values")
    if isinstance(indices, Tensor) or not isinstance(indices, (tuple, list)):
        raise TypeError(f"index_put(): argument 'indices' must be tuple of Tensors, not {type(indices).__name__}")
    for number, each in enumerate(indices):
        if each is not None and not isinstance(each, Tensor):
            raise TypeError(f"expected Tensor as element {number} in argument 0, but got {type(each).__name__}")
    parts = tuple(slice(None) if each is None else _with_dims(each) for each in indices)
    view, at, pattern = parse_index(input, parts)
    if not at:
        raise RuntimeError("index_put(): at least one index has to be a tensor")
    _check_same_type(input, values, at)
    part = input if view is None else Slice.apply(input, index=view)
    try:
        written = (AddAt if accumulate else SetAt).apply(part, cast(values, input.dtype), *at, pattern=pattern)
    except (IndexError, ValueError) as error:
        raise _unfit(error, input, values) from None
    return reshape(written, input.shape)


def _with_dims(index: Tensor) -> Tensor:
    """Return a 0-d integer index as one that keeps its dim, so that what it names is no view."""
    return index if index._array.ndim or is_mask(index) else reshape(index, 1)


def number_as_tensor(value: Any, x: Tensor) -> Tensor:
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
    return Tensor._constant(x._xp.asarray(checked(value, x._array.dtype), x._array.dtype))


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


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """Return ``input`` with ``value`` (a number or a 0-d tensor) where ``mask`` holds; the two broadcast.

    Raises:
        RuntimeError: the mask is not bool, the value has dims, or ``input`` cannot hold it.
    """
    _check_mask("masked_fill", mask)
    if is_quantized(input):
        return on_its_grid(lambda x: masked_fill(x, mask, value), input)
    value = fill_value("masked_fill", value, input)
    return where(mask, value, input)


def fill_value(op: str, value: Any, input: Tensor) -> Tensor:
    """Return a number or a 0-d tensor as a 0-d tensor of the dtype of ``input``.

    Raises:
        RuntimeError: the value has dims, or ``input`` cannot hold it.
    """
    if not isinstance(value, Tensor):
        value = number_as_tensor(value, input)
    if value._array.ndim:
        raise RuntimeError(
            f"{op} only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s)."
        )
    _check_no_complex(value, input)
    return cast(value, input.dtype)


def _check_mask(op: str, mask: Tensor) -> None:
    check_tensor(op, mask, "mask")
    if not is_mask(mask):
        raise RuntimeError(f"{op} only supports boolean masks, but got mask with dtype {mask.dtype.name}")


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """Return ``input`` with the places where ``mask`` holds filled from ``source``, in order.

    Args:
        input: broadcasts with ``mask``.
        mask: bool.
        source: of the dtype of ``input``, with at least as many elements as the mask has places.

    Raises:
        RuntimeError: the mask is not bool, the dtypes differ, or ``source`` is too short.

    Example:
        >>> import trainctl
        >>> masked_scatter(trainctl.zeros(3), trainctl.tensor([True, False, True]), trainctl.tensor([1.0, 2.0]))
        tensor([1., 0., 2.])
    """
    _check_mask("masked_scatter", mask)
    check_tensor("masked_scatter", source, "source")
    if input._array.dtype != source._array.dtype:
        raise RuntimeError(
            "masked_scatter: expected self and source to have same dtypes "
            f"but got {input.dtype.name} and {source.dtype.name}"
        )
    check_broadcast(mask._array.shape, input._array.shape)
    shape = broadcast_shapes(input._array.shape, mask._array.shape)
    xp, mask = mask._xp, expand(mask, shape)
    count = xp.cumsum(mask._array.reshape(-1))  # up to each place
    if xp.on_host and count.size and count[-1] > source._array.size:
        raise RuntimeError(f"Number of elements of source < number of ones in mask: {source._array.size} < {count[-1]}")
    if not source._array.size:
        return expand(input, shape).clone()
    turn = Tensor._wrap(xp.maximum(count - 1, 0).reshape(shape) * mask._array)
    return where(mask, TakeAt.apply(reshape(source, -1), turn, pattern=(True,)), input)
