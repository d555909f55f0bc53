"""Whole parts, remainders and steps: functions whose derivative is 0 or 1 almost everywhere."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import check_divisor, div, mul, neg, zeros_as
from trainctl.autograd.ops.cast import binary, check_some_tensor, check_tensor, refuse
from trainctl.autograd.ops.comparison import where
from trainctl.autograd.ops.elementary import of_two_tensors, through_float32
from trainctl.autograd.tensor import Tensor

METHODS = "ceil floor fmod frac heaviside nextafter remainder round trunc fix=trunc"
IN_PLACE = METHODS
FUNCTIONS = METHODS


class Whole(Op):
    """A whole number near each element, by the name of the array function; its derivative is 0."""

    function: str

    def forward(self, x: Any, out: Any = None) -> Any:
        return getattr(self.xp, self.function)(x, out=out)

    def backward(self, gy: Tensor) -> Any:
        return zeros_as(gy)


def _whole(op: str, function: str, input: Tensor) -> Tensor:
    """Return the whole numbers; integers are copied.

    Raises:
        TypeError: ``input`` is no tensor.
        NotImplementedError: bool or complex elements.
    """
    check_tensor(op, input, "input")
    refuse("bc", op, input)
    return input.clone() if input._array.dtype.kind in "ui" else Whole.apply(input, function=function)


def ceil(input: Tensor) -> Tensor:
    """Return the smallest whole number that is no smaller than each element."""
    return _whole("ceil", "ceil", input)


def floor(input: Tensor) -> Tensor:
    """Return the largest whole number that is no larger than each element."""
    return _whole("floor", "floor", input)


def trunc(input: Tensor) -> Tensor:
    """Return each element without its fraction."""
    return _whole("trunc", "trunc", input)


class Round(Whole):
    """The nearest multiple of ``10 ** -decimals``."""

    decimals: int

    def forward(self, x: Any, out: Any = None) -> Any:
        xp = self.xp
        scale = xp.power(10.0, xp.asarray(abs(self.decimals), xp.float64)).astype(x.dtype)
        up, down = (xp.multiply, xp.true_divide) if self.decimals > 0 else (xp.true_divide, xp.multiply)
        return down(xp.rint(up(x, scale)), scale, out=out)


def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """Return each element rounded to ``decimals`` places, halves to the even neighbour.

    Args:
        input: floating-point elements; integers only where ``decimals`` is 0.
        decimals: places after the point; negative ones are before it.

    Raises:
        NotImplementedError: bool or complex elements, or places of integers.

    Example:
        >>> import trainctl
        >>> round(trainctl.tensor([0.5, 1.5, 2.26])), round(trainctl.tensor([2.26]), decimals=1)
        (tensor([0., 2., 2.]), tensor([2.3000]))
    """
    if decimals == 0:
        return _whole("round", "rint", input)
    check_tensor("round", input, "input")
    refuse("buic", "round", input)
    return through_float32(lambda x: Round.apply(x, decimals=decimals), input)


class Frac(Op):
    def forward(self, x: Any, out: Any = None) -> Any:
        return self.xp.subtract(x, self.xp.trunc(x), out=out)

    def backward(self, gy: Tensor) -> Any:
        return gy


def frac(input: Tensor) -> Tensor:
    """Return the fraction of each element, of its sign."""
    check_tensor("frac", input, "input")
    refuse("buic", "frac", input)
    return Frac.apply(input)


class Fmod(Op):
    saves = (0, 1)

    def forward(self, x: Any, y: Any, out: Any = None) -> Any:
        return self.xp.fmod(x, y, out=out)

    def backward(self, gy: Tensor) -> Any:
        x, y = self.saved
        return gy, neg(mul(gy, div(x, y, rounding_mode="trunc"))) if self.needs(1) else None


def fmod(input: Tensor, other: Any) -> Tensor:
    """Return ``input - trunc(input / other) * other``, of the dividend's sign.

    Raises:
        RuntimeError: an integer divided by 0.
        NotImplementedError: bool or complex operands.
    """
    check_tensor("fmod", input, "input")
    check_divisor("fmod", input, other)
    return binary(Fmod, input, other)


class Remainder(Op):
    saves = (0, 1)

    def forward(self, x: Any, y: Any, out: Any = None) -> Any:
        xp = self.xp
        if xp.result_type(x, y).kind != "f":
            return xp.remainder(x, y, out=out)
        rest = xp.fmod(x, y)  # a rest of 0 keeps the sign of the dividend, as in PyTorch
        return xp.where((rest != 0) & ((rest < 0) != (y < 0)), rest + y, rest)

    def backward(self, gy: Tensor) -> Any:
        x, y = self.saved
        return gy, neg(mul(gy, div(x, y, rounding_mode="floor"))) if self.needs(1) else None


def remainder(input: Any, other: Any) -> Tensor:
    """Return ``input - floor(input / other) * other``, of the divisor's sign.

    Raises:
        RuntimeError: an integer divided by 0; bool or complex operands.
    """
    check_some_tensor("remainder", input, other)
    check_divisor("remainder", input, other)
    return binary(Remainder, input, other)


class Heaviside(Op):
    """Has no derivative, as in PyTorch."""

    def forward(self, x: Any, values: Any, out: Any = None) -> Any:
        return self.xp.where(x == 0, values, x > 0).astype(x.dtype)


def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """Return 0 for negative elements, 1 for positive ones and ``values`` for 0; shapes broadcast.

    Raises:
        RuntimeError: the dtypes differ, or are complex.
    """
    check_tensor("heaviside", input, "input")
    check_tensor("heaviside", values, "values")
    if "c" in input._array.dtype.kind + values._array.dtype.kind:
        raise RuntimeError("heaviside is not yet implemented for complex tensors.")
    if input._array.dtype != values._array.dtype:
        raise RuntimeError(f"heaviside needs tensors of one dtype, got {input.dtype.name} and {values.dtype.name}")
    return binary(Heaviside, input, values)


class Nextafter(Op):
    saves = (0, 1)

    def forward(self, x: Any, y: Any, out: Any = None) -> Any:
        return self.xp.nextafter(x, y, out=out)

    def backward(self, gy: Tensor) -> Any:
        x, y = self.saved
        return where(x == y, 0, gy), zeros_as(gy)


def nextafter(input: Tensor, other: Tensor) -> Tensor:
    """Return the next representable number after ``input`` towards ``other``; shapes broadcast."""
    return of_two_tensors(Nextafter, "nextafter", input, other, "buic")
