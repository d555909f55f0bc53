"""Elements limited, replaced, told apart by their sign, or chosen from two tensors."""

from __future__ import annotations

import math
from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import clamp, div, mul, zeros_as
from trainctl.autograd.ops.cast import binary, check_tensor, refuse
from trainctl.autograd.ops.comparison import eq, isfinite, isnan, where
from trainctl.autograd.ops.elementary import of_two_floats
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

METHODS = "clamp_max clamp_min clip=clamp copysign fmax fmin isneginf isposinf nan_to_num positive signbit"
IN_PLACE = "clamp_max clamp_min clip=clamp copysign nan_to_num"
FUNCTIONS = METHODS


def clamp_max(input: Tensor, max: Any) -> Tensor:
    """Return each element, or ``max`` (a number or a tensor) where that is smaller."""
    return _clamp("clamp_max", input, max=max)


def clamp_min(input: Tensor, min: Any) -> Tensor:
    """Return each element, or ``min`` (a number or a tensor) where that is larger."""
    return _clamp("clamp_min", input, min=min)


def _clamp(name: str, input: Tensor, **bound: Any) -> Tensor:
    check_tensor(name, input, "input")
    ((which, value),) = bound.items()
    if value is None:
        raise TypeError(f"{name}(): argument '{which}' must be a number or a Tensor, not NoneType")
    return clamp(input, **bound)


class Copysign(Op):
    saves = (0,)
    saves_output = True

    def forward(self, x: Any, y: Any, out: Any = None) -> Any:
        return self.xp.copysign(x, y, out=out)

    def backward(self, gy: Tensor) -> Any:
        x, z = self.saved
        gx = mul(gy, where(x == 0, 0, div(z, x))) if self.needs(0) else None
        return gx, zeros_as(gy) if self.needs(1) else None


def copysign(input: Tensor, other: Any) -> Tensor:
    """Return the magnitude of ``input`` with the sign of ``other``, zeros' included; shapes broadcast."""
    check_tensor("copysign", input, "input")
    return of_two_floats(Copysign, "copysign", input, other, second="")


class Signbit(Op):
    differentiable = False

    def forward(self, x: Any, out: Any = None) -> Any:
        return self.xp.signbit(x, out=out) if x.dtype.kind == "f" else self.xp.less(x, 0, out=out)


def signbit(input: Tensor) -> Tensor:
    """Return whether each element is negative; -0.0 is."""
    check_tensor("signbit", input, "input")
    refuse("c", "signbit", input)
    return Signbit.apply(input)


def isposinf(input: Tensor) -> Tensor:
    """Return whether each element is positive infinity."""
    return _is("isposinf", input, math.inf)


def isneginf(input: Tensor) -> Tensor:
    """Return whether each element is negative infinity."""
    return _is("isneginf", input, -math.inf)


def _is(name: str, input: Tensor, value: float) -> Tensor:
    check_tensor(name, input, "input")
    refuse("c", name, input)
    return eq(input, value)


class Fmax(Op):
    saves = (0, 1)

    def forward(self, x: Any, y: Any, out: Any = None) -> Any:
        return self.xp.fmax(x, y, out=out)

    def backward(self, gy: Tensor) -> Any:
        x, y = self.saved
        return _to_chosen(self, gy, (x >= y) | isnan(y))


class Fmin(Op):
    saves = (0, 1)

    def forward(self, x: Any, y: Any, out: Any = None) -> Any:
        return self.xp.fmin(x, y, out=out)

    def backward(self, gy: Tensor) -> Any:
        x, y = self.saved
        return _to_chosen(self, gy, (x <= y) | isnan(y))


def _to_chosen(node: Op, gy: Tensor, first: Tensor) -> tuple[Any, Any]:
    """Give the gradient to the operand that was chosen, the first one on a tie."""
    return where(first, gy, 0) if node.needs(0) else None, where(first, 0, gy) if node.needs(1) else None


def fmax(input: Tensor, other: Tensor) -> Tensor:
    """Return the larger of two elements, the other one where one is NaN; shapes broadcast."""
    return _either(Fmax, "fmax", input, other)


def fmin(input: Tensor, other: Tensor) -> Tensor:
    """Return the smaller of two elements, the other one where one is NaN; shapes broadcast."""
    return _either(Fmin, "fmin", input, other)


def _either(cls: type[Op], name: str, input: Tensor, other: Tensor) -> Tensor:
    check_tensor(name, input, "input")
    check_tensor(name, other, "other")
    refuse("c", name, input, other)
    return binary(cls, input, other)


class NanToNum(Op):
    saves = (0,)
    nan: float
    posinf: float
    neginf: float

    def forward(self, x: Any, out: Any = None) -> Any:
        if x.dtype.kind == "c":
            y = self.xp.empty_like(x)
            y.real[...], y.imag[...] = self.forward(x.real), self.forward(x.imag)
            return y
        xp = self.xp
        nan, high, low = (xp.asarray(each, x.dtype) for each in (self.nan, self.posinf, self.neginf))
        return xp.where(xp.isnan(x), nan, xp.where(x == xp.inf, high, xp.where(x == -xp.inf, low, x)))

    def backward(self, gy: Tensor) -> Any:
        (x,) = self.saved
        return where(isfinite(x), gy, 0)


def nan_to_num(
    input: Tensor, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    """Return the tensor with NaN and the infinities replaced; of a complex number in either part.

    Args:
        input: any dtype; integers are copied.
        nan: instead of NaN, default 0.
        posinf: instead of positive infinity, default the dtype's largest number.
        neginf: instead of negative infinity, default the dtype's smallest number.

    Raises:
        TypeError: a replacement is no real number.

    Example:
        >>> import trainctl
        >>> nan_to_num(trainctl.tensor([1.0, float("nan"), float("inf")]), posinf=9.0)
        tensor([1., 0., 9.])
    """
    check_tensor("nan_to_num", input, "input")
    for name, value in (("nan", nan), ("posinf", posinf), ("neginf", neginf)):
        if value is not None and not isinstance(value, (int, float)):
            raise TypeError(f"nan_to_num(): argument '{name}' must be float, not {type(value).__name__}")
    if input._array.dtype.kind in "bui":
        return input.clone()
    limits = dtypes.finfo(input.dtype)
    return NanToNum.apply(
        input,
        nan=0.0 if nan is None else nan,
        posinf=limits.max if posinf is None else posinf,
        neginf=limits.min if neginf is None else neginf,
    )


def positive(input: Tensor) -> Tensor:
    """Return the tensor itself.

    Raises:
        RuntimeError: a bool tensor.
    """
    check_tensor("positive", input, "input")
    if input._array.dtype.kind == "b":
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input
