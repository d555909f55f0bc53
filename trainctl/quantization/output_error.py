"""The error that a change of a layer's weights makes in its output, on calibration data."""

from __future__ import annotations

from typing import Any

import numpy

from trainctl.autograd.ops.creation import from_numpy
from trainctl.autograd.ops.joining import cat
from trainctl.autograd.tensor import Tensor

Array = numpy.ndarray[Any, Any]

_SUMMED = 512  # inputs up to which sums over all data are kept, [K, K]; past that, some of the rows
_ROWS = 4096


class OutputError:
    """``mean ||(W + delta) s - W x||^2``: x is what the float layer takes, s what it takes after layers are rounded.

    Args:
        weight: ``W``, float32 ``[O, K]``.
        groups: parts of the rows with inputs of their own.
        batches: how many there will be.
        batch_size: rows that :meth:`sampled` looks at, where K is too large for sums.
        seed: of which rows these are.

    Attributes:
        outputs: O.
        signal: ``mean ||W x||^2``.
    """

    def __init__(self, weight: Array, groups: int, batches: int, batch_size: int, seed: int) -> None:
        self.outputs, self.inputs = weight.shape
        self._weight = from_numpy(weight.reshape(groups, self.outputs // groups, self.inputs))
        self._summed = self.inputs <= _SUMMED
        self._random, self._batch_size = numpy.random.default_rng(seed), batch_size
        self._quota = max(1, _ROWS // batches)
        self._count = 0
        self._signal = self._apart = 0.0
        if self._summed:
            self._square: Any = numpy.zeros((groups, self.inputs, self.inputs))
            self._cross: Any = numpy.zeros(self._weight.shape)
        self._kept: list[tuple[Tensor, Tensor]] = []

    def add(self, seen: Array, x: Array) -> None:
        """Take rows of inputs ``[G, n, K]``: after rounding, and the float model's.

        Raises:
            ValueError: one is not finite.
        """
        if not numpy.isfinite(seen).all() or not numpy.isfinite(x).all():
            raise ValueError("what it takes on the calibration data is not finite")
        if not self._summed and seen.shape[1] > self._quota:
            some = numpy.sort(self._random.choice(seen.shape[1], self._quota, replace=False))
            seen, x = seen[:, some], x[:, some]
        taken, expected = from_numpy(numpy.ascontiguousarray(seen)), from_numpy(numpy.ascontiguousarray(x))
        across = self._weight.transpose(1, 2)
        apart = (expected - taken) @ across
        self._count += seen.shape[1]
        self._signal += _sum_of_squares((expected @ across).numpy())
        self._apart += _sum_of_squares(apart.numpy())
        if self._summed:
            self._square += (taken.transpose(1, 2) @ taken).numpy()
            self._cross += (apart.transpose(1, 2) @ taken).numpy()
        else:
            self._kept.append((taken, apart))

    @property
    def signal(self) -> float:
        """The mean square of the float output, summed over the outputs."""
        return self._signal / max(1, self._count)

    def whole(self, delta: Array) -> float:
        """Return the error of a change ``[O, K]`` on all rows that are kept."""
        if not self._count:
            return 0.0
        change = delta.reshape(self._weight.shape)
        if self._summed:
            wide = change.astype(numpy.float64)
            return float((wide * (wide @ self._square - 2 * self._cross)).sum() + self._apart) / self._count
        across = from_numpy(numpy.ascontiguousarray(change)).transpose(1, 2)
        return sum(_sum_of_squares((taken @ across - apart).numpy()) for taken, apart in self._kept) / self._count

    def prepare(self, delta: Array) -> None:
        """Get ready for :meth:`sampled`, which counts in units of what a change makes on its own: ``mean ||delta s||^2``."""
        if self._summed:
            wide = delta.reshape(self._weight.shape).astype(numpy.float64)
            unit = max(float((wide * (wide @ self._square)).sum()), numpy.finfo(numpy.float64).tiny)
            self._square_now, self._cross_now = (
                from_numpy((each / unit).astype(numpy.float32)) for each in (self._square, 2 * self._cross)
            )
            return
        self._taken, self._apart_rows = (cat(list(parts), 1) for parts in zip(*self._kept, strict=True))
        across = from_numpy(numpy.ascontiguousarray(delta)).reshape(self._weight.shape).transpose(1, 2)
        own = _sum_of_squares((self._taken @ across).numpy()) / self._count
        self._unit = max(own, float(numpy.finfo(numpy.float32).tiny))

    def sampled(self, delta: Tensor) -> Tensor:
        """Return the error of a change ``[O, K]``, up to a constant: of all rows, or of some of them drawn anew."""
        change = delta.reshape(self._weight.shape)
        if self._summed:
            return (change * (change @ self._square_now - self._cross_now)).sum()
        some = from_numpy(self._random.integers(0, self._count, self._batch_size))
        off = self._taken.index_select(1, some) @ change.transpose(1, 2) - self._apart_rows.index_select(1, some)
        return off.square().sum() * (1 / (self._batch_size * self._unit))


def _sum_of_squares(values: Array) -> float:
    return float(numpy.square(values, dtype=numpy.float64).sum())
