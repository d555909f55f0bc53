"""Comparisons, logic, and choice between elements."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.cast import (
    binary,
    cast,
    check_broadcast,
    check_some_tensor,
    check_tensor,
    refuse,
    result_type,
    wrapped,
)
from trainctl.autograd.state import note_read
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

METHODS = (
    "eq ne lt le gt ge logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor logical_not "
    "bitwise_not isnan isinf isfinite equal isclose allclose"
)
IN_PLACE = (
    "logical_not bitwise_and bitwise_or bitwise_xor bitwise_not logical_and logical_or logical_xor eq ne lt le gt ge"
)
FUNCTIONS = (
    "eq ne lt le gt ge logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor logical_not "
    "bitwise_not isnan isinf isfinite where equal isclose allclose"
)


def _comparison(function: str, text: str, kinds: str = "", numbers: int = 1) -> tuple[type[Op], Any]:
    """Make the op and the public function of one comparison.

    Args:
        function: the array function.
        text: what it returns.
        kinds: element kinds for which there is no such comparison.
        numbers: which operands may be Python numbers: 0 none, 1 ``other``, 2 either.
    """

    class Compare(Op):
        differentiable = False

        def forward(self, x: Any, y: Any, out: Any = None) -> Any:
            return getattr(self.xp, function)(x, y, out=out)

    def compare(input: Any, other: Any) -> Tensor:
        if numbers < 2:
            check_tensor(function, input, "input")
        else:
            check_some_tensor(function, input, other)
        if numbers < 1:
            check_tensor(function, other, "other")
        if kinds:
            refuse(kinds, function, input, other)
        return binary(Compare, input, other)

    Compare.__name__ = "".join(part.title() for part in function.split("_"))
    compare.__doc__ = f"Return, as bool, {text}; shapes broadcast."
    return Compare, compare


Eq, eq = _comparison("equal", "whether the elements are equal")
Ne, ne = _comparison("not_equal", "whether the elements differ")
Lt, lt = _comparison("less", "whether ``input`` is smaller", "c")
Le, le = _comparison("less_equal", "whether ``input`` is smaller or equal", "c")
Gt, gt = _comparison("greater", "whether ``input`` is larger", "c")
Ge, ge = _comparison("greater_equal", "whether ``input`` is larger or equal", "c")
LogicalAnd, logical_and = _comparison("logical_and", "whether both are nonzero", numbers=0)
LogicalOr, logical_or = _comparison("logical_or", "whether either is nonzero", numbers=0)
LogicalXor, logical_xor = _comparison("logical_xor", "whether exactly one is nonzero", numbers=0)
BitwiseAnd, bitwise_and = _comparison("bitwise_and", "the bits set in both", "fc", numbers=2)
BitwiseOr, bitwise_or = _comparison("bitwise_or", "the bits set in either", "fc", numbers=2)
BitwiseXor, bitwise_xor = _comparison("bitwise_xor", "the bits set in one alone", "fc", numbers=2)


class Test(Op):
    """A property of each element, by the name of the array function that tells it."""

    differentiable = False
    function: str

    def forward(self, x: Any, out: Any = None) -> Any:
        return getattr(self.xp, self.function)(x, out=out)


def logical_not(input: Tensor) -> Tensor:
    """Return whether each element is zero."""
    return Test.apply(input, function="logical_not")


def bitwise_not(input: Tensor) -> Tensor:
    """Return each element with its bits flipped (for bool: the logical not).

    Raises:
        RuntimeError: a floating-point tensor.
    """
    refuse("fc", "bitwise_not", input)
    return Test.apply(input, function="invert")


def isnan(input: Tensor) -> Tensor:
    """Return whether each element is NaN."""
    return Test.apply(input, function="isnan")


def isinf(input: Tensor) -> Tensor:
    """Return whether each element is infinite."""
    return Test.apply(input, function="isinf")


def isfinite(input: Tensor) -> Tensor:
    """Return whether each element is neither infinite nor NaN."""
    return Test.apply(input, function="isfinite")


class Where(Op):
    saves = (0,)

    def forward(self, condition: Any, x: Any, y: Any, out: Any = None) -> Any:
        chosen = self.xp.where(condition, x, y)
        if out is None:
            return chosen
        self.xp.copyto(out, chosen)
        return out

    def backward(self, gy: Tensor) -> Any:
        (condition,) = self.saved
        return (
            None,
            where(condition, gy, 0) if self.needs(1) else None,
            where(condition, 0, gy) if self.needs(2) else None,
        )


def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """Return elements of ``input`` where ``condition`` holds, else of ``other``.

    With ``condition`` alone: the indices of its nonzero elements, as ``nonzero(as_tuple=True)``.

    Raises:
        TypeError: ``condition`` is no tensor, or only one of the others is given.
        RuntimeError: ``condition`` is not bool, or the shapes do not broadcast.
    """
    check_tensor("where", condition, "condition")
    if input is None and other is None:
        return tuple(Tensor._wrap(each) for each in condition._xp.nonzero(condition._xp.atleast_1d(condition._array)))
    if input is None or other is None:
        raise TypeError("where() takes a condition alone or with both input and other")
    if condition._array.dtype == dtypes.uint8.array_dtype:
        condition = cast(condition, dtypes.bool_)
    if condition._array.dtype.kind != "b":
        raise RuntimeError(
            f"where expected condition to be a boolean tensor, but got a tensor with dtype {condition.dtype}"
        )
    kind = result_type(input, other)
    input, other = _as_tensor(input, kind, condition), _as_tensor(other, kind, condition)
    check_broadcast(input._array.shape, other._array.shape)
    check_broadcast(condition._array.shape, input._array.shape)
    check_broadcast(condition._array.shape, other._array.shape)
    return Where.apply(condition, input, other)


def _as_tensor(value: Any, kind: dtypes.dtype, like: Tensor) -> Tensor:
    """Return a tensor or number in a dtype, as a tensor where ``like`` is."""
    if isinstance(value, Tensor):
        return cast(value, kind)
    if kind is dtypes.bfloat16:
        return cast(_as_tensor(value, dtypes.float32, like), kind)
    return Tensor._constant(like._xp.asarray(wrapped(value, kind.array_dtype), kind.array_dtype))


def equal(input: Tensor, other: Tensor) -> bool:
    """Return whether two tensors have the same shape and elements."""
    check_tensor("equal", input, "input")
    check_tensor("equal", other, "other")
    note_read("equal()")
    return bool(input._xp.array_equal(input._array, other._array))


class IsClose(Op):
    differentiable = False
    rtol: float
    atol: float
    equal_nan: bool

    def forward(self, x: Any, y: Any, out: Any = None) -> Any:
        return self.xp.isclose(x, y, self.rtol, self.atol, self.equal_nan)


def isclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Tensor:
    """Return whether ``|input - other| <= atol + rtol * |other|`` for each element.

    Raises:
        RuntimeError: the dtypes differ, the shapes do not broadcast, or a tolerance is negative.
    """
    check_tensor("isclose", input, "input")
    check_tensor("isclose", other, "other")
    if input._array.dtype != other._array.dtype:
        raise RuntimeError(f"isclose: the dtypes have to be the same, got {input.dtype} and {other.dtype}")
    for name, value in (("rtol", rtol), ("atol", atol)):
        if value < 0:
            raise RuntimeError(f"{name} must be greater than or equal to zero, but got {value}")
    check_broadcast(input._array.shape, other._array.shape)
    return IsClose.apply(input, other, rtol=rtol, atol=atol, equal_nan=equal_nan)


def allclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    """Return whether all elements are close, as :func:`isclose` tells it."""
    note_read("allclose()")
    return bool(isclose(input, other, rtol, atol, equal_nan)._array.all())
