"""Conversion between dtypes, and what puts operands on common ground: promotion and broadcasting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes
from trainctl.backend.arrays import NUMPY
from trainctl.backend.bfloat16 import BFLOAT16, BFloat16Array
from trainctl.backend.dtypes import dtype

FUNCTIONS = "result_type can_cast"

_WEAK_KINDS = {bool: "buifcq", int: "uifcq", float: "fcq", complex: "c"}


class Cast(Op):
    """Convert the elements; a complex gradient of a real input keeps its real part."""

    decides_dtype = True
    array_dtype: Any

    def forward(self, x: Any, out: Any = None) -> Any:
        if self.array_dtype is BFLOAT16:
            return BFloat16Array.of(x)
        if x.dtype.kind == "c" and self.array_dtype.kind not in "bc":
            x = x.real
        if out is None:
            return x.astype(self.array_dtype)
        self.xp.copyto(out, x, casting="unsafe")
        return out

    def backward(self, gy: Tensor) -> Any:
        return gy  # the walk casts it back


def cast(x: Tensor, kind: dtype) -> Tensor:
    """Return ``x`` in another dtype; ``x`` itself where it already has it.

    Raises:
        RuntimeError: a dtype of codes, which need a grid.
    """
    if x._array.dtype == kind.array_dtype and not kind.is_quantized:
        return x
    if kind.is_quantized:
        if x.dtype is kind:
            return x
        raise RuntimeError(
            f"{kind} needs a scale and a zero point: use quantize_per_tensor(x, scale, zero_point, {kind})"
        )
    return Cast.apply(x, array_dtype=kind.array_dtype)


def cast_gradient(gx: Tensor, array_dtype: Any) -> Tensor:
    """Return a gradient in the dtype of the tensor that it belongs to."""
    return Cast.apply(gx, array_dtype=array_dtype)


def result_type(*operands: Any) -> dtype:
    """Return the dtype of an arithmetic op on tensors and Python numbers, by PyTorch's rules.

    A number or a 0-d tensor counts only where its category (bool, integer, float, complex) is higher than
    that of the tensors with dimensions.

    Example:
        >>> import trainctl
        >>> result_type(trainctl.ones(2, dtype=trainctl.int32), 1.5)
        trainctl.float32
    """
    if of_one_dtype(operands):
        return operands[0].dtype
    ranks: list[dtype | None] = [None, None, None]  # with dimensions, 0-d, numbers
    for each in operands:
        if isinstance(each, Tensor):
            rank, kind = (0 if each._array.ndim else 1), each.dtype
        else:
            rank, kind = 2, dtypes.of_number(each)
        known = ranks[rank]
        ranks[rank] = kind if known is None else dtypes.promote_types(known, kind)
    result: dtype | None = None
    for each in filter(None, ranks):
        if result is None:
            result = each
        elif each.category > result.category:
            # a number brings its category, not its width: float32 + 1j is complex64
            result = dtypes.promote_types(result, each) if result.category < 2 else result.to_complex()
    assert result is not None
    return result


def of_one_dtype(operands: Sequence[Any]) -> bool:
    """Return whether all operands are tensors of the same dtype, the usual case."""
    kind = None
    for each in operands:
        if not isinstance(each, Tensor):
            return False
        if each._array.dtype is not kind:
            if kind is not None:
                return False
            kind = each._array.dtype
    return kind is not None


def can_cast(from_: dtype, to: dtype) -> bool:
    """Return whether a conversion loses no category (complex to real, float to integer, ... do).

    Example:
        >>> from trainctl.backend.dtypes import float64, int64
        >>> can_cast(int64, float64), can_cast(float64, int64)
        (True, False)
    """
    return from_.category <= to.category


def operand(x: Any, kind: dtype) -> Any:
    """Return an operand in ``kind``: a tensor is cast, a number stays a number of that category."""
    if isinstance(x, Tensor):
        return cast(x, kind)
    if kind.category == 2:
        return float(x)
    if kind.category == 3:
        return complex(x)
    return wrapped(x, kind.array_dtype)


def wrapped(number: Any, array_dtype: Any) -> Any:
    """Return a Python integer as an integer dtype holds it (300 is 44 in uint8), other numbers as they are."""
    if type(number) is not int or array_dtype.kind not in "ui":
        return number
    bits = 8 * array_dtype.itemsize
    number &= (1 << bits) - 1
    return number - (1 << bits) if array_dtype.kind == "i" and number >> (bits - 1) else number


def checked(number: Any, array_dtype: Any) -> Any:
    """Return a Python number for writing into a dtype; a negative one wraps in an unsigned type.

    Raises:
        RuntimeError: the dtype cannot hold it.
    """
    value, kind = number, array_dtype.kind
    if isinstance(value, complex) and value.imag == 0 and kind in "uif":
        value = value.real
    if not _fits(value, array_dtype):
        name = dtypes.FROM_ARRAY[array_dtype].name
        raise RuntimeError(f"value cannot be converted to type {name} without overflow: {number}")
    return wrapped(int(value), array_dtype) if kind in "ui" else value


def _fits(value: Any, array_dtype: Any) -> bool:
    kind = array_dtype.kind
    if kind in "bc" or isinstance(value, complex):
        return kind in "bc"
    if kind == "f":
        return not math.isfinite(value) or abs(value) <= dtypes.finfo(dtypes.FROM_ARRAY[array_dtype]).max
    limit = (1 << (8 * array_dtype.itemsize - (kind == "i"))) - 1
    return math.isfinite(value) and -limit - (kind == "i") <= int(value) <= limit


def check_tensor(op: str, value: Any, argument: str) -> None:
    """Raise TypeError if an argument that has to be a tensor is something else."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{op}(): argument '{argument}' must be Tensor, not {type(value).__name__}")


