"""The loops of :mod:`trainctl.plan.kernels.normalization`, over ``[rows, columns]``.

What is given for each column has as many elements as there are columns, or a divisor of that: then it repeats.
``scratch`` is ``[4, columns]``.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy

from trainctl.backend import jit

_BLOCK = 32  # rows whose sums are formed in float32


@jit.kernel("void(f4[:,::1], f8[::1], f8[::1], f4[:,::1])")
def column_moments(x: Any, mean: Any, square: Any, scratch: Any) -> None:
    """Leave each column's mean and its sum of squares around it; a block joins those before it (Chan et al., 1979)."""
    total, apart = scratch[0], scratch[1]
    mean[:] = 0
    square[:] = 0
    for start in range(0, x.shape[0], _BLOCK):
        end = min(start + _BLOCK, x.shape[0])
        total[:] = 0
        apart[:] = 0
        for i in range(start, end):
            row = x[i]
            for j in range(row.size):
                total[j] += row[j]
        scale = numpy.float32(1 / (end - start))
        for j in range(total.size):
            total[j] *= scale
        for i in range(start, end):
            row = x[i]
            for j in range(row.size):
                distance = row[j] - total[j]
                apart[j] += distance * distance
        share = (end - start) / end
        for j in range(total.size):
            step = total[j] - mean[j]
            mean[j] += step * share
            square[j] += apart[j] + step * step * share * start


@jit.kernel("void(f8[::1], f8[:,::1], f8[:,::1], f4[::1], f4[::1])")
def combine_moments(counts: Any, means: Any, squares: Any, center: Any, var: Any) -> None:
    """Leave the moments of all parts together, ``[parts, columns]``, of which a column stands there several times over."""
    columns = center.size
    times, total = means.shape[1] // columns, 0.0
    for count in counts:
        total += count * times
    for j in range(columns):
        mean, square = 0.0, 0.0
        for i in range(counts.size):
            for k in range(j, means.shape[1], columns):
                mean += means[i, k] * (counts[i] / total)
        for i in range(counts.size):
            for k in range(j, means.shape[1], columns):
                apart = means[i, k] - mean
                square += squares[i, k] + apart * apart * counts[i]
        center[j], var[j] = mean, square / total


@jit.kernel("void(f4[:,::1], f4[:,::1], f4[::1], f4[::1], f4[::1], f4[::1], f4, f4[:,::1])")
def column_standardize(x: Any, y: Any, center: Any, var: Any, weight: Any, bias: Any, eps: Any, scratch: Any) -> None:
    """Leave ``(x - center) / sqrt(var + eps) * weight + bias`` in ``y``."""
    middle, scale, shift = scratch[0], scratch[1], scratch[2]
    for j in range(middle.size):
        middle[j], shift[j] = center[j % center.size], bias[j % bias.size]
        scale[j] = weight[j % weight.size] / sqrt(var[j % var.size] + eps)
    for i in range(x.shape[0]):
        row, out = x[i], y[i]
        for j in range(row.size):
            out[j] = (row[j] - middle[j]) * scale[j] + shift[j]


@jit.kernel("void(f4[:,::1], f4[:,::1], f4[::1], f4[::1], f4, f8[:,::1], f4[:,::1])")
def column_sums(gy: Any, x: Any, center: Any, var: Any, eps: Any, sums: Any, scratch: Any) -> None:
    """Leave each column's sum of ``gy`` and of ``gy`` times the standardized ``x``."""
    middle, scale, given, along = scratch[0], scratch[1], scratch[2], scratch[3]
    for j in range(middle.size):
        middle[j], scale[j] = center[j % center.size], 1 / sqrt(var[j % var.size] + eps)
    first, second = sums[0], sums[1]
    first[:] = 0
    second[:] = 0
    for start in range(0, x.shape[0], _BLOCK):
        given[:] = 0
        along[:] = 0
        for i in range(start, min(start + _BLOCK, x.shape[0])):
            row, g = x[i], gy[i]
            for j in range(row.size):
                given[j] += g[j]
                along[j] += g[j] * (row[j] - middle[j])
        for j in range(middle.size):
            first[j] += given[j]
            second[j] += along[j] * scale[j]


