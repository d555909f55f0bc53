"""Arithmetic on two operands: promotion, broadcasting, and what follows from them."""

from __future__ import annotations

import math
from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.cast import is_weak, promote, to_float
from trainctl.autograd.tensor import Tensor


def binary(cls: type[Op], x: Any, y: Any) -> Tensor:
    """Apply an op of two operands (tensors or numbers) after promotion; shapes broadcast.

    Raises:
        RuntimeError: the shapes do not broadcast.
    """
    if isinstance(x, Tensor) and isinstance(y, Tensor):
        if x._array.dtype != y._array.dtype:
            x, y = promote(x, y)
        if x._array.shape != y._array.shape:
            check_broadcast(x._array.shape, y._array.shape)
    elif not (isinstance(x, Tensor) and is_weak(x, y)) and not (isinstance(y, Tensor) and is_weak(y, x)):
        x, y = promote(x, y)
    return cls.apply(x, y)


def check_broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    """Raise RuntimeError, naming the dimension, if two shapes do not broadcast."""
    for back in range(1, min(len(a), len(b)) + 1):
        if a[-back] != b[-back] and a[-back] != 1 and b[-back] != 1:
            raise RuntimeError(
                f"The size of tensor a ({a[-back]}) must match the size of tensor b ({b[-back]}) "
                f"at non-singleton dimension {max(len(a), len(b)) - back}: shapes {list(a)} and {list(b)}"
            )


class Add(Op):
    def forward(self, x: Any, y: Any, out: Any = None) -> Any:
        return self.xp.add(x, y, out=out)

    def backward(self, gy: Tensor) -> Any:
        return gy, gy


