"""Element types under PyTorch's names, and PyTorch's promotion between them."""

from __future__ import annotations

from typing import Any

import numpy

from trainctl.backend.bfloat16 import BFLOAT16, BFLOAT16_LIMITS

_KINDS = {"b": 0, "u": 1, "i": 1, "f": 2, "c": 3}


class dtype:
    """An element type. There is one object for each: compare with ``is`` or ``==``.

    Attributes:
        name: PyTorch's name, ``"float32"``.
        array_dtype: the array library's dtype.
        category: 0 bool, 1 integer, 2 floating point, 3 complex; promotion never goes down.
        is_quantized: it is a type of codes, which a scale and a zero point give a meaning.

    Example:
        >>> float32.itemsize, float32.is_floating_point, int64
        (4, True, trainctl.int64)
    """

    __slots__ = (
        "array_dtype",
        "category",
        "is_complex",
        "is_floating_point",
        "is_signed",
        "itemsize",
        "name",
    )
    is_quantized = False

    def __init__(self, name: str) -> None:
        self.name = name
        self.array_dtype: Any = BFLOAT16 if name == "bfloat16" else numpy.dtype(name)
        self.category = _KINDS[self.array_dtype.kind]
        self.is_floating_point = self.category == 2
        self.is_complex = self.category == 3
        self.is_signed = self.array_dtype.kind not in "bu"
        self.itemsize = self.array_dtype.itemsize

    def __repr__(self) -> str:
        return f"trainctl.{self.name}"

    def __reduce__(self) -> str:
        return {"bool": "bool_"}.get(self.name, self.name)

    def to_complex(self) -> dtype:
        """Return the complex type of the same precision."""
        return complex128 if self in (float64, complex128) else complex64

    def to_real(self) -> dtype:
        """Return the real type of the same precision."""
        return {"complex64": float32, "complex128": float64}.get(self.name, self)


bool_ = dtype("bool")
uint8 = dtype("uint8")
int8 = dtype("int8")
int16 = dtype("int16")
int32 = dtype("int32")
int64 = dtype("int64")
float16 = dtype("float16")
bfloat16 = dtype("bfloat16")
float32 = dtype("float32")
float64 = dtype("float64")
complex64 = dtype("complex64")
complex128 = dtype("complex128")

ALL = (bool_, uint8, int8, int16, int32, int64, float16, bfloat16, float32, float64, complex64, complex128)
FROM_ARRAY = {each.array_dtype: each for each in ALL}
ALIASES = {
    "half": float16, "bfloat16": bfloat16, "float": float32, "double": float64, "short": int16, "int": int32, "long": int64,
    "cfloat": complex64, "cdouble": complex128, "bool": bool_,
}  # fmt: skip
_PYTHON = {bool: bool_, int: int64, float: float32, complex: complex64}

_default = float32


def get_default_dtype() -> dtype:
    """Return the type that Python floats and integer division become (``float32`` unless set).

    Example:
        >>> get_default_dtype()
        trainctl.float32
    """
    return _default


def set_default_dtype(d: dtype) -> None:
    """Set the type that Python floats become.

    Args:
        d: a floating-point dtype.

    Raises:
        TypeError: ``d`` is not a floating-point dtype.

    Example:
        >>> set_default_dtype(float32)
    """
    global _default
    if not isinstance(d, dtype) or not d.is_floating_point:
        raise TypeError(f"only floating-point types are supported as the default type, got {d!r}")
    _default = d


def of_array(array: Any) -> dtype:
    """Return the dtype of an array.

    Raises:
        TypeError: the array's element type has no counterpart (strings, objects, uint64, ...).
    """
    try:
        return FROM_ARRAY[array.dtype]
    except KeyError:
        native = array.dtype.newbyteorder("=")
        if native in FROM_ARRAY:
            return FROM_ARRAY[native]
        names = ", ".join(each.name for each in ALL)
        raise TypeError(f"can't convert an array of type {array.dtype}; the supported types are: {names}") from None


