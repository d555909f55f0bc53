"""The loops of :mod:`trainctl.plan.kernels.rectified_norm`: those of :mod:`~trainctl.plan.kernels.normalization_loops` and a ReLU.

What is given for each column repeats, and ``scratch`` is, as it is there.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy

from trainctl.backend import jit

_BLOCK = 32  # rows whose sums are formed in float32


@jit.kernel(
    "void(f4[:,::1], f4[:,::1], f4[:,::1], f4[::1], f4[::1], f4[::1], f4[::1], f4, f4[:,::1])",
)
def column_standardize_rectify(
    x: Any, other: Any, y: Any, center: Any, var: Any, weight: Any, bias: Any, eps: Any, scratch: Any
) -> None:
    """Leave ``relu((x - center) / sqrt(var + eps) * weight + bias + other)`` in ``y``; ``other`` of no rows is none."""
    middle, scale, shift = scratch[0], scratch[1], scratch[2]
    for j in range(middle.size):
        middle[j], shift[j] = center[j % center.size], bias[j % bias.size]
        scale[j] = weight[j % weight.size] / sqrt(var[j % var.size] + eps)
    for i in range(x.shape[0]):
        row, out = x[i], y[i]
        if other.shape[0] > 0:
            beside = other[i]
            for j in range(row.size):
                found = (row[j] - middle[j]) * scale[j] + shift[j] + beside[j]
                out[j] = numpy.float32(0) if found <= 0 else found
        else:
            for j in range(row.size):
                found = (row[j] - middle[j]) * scale[j] + shift[j]
                out[j] = numpy.float32(0) if found <= 0 else found


@jit.kernel(
    "void(f4[:,::1], f4[:,::1], f4[:,::1], f4[:,::1], f4[:,::1], f4[::1], f4[::1], f4, f8[:,::1], f4[:,::1])",
)
def column_sums_rectified(
    gy: Any, more: Any, y: Any, x: Any, given: Any, center: Any, var: Any, eps: Any, sums: Any, scratch: Any
) -> None:
    """Leave each column's sum of ``g = (gy + more) * (y != 0)``, and of ``g`` times the standardized ``x``; ``g`` in ``given``.

    ``more`` of no rows is none, and ``given`` of none is not wanted; ``scratch [5, columns]``.
    """
    middle, scale, total, along, line = scratch[0], scratch[1], scratch[2], scratch[3], scratch[4]
    first, second = sums[0], sums[1]
    for j in range(middle.size):
        middle[j], scale[j] = center[j % center.size], 1 / sqrt(var[j % var.size] + eps)
        first[j], second[j] = 0, 0
    for start in range(0, x.shape[0], _BLOCK):
        for j in range(middle.size):
            total[j], along[j] = 0, 0
        for i in range(start, min(start + _BLOCK, x.shape[0])):
            row, g, out = x[i], line if given.shape[0] == 0 else given[i], y[i]
            one = gy[i]
            if more.shape[0] > 0:
                two = more[i]
                for j in range(row.size):
                    g[j] = (one[j] + two[j]) * numpy.float32(out[j] != 0)
            else:
                for j in range(row.size):
                    g[j] = one[j] * numpy.float32(out[j] != 0)
            for j in range(row.size):
                total[j] += g[j]
                along[j] += g[j] * (row[j] - middle[j])
        for j in range(middle.size):
            first[j] += total[j]
            second[j] += along[j] * scale[j]


@jit.kernel("void(f4[:,::1], f4[:,::1], f4[:,::1], f4[::1], f4[::1], f4[::1], f4, f8[:,::1], f4[:,::1], f4[:,::1])")
def column_gradient_rectified(
    gy: Any, y: Any, x: Any, center: Any, var: Any, weight: Any, eps: Any, means: Any, gx: Any, scratch: Any
) -> None:
    """Leave the gradient of ``x``, given the means of what :func:`column_sums_rectified` sums: ``[2, columns]``."""
    middle, slope, offset, scale = scratch[0], scratch[1], scratch[2], scratch[3]
    for j in range(middle.size):
        inverse = 1 / sqrt(var[j % var.size] + eps)
        middle[j] = center[j % center.size]
        slope[j] = means[1, j % means.shape[1]] * inverse
        offset[j] = means[0, j % means.shape[1]]
        scale[j] = inverse * weight[j % weight.size]
    for i in range(x.shape[0]):
        row, g, above, out = x[i], gy[i], y[i], gx[i]
        for j in range(row.size):
            given = g[j] * numpy.float32(above[j] != 0)
            out[j] = (given - offset[j] - (row[j] - middle[j]) * slope[j]) * scale[j]
