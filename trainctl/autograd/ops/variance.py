"""Variances and standard deviations, alone and with their means."""

from __future__ import annotations

import math
import warnings
from typing import Any

from trainctl.autograd.dims import numpy_names, wrap_dims
from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import mul, sub
from trainctl.autograd.ops.cast import check_tensor
from trainctl.autograd.ops.comparison import where
from trainctl.autograd.ops.elementwise import Sqrt
from trainctl.autograd.ops.reduction import mean, size_of, unreduce
from trainctl.autograd.tensor import Tensor

METHODS = "var std"
FUNCTIONS = "var std std_mean var_mean"


class Variance(Op):
    """The squared distance from the mean, summed over some dims, over ``freedom``: the number of elements less some."""

    saves = (0,)
    dims: tuple[int, ...]
    keepdim: bool
    freedom: float
    of_all: bool

    def forward(self, x: Any, out: Any = None) -> Any:
        xp, over = self.xp, {"axis": self.dims, "keepdims": True}
        wide = x.astype(xp.float32) if x.dtype == xp.float16 else x
        distance = wide - xp.sum(wide, **over) / size_of(x.shape, self.dims)
        if x.dtype.kind == "c":
            distance = xp.abs(distance)
        distance *= distance
        squares = xp.sum(distance, axis=self.dims, keepdims=self.keepdim)
        variance = xp.true_divide(squares, max(self.freedom, 0), out=out)
        return variance.astype(x.real.dtype, copy=False) if out is None else variance

    def backward(self, gy: Tensor) -> Any:
        (x,) = self.saved
        gy, centre = unreduce(gy, x._array.shape, self.dims, self.keepdim), mean(x, self.dims, True)
        if self.of_all and self.freedom <= 0:
            return mul(gy, where(x == centre, math.nan, math.inf))
        return mul(mul(gy, 2 / self.freedom if self.freedom else math.inf), sub(x, centre))


class Deviation(Sqrt):
    """The root of a variance; where that is 0 so is the gradient, for there all elements are equal."""

    def backward(self, gy: Tensor) -> Any:
        (y,) = self.saved
        return where(y == 0, 0, super().backward(gy))


@numpy_names
def var(
    input: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: float | None = None
) -> Tensor:
    """Return the variance over ``dim``: squared distance from the mean over ``N - correction`` (default 1).

    Warns:
        UserWarning: ``N`` is not larger than the correction.

    Raises:
        RuntimeError: an integer or bool tensor.

    Example:
        >>> import trainctl
        >>> trainctl.tensor([1.0, 3.0]).var(), trainctl.tensor([1.0, 3.0]).var(correction=0)
        (tensor(2.), tensor(1.))
    """
    return _variance("var", input, dim, unbiased, keepdim, correction)


@numpy_names
def std(
    input: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: float | None = None
) -> Tensor:
    """Return the standard deviation over ``dim``, the root of :func:`var`."""
    return Deviation.apply(_variance("std", input, dim, unbiased, keepdim, correction))


@numpy_names
def var_mean(
    input: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: float | None = None
) -> tuple[Tensor, Tensor]:
    """Return (variance, mean) over ``dim``; arguments as :func:`trainctl.var`.

    Raises:
        RuntimeError: an integer or bool tensor.

    Example:
        >>> import trainctl
        >>> trainctl.var_mean(trainctl.tensor([1.0, 3.0]))
        (tensor(2.), tensor(2.))
    """
    variance = _variance("var_mean", input, dim, unbiased, keepdim, correction)
    return variance, mean(input, None if isinstance(dim, bool) else dim, keepdim)


@numpy_names
def std_mean(
    input: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: float | None = None
) -> tuple[Tensor, Tensor]:
    """Return (standard deviation, mean) over ``dim``; arguments as :func:`trainctl.std`.

    Raises:
        RuntimeError: an integer or bool tensor.

    Example:
        >>> import trainctl
        >>> trainctl.std_mean(trainctl.tensor([1.0, 3.0]), correction=0)
        (tensor(1.), tensor(2.))
    """
    variance = _variance("std_mean", input, dim, unbiased, keepdim, correction)
    return Deviation.apply(variance), mean(input, None if isinstance(dim, bool) else dim, keepdim)


def _variance(op: str, input: Tensor, dim: Any, unbiased: bool, keepdim: bool, correction: float | None) -> Tensor:
    check_tensor(op, input, "input")
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if input._array.dtype.kind in "bui":
        raise RuntimeError(f"std and var only support floating point and complex dtypes, got {input.dtype.name}")
    shape = input._array.shape
    dims = wrap_dims(dim, len(shape))
    freedom = size_of(shape, dims) - ((1 if unbiased else 0) if correction is None else correction)
    if freedom <= 0:
        warnings.warn(
            f"{op}(): degrees of freedom is <= 0. Correction should be strictly less than the reduction factor (input "
            f"numel divided by output numel): shape {list(shape)} over dims {list(dims)} leaves {freedom}.",
            stacklevel=4,
        )
    return Variance.apply(input, dims=dims, keepdim=keepdim, freedom=freedom, of_all=dim is None or not shape)