def check_some_tensor(op: str, input: Any, other: Any) -> None:
    """Raise TypeError if neither of two operands is a tensor."""
    if not isinstance(input, Tensor) and not isinstance(other, Tensor):
        names = f"{type(input).__name__}, {type(other).__name__}"
        raise TypeError(f"{op}() expects a tensor among its operands, got ({names})")


def number_first(op: str, form: str) -> TypeError:
    """Return the error for PyTorch's old forms, in which a factor stands before its tensor: ``add(input, 2, other)``."""
    return TypeError(f"{op}(): a number in front of the tensor that it multiplies is a form of old; write {op}({form})")


def refuse(kinds: str, op: str, *operands: Any) -> None:
    """Raise NotImplementedError if an operand is of one of these kinds (NumPy's letters: b, u, i, f, c)."""
    for each in operands:
        kind = each._array.dtype.kind if isinstance(each, Tensor) else _number_kind(each)
        if kind and kind in kinds:
            name = each.dtype.name if isinstance(each, Tensor) else type(each).__name__
            raise NotImplementedError(f'"{op}" not implemented for {name}')


def _number_kind(value: Any) -> str:
    """Return NumPy's letter for a Python number, "" for anything else."""
    for letter, type_ in (("b", bool), ("i", int), ("f", float), ("c", complex)):
        if isinstance(value, type_):
            return letter
    return ""


def is_weak(x: Tensor, number: Any) -> bool:
    """Return whether a Python number joins ``x`` without changing its dtype."""
    kinds = _WEAK_KINDS.get(type(number))
    return kinds is not None and x._array.dtype.kind in kinds and x._array.dtype.kind != "b"


def promote(*operands: Any) -> tuple[Any, ...]:
    """Return the operands in their common dtype.

    Raises:
        TypeError: an operand is neither a tensor nor a number.
    """
    if of_one_dtype(operands):
        return operands
    kind = result_type(*operands)
    return tuple(operand(each, kind) for each in operands)


def binary(cls: type[Op], x: Any, y: Any) -> Tensor:
    """Apply an op of two operands (tensors or numbers) after promotion; shapes broadcast.

    Raises:
        RuntimeError: the shapes do not broadcast.
        TypeError: one is neither a tensor nor a number.
    """
    if isinstance(x, Tensor) and isinstance(y, Tensor):
        if x._array.dtype != y._array.dtype:
            x, y = promote(x, y)
        if x._array.shape != y._array.shape:
            check_broadcast(x._array.shape, y._array.shape)
    elif isinstance(x, Tensor) and is_weak(x, y):
        y = wrapped(y, x._array.dtype)
    elif isinstance(y, Tensor) and is_weak(y, x):
        x = wrapped(x, y._array.dtype)
    else:
        if not isinstance(x, Tensor) and not isinstance(y, Tensor):
            x = Tensor._constant(NUMPY.asarray(x, result_type(x, y).array_dtype))
        x, y = promote(x, y)
    return cls.apply(x, y)


def check_broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    """Raise RuntimeError, naming the dimension, if two shapes do not broadcast."""
    if a == b:
        return
    for back in range(1, min(len(a), len(b)) + 1):
        if a[-back] != b[-back] and a[-back] != 1 and b[-back] != 1:
            raise RuntimeError(
                f"The size of tensor a ({a[-back]}) must match the size of tensor b ({b[-back]}) "
                f"at non-singleton dimension {max(len(a), len(b)) - back}: shapes {list(a)} and {list(b)}"
            )


def to_float(x: Any) -> Any:
    """Return an integer or bool tensor in the default floating-point dtype, others as they are."""
    if isinstance(x, Tensor) and x._array.dtype.kind in "bui":
        return cast(x, dtypes.get_default_dtype())
    return x
