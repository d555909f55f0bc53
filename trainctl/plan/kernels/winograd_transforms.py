"""The four small linear maps of Winograd's convolution F(4x4, 3x3), along one dim and over both.

A convolution of 6 numbers with 3 that gives 4 is a product of polynomials: both are evaluated at six points, multiplied
there with 6 multiplications instead of 12, and interpolated (Winograd, 1980; Lavin and Gray, 2016). The points are 0,
3/4, -3/4, 3/2, -3/2 and infinity: with 0, 1, -1, 2, -2 the rounding error is twice as large (Barabasz et al., 2018).

Each function takes and gives a list of whatever can be added and multiplied by a number: NumPy's arrays, or the vectors
of a loop that is being compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Map = Callable[[Sequence[Any]], list[Any]]

TILE, KERNEL = 4, 3  # places along a dim that are computed at once, and a kernel's size
POINTS = TILE + KERNEL - 1

_A, _B = 0.75, 1.5
_AA, _BB = _A * _A, _B * _B
_BOTH, _PRODUCT = _AA + _BB, _AA * _BB
_SCALE_0, _SCALE_A, _SCALE_B = 1 / _PRODUCT, 1 / (2 * _AA * (_AA - _BB)), 1 / (2 * _BB * (_BB - _AA))


def of_input(x: Sequence[Any]) -> list[Any]:
    """Return what 6 numbers of an image are at the points.

    Example:
        >>> of_input([1, 0, 0, 0, 0, 0])
        [1.265625, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    even, odd = x[4] - x[2] * _BB, (x[3] - x[1] * _BB) * _A
    flat, steep = x[4] - x[2] * _AA, (x[3] - x[1] * _AA) * _B
    first, last = x[4] - x[2] * _BOTH + x[0] * _PRODUCT, x[5] - x[3] * _BOTH + x[1] * _PRODUCT
    return [first, even + odd, even - odd, flat + steep, flat - steep, last]


def of_kernel(g: Sequence[Any]) -> list[Any]:
    """Return what 3 numbers of a kernel are at the points."""
    near, far = g[1] * (_A * _SCALE_A), g[1] * (_B * _SCALE_B)
    even, flat = g[0] * _SCALE_A + g[2] * (_AA * _SCALE_A), g[0] * _SCALE_B + g[2] * (_BB * _SCALE_B)
    return [g[0] * _SCALE_0, even + near, even - near, flat + far, flat - far, g[2]]


def to_output(m: Sequence[Any]) -> list[Any]:
    """Return the 4 places, given the products at the points."""
    even, odd, flat, steep = m[1] + m[2], m[1] - m[2], m[3] + m[4], m[3] - m[4]
    return [
        m[0] + even + flat,
        odd * _A + steep * _B,
        even * _AA + flat * _BB,
        odd * (_A * _AA) + steep * (_B * _BB) + m[5],
    ]


def of_gradient(y: Sequence[Any]) -> list[Any]:
    """Return what the gradients of 4 places are at the points: :func:`to_output` the other way round."""
    even, odd = y[0] + y[2] * _AA, y[1] * _A + y[3] * (_A * _AA)
    flat, steep = y[0] + y[2] * _BB, y[1] * _B + y[3] * (_B * _BB)
    return [y[0], even + odd, even - odd, flat + steep, flat - steep, y[3]]


def to_kernel(s: Sequence[Any]) -> list[Any]:
    """Return the gradients of a kernel's 3 numbers, given sums of products: :func:`of_kernel` the other way round."""
    even, odd, flat, steep = s[1] + s[2], s[1] - s[2], s[3] + s[4], s[3] - s[4]
    return [
        s[0] * _SCALE_0 + even * _SCALE_A + flat * _SCALE_B,
        odd * (_A * _SCALE_A) + steep * (_B * _SCALE_B),
        even * (_AA * _SCALE_A) + flat * (_BB * _SCALE_B) + s[5],
    ]


def over_both(change: Map, square: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Return a map along the columns and then along the rows of a square."""
    turned = [change(column) for column in zip(*square, strict=True)]
    return [change(row) for row in zip(*turned, strict=True)]
