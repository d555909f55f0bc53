"""Arrays of codes that know their grid, behind PyTorch's quantized tensors.

An array of it is a small class of its own, as :mod:`trainctl.backend.bfloat16`'s. What ops make of one is said in
:mod:`trainctl.autograd.on_codes`; whatever else would compute with it is refused.
"""

from __future__ import annotations

import math
from typing import Any, NoReturn

import numpy

from trainctl.backend import dtypes
from trainctl.backend.affine import QParams
from trainctl.backend.arrays import Array, Backend, register
from trainctl.backend.quantized_dtypes import ALL, quantized_dtype

LIMITS = {"quint8": (0, 255), "qint8": (-128, 127), "qint32": (-(2**31), 2**31 - 1), "quint4x2": (0, 15)}
_LEAST_SCALE = float(numpy.float32(6.1e-5))  # PyTorch's: no scale that is found is smaller
_LEAST_INVERTED = numpy.float32(2.0**-128)  # its reciprocal is infinite
_SHOWN = ("shape", "ndim", "size", "strides", "nbytes", "flags", "base")


class _Descriptor:
    """The element type of a :class:`QuantizedArray`, as an array's ``dtype``."""

    kind = "q"

    def __init__(self, dtype: quantized_dtype) -> None:
        self.name, self.codes, self.itemsize = dtype.name, dtype.array_dtype, dtype.itemsize

    def __repr__(self) -> str:
        return f"dtype({self.name})"

    def newbyteorder(self, _: str) -> _Descriptor:
        """Return itself: there is one order."""
        return self


_DESCRIPTORS = {each: _Descriptor(each) for each in ALL}
dtypes.FROM_ARRAY.update({descriptor: each for each, descriptor in _DESCRIPTORS.items()})


class QuantizedArray:
    """Codes and their grid: ``real = (code - zero_point) * scale``.

    Args:
        codes: uint8, int8 or int32; of ``quint4x2``, too, one to an element.
        kind: ``quint8``, ``qint8``, ``qint32`` or ``quint4x2``.
        scale: a number, kept as it was given; or float64 ``[C]`` along ``axis`` (float32 with float zero points).
        zero_point: a whole number; or int64 ``[C]``, or float32 ``[C]``.
        axis: the dim that both are along; None: one grid for all.
    """

    __array_ufunc__ = None

    def __init__(
        self, codes: Array, kind: quantized_dtype, scale: Any, zero_point: Any, axis: int | None = None
    ) -> None:
        self.codes, self.kind, self.scale, self.zero_point, self.axis = codes, kind, scale, zero_point, axis

    @property
    def dtype(self) -> _Descriptor:
        """The element type, as an array's."""
        return _DESCRIPTORS[self.kind]

    @property
    def itemsize(self) -> int:
        """The size of an element, in bytes."""
        return self.codes.itemsize

    @property
    def has_float_zero_points(self) -> bool:
        """Whether 0 may lie between two codes."""
        return self.axis is not None and self.zero_point.dtype.kind == "f"

    @property
    def qparams(self) -> QParams:
        """The grid, for products of codes; a grid with float zero points has none.

        Raises:
            RuntimeError: the zero points are float.
        """
        if self.has_float_zero_points:
            raise RuntimeError("codes with float zero points are looked up, not multiplied; dequantize() them first")
        return QParams(self.scale, self.zero_point, self.codes.dtype.name, axis=self.axis)

    def like(self, codes: Array) -> QuantizedArray:
        """Return other codes of the same grid."""
        return QuantizedArray(codes, self.kind, self.scale, self.zero_point, self.axis)

    def same_grid(self, other: QuantizedArray) -> bool:
        """Return whether equal codes stand for equal numbers in both."""
        return (
            (self.kind, self.axis) == (other.kind, other.axis)
            and bool(numpy.array_equal(self.scale, other.scale))
            and bool(numpy.array_equal(self.zero_point, other.zero_point))
        )

    @property
    def values(self) -> Array:
        """The numbers that the codes stand for, float32."""
        scale, zero_point = (_along(each, self.axis, self.codes.ndim) for each in (self.scale, self.zero_point))
        if self.has_float_zero_points:
            return (self.codes.astype(numpy.float32) - numpy.float32(zero_point)) * numpy.float32(scale)
        centred = self.codes.astype(numpy.int32) - numpy.int32(zero_point)
        return centred.astype(numpy.float32) * numpy.float32(scale)

    def quantized(self, values: Array) -> QuantizedArray:
        """Return numbers as codes of the same grid."""
        return self.like(codes_of(values, self.kind, self.scale, self.zero_point, self.axis))

    def __getattr__(self, name: str) -> Any:
        if name in _SHOWN:
            return getattr(self.codes, name)
        raise AttributeError(name)

    def __len__(self) -> int:
        return len(self.codes)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        raise TypeError(f"{self.dtype.name} has no counterpart in NumPy: use int_repr() or dequantize()")

    def copy(self, order: str = "C") -> QuantizedArray:
        """Return a copy."""
        return self.like(self.codes.copy(order))

    def reshape(self, *shape: Any) -> QuantizedArray:
        """Return the elements in another shape."""
        return self._of_one_grid("reshape").like(self.codes.reshape(*shape))

    def transpose(self, *dims: Any) -> QuantizedArray:
        """Return a view with the dims in another order."""
        return self._of_one_grid("transpose").like(self.codes.transpose(*dims))

    def _of_one_grid(self, what: str) -> QuantizedArray:
        if self.axis is not None:
            raise RuntimeError(f"{what}: a tensor with a grid for each channel keeps its shape; dequantize() it first")
        return self

    def item(self) -> float:
        """Return the one element."""
        return float(self.values.item())

    def astype(self, dtype: Any, copy: bool = True) -> NoReturn:
        """Raise RuntimeError: a cast is no dequantization."""
        raise RuntimeError(
            f"a tensor of {self.dtype.name} is not cast: dequantize() gives its numbers, int_repr() its codes"
        )


