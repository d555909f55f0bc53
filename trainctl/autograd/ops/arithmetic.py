"""Arithmetic on two operands."""

from __future__ import annotations

import cmath
import math
from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.cast import (
    binary,
    cast,
    check_broadcast,
    check_some_tensor,
    check_tensor,
    checked,
    is_weak,
    number_first,
    refuse,
    result_type,
    to_float,
    wrapped,
)
from trainctl.autograd.ops.quantization import is_quantized, on_its_grid
from trainctl.autograd.tensor import Tensor

METHODS = (
    "add sub rsub mul div floor_divide neg pow conj maximum minimum clamp multiply=mul "
    "divide=div subtract=sub true_divide=div"
)
IN_PLACE = "add sub mul div floor_divide neg pow clamp multiply=mul divide=div subtract=sub true_divide=div"
FUNCTIONS = METHODS


class Add(Op):
    def forward(self, x: Any, y: Any, out: Any = None) -> Any:
        return self.xp.add(x, y, out=out)

    def backward(self, gy: Tensor) -> Any:
        return gy, gy


def add(input: Any, other: Any, legacy: Any = None, *, alpha: Any = 1) -> Tensor:
    """Return ``input + alpha * other``."""
    if legacy is not None:
        raise number_first("add", "input, other, alpha=number")
    return binary(Add, input, other if alpha == 1 else mul(other, alpha))


class Sub(Op):
    def forward(self, x: Any, y: Any, out: Any = None) -> Any:
        return self.xp.subtract(x, y, out=out)

    def backward(self, gy: Tensor) -> Any:
        return gy, neg(gy) if self.needs(1) else None


def sub(input: Any, other: Any, legacy: Any = None, *, alpha: Any = 1) -> Tensor:
    """Return ``input - alpha * other``.

    Raises:
        RuntimeError: either is bool.
    """
    if legacy is not None:
        raise number_first("sub", "input, other, alpha=number")
    if _is_bool(input) or _is_bool(other):
        raise RuntimeError(
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, use "
            "the `~` or `logical_not()` operator instead; for the difference of two masks, `^` or `logical_xor()`."
        )
    return binary(Sub, input, other if alpha == 1 else mul(other, alpha))


def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """Return ``other - alpha * input``."""
    check_tensor("rsub", input, "input")
    return sub(other, input, alpha=alpha)


def _is_bool(x: Any) -> bool:
    return isinstance(x, bool) or (isinstance(x, Tensor) and x._array.dtype.kind == "b")


class Mul(Op):
    saves = (0, 1)

    def forward(self, x: Any, y: Any, out: Any = None) -> Any:
        return self.xp.multiply(x, y, out=out)

    def backward(self, gy: Tensor) -> Any:
        x, y = self.saved
        return mul(gy, conj(y)) if self.needs(0) else None, mul(gy, conj(x)) if self.needs(1) else None


def mul(input: Any, other: Any) -> Tensor:
    """Return ``input * other``."""
    return binary(Mul, input, other)


class Div(Op):
    saves = (0, 1)

    def forward(self, x: Any, y: Any, out: Any = None) -> Any:
        return self.xp.true_divide(x, y, out=out)

    def backward(self, gy: Tensor) -> Any:
        x, y = self.saved
        gx = div(gy, conj(y)) if self.needs(0) else None
        return gx, neg(mul(gy, conj(div(div(x, y), y)))) if self.needs(1) else None


def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """Return ``input / other``; integers give the default floating-point dtype.

    Args:
        input: dividend.
        other: divisor.
        rounding_mode: None, ``"trunc"`` (towards zero) or ``"floor"``; these keep integers.

    Raises:
        RuntimeError: an unknown rounding mode.
    """
    if rounding_mode is None:
        return binary(Div, *(_floats(input, other)))
    if rounding_mode not in ("trunc", "floor"):
        raise RuntimeError(
            f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'"
        )
    check_divisor("div", input, other)
    return binary(RoundedDown if rounding_mode == "floor" else RoundedToZero, input, other)


def _floats(*operands: Any) -> tuple[Any, ...]:
    """Return operands of a true division: all-integer ones in the default floating-point dtype."""
    if not _all_integers(operands):
        return operands
    return tuple(to_float(each) if isinstance(each, Tensor) else float(each) for each in operands)


def _all_integers(operands: tuple[Any, ...]) -> bool:
    return all(
        each._array.dtype.kind in "bui" if isinstance(each, Tensor) else isinstance(each, int) for each in operands
    )


def check_divisor(op: str, input: Any, other: Any) -> None:
    """Raise an error for a quotient that has no whole part: bool, complex, or an integer by zero."""
    refuse("c", op, input, other)
    if not _all_integers((input, other)):
        return
    if _is_bool(input) and _is_bool(other):
        raise NotImplementedError(f'"{op}" not implemented for bool')
    if isinstance(other, Tensor):
        zero = other._xp.on_host and not other._array.all()
    else:
        zero = wrapped(other, input._array.dtype) == 0
    if zero:
        raise RuntimeError("ZeroDivisionError: an integer divided by 0")


