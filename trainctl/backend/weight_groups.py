"""Weights in few bits, in groups along the input that each have a scale; and codes of few bits packed into bytes."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy

from trainctl.backend.arrays import Array

_FACTORS = 1 + numpy.arange(4, -25, -1, dtype=numpy.float32) / 40  # 1.1 to 0.4 of a group's range
_TOO_LARGE = "a weight is too large: its nearest code stands for more than float32 holds"
_ELEMENTS = 1 << 18  # that are looked at together: what a cache holds


@dataclass(frozen=True)
class GroupFormat:
    """How weights are kept in few bits.

    Affine grids are the default: on trained and on normal weights in groups of 32 at 4 bits their error is 0.7 to 1.5 dB
    below that of symmetric ones, for 4 bits more a group. Scales in float16 halve what the scales take; since codes are
    chosen for the scale as it is kept, that costs less than 0.001 dB.

    Attributes:
        bits: 2 to 8.
        group_size: weights along the input that share a scale; None: a whole row.
        symmetric: codes around 0 (at 4 bits -8..7, at 8 bits -127..127), instead of from 0 with a zero point.
        scale_dtype: ``float16`` or ``float32``.

    Raises:
        ValueError: another value.

    Example:
        >>> GroupFormat(bits=4, symmetric=True).codes
        (-8, 7)
    """

    bits: int = 4
    group_size: int | None = 32
    symmetric: bool = False
    scale_dtype: str = "float16"

    def __post_init__(self) -> None:
        whole = isinstance(self.bits, int) and not isinstance(self.bits, bool)
        if not whole or not 2 <= self.bits <= 8:
            raise ValueError(f"bits must be a whole number from 2 to 8, got {self.bits!r}")
        size = self.group_size
        if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 1):
            raise ValueError(f"group_size must be a positive whole number, or None for a whole row, got {size!r}")
        if self.scale_dtype not in ("float16", "float32"):
            raise ValueError(f"scale_dtype must be 'float16' or 'float32', got {self.scale_dtype!r}")

    @property
    def codes(self) -> tuple[int, int]:
        """The lowest and the highest code."""
        if not self.symmetric:
            return 0, 2**self.bits - 1
        half = 2 ** (self.bits - 1)
        return (-half if self.bits < 8 else 1 - half), half - 1

    def groups(self, inputs: int) -> int:
        """Return how many groups a row of so many weights has; the last one may be shorter."""
        return -(-inputs // self.size(inputs))

    def size(self, inputs: int) -> int:
        """Return how many weights of such a row share a scale, 1 at least."""
        return max(1, inputs if self.group_size is None else min(self.group_size, inputs))

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes, for JSON; ``GroupFormat(**them)`` is this format."""
        return asdict(self)


ROWS_OF_8_BITS = GroupFormat(8, None, symmetric=True, scale_dtype="float32")


@dataclass(frozen=True, eq=False)
class GroupedWeight:
    """A matrix of weights as codes.

    Attributes:
        codes: int8 (symmetric) or uint8, ``[O, K]``.
        scale: float16 or float32, ``[O, groups]``.
        zero_point: uint8 ``[O, groups]``; None: symmetric.
        form: what they follow.
    """

    codes: Array
    scale: Array
    zero_point: Array | None
    form: GroupFormat

    def dequantize(self) -> Array:
        """Return float32 ``[O, K]``."""
        inputs = self.codes.shape[1]
        whole = self.codes.astype(numpy.float32)
        if self.zero_point is not None:
            whole -= self.spread(self.zero_point.astype(numpy.float32), inputs)
        whole *= self.spread(self.scale.astype(numpy.float32), inputs)
        return whole

    def spread(self, values: Array, inputs: int) -> Array:
        """Return one value a group ``[O, groups]`` as one a weight ``[O, K]``."""
        return numpy.repeat(values, self.form.size(inputs), axis=1)[:, :inputs]


def quantize_groups(weight: Array, form: GroupFormat) -> GroupedWeight:
    """Return weights ``[O, K]`` rounded to the nearest code of their group's grid.

    Below 8 bits a grid is the one of least squared error, of those that span the group's range or a part of it. Scales
    are float32 after all where float16 cannot hold the largest of them as a normal number.

    Raises:
        ValueError: a weight is not finite, or too large for its grid.

    Example:
        >>> found = quantize_groups(numpy.float32([[-1, 0, 0.5, 2]]), GroupFormat(4))
        >>> found.codes, found.zero_point
        (array([[ 0,  5,  8, 15]], dtype=uint8), array([[5]], dtype=uint8))
    """
    weight = numpy.asarray(weight, numpy.float32)
    if not numpy.isfinite(weight).all():
        raise ValueError("a weight is not finite in float32")
    outputs, inputs = weight.shape
    padded = numpy.zeros((outputs, form.groups(inputs) * form.size(inputs)), numpy.float32)
    padded[:, :inputs] = weight
    with numpy.errstate(over="ignore", invalid="ignore"):  # a scale past the largest number is not chosen, or refused
        scale, zero_point, kept_as = _grids(padded.reshape(-1, form.size(inputs)), form)
    points = None if form.symmetric else zero_point.astype(numpy.uint8).reshape(outputs, form.groups(inputs))
    if not numpy.isfinite(scale).all():
        raise ValueError(_TOO_LARGE)
    grid = GroupedWeight(
        weight, scale.reshape(outputs, form.groups(inputs)), points, replace(form, scale_dtype=kept_as)
    )
    found = replace(grid, codes=nearest_codes(weight, grid))
    with numpy.errstate(over="ignore"):
        if not numpy.isfinite(found.dequantize()).all():
            raise ValueError(_TOO_LARGE)
    return found