def codes_of(values: Array, kind: quantized_dtype, scale: Any, zero_point: Any, axis: int | None = None) -> Array:
    """Return float32 numbers as codes, to the bit as PyTorch quantizes them on x86.

    It multiplies by the scale's reciprocal and adds the zero point before it rounds to the nearest, ties to even:
    in one step for one grid of bytes, else in two. NaN, which PyTorch leaves open, is the highest code, or the
    lowest of 32 bits.

    Example:
        >>> from trainctl.backend.quantized_dtypes import quint8
        >>> codes_of(numpy.float32([-0.1, 0.25, 0.75, 99.0]), quint8, 0.5, 10)
        array([ 10,  10,  12, 208], dtype=uint8)
    """
    low, high = LIMITS[kind.name]
    scale, zero_point = (_along(each, axis, values.ndim) for each in (scale, zero_point))
    with numpy.errstate(all="ignore"):
        inverse = numpy.float32(1) / numpy.float32(scale)
        if axis is None and kind.itemsize == 1:
            raw = (values.astype(numpy.float64) * inverse + zero_point).astype(numpy.float32)
        else:
            raw = values * inverse + numpy.float32(zero_point)
    codes = numpy.rint(numpy.nan_to_num(raw.astype(numpy.float64), nan=low if kind.itemsize == 4 else high))
    return numpy.clip(codes, low, high).astype(kind.array_dtype)


def packed(codes: Array) -> Array:
    """Return codes from 0 to 15 two to a byte, the first in its lower half: ``[(n + 1) // 2]``.

    Example:
        >>> packed(numpy.uint8([[1, 2, 3]]))
        array([33,  3], dtype=uint8)
    """
    flat = numpy.zeros(codes.size + codes.size % 2, numpy.uint8)
    flat[: codes.size] = codes.reshape(-1)
    return flat[::2] | flat[1::2] << 4