class FloorDivide(Op):
    """Has no derivative, as in PyTorch; ``div(rounding_mode="floor")`` has one, 0."""

    def forward(self, x: Any, y: Any, out: Any = None) -> Any:
        return self.xp.floor_divide(x, y, out=out)


class RoundedDown(FloorDivide):
    def backward(self, gy: Tensor) -> Any:
        return zeros_as(gy), zeros_as(gy)


class RoundedToZero(Op):
    def forward(self, x: Any, y: Any, out: Any = None) -> Any:
        xp = self.xp
        if xp.result_type(x, y).kind == "f":
            return xp.trunc(xp.true_divide(x, y), out=out)
        floor, rest = xp.floor_divide(x, y), xp.remainder(x, y)
        return xp.add(floor, (rest != 0) & ((rest < 0) != (xp.asarray(x) < 0)), out=out, dtype=floor.dtype)

    def backward(self, gy: Tensor) -> Any:
        return zeros_as(gy), zeros_as(gy)


def zeros_as(gy: Tensor) -> Tensor:
    """Return zeros of a gradient's shape and dtype."""
    return Tensor._constant(gy._xp.zeros(gy._array.shape, gy._array.dtype))


def floor_divide(input: Any, other: Any) -> Tensor:
    """Return the quotient rounded down.

    Raises:
        RuntimeError: an integer divided by 0; bool or complex operands.
    """
    check_divisor("floor_divide", input, other)
    return binary(FloorDivide, input, other)


class Neg(Op):
    def forward(self, x: Any, out: Any = None) -> Any:
        return self.xp.negative(x, out=out)

    def backward(self, gy: Tensor) -> Any:
        return neg(gy)


def neg(input: Tensor) -> Tensor:
    """Return ``-input``.

    Raises:
        RuntimeError: a bool tensor.
    """
    if _is_bool(input):
        raise RuntimeError("Negation, the `-` operator, on a bool tensor is not supported; use the `~` operator.")
    return Neg.apply(input)


class Pow(Op):
    saves = (0, 1)
    saves_output = True

    def forward(self, x: Any, y: Any, out: Any = None) -> Any:
        self.saves_output = not isinstance(y, (int, float, complex))  # read for the exponent's gradient alone
        xp = self.xp
        if isinstance(y, (int, float)) and y == 2:
            return xp.multiply(x, x, out=out)
        if self.saves_output:
            kind = xp.result_type(x, y).kind
            if kind == "i":
                return _whole_power(xp, x, y)
            if kind == "c":  # PyTorch's is exp(y log(x)), which is NaN for 0 to the power of 0
                return xp.where(xp.logical_or(x, y), xp.power(x, y), math.nan)
        return xp.power(x, y, out=out)

    def backward(self, gy: Tensor) -> Any:
        from trainctl.autograd.ops.comparison import where
        from trainctl.autograd.ops.elementwise import log

        x, y, *z = self.saved
        gx = gp = None
        if self.needs(0) and not _is_zero(y):
            gx = mul(gy, conj(mul(pow(x, y - 1), y)))
            gx = where(y == 0, 0.0, gx) if isinstance(y, Tensor) else gx
        if self.needs(1):
            logarithm = log(x) if isinstance(x, Tensor) else _log_number(x)
            base_is_zero = (x == 0) if isinstance(x, Tensor) else Tensor._constant(self.xp.asarray(x == 0))
            flat = base_is_zero & (cast(y, y.dtype.to_real()) >= 0)
            gp = where(flat, 0.0, mul(gy, conj(mul(z[0], logarithm))))
        return gx, gp


def _whole_power(xp: Any, x: Any, y: Any) -> Any:
    """Return integers to integer powers; to negative ones 0, but for the bases 1 and -1."""
    sign = xp.where(xp.bitwise_and(y, 1) == 1, x, xp.multiply(x, x))
    inverse = xp.where(xp.abs(x) == 1, sign, 0)
    kind = xp.result_type(x, y)
    return xp.where(xp.less(y, 0), inverse, xp.power(x, xp.maximum(y, 0))).astype(kind)


def _is_zero(y: Any) -> bool:
    return not isinstance(y, Tensor) and y == 0


def _log_number(x: Any) -> Any:
    if isinstance(x, complex):
        return cmath.log(x) if x else -math.inf
    return math.log(x) if x > 0 else -math.inf if x == 0 else math.nan


