"""Numbers on a grid of integers: ``real = (code - zero_point) * scale``, rounded by the rules that ONNX fixes.

A real number is divided by the scale in float32 and rounded to the nearest, ties to even, before the zero point is added;
a sum of products (int32) is multiplied by one float32 instead. Both saturate. So the same codes come out on any machine.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy

from trainctl.backend.arrays import Array

_RANGES = {"uint8": (0, 255), "int8": (-128, 127), "int32": (-(2**31), 2**31 - 1)}


@dataclass(frozen=True)
class QParams:
    """A grid.

    Attributes:
        scale: the distance of two neighbours, float32: a number, or ``[C]`` along ``axis``.
        zero_point: the code of 0: a number, or int32 ``[C]`` along ``axis``.
        dtype: what the codes are kept as: ``uint8``, ``int8`` or ``int32``.
        quant_min: the lowest code; default: the dtype's.
        quant_max: the highest.
        axis: the dim that ``scale`` and ``zero_point`` are along; None: one for all.

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
        low, high = _RANGES[self.dtype]
        set_field = object.__setattr__  # what a frozen dataclass leaves for derived fields
        set_field(self, "scale", numpy.float32(self.scale) if self.axis is None else numpy.float32(self.scale).ravel())
        set_field(self, "quant_min", low if self.quant_min is None else self.quant_min)
        set_field(self, "quant_max", high if self.quant_max is None else self.quant_max)

    def along(self, values: Any, ndim: int) -> Any:
        """Return ``scale`` or ``zero_point`` so that it broadcasts over an array of ``ndim`` dims."""
        if self.axis is None:
            return values
        shape = [1] * ndim
        shape[self.axis] = -1
        return numpy.reshape(values, shape)


def quantize(x: Array, qparams: QParams, out: Array | None = None) -> Array:
    """Return the codes of float numbers.

    Example:
        >>> quantize(numpy.float32([-0.1, 0.25, 0.75, 99.0]), QParams(0.5, 10, "uint8"))
        array([ 10,  10,  12, 208], dtype=uint8)
    """
    codes = numpy.rint(x / qparams.along(qparams.scale, x.ndim))
    codes += qparams.along(numpy.float32(qparams.zero_point), x.ndim)
    return _saturated(codes, qparams, out)


def dequantize(codes: Array, qparams: QParams, out: Array | None = None) -> Array:
    """Return the float32 numbers that codes stand for.

    Example:
        >>> dequantize(numpy.uint8([10, 12]), QParams(0.5, 10, "uint8"))
        array([0., 1.], dtype=float32)
    """
    zero_point = qparams.along(numpy.int32(qparams.zero_point), codes.ndim)
    whole = numpy.subtract(codes, zero_point, dtype=numpy.int32).astype(numpy.float32)
    return numpy.multiply(whole, qparams.along(qparams.scale, codes.ndim), out=out)


def requantize(sums: Array, multiplier: Any, qparams: QParams, out: Array | None = None) -> Array:
    """Return the codes of sums of products.

    Args:
        sums: int32.
        multiplier: float32 that broadcasts over ``sums``: scales of both factors, over the scale of the result.
        qparams: the grid of the result.
        out: where to put it.
    """
    codes = numpy.rint(sums.astype(numpy.float32) * multiplier)
    codes += numpy.float32(qparams.zero_point)
    return _saturated(codes, qparams, out)


def _saturated(codes: Array, qparams: QParams, out: Array | None) -> Array:
    numpy.clip(codes, qparams.quant_min, qparams.quant_max, out=codes)
    if out is None:
        return codes.astype(qparams.dtype)
    out[...] = codes
    return out
