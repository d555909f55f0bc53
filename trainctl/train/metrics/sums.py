"""Sums that do not depend on the order of what is added, nor on how it is batched."""

from __future__ import annotations

import numpy as np

_LOW_BITS = 26
_LOWEST = 1073
"""A float64 is a whole number of 53 bits times 2 ** (exponent - 53); ``np.frexp`` gives no exponent below this."""
_MOST = 1 << 24
"""Values at a time, so that each partial sum of halves is a whole number that float64 holds."""


class ExactSum:
    """The sum of float64 numbers, rounded once, when it is asked for.

    Each number is split into two halves of its 53 bits; halves with the same exponent add up in whole numbers. NaN
    and infinities are kept apart, and give what adding them gives.

    Example:
        >>> total = ExactSum()
        >>> total.add(np.array([1e100, 1.0]))
        >>> total.add(np.array([-1e100]))
        >>> total.value()
        1.0
    """

    def __init__(self) -> None:
        self._units = 0  # of 2 ** -(53 + _LOWEST)
        self._not_finite = 0.0

    def add(self, values: np.ndarray) -> None:
        """Add numbers, [N]."""
        finite = np.isfinite(values)
        if not finite.all():
            with np.errstate(invalid="ignore"):
                self._not_finite += float(values[~finite].sum())
            values = values[finite]
        for start in range(0, values.size, _MOST):
            self._add_finite(values[start : start + _MOST])

    def _add_finite(self, values: np.ndarray) -> None:
        mantissas, exponents = np.frexp(values)
        whole = np.ldexp(mantissas, 53).astype(np.int64)
        smallest = int(exponents.min())
        bins = exponents - smallest
        highs = np.bincount(bins, weights=whole >> _LOW_BITS)
        lows = np.bincount(bins, weights=whole & ((1 << _LOW_BITS) - 1))
        for place in np.flatnonzero(np.bincount(bins)).tolist():
            total = (int(highs[place]) << _LOW_BITS) + int(lows[place])
            self._units += total << (place + smallest + _LOWEST)

    def value(self) -> float:
        """Return the float64 nearest to the sum."""
        if self._not_finite != 0.0:
            return self._not_finite
        try:
            return self._units / (1 << (53 + _LOWEST))
        except OverflowError:
            return float("inf") if self._units > 0 else float("-inf")


class Sums:
    """Sums of the columns of rows: exact, in whole numbers where the rows are.

    Example:
        >>> sums = Sums()
        >>> sums.add(np.array([[1, 2], [3, 4]]))
        >>> sums.values().tolist()
        [4.0, 6.0]
    """

    def __init__(self) -> None:
        self._whole: np.ndarray | int = 0
        self._floats: list[ExactSum] = []

    def add(self, rows: np.ndarray) -> None:
        """Add rows [N, K]; integers or float64, always the same."""
        if rows.dtype.kind != "f":
            self._whole = self._whole + rows.sum(axis=0, dtype=np.int64)
            return
        self._floats = self._floats or [ExactSum() for _ in range(rows.shape[1])]
        for total, column in zip(self._floats, rows.T, strict=True):
            total.add(column)

    def values(self) -> np.ndarray | None:
        """Return the sums, float64 [K]; None where no row came."""
        if self._floats:
            return np.array([total.value() for total in self._floats])
        return None if isinstance(self._whole, int) else self._whole.astype(np.float64)
