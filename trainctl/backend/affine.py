"""Numbers on a grid of integers: ``real = (code - zero_point) * scale``, rounded by the rules that ONNX fixes.

A real number is divided by the scale in float32 and rounded to the nearest, ties to even, before the zero point is added;
a sum of products (int32) is multiplied by one float32 instead. Both saturate. So the same codes come out on any machine:
an infinity becomes the highest or the lowest code, and NaN, of which ONNX says nothing, the lowest, as in ONNX Runtime.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy

from trainctl.backend.arrays import Array
from trainctl.backend.integers import codes as compiled
from trainctl.backend.integers.running import run

_RANGES = {"uint8": (0, 255), "int8": (-128, 127), "int32": (-(2**31), 2**31 - 1)}


@dataclass(frozen=True, eq=False)
class QParams:
    """A grid.

    Two are equal if they have the same codes for the same numbers.

    Attributes:
        scale: the distance of two neighbours, float32: a number, or ``[C]`` along ``axis``.
        zero_point: the code of 0: a number, or int32 ``[C]`` along ``axis``.
        dtype: what the codes are kept as: ``uint8``, ``int8`` or ``int32``.
        quant_min: the lowest code; default: the dtype's.
        quant_max: the highest.
        axis: the dim that ``scale`` and ``zero_point`` are along; None: one for all.

    Raises:
        ValueError: the codes, or their zero points, are not in the dtype's range, or a scale for each of a dim comes
            without ``axis``.

    Example:
        >>> QParams(0.5, 10, "uint8").quant_max
        255
    """

    scale: Any
    zero_point: Any = 0
    dtype: str = "uint8"
    quant_min: int = field(default=None)  # type: ignore[assignment]  # the dtype's, set below
    quant_max: int = field(default=None)  # type: ignore[assignment]  # the dtype's, set below
    axis: int | None = None

    def __post_init__(self) -> None:
        if self.dtype not in _RANGES:
            raise ValueError(f"codes are kept as one of {', '.join(_RANGES)}, not as {self.dtype}")
        low, high = _RANGES[self.dtype]
        set_field = object.__setattr__  # what a frozen dataclass leaves for derived fields
        set_field(self, "quant_min", low if self.quant_min is None else int(self.quant_min))
        set_field(self, "quant_max", high if self.quant_max is None else int(self.quant_max))
        if not low <= self.quant_min <= self.quant_max <= high:
            raise ValueError(f"codes of {self.dtype} are in {low} .. {high}, got {self.quant_min} .. {self.quant_max}")
        set_field(self, "scale", self._values(self.scale, numpy.float32))
        zeros = numpy.asarray(self.zero_point)
        if zeros.size and not low <= zeros.min() <= zeros.max() <= high:
            raise ValueError(f"zero points of {self.dtype} are in {low} .. {high}, got {self.zero_point}")
        set_field(self, "zero_point", self._values(zeros, numpy.int32))

    def _values(self, given: Any, dtype: Any) -> Any:
        values = numpy.asarray(given).astype(dtype)
        if self.axis is not None:
            count = numpy.size(self.scale)
            return numpy.broadcast_to(values.ravel(), (count,)) if values.size == 1 else values.ravel()
        if values.size != 1:
            raise ValueError(f"a grid with {values.size} scales or zero points needs the axis that they are along")
        return values.reshape(())[()]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, QParams):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[Any, ...]:
        zeros = self.zero_point.tobytes()
        return self.scale.tobytes(), zeros, self.dtype, self.quant_min, self.quant_max, self.axis

    def along(self, values: Any, ndim: int) -> Any:
        """Return ``scale`` or ``zero_point`` so that it broadcasts over an array of ``ndim`` dims."""
        if self.axis is None:
            return values
        shape = [1] * ndim
        shape[self.axis] = -1
        return numpy.reshape(values, shape)


@numpy.errstate(all="ignore")
def quantize(x: Array, qparams: QParams, out: Array | None = None) -> Array:
    """Return the codes of float numbers, which are rounded to float32 first.

    Example:
        >>> quantize(numpy.float32([-0.1, 0.25, 0.75, 99.0]), QParams(0.5, 10, "uint8"))
        array([ 10,  10,  12, 208], dtype=uint8)
    """
    x = x.astype(numpy.float32, copy=False)
    target = numpy.empty_like(x, qparams.dtype) if out is None else out
    calls = compiled.quantize(x, qparams, target)
    if calls is not None:
        run(calls)
        return target
    codes = numpy.asarray(numpy.divide(x, qparams.along(qparams.scale, x.ndim)))
    numpy.rint(codes, out=codes)
    return _saturated(codes, qparams, out)


@numpy.errstate(all="ignore")
def dequantize(codes: Array, qparams: QParams, out: Array | None = None) -> Array:
    """Return the float32 numbers that codes stand for.

    Example:
        >>> dequantize(numpy.uint8([10, 12]), QParams(0.5, 10, "uint8"))
        array([0., 1.], dtype=float32)
    """
    target = numpy.empty_like(codes, numpy.float32) if out is None else out
    calls = compiled.dequantize(codes, qparams, target)
    if calls is not None:
        run(calls)
        return target
    wide = numpy.int64 if codes.dtype.itemsize > 2 else numpy.int32
    zero_point = qparams.along(qparams.zero_point, codes.ndim)
    values = numpy.asarray(numpy.subtract(codes, zero_point, dtype=wide).astype(numpy.float32))
    return numpy.multiply(values, qparams.along(qparams.scale, codes.ndim), out=values if out is None else out)


@numpy.errstate(all="ignore")
def requantize(sums: Array, multiplier: Any, qparams: QParams, out: Array | None = None) -> Array:
    """Return the codes of sums of products.

    Args:
        sums: int32.
        multiplier: float32 that broadcasts over ``sums``: scales of both factors, over the scale of the result.
        qparams: the grid of the result.
        out: where to put it.
    """
    codes = numpy.asarray(numpy.multiply(sums.astype(numpy.float32), multiplier))
    return _saturated(numpy.rint(codes, out=codes), qparams, out)


def _saturated(whole: Array, qparams: QParams, out: Array | None) -> Array:
    """Return whole numbers (which are written over), counted from the zero point, as codes."""
    if qparams.dtype == "int32":  # whose codes float32 does not hold
        whole = whole.astype(numpy.float64)
    whole += qparams.along(qparams.zero_point.astype(whole.dtype), whole.ndim)
    numpy.fmax(whole, qparams.quant_min, out=whole)  # of NaN and a number, the number
    numpy.minimum(whole, qparams.quant_max, out=whole)
    if out is None:
        return whole.astype(qparams.dtype)
    numpy.copyto(out, whole, casting="unsafe")
    return out