@jit.kernel("void(f8[:,:,::1], f8, b1, f8[:,::1], f4[::1], f4[::1])")
def combine_sums(sums: Any, count: Any, centered: Any, means: Any, along: Any, given: Any) -> None:
    """Leave the means of what :func:`column_sums` sums in ``means [2, columns]``, and its sums in ``given`` and ``along``.

    ``sums [parts, 2, columns]``, where a column stands several times over; those of size 0 are not wanted.
    """
    columns = means.shape[1]
    for j in range(columns):
        first, second = 0.0, 0.0
        for i in range(sums.shape[0]):
            for k in range(j, sums.shape[2], columns):
                first += sums[i, 0, k]
                second += sums[i, 1, k]
        if given.size > 0:
            given[j] = first
        if along.size > 0:
            along[j] = second
        means[0, j], means[1, j] = first / count if centered else 0.0, second / count


@jit.kernel("void(f4[:,::1], f4[:,::1], f4[::1], f4[::1], f4[::1], f4, f8[:,::1], f4[:,::1], f4[:,::1])")
def column_gradient(
    gy: Any, x: Any, center: Any, var: Any, weight: Any, eps: Any, means: Any, gx: Any, scratch: Any
) -> None:
    """Leave the gradient of ``x``, given the means of what :func:`column_sums` sums: ``[2, columns]``."""
    middle, slope, offset, scale = scratch[0], scratch[1], scratch[2], scratch[3]
    for j in range(middle.size):
        inverse = 1 / sqrt(var[j % var.size] + eps)
        middle[j] = center[j % center.size]
        slope[j] = means[1, j % means.shape[1]] * inverse
        offset[j] = means[0, j % means.shape[1]]
        scale[j] = inverse * weight[j % weight.size]
    for i in range(x.shape[0]):
        row, g, out = x[i], gy[i], gx[i]
        for j in range(row.size):
            out[j] = (g[j] - offset[j] - (row[j] - middle[j]) * slope[j]) * scale[j]


@jit.kernel("void(f4[:,::1], f4[::1], f4[::1])")
def row_moments(x: Any, center: Any, var: Any) -> None:
    """Leave each row's mean and variance."""
    for i in range(x.shape[0]):
        row, total, apart = x[i], 0.0, 0.0
        for j in range(row.size):
            total += row[j]
        middle = numpy.float32(total / row.size)
        for j in range(row.size):
            distance = row[j] - middle
            apart += distance * distance
        center[i], var[i] = middle, apart / row.size


@jit.kernel("void(f4[:,::1], f4[:,::1], f4[::1], f4[::1], f4[::1], f4[::1], f4)")
def row_standardize(x: Any, y: Any, center: Any, var: Any, weight: Any, bias: Any, eps: Any) -> None:
    """Leave ``(x - center) / sqrt(var + eps) * weight + bias`` in ``y``; center and var are of rows."""
    for i in range(x.shape[0]):
        row, out, middle = x[i], y[i], center[i % center.size]
        scale = numpy.float32(1 / sqrt(var[i] + eps))
        for j in range(row.size):
            out[j] = (row[j] - middle) * scale * weight[j] + bias[j]


@jit.kernel("void(f4[:,::1], f4[:,::1], f4[::1], f4[::1], f4[::1], f4, f4, f4[:,::1], f4[:,::1])")
def row_gradient(
    gy: Any, x: Any, center: Any, var: Any, weight: Any, eps: Any, centered: Any, gx: Any, gw: Any
) -> None:
    """Leave the gradient of ``x`` and, unless it has no rows, of the weight in each row; ``centered``: 1, or 0 without a mean."""
    for i in range(x.shape[0]):
        row, g, out, middle = x[i], gy[i], gx[i], center[i % center.size]
        scale = numpy.float32(1 / sqrt(var[i] + eps))
        total, along = 0.0, 0.0
        for j in range(row.size):
            slope = g[j] * weight[j]
            total += slope
            along += slope * (row[j] - middle)
        offset = numpy.float32(total / row.size) * centered
        factor = numpy.float32(along / row.size) * scale * scale
        for j in range(row.size):
            out[j] = (g[j] * weight[j] - offset - (row[j] - middle) * factor) * scale
        if gw.shape[0] > 0:
            product = gw[i]
            for j in range(row.size):
                product[j] = g[j] * ((row[j] - middle) * scale)