def nearest_codes(weight: Array, grid: GroupedWeight) -> Array:
    """Return the codes ``[O, K]`` of other weights on the grid of a matrix of them."""
    inputs = weight.shape[1]
    codes = numpy.rint(weight / grid.spread(grid.scale.astype(numpy.float32), inputs))
    if grid.zero_point is not None:
        codes += grid.spread(grid.zero_point.astype(numpy.float32), inputs)
    return numpy.clip(codes, *grid.form.codes).astype(numpy.int8 if grid.form.symmetric else numpy.uint8)


def _grids(groups: Array, form: GroupFormat) -> tuple[Array, Array, str]:
    """Return the scale and the zero point of each group ``[size]``, and what a scale is kept as."""
    low, high = form.codes
    exponent = int(numpy.frexp(numpy.abs(groups).max(initial=0))[1])
    small = numpy.ldexp(groups, -exponent)  # up to 1: squares neither overflow nor vanish
    unit, zero_point = _whole_range(small, form)
    largest = numpy.ldexp(float(unit.max(initial=0)), exponent)
    fits = largest == 0 or numpy.finfo(numpy.float16).tiny <= largest <= numpy.finfo(numpy.float16).max
    kept_as = form.scale_dtype if fits else "float32"
    least = numpy.finfo(kept_as).smallest_subnormal

    def kept(scale: Array) -> Array:
        """Return a scale as it is kept, 1 for a group of zeros."""
        return numpy.where(
            scale > 0, numpy.maximum(numpy.ldexp(scale, exponent).astype(kept_as), least), least.dtype.type(1)
        )

    best = kept(unit)
    step = max(1, _ELEMENTS // groups.shape[1])
    for start in range(0, len(groups) if form.bits < 8 else 0, step):
        some = slice(start, start + step)
        error = numpy.full(small[some].shape[0], numpy.inf, numpy.float32)
        for factor in _FACTORS:
            scale = kept(unit[some] * factor)
            at = numpy.ldexp(scale.astype(numpy.float32), -exponent)[:, None]
            point = zero_point[some, None]
            off = (numpy.clip(numpy.rint(small[some] / at) + point, low, high) - point) * at - small[some]
            its_error = numpy.einsum("gk,gk->g", off, off)
            best[some] = numpy.where(its_error < error, scale, best[some])
            error = numpy.minimum(its_error, error)
    return best, zero_point, kept_as


def _whole_range(groups: Array, form: GroupFormat) -> tuple[Array, Array]:
    """Return the scales of grids that span each group's range, and the zero points; both of ``[G]``, float32."""
    high = numpy.float32(form.codes[1])
    if form.symmetric:
        largest = numpy.abs(groups).max(1, initial=0)
        return largest / high, numpy.zeros_like(largest)
    least = groups.min(1, initial=0)
    unit = (groups.max(1, initial=0) - least) / high
    return unit, numpy.rint(-least / numpy.where(unit > 0, unit, numpy.float32(1)))


def pack(codes: Array, bits: int) -> Array:
    """Return codes of few bits as bytes, one after the other in their array's order, the lowest bits first.

    At 4 bits that is two codes a byte, the first in the low half, as ONNX keeps ``int4`` and ``uint4``.

    Example:
        >>> pack(numpy.uint8([1, 2, 15]), 4)
        array([33, 15], dtype=uint8)
    """
    each = numpy.ascontiguousarray(codes).view(numpy.uint8).reshape(-1, 1)
    return numpy.packbits(each >> numpy.arange(bits, dtype=numpy.uint8) & 1, bitorder="little")


def unpack(packed: Array, bits: int, shape: tuple[int, ...], signed: bool) -> Array:
    """Return the codes that :func:`pack` has packed: int8 or uint8.

    Raises:
        ValueError: another number of bytes than so many codes take.

    Example:
        >>> unpack(numpy.uint8([33, 15]), 4, (3,), signed=True)
        array([ 1,  2, -1], dtype=int8)
    """
    count = math.prod(shape)
    if packed.size != packed_size(count, bits):
        raise ValueError(f"{count} codes of {bits} bits take {packed_size(count, bits)} bytes, got {packed.size}")
    wide = numpy.zeros((count, 8), numpy.uint8)
    wide[:, :bits] = numpy.unpackbits(packed, count=count * bits, bitorder="little").reshape(count, bits)
    if signed:
        wide[:, bits:] = wide[:, bits - 1 : bits]  # the sign
    codes = numpy.packbits(wide, axis=1, bitorder="little").reshape(shape)
    return codes.view(numpy.int8) if signed else codes


def packed_size(count: int, bits: int) -> int:
    """Return how many bytes so many codes take.

    Example:
        >>> packed_size(3, 4)
        2
    """
    return -(-count * bits // 8)
