"""New tensors from data and from nothing."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy

from trainctl.autograd.dims import given_shape
from trainctl.autograd.ops.cast import cast, checked
from trainctl.autograd.ops.transfer import move
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes
from trainctl.backend.arrays import NUMPY, backend_for
from trainctl.backend.devices import CPU
from trainctl.backend.devices import device as as_device
from trainctl.backend.dtypes import dtype as DType

FUNCTIONS = "tensor as_tensor from_numpy zeros ones empty full zeros_like ones_like empty_like full_like eye"


def tensor(
    data: Any, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False
) -> Tensor:
    """Return a new tensor with a copy of ``data``.

    Args:
        data: a number, nested sequences of numbers or tensors, or an array.
        dtype: default: int64, float32 (the default dtype), bool or complex64 for Python numbers; an array's own.
        device: where it lives.
        requires_grad: record ops on it.
        pin_memory: has no effect on the CPU.

    Raises:
        ValueError: sequences of unequal length, or of something else than numbers.
        TypeError: a string, or complex numbers in a real type.
        RuntimeError: data of no known type, or that an integer ``dtype`` cannot hold.

    Example:
        >>> tensor([[1, 2], [3, 4]]).shape
        trainctl.Size([2, 2])
    """
    if isinstance(data, Tensor):
        import warnings

        warnings.warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than trainctl.tensor(sourceTensor).",
            stacklevel=2,
        )
    return _finish(Tensor._wrap(_to_array(data, dtype, copy=True)), device, requires_grad, dtype)


def _finish(made: Tensor, device: Any, requires_grad: bool, dtype: DType | None = None) -> Tensor:
    """Return a new tensor on the device and, for a type that NumPy lacks, in the dtype that was asked for."""
    if dtype is dtypes.bfloat16:
        made = cast(made, dtype).detach()
    if device is not None:
        made = move(made, device)
    if requires_grad:
        made.requires_grad = True
    return made


def host_dtype(dtype: DType) -> Any:
    """Return the NumPy type in which elements are made: float32 for bfloat16."""
    return (dtypes.float32 if dtype is dtypes.bfloat16 else dtype).array_dtype


def _to_array(data: Any, dtype: DType | None, copy: bool) -> Any:
    """Return an array of ``data`` in ``dtype``, or in the dtype that PyTorch infers."""
    wanted = None if dtype is None else host_dtype(dtypes.as_dtype(dtype))
    if isinstance(data, Tensor):
        data = data._array
    if isinstance(data, (numpy.ndarray, numpy.generic)):
        array = numpy.array(data, copy=copy or None)
        kind = array.dtype if wanted is None else wanted
        native = dtypes.of_array(array).array_dtype
        return array.astype(native if wanted is None else kind, copy=False)
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        data = _plain(list(data))
    elif isinstance(data, (str, bytes)):
        raise TypeError(f"cannot build a tensor from {type(data).__name__}: expected numbers or sequences of numbers")
    elif not isinstance(data, (bool, int, float, complex)) and not hasattr(data, "__array__"):
        raise RuntimeError(
            f"Could not infer dtype of {type(data).__name__}: expected numbers, sequences of numbers, or an array"
        )
    try:
        array = numpy.array(data)
    except ValueError as error:
        raise ValueError(f"expected sequences of equal length at every depth: {error}") from None
    if array.dtype.kind not in "buifcO":
        raise ValueError(f"cannot build a tensor from sequences of {array.dtype.name}: expected numbers")
    if array.dtype.kind == "O" and any(not isinstance(each, int) for each in array.flat):
        kinds = ", ".join(sorted({type(each).__name__ for each in array.flat}))
        raise RuntimeError(f"Could not infer dtype of {kinds}: expected numbers, sequences of numbers, or an array")
    return array.astype(_inferred(array, data), copy=False) if wanted is None else _converted(array, wanted)


def _converted(array: Any, wanted: Any) -> Any:
    """Return numbers in a dtype.

    Raises:
        TypeError: complex numbers in a real type.
        RuntimeError: an integer type that does not hold them.
    """
    if array.dtype.kind == "c" and wanted.kind not in "bc":
        raise TypeError(f"must be real number, not complex, for a tensor of {wanted.name}")
    if wanted.kind in "ui" and array.size:
        for extreme in (array.min(), array.max()):
            checked(extreme.item() if hasattr(extreme, "item") else extreme, wanted)
    with numpy.errstate(over="ignore"):  # 1e300 is inf in float32
        return array.astype(wanted)


def _plain(data: Any) -> Any:
    """Return nested sequences with tensors replaced by what they hold; one of a single element is a number."""
    if isinstance(data, Tensor):
        array = data._xp.to_host(data._array)
        return array.reshape(())[()] if array.size == 1 else array
    if isinstance(data, (list, tuple, range)):
        return [_plain(each) if isinstance(each, (Tensor, list, tuple, range)) else each for each in data]
    return data


def _inferred(array: Any, data: Any) -> Any:
    """Return the dtype for Python numbers, or the common one of numbers and arrays within sequences."""
    kind = array.dtype.kind
    if kind == "O" or (kind == "u" and not _holds_arrays(data)):
        raise ValueError("Overflow when unpacking long: an integer does not fit int64")
    if _holds_arrays(data):
        return functools.reduce(dtypes.promote_types, _types(data)).array_dtype
    if kind in "fc":
        default = dtypes.get_default_dtype()
        return (default.to_complex() if kind == "c" else default).array_dtype
    return dtypes.of_array(array).array_dtype


def _holds_arrays(data: Any) -> bool:
    return isinstance(data, (list, tuple)) and any(
        isinstance(each, (numpy.ndarray, numpy.generic)) or _holds_arrays(each) for each in data
    )


def _types(data: Any) -> set[DType]:
    """Return the dtypes of the numbers and arrays in nested sequences."""
    if isinstance(data, (list, tuple)):
        return set().union(*(_types(each) for each in data))
    return {dtypes.of_array(data) if hasattr(data, "dtype") else dtypes.of_number(data)}


def as_tensor(data: Any, dtype: DType | None = None, device: Any = None) -> Tensor:
    """Return ``data`` as a tensor, sharing memory where it is an array or tensor of that dtype."""
    if isinstance(data, Tensor):
        return data if dtype is None else cast(data, dtype)
    return _finish(Tensor._wrap(_to_array(data, dtype, copy=False)), device, False, dtype)


def from_numpy(ndarray: Any) -> Tensor:
    """Return a tensor that shares the array's memory.

    Raises:
        TypeError: not an array, or an element type without a counterpart.

    Example:
        >>> import numpy
        >>> from_numpy(numpy.arange(3))
        tensor([0, 1, 2])
    """
    if not isinstance(ndarray, numpy.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    dtypes.of_array(ndarray)
    return Tensor._wrap(ndarray)


def _kind(dtype: DType | None) -> Any:
    return host_dtype(dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype))


def _maker(function: str, text: str) -> Callable[..., Tensor]:
    def make(
        *sizes: Any,
        size: Any = None,
        dtype: DType | None = None,
        device: Any = None,
        requires_grad: bool = False,
        layout: Any = None,
        pin_memory: bool = False,
        memory_format: Any = None,
    ) -> Tensor:
        shape = checked_shape(function, sizes, size)
        where = CPU if device is None else as_device(device)
        backend = backend_for(where)  # made on the device itself: nothing is sent
        with backend.on(where):
            made = getattr(backend, function)(shape, _kind(dtype))
        wrap = Tensor._wrap if function == "empty" else Tensor._constant
        return _finish(wrap(made), device, requires_grad, dtype)

    make.__name__ = function
    make.__doc__ = f"Return a tensor of a shape, {text}, in ``dtype`` (default: the default dtype)."
    return make


def checked_shape(op: str, sizes: tuple[Any, ...], size: Any = None) -> tuple[int, ...]:
    """Return the shape of a tensor to be made, from sizes one by one, as a sequence, or by keyword.

    Raises:
        TypeError: no sizes, or one that is no integer.
        RuntimeError: a negative one.
    """
    if not sizes and size is None:
        raise TypeError(f"{op}() missing 1 required argument: 'size'")
    shape = given_shape(sizes, size)
    if any(each < 0 for each in shape):
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(shape)}: {list(shape)}")
    return shape


zeros = _maker("zeros", "all 0")
ones = _maker("ones", "all 1")
empty = _maker("empty", "uninitialised")


def full(
    size: Any,
    fill_value: Any,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of a shape, all ``fill_value``; the dtype follows the value unless given."""
    if not isinstance(size, (tuple, list)):
        raise TypeError(f"full(): argument 'size' must be tuple of ints, not {type(size).__name__}")
    value = fill_value.item() if isinstance(fill_value, Tensor) else fill_value
    kind = host_dtype(dtypes.of_number(value) if dtype is None else dtypes.as_dtype(dtype))
    return _finish(
        Tensor._constant(NUMPY.full(checked_shape("full", (size,)), checked(value, kind), kind)),
        device,
        requires_grad,
        dtype,
    )