def unpacked(halves: Array, shape: tuple[int, ...]) -> Array:
    """Return the codes that :func:`packed` packed, in their shape.

    Example:
        >>> unpacked(numpy.uint8([33, 3]), (1, 3))
        array([[1, 2, 3]], dtype=uint8)
    """
    flat = numpy.stack([halves & 15, halves >> 4], 1).reshape(-1)
    return flat[: int(numpy.prod(shape, dtype=int))].reshape(shape)


def chosen(values: Array, low: int, high: int) -> tuple[float, int]:
    """Return the scale and zero point with which codes from ``low`` to ``high`` span the values and 0, as PyTorch does.

    Raises:
        RuntimeError: a value is not finite.

    Example:
        >>> chosen(numpy.float32([0.0, 2.0]), 0, 200)
        (0.01, 0)
    """
    least, most = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    if not math.isfinite(most - least):
        raise RuntimeError("no grid spans numbers of which one is not finite: expected neither NaN nor infinity")
    scale = (most - least) / (high - low)
    if numpy.float32(scale) == 0 or numpy.float32(scale) < _LEAST_INVERTED:
        scale = 0.1
    if scale < _LEAST_SCALE:
        if least and most:
            larger = numpy.float32(_LEAST_SCALE) / numpy.float32(scale)
            least, most = float(numpy.float32(least) * larger), float(numpy.float32(most) * larger)
        else:
            least, most = (
                (-_LEAST_SCALE * (high - low) if least else 0.0),
                (_LEAST_SCALE * (high - low) if most else 0.0),
            )
        scale = _LEAST_SCALE
    nearer_least = abs(low) - abs(least / scale) < abs(high) - abs(most / scale)
    exact = low - least / scale if nearer_least else high - most / scale
    return scale, int(min(max(numpy.rint(exact), low), high))


def _along(values: Any, axis: int | None, ndim: int) -> Any:
    return values if axis is None else numpy.reshape(values, [-1 if dim == axis else 1 for dim in range(ndim)])


class QuantizedBackend(Backend):
    """What of NumPy there is for codes: to look at them and to write them."""

    def __init__(self) -> None:
        super().__init__(numpy, QuantizedArray, "cpu")

    def __getattr__(self, name: str) -> Any:
        found = getattr(numpy, name)
        if callable(found) and not isinstance(found, type):
            raise NotImplementedError(not_for_codes(name))
        return found

    def pointer(self, array: Array) -> int:
        """Return the address of the first code."""
        return super().pointer(array.codes)

    def to_host(self, array: Array) -> Any:
        """Return the numbers as float32."""
        return array.values

    def as_pickled(self, array: Array) -> QuantizedArray:
        """Return the codes with their grid."""
        return array

    def copyto(self, target: Array, source: Any, casting: str = "same_kind") -> None:
        """Write codes, or numbers, into ``target``."""
        same = isinstance(source, QuantizedArray) and source.same_grid(target)
        if same:
            target.codes[...] = source.codes
            return
        values = source.values if isinstance(source, QuantizedArray) else numpy.asarray(source, numpy.float32)
        target.codes[...] = target.quantized(values).codes

    def array_equal(self, one: Any, other: Any) -> bool:
        """Return whether two arrays hold the same codes of the same grid."""
        both = isinstance(one, QuantizedArray) and isinstance(other, QuantizedArray)
        return both and one.same_grid(other) and bool(numpy.array_equal(one.codes, other.codes))

    def may_share_memory(self, one: Array, other: Array) -> bool:
        """Return whether two arrays' memory overlaps."""
        return bool(numpy.may_share_memory(one.codes, other.codes))


def not_for_codes(what: str) -> str:
    """Return the message for what a quantized tensor cannot do."""
    return (
        f"Could not run '{what}' with arguments from the 'QuantizedCPU' backend: it is not among what can be done "
        "with a quantized tensor. Put a DeQuantStub in front of it, or use dequantize()."
    )


QUANTIZED_BACKEND = QuantizedBackend()
register(QUANTIZED_BACKEND, for_device=False)
