"""Comparisons, logic, and choice between elements."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import binary, check_broadcast
from trainctl.autograd.ops.cast import promote
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes


def _comparison(function: str, text: str) -> tuple[type[Op], Any]:
    """Make the op and the public function of one comparison."""

    class Compare(Op):
        differentiable = False

        def forward(self, x: Any, y: Any, out: Any = None) -> Any:
            return getattr(self.xp, function)(x, y, out=out)

    def compare(input: Any, other: Any) -> Tensor:
        return binary(Compare, input, other)

    Compare.__name__ = "".join(part.title() for part in function.split("_"))
    compare.__doc__ = f"Return, as bool, {text}; shapes broadcast."
    return Compare, compare


Eq, eq = _comparison("equal", "whether the elements are equal")
Ne, ne = _comparison("not_equal", "whether the elements differ")
Lt, lt = _comparison("less", "whether ``input`` is smaller")
Le, le = _comparison("less_equal", "whether ``input`` is smaller or equal")
Gt, gt = _comparison("greater", "whether ``input`` is larger")
Ge, ge = _comparison("greater_equal", "whether ``input`` is larger or equal")
LogicalAnd, logical_and = _comparison("logical_and", "whether both are nonzero")
LogicalOr, logical_or = _comparison("logical_or", "whether either is nonzero")
LogicalXor, logical_xor = _comparison("logical_xor", "whether exactly one is nonzero")
BitwiseAnd, bitwise_and = _comparison("bitwise_and", "the bits set in both")
BitwiseOr, bitwise_or = _comparison("bitwise_or", "the bits set in either")
BitwiseXor, bitwise_xor = _comparison("bitwise_xor", "the bits set in one alone")


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
    if input._array.dtype.kind in "fc":
        raise RuntimeError(f"bitwise_not is not implemented for {input.dtype}: expected bool or an integer type")
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
        RuntimeError: ``condition`` is not bool, or the shapes do not broadcast.
    """
    if input is None and other is None:
        return tuple(Tensor._wrap(each) for each in condition._xp.nonzero(condition._array))
    if condition._array.dtype.kind != "b":
        raise RuntimeError(
            f"where expected condition to be a boolean tensor, but got a tensor with dtype {condition.dtype}"
        )
    input, other = promote(input, other)
    for each in (input, other):
        if isinstance(each, Tensor):
            check_broadcast(condition._array.shape, each._array.shape)
    kind = next((each._array.dtype for each in (input, other) if isinstance(each, Tensor)), None)
    if kind is None:
        kind = dtypes.of_number(input).array_dtype
    xp = condition._xp
    numbers_as_arrays = (
        each if isinstance(each, Tensor) else Tensor._wrap(xp.asarray(each, kind)) for each in (input, other)
    )
    return Where.apply(condition, *numbers_as_arrays)


def equal(input: Tensor, other: Tensor) -> bool:
    """Return whether two tensors have the same shape and elements."""
    return bool(input._xp.array_equal(input._array, other._array))


def isclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Tensor:
    """Return whether ``|input - other| <= atol + rtol * |other|`` for each element."""
    return Tensor._wrap(input._xp.isclose(input._array, other._array, rtol, atol, equal_nan))


def allclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    """Return whether all elements are close, as :func:`isclose` tells it."""
    return bool(isclose(input, other, rtol, atol, equal_nan)._array.all())