def pow(input: Any, exponent: Any) -> Tensor:
    """Return ``input ** exponent``.

    Raises:
        RuntimeError: integers to a negative integer power; an exponent that the dtype cannot hold.
        NotImplementedError: bool to a bool power.
    """
    is_usual = type(exponent) in (int, float) and abs(exponent) < 1024  # every floating-point type has such a number
    if is_usual and isinstance(input, Tensor) and input._array.dtype.kind == "f":
        return binary(Pow, input, exponent)
    check_some_tensor("pow", input, exponent)
    if _is_bool(input) and _is_bool(exponent):
        if isinstance(exponent, bool):
            return Tensor._wrap(input._xp.logical_or(input._array, not exponent))
        raise NotImplementedError('"pow" not implemented for bool')
    if isinstance(input, Tensor) and is_weak(input, exponent):
        checked(exponent, input._array.dtype)
    if isinstance(exponent, int) and exponent < 0 and isinstance(input, Tensor) and input._array.dtype.kind in "bui":
        raise RuntimeError("Integers to negative integer powers are not allowed.")
    return binary(Pow, input, exponent)


class Conj(Op):
    def forward(self, x: Any, out: Any = None) -> Any:
        return self.xp.conjugate(x, out=out)

    def backward(self, gy: Tensor) -> Any:
        return conj(gy)


def conj(input: Any) -> Any:
    """Return the complex conjugate; a real tensor or number is returned as it is."""
    if isinstance(input, Tensor):
        return Conj.apply(input) if input._array.dtype.kind == "c" else input
    return input.conjugate() if isinstance(input, complex) else input


class Maximum(Op):
    saves = (0, 1)

    def forward(self, x: Any, y: Any, out: Any = None) -> Any:
        return self.xp.maximum(x, y, out=out)

    def backward(self, gy: Tensor) -> Any:
        x, y = self.saved
        return _share(self, gy, x < y, x > y, x == y)


class Minimum(Op):
    saves = (0, 1)

    def forward(self, x: Any, y: Any, out: Any = None) -> Any:
        return self.xp.minimum(x, y, out=out)

    def backward(self, gy: Tensor) -> Any:
        x, y = self.saved
        return _share(self, gy, x > y, x < y, x == y)


def _share(node: Op, gy: Tensor, first_loses: Tensor, second_loses: Tensor, tie: Tensor) -> tuple[Any, Any]:
    """Give the gradient to whichever operand was chosen, half each on a tie; a NaN loses to nobody."""
    from trainctl.autograd.ops.comparison import where

    half = where(tie, mul(gy, 0.5), gy)
    gx = where(first_loses, 0, half) if node.needs(0) else None
    return gx, where(second_loses, 0, half) if node.needs(1) else None


def maximum(input: Tensor, other: Tensor) -> Tensor:
    """Return the larger of two elements; NaN if either is."""
    return _larger_or_smaller(Maximum, input, other)


def minimum(input: Tensor, other: Tensor) -> Tensor:
    """Return the smaller of two elements; NaN if either is."""
    return _larger_or_smaller(Minimum, input, other)


def _larger_or_smaller(cls: type[Op], input: Tensor, other: Tensor) -> Tensor:
    op = cls.__name__.lower()
    check_tensor(op, input, "input")
    check_tensor(op, other, "other")
    refuse("c", op, input, other)
    return binary(cls, input, other)


class Clamp(Op):
    """Limit ``x`` to ``[low, high]``; a bound is a number, an array that broadcasts, or None."""

    saves = (0, 1, 2)

    def forward(self, x: Any, low: Any, high: Any, out: Any = None) -> Any:
        if low is not None:
            x = self.xp.maximum(x, low, out=out)
        return x if high is None else self.xp.minimum(x, high, out=out)

    def backward(self, gy: Tensor) -> Any:
        from trainctl.autograd.ops.comparison import where

        x, low, high = self.saved
        both = low is not None and high is not None
        gx, glow, ghigh = gy, None, None
        if low is not None:
            gx = where(x >= low, gx, 0)
            glow = where((x < low) & (low < high) if both else x < low, gy, 0) if self.needs(1) else None
        if high is not None:
            gx = where(x <= high, gx, 0)
            ghigh = where((x > high) | (high < low) if both else x > high, gy, 0) if self.needs(2) else None
        return gx, glow, ghigh


def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Return each element limited to ``[min, max]``; bounds are numbers or tensors. ``max`` wins over ``min``.

    Raises:
        RuntimeError: neither bound is given, or complex numbers, which have no order.
    """
    if min is None and max is None:
        raise RuntimeError("clamp: At least one of 'min' or 'max' must not be None")
    if is_quantized(input):
        return on_its_grid(lambda x: clamp(x, min, max), input)
    bounds = [each for each in (min, max) if each is not None]
    refuse("c", "clamp", input, *bounds)
    kind = result_type(input, *bounds)
    for place, each in enumerate(bounds):
        bounds[place] = cast(each, kind) if isinstance(each, Tensor) else checked(each, kind.array_dtype)
        if isinstance(each, Tensor):
            check_broadcast(input._array.shape, each._array.shape)
    low = None if min is None else bounds[0]
    return Clamp.apply(cast(input, kind), low, None if max is None else bounds[-1])