def as_dtype(value: Any) -> dtype:
    """Return the dtype named by a dtype or a Python type (``float``, ``int``, ``bool``, ``complex``).

    Raises:
        TypeError: ``value`` names no dtype.
        RuntimeError: it names codes, which no conversion gives.
    """
    if isinstance(value, dtype):
        if value.is_quantized:
            raise RuntimeError(
                f"a tensor of {value} needs a scale and a zero point; make it with trainctl.quantize_per_tensor or "
                "quantize_per_channel"
            )
        return value
    if value is float:
        return float64  # torch.tensor(..., dtype=float) is float64 too: Python's float is one
    if value is complex:
        return complex128
    if value is int or value is bool:
        return _PYTHON[value]
    raise TypeError(f"dtype must be a trainctl.dtype, got {value!r}")


def of_number(value: Any) -> dtype:
    """Return the dtype that a Python number stands for in promotion."""
    if isinstance(value, bool):
        return bool_
    if isinstance(value, int):
        return int64
    if isinstance(value, float):
        return _default
    if isinstance(value, complex):
        return _default.to_complex()
    raise TypeError(f"expected a number or a tensor, got {type(value).__name__}")


def promote_types(type1: dtype, type2: dtype) -> dtype:
    """Return the smallest dtype that both convert to, by PyTorch's rules.

    Unlike NumPy, an integer never widens a floating-point type: int64 and float32 give float32.

    Raises:
        RuntimeError: one is a type of codes.

    Example:
        >>> promote_types(int64, float32), promote_types(uint8, int8)
        (trainctl.float32, trainctl.int16)
    """
    if type1 is type2:
        return type1
    if type1.is_quantized or type2.is_quantized:
        raise RuntimeError(f"quantized numbers do not promote; dequantize first, got {type1} and {type2}")
    if type1.category < type2.category:
        type1, type2 = type2, type1
    if type1.category != type2.category:
        if type1.is_complex and type2 is float64:
            return complex128
        return type1
    if bfloat16 in (type1, type2):  # with float16 as with the wider ones: float32 at least
        return float64 if float64 in (type1, type2) else float32
    return FROM_ARRAY[numpy.promote_types(type1.array_dtype, type2.array_dtype)]


class finfo:
    """Limits of a floating-point dtype (of a complex one's parts).

    Attributes:
        bits: size of a number.
        eps: from 1 to the next larger number.
        max: largest number.
        min: smallest number, ``-max``.
        tiny: smallest positive number of full precision; ``smallest_normal`` is the same.
        resolution: ``10 ** -digits`` for the number of decimal digits that are sure.

    Raises:
        TypeError: the dtype is not a floating-point type.

    Example:
        >>> finfo(float32).eps
        1.1920928955078125e-07
    """

    def __init__(self, type: dtype | None = None) -> None:
        kind = (type or _default).to_real()
        if not kind.is_floating_point:
            raise TypeError(f"trainctl.finfo() requires a floating point dtype, got {kind}; use trainctl.iinfo")
        limits = BFLOAT16_LIMITS if kind is bfloat16 else numpy.finfo(kind.array_dtype)
        self.dtype = kind.name
        self.bits = kind.itemsize * 8
        self.eps, self.max, self.min = float(limits.eps), float(limits.max), float(limits.min)
        self.tiny = self.smallest_normal = float(limits.tiny)
        self.resolution = 10.0**-limits.precision

    def __repr__(self) -> str:
        names = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        limits = ", ".join(f"{name}={getattr(self, name):g}" for name in names)
        return f"finfo({limits}, dtype={self.dtype})"


class iinfo:
    """Limits of an integer dtype.

    Attributes:
        bits: size of a number.
        max: largest number.
        min: smallest number.

    Raises:
        TypeError: the dtype is not an integer type.

    Example:
        >>> iinfo(int8).max
        127
    """

    def __init__(self, type: dtype) -> None:
        if type.category != 1:
            raise TypeError(f"trainctl.iinfo() requires an integer dtype, got {type}; use trainctl.finfo")
        limits = numpy.iinfo(type.array_dtype)
        self.dtype = type.name
        self.bits = type.itemsize * 8
        self.max, self.min = int(limits.max), int(limits.min)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"
