"""Activations made of straight pieces."""

from __future__ import annotations

import math
from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.activation import relu
from trainctl.autograd.ops.arithmetic import mul
from trainctl.autograd.ops.assign import in_place_form
from trainctl.autograd.ops.cast import cast, check_tensor, checked, refuse
from trainctl.autograd.ops.comparison import where
from trainctl.autograd.ops.elementary import through_float32
from trainctl.autograd.ops.random import Generator, uniform
from trainctl.autograd.ops.shape import reshape
from trainctl.autograd.ops.slope import Activation, activation, in_place, written
from trainctl.autograd.tensor import Tensor

METHODS = "hardshrink prelu"
FUNCTIONS = "hardshrink prelu relu_ rrelu rrelu_ threshold threshold_"
FUNCTIONAL = (
    "hardshrink hardsigmoid hardswish hardtanh hardtanh_ leaky_relu leaky_relu_ prelu relu_ relu6 rrelu rrelu_ "
    "softshrink threshold threshold_"
)

relu_ = in_place_form("relu", relu)


class LeakyReLU(Activation):
    negative_slope: float

    def forward(self, x: Any, out: Any = None) -> Any:
        return self.xp.multiply(x, self.slope(x), out=out)

    def slope(self, x: Any) -> Any:
        return self.xp.where(x > 0, x.dtype.type(1), x.dtype.type(self.negative_slope))


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """Return each element where it is positive, else ``negative_slope`` times it.

    Example:
        >>> import trainctl
        >>> leaky_relu(trainctl.tensor([-1.0, 1.0]), 0.5)
        tensor([-0.5000,  1.0000])
    """
    return activation(LeakyReLU, "leaky_relu", input, inplace, negative_slope=negative_slope)


