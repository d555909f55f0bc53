"""Products of float32 rows that are brought to a grid of their own first: results do not depend on the batch."""

from __future__ import annotations

import numpy

from trainctl.backend.affine import QParams, quantize
from trainctl.backend.arrays import Array
from trainctl.backend.integers import compiled, own_rows
from trainctl.backend.integers.weights import IntegerWeights


@numpy.errstate(all="ignore")
def row_grids(x: Array) -> QParams:
    """Return a grid of uint8 for each row ``[M, K]``, by the rule of ONNX's DynamicQuantizeLinear.

    It reaches from the row's lowest number to its highest, 0 included; NaN is not looked at, what is infinite counts as
    the largest float32. A row of zeros has the scale 1.
    """
    most = numpy.finfo(numpy.float32).max
    low = numpy.fmax(numpy.fmin.reduce(x, 1, initial=0), -most)
    high = numpy.fmin(numpy.fmax.reduce(x, 1, initial=0), most)
    scale = numpy.fmin(high - low, most) / numpy.float32(255)
    scale[scale == 0] = 1
    return QParams(scale, quantize(-low / scale, QParams(1.0)), axis=0)


@numpy.errstate(all="ignore")
def linear(x: Array, weights: IntegerWeights, bias: Array | None = None) -> Array:
    """Return float32 ``[M, N]`` from float32 ``[M, K]``, each row on a grid of its own.

    Args:
        x: the rows.
        weights: ``[N, K]``.
        bias: float32 ``[N]``.
    """
    if own_rows.takes(x):
        scale, zero_point, codes = own_rows.codes_of(x)
        sums = compiled.sums(codes, weights)
        return own_rows.numbers_of(sums, scale, zero_point, weights.totals, weights.scale, bias)
    grids = row_grids(x)
    codes = quantize(x, grids)
    sums = compiled.sums(codes, weights)
    sums -= grids.zero_point[:, None] * weights.totals
    values = sums.astype(numpy.float32)
    values *= grids.scale[:, None] * weights.scale
    return values if bias is None else numpy.add(values, bias, out=values)
