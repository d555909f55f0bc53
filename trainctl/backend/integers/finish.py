"""What is made of sums of products."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy

from trainctl.backend.affine import QParams, quantize
from trainctl.backend.arrays import Array
from trainctl.backend.integers.weights import EXACT, IntegerWeights

_LONG = 1 << 11  # elements of a row that NumPy's loops have no trouble with


@dataclass(frozen=True, eq=False)
class Finish:
    """What is made of sums of products ``[M, N]``: codes of the grid ``y``, or float32 where that is None.

    Sums are of 32 bits and wrap, as ONNX's do; it takes 33,000 products of the largest codes.

    Attributes:
        x: the grid of the input.
        weights: the weights.
        bias: int32 ``[N]``, in units of the product of both scales, as ONNX's QLinearConv has it; None: none.
        y: the grid of the output.
        relu: whether what is below 0 becomes 0.
    """

    x: QParams
    weights: IntegerWeights
    bias: Array | None = None
    y: QParams | None = None
    relu: bool = False

    @property
    def dtype(self) -> str:
        """The output's dtype."""
        return "float32" if self.y is None else self.y.dtype

    @functools.cached_property
    def multiplier(self) -> Array:
        """What the sums of each output are multiplied by, float32 ``[N]``."""
        with numpy.errstate(all="ignore"):
            scale = self.x.scale * self.weights.scale
            return scale if self.y is None else scale / self.y.scale

    @functools.cached_property
    def lowest(self) -> int:
        """The lowest code of the output."""
        assert self.y is not None
        return max(self.y.quant_min, int(self.y.zero_point)) if self.relu else self.y.quant_min

    @functools.cached_property
    def offset(self) -> Array:
        """The bias, int32 ``[N]``."""
        return numpy.zeros(len(self.weights.codes), numpy.int32) if self.bias is None else self.bias

    @functools.cached_property
    def _float_offset(self) -> Array | None:
        """The bias as float32, if that has it exactly: added to sums that are exact, it is rounded once, as int32 is."""
        is_exact = not self.offset.size or int(numpy.abs(self.offset.astype(numpy.int64)).max()) <= EXACT
        return self.offset.astype(numpy.float32) if is_exact else None

    @functools.cached_property
    def channels_last(self) -> Finish:
        """The same for weights ``[O, K]`` in the order in which windows see images that lie channels last."""
        return Finish(self.x, self.weights.channels_last, self.bias, self.y, self.relu)

    @functools.cached_property
    def made(self) -> dict[Any, Any]:
        """What ways of computing have made of the layer, by their names and options."""
        return {}

    @numpy.errstate(all="ignore")
    def __call__(self, sums: Array, out: Array | None = None) -> Array:
        """Return the output ``[M, N]``.

        Args:
            sums: int32; or float32 that are exact, which are written over.
            out: where to put it.
        """
        values = self._with_offset(sums)
        _by_row(numpy.multiply, values, self.multiplier)
        if self.y is None:
            return self._as_float(values, out)
        numpy.rint(values, out=values)
        if self.y.zero_point:
            values += numpy.float32(self.y.zero_point)
        numpy.fmax(values, self.lowest, out=values)
        numpy.minimum(values, self.y.quant_max, out=values)
        if out is None:
            return values.astype(self.y.dtype)
        numpy.copyto(out, values, casting="unsafe")
        return out

    def _with_offset(self, sums: Array) -> Array:
        if sums.dtype == numpy.float32 and self._float_offset is not None:
            return _by_row(numpy.add, sums, self._float_offset)  # even nothing: it makes 0 of -0
        return numpy.add(sums.astype(numpy.int32, copy=False), self.offset).astype(numpy.float32)

    def _as_float(self, values: Array, out: Array | None) -> Array:
        if self.relu:
            numpy.maximum(values, 0, out=values)
            values += 0  # which of 0 and -0 is the larger, processors do not agree on
        if out is None:
            return values
        numpy.copyto(out, values)
        return out


def _by_row(change: Any, rows: Array, values: Array) -> Array:
    """Change rows ``[M, N]`` by a value for each column, in place: many short rows as few long ones, which takes less."""
    count, columns = rows.shape
    together = min(count, _LONG // max(1, columns))
    whole = count // together * together if together > 1 and rows.flags.c_contiguous else 0
    if whole:
        long = rows[:whole].reshape(-1, together * columns)
        change(long, numpy.tile(values, together), out=long)
    change(rows[whole:], values, out=rows[whole:])
    return rows


def bias_codes(bias: Any, x: QParams, weights: IntegerWeights) -> Array | None:
    """Return a float bias ``[N]`` as int32, in units of the product of both scales; None stays None."""
    if bias is None:
        return None
    with numpy.errstate(all="ignore"):
        scale = x.scale * weights.scale
    return quantize(numpy.asarray(bias, numpy.float32), QParams(scale, 0, "int32", axis=0))