def rrelu(
    input: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, inplace: bool = False,
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Return each element where it is positive, else a random share of it, uniform in ``[lower, upper]``.

    Args:
        input: floating-point elements.
        lower: smallest share.
        upper: largest share.
        training: draw; else the share is always in the middle.
        inplace: write the result into ``input``.
        generator: where the shares come from.

    Raises:
        RuntimeError: ``lower`` is larger than ``upper``.
    """
    if not lower <= upper:
        raise RuntimeError(
            f"rrelu: lower bound should be less than or equal to the upper bound, got {lower} and {upper}"
        )
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    check_tensor("rrelu", input, "input")
    refuse("buic", "rrelu", input)
    shares = input._xp.from_host(uniform(input._array.shape, input._array.dtype, generator))
    slopes = where(input > 0, 1, cast(Tensor._wrap(shares * (upper - lower) + lower), input.dtype))
    return written("rrelu", lambda x: mul(x, slopes), input, inplace)


class PReLU(Op):
    saves = (0, 1)

    def forward(self, x: Any, weight: Any, out: Any = None) -> Any:
        return self.xp.where(x > 0, x, weight * x)

    def backward(self, gy: Tensor) -> Any:
        x, weight = self.saved
        positive = x > 0
        gx = where(positive, gy, mul(gy, weight)) if self.needs(0) else None
        return gx, where(positive, 0, mul(gy, x)) if self.needs(1) else None


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """Return each element where it is positive, else ``weight`` times it (He et al., 2015).

    Args:
        input: ``[N, C, *]``, or any shape with one weight.
        weight: ``[C]``, ``[1]`` or ``[]``, in the input's dtype.

    Raises:
        RuntimeError: shapes or dtypes that do not fit.
    """
    check_tensor("prelu", input, "input")
    check_tensor("prelu", weight, "weight")
    if input._array.dtype != weight._array.dtype:
        raise RuntimeError(
            f"prelu: input and weight must have one dtype, got {input.dtype.name} and {weight.dtype.name}"
        )
    refuse("buic", "prelu", input)
    shape, count = input._array.shape, weight._array.size
    if weight._array.ndim > 1:
        raise RuntimeError(f"prelu: expected weight to be a scalar or 1D tensor, got shape {list(weight.shape)}")
    if count != 1:
        channels = shape[1] if len(shape) > 1 else 1
        if count != channels or not shape:
            raise RuntimeError(
                f"prelu: the number of weights ({count}) must be 1 or the channel size ({channels}) of the input "
                f"{list(shape)}"
            )
        weight = reshape(weight, (-1, *(1,) * (len(shape) - 2)))
    elif not shape:
        weight = reshape(weight, ())
    return through_float32(PReLU.apply, input, weight)


class Hardtanh(Activation):
    low: float
    high: float

    def forward(self, x: Any, out: Any = None) -> Any:
        return self.xp.minimum(self.xp.maximum(x, self.low), self.high, out=out)

    def slope(self, x: Any) -> Any:
        return (x > self.low) & (x < self.high)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """Return each element limited to ``[min_val, max_val]``, without a gradient at either end.

    Raises:
        ValueError: ``min_val`` is larger than ``max_val``.
        RuntimeError: bool or complex elements, or negative limits of an unsigned type.
    """
    return _limited("hardtanh", input, min_val, max_val, inplace)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """Return each element limited to ``[0, 6]``."""
    return _limited("relu6", input, 0.0, 6.0, inplace)


def _limited(name: str, input: Tensor, low: float, high: float, inplace: bool) -> Tensor:
    check_tensor(name, input, "input")
    if low > high:
        raise ValueError(f"{name}: min_val cannot be greater than max_val, got {low} and {high}")
    refuse("bc", name, input)
    kind = input._array.dtype.kind
    if kind == "u" and low < 0:
        raise RuntimeError(
            f"cannot do {name} on an unsigned type with negative limits, got {low} and {input.dtype.name}"
        )
    if kind in "ui":
        low, high = int(low), int(high)
    return written(name, lambda x: Hardtanh.apply(x, low=low, high=high), input, inplace)


class Threshold(Activation):
    threshold: float
    value: float

    def forward(self, x: Any, out: Any = None) -> Any:
        return self.xp.where(x <= self.threshold, x.dtype.type(self.value), x)

    def slope(self, x: Any) -> Any:
        return self.xp.logical_not(x <= self.threshold)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """Return each element where it is above ``threshold``, else ``value``.

    Raises:
        NotImplementedError: bool or complex elements.
        RuntimeError: the dtype cannot hold ``threshold`` or ``value``.
    """
    check_tensor("threshold", input, "input")
    refuse("bc", "threshold", input)
    low, instead = (checked(each, input._array.dtype) for each in (threshold, value))
    return written("threshold", lambda x: Threshold.apply(x, threshold=low, value=instead), input, inplace)


class Hardshrink(Activation):
    lambd: float

    def forward(self, x: Any, out: Any = None) -> Any:
        return self.xp.where(self.xp.abs(x) <= self.lambd, x.dtype.type(0), x)

    def slope(self, x: Any) -> Any:
        return self.xp.abs(x) > self.lambd


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """Return each element outside ``[-lambd, lambd]``, else 0."""
    return activation(Hardshrink, "hardshrink", input, lambd=lambd)


class Softshrink(Hardshrink):
    def forward(self, x: Any, out: Any = None) -> Any:
        return self.xp.subtract(x, self.xp.minimum(self.xp.maximum(x, -self.lambd), self.lambd), out=out)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """Return each element moved towards 0 by ``lambd``, and 0 where that would pass it.

    Raises:
        RuntimeError: a negative ``lambd``.
    """
    if not 0 <= lambd < math.inf:
        raise RuntimeError(f"softshrink: lambda must be a finite number of at least 0, but found {lambd}")
    return activation(Softshrink, "softshrink", input, lambd=lambd)


class Hardsigmoid(Activation):
    def forward(self, x: Any, out: Any = None) -> Any:
        return self.xp.true_divide(self.xp.minimum(self.xp.maximum(x + 3, 0), 6), 6, out=out)

    def slope(self, x: Any) -> Any:
        sixth = self.xp.float32(1 / 6)  # PyTorch's constant for every dtype
        return self.xp.where((x > -3) & (x < 3), x.dtype.type(sixth), x.dtype.type(0))


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """Return ``x / 6 + 1 / 2`` limited to [0, 1]."""
    return activation(Hardsigmoid, "hardsigmoid", input, inplace)


class Hardswish(Activation):
    def forward(self, x: Any, out: Any = None) -> Any:
        return self.xp.true_divide(x * self.xp.minimum(self.xp.maximum(x + 3, 0), 6), 6, out=out)

    def slope(self, x: Any) -> Any:
        xp = self.xp
        return xp.where(x < 3, xp.where(x <= -3, x.dtype.type(0), x / 3 + 0.5), x.dtype.type(1))

    def bend(self, x: Tensor) -> Tensor:
        inside = (x > -3) & (x < 3)
        return inside.to(x.dtype) / 3


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """Return ``x`` times its :func:`hardsigmoid` (Howard et al., 2019)."""
    return activation(Hardswish, "hardswish", input, inplace)


hardtanh_, leaky_relu_ = in_place(hardtanh), in_place(leaky_relu)
rrelu_, threshold_ = in_place(rrelu), in_place(threshold)