def _like(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def make(
        input: Tensor,
        *,
        dtype: DType | None = None,
        device: Any = None,
        requires_grad: bool = False,
        layout: Any = None,
        pin_memory: bool = False,
        memory_format: Any = None,
    ) -> Tensor:
        where = input.device if device is None else device
        return function(input.shape, dtype=dtype or input.dtype, device=where, requires_grad=requires_grad)

    make.__name__ = f"{function.__name__}_like"
    make.__doc__ = f"Return ``{function.__name__}`` of the shape and dtype, and on the device, of ``input``."
    return make


zeros_like = _like(zeros)
ones_like = _like(ones)
empty_like = _like(empty)


def full_like(
    input: Tensor, fill_value: Any, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return a tensor of the shape and dtype, and on the device, of ``input``, all ``fill_value``."""
    where = input.device if device is None else device
    return full(input.shape, fill_value, dtype=dtype or input.dtype, device=where, requires_grad=requires_grad)


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a matrix with ones on the diagonal: ``[n, m]``, ``m`` being ``n`` unless given.

    Raises:
        RuntimeError: a negative size.
    """
    for name, size in (("n", n), ("m", 0 if m is None else m)):
        if size < 0:
            raise RuntimeError(f"{name} must be greater or equal to 0, got {size}")
    return _finish(
        Tensor._constant(NUMPY.eye(n, n if m is None else m, dtype=_kind(dtype))), device, requires_grad, dtype
    )
