"""Counts: of elements in bins, of whole numbers, of elements that are not 0."""

from __future__ import annotations

import math
from typing import Any

from trainctl.autograd.dims import numpy_names, wrap_dims
from trainctl.autograd.op import Op
from trainctl.autograd.ops.cast import check_tensor, refuse
from trainctl.autograd.ops.reduction import sum
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

METHODS = "histc bincount count_nonzero"
FUNCTIONS = "histc bincount count_nonzero"


class Histogram(Op):
    """How many elements lie in each of the equal bins of a range; those outside are not counted.

    A range of one point stands for that of the elements, or where they are equal for one of 2 about them.
    """

    differentiable = False
    bins: int
    low: float
    high: float

    def forward(self, x: Any, out: Any = None) -> Any:
        xp = self.xp
        low, high = xp.asarray(self.low, x.dtype), xp.asarray(self.high, x.dtype)
        if self.low == self.high and x.size:
            low, high = x.min(), x.max()
        low, high = xp.where(low == high, low - 1, low), xp.where(low == high, high + 1, high)
        inside = (x >= low) & (x <= high)  # a NaN is neither
        places = ((xp.where(inside, x, low) - low) * self.bins / (high - low)).astype(xp.int64)
        places = xp.where(inside, xp.minimum(places, self.bins - 1), self.bins)
        return xp.bincount(places.reshape(-1), minlength=self.bins + 1)[: self.bins].astype(x.dtype)


def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """Return how many elements lie in each of ``bins`` equal bins from ``min`` to ``max``, in the input's dtype.

    Args:
        input: floating-point elements, of any shape; those outside the range are not counted.
        bins: how many.
        min: lower end of the range; where both ends are equal, the range is that of the elements.
        max: upper end, which belongs to the last bin.

    Raises:
        RuntimeError: no bins, or a range that is empty or infinite.
        NotImplementedError: not a floating-point type.

    Example:
        >>> import trainctl
        >>> trainctl.histc(trainctl.tensor([1.0, 2.0, 1.0]), bins=4, min=0, max=3)
        tensor([0., 2., 1., 0.])
    """
    check_tensor("histc", input, "input")
    refuse("buic", "histc", input)
    if bins <= 0:
        raise RuntimeError(f"histc: bins must be > 0, but got {bins}")
    if min > max:
        raise RuntimeError(f"histc: max must be larger than min, got the range [{min:g}, {max:g}]")
    ends = [float(min), float(max)]
    if min == max and input._array.size and input._xp.on_host:
        ends = [input._array.min().item(), input._array.max().item()]
    if not all(map(math.isfinite, ends)):
        raise RuntimeError(f"histc: range of [{ends[0]:g}, {ends[1]:g}] is not finite")
    return Histogram.apply(input, bins=bins, low=min, high=max)


class BinCount(Op):
    replays = False
    differentiable = False
    minlength: int

    def forward(self, x: Any, weights: Any = None, out: Any = None) -> Any:
        return self.xp.bincount(x, weights, self.minlength)


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """Return how often each whole number from 0 to the largest occurs.

    Args:
        input: integers ``[n]``, none negative.
        weights: ``[n]``, added up instead of ones; the sums are float64 (float32 for float32 weights).
        minlength: the result has at least so many elements.

    Raises:
        RuntimeError: another shape, negative numbers, or a negative ``minlength``.
        NotImplementedError: not an integer type.

    Example:
        >>> import trainctl
        >>> trainctl.bincount(trainctl.tensor([1, 3, 1]))
        tensor([0, 2, 0, 1])
    """
    check_tensor("bincount", input, "input")
    refuse("bfc", "bincount", input)
    if minlength < 0:
        raise RuntimeError(f"minlength should be >= 0, got {minlength}")
    if input._array.ndim != 1 or (input._xp.on_host and input._array.size and input._array.min() < 0):
        raise RuntimeError(f"bincount only supports 1-d non-negative integral inputs, got shape {list(input.shape)}")
    if weights is not None and weights._array.shape != input._array.shape:
        raise RuntimeError(
            "weights should be 1-d and have the same length as input: "
            f"got shapes {list(weights.shape)} and {list(input.shape)}"
        )
    if weights is None or input._array.size == 0:  # no elements: int64 zeros, weights or not
        return BinCount.apply(input, minlength=minlength)
    sums = BinCount.apply(input, weights.to(dtypes.float64), minlength=minlength)
    return sums.to(dtypes.float32) if weights.dtype is dtypes.float32 else sums


@numpy_names
def count_nonzero(input: Tensor, dim: Any = None) -> Tensor:
    """Return how many elements over ``dim`` (an int, several, or None for all) are not 0, as int64.

    Raises:
        IndexError: no such dim.
        RuntimeError: a dim twice.

    Example:
        >>> import trainctl
        >>> trainctl.tensor([[1, 0], [2, 3]]).count_nonzero(dim=0)
        tensor([2, 1])
    """
    check_tensor("count_nonzero", input, "input")
    return sum(input != 0, wrap_dims(dim, input._array.ndim))