def add(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """Return ``input + alpha * other``."""
    return binary(Add, input, other if alpha == 1 else mul(other, alpha))


class Sub(Op):
    def forward(self, x: Any, y: Any, out: Any = None) -> Any:
        return self.xp.subtract(x, y, out=out)

    def backward(self, gy: Tensor) -> Any:
        return gy, neg(gy) if self.needs(1) else None


def sub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """Return ``input - alpha * other``.

    Raises:
        RuntimeError: both are bool.
    """
    if _is_bool(input) and _is_bool(other):
        raise RuntimeError(
            "Subtraction, the `-` operator, with two bool tensors is not supported. "
            "Use the `^` or `logical_xor()` operator instead."
        )
    return binary(Sub, input, other if alpha == 1 else mul(other, alpha))


def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """Return ``other - alpha * input``."""
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
    if rounding_mode == "floor":
        return binary(FloorDivide, input, other)
    if rounding_mode == "trunc":
        return binary(TruncDivide, input, other)
    raise RuntimeError(f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'")


def _floats(*operands: Any) -> tuple[Any, ...]:
    """Return operands of a true division: all-integer ones in the default floating-point dtype."""
    return tuple(to_float(each) for each in promote(*operands)) if _all_integers(operands) else operands


def _all_integers(operands: tuple[Any, ...]) -> bool:
    return all(
        each._array.dtype.kind in "bui" if isinstance(each, Tensor) else isinstance(each, int) for each in operands
    )


class FloorDivide(Op):
    differentiable = False

    def forward(self, x: Any, y: Any, out: Any = None) -> Any:
        return self.xp.floor_divide(x, y, out=out)


class TruncDivide(Op):
    differentiable = False

    def forward(self, x: Any, y: Any, out: Any = None) -> Any:
        xp = self.xp
        if x.dtype.kind == "f" if hasattr(x, "dtype") else isinstance(x, float):
            return xp.trunc(xp.true_divide(x, y), out=out)
        floor, rest = xp.floor_divide(x, y), xp.remainder(x, y)
        return xp.add(floor, (rest != 0) & ((rest < 0) != (xp.asarray(x) < 0)), out=out, dtype=floor.dtype)


def floor_divide(input: Any, other: Any) -> Tensor:
    """Return the quotient rounded down."""
    return binary(FloorDivide, input, other)


class Remainder(Op):
    saves = (0, 1)

    def forward(self, x: Any, y: Any, out: Any = None) -> Any:
        return self.xp.remainder(x, y, out=out)

    def backward(self, gy: Tensor) -> Any:
        x, y = self.saved
        return gy, neg(mul(gy, floor_divide(x, y))) if self.needs(1) else None


def remainder(input: Any, other: Any) -> Tensor:
    """Return ``input - floor(input / other) * other``, of the divisor's sign."""
    return binary(Remainder, input, other)


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
        if isinstance(y, (int, float)) and y == 2:
            return self.xp.multiply(x, x, out=out)
        return self.xp.power(x, y, out=out)

    def backward(self, gy: Tensor) -> Any:
        x, y, z = self.saved
        gx = mul(gy, conj(mul(pow(x, y - 1), y))) if self.needs(0) and not _is_zero(y) else None
        gp = None
        if self.needs(1):
            from trainctl.autograd.ops.comparison import where

            base_is_zero = (x == 0) if isinstance(x, Tensor) else Tensor._wrap(self.xp.asarray(x == 0))
            from trainctl.autograd.ops.elementwise import log

            logarithm = log(x) if isinstance(x, Tensor) else _log_number(x)
            gp = where(base_is_zero & (y >= 0), 0.0, mul(gy, conj(mul(z, logarithm))))
        return gx, gp


def _is_zero(y: Any) -> bool:
    return not isinstance(y, Tensor) and y == 0


def _log_number(x: Any) -> float:
    return math.log(x) if x > 0 else -math.inf if x == 0 else math.nan


def pow(input: Any, exponent: Any) -> Tensor:
    """Return ``input ** exponent``.

    Raises:
        RuntimeError: integers to a negative integer power.
    """
    if isinstance(exponent, int) and exponent < 0 and isinstance(input, Tensor) and input._array.dtype.kind in "ui":
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
        return _share(self, gy, x > y, x == y)


class Minimum(Op):
    saves = (0, 1)

    def forward(self, x: Any, y: Any, out: Any = None) -> Any:
        return self.xp.minimum(x, y, out=out)

    def backward(self, gy: Tensor) -> Any:
        x, y = self.saved
        return _share(self, gy, x < y, x == y)


def _share(node: Op, gy: Tensor, first: Tensor, tie: Tensor) -> tuple[Any, Any]:
    """Give the gradient to whichever operand was chosen, half each on a tie."""
    kind = gy.dtype
    weight = add(first.to(kind), mul(tie.to(kind), 0.5))
    return mul(gy, weight) if node.needs(0) else None, mul(gy, rsub(weight, 1)) if node.needs(1) else None


def maximum(input: Tensor, other: Tensor) -> Tensor:
    """Return the larger of two elements; NaN if either is."""
    return binary(Maximum, input, other)


def minimum(input: Tensor, other: Tensor) -> Tensor:
    """Return the smaller of two elements; NaN if either is."""
    return binary(Minimum, input, other)


class Clamp(Op):
    saves = (0,)
    low: Any
    high: Any

    def forward(self, x: Any, out: Any = None) -> Any:
        if self.low is not None:
            x = out = self.xp.maximum(x, self.low, out=out)
        return x if self.high is None else self.xp.minimum(x, self.high, out=out)

    def backward(self, gy: Tensor) -> Any:
        (x,) = self.saved
        inside = x >= self.low if self.low is not None else x <= self.high
        if self.low is not None and self.high is not None:
            inside = inside & (x <= self.high)
        return mul(gy, inside)


def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Return each element limited to ``[min, max]``; bounds are numbers or tensors.

    Raises:
        RuntimeError: neither bound is given.
    """
    if min is None and max is None:
        raise RuntimeError("clamp: At least one of 'min' or 'max' must not be None")
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        input = input if min is None else maximum(input, _tensor_like(min, input))
        return input if max is None else minimum(input, _tensor_like(max, input))
    input, low, high = promote(input, 0 if min is None else min, 0 if max is None else max)
    return Clamp.apply(input, low=None if min is None else low, high=None if max is None else high)


def _tensor_like(value: Any, input: Tensor) -> Tensor:
    return value if isinstance(value, Tensor) else Tensor._wrap(input._xp.asarray(value, input._array.dtype))
