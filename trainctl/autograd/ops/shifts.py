"""Bits moved to the left and to the right."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.cast import binary, check_some_tensor, promote, result_type
from trainctl.autograd.tensor import Tensor

METHODS = "bitwise_left_shift bitwise_right_shift"
IN_PLACE = METHODS
FUNCTIONS = METHODS


class LeftShift(Op):
    """A shift by less than 0 bits, or by all there are, leaves nothing."""

    differentiable = False

    def forward(self, x: Any, count: Any, out: Any = None) -> Any:
        inside = _is_inside(x, count)
        return self.xp.where(inside, self.xp.left_shift(x, self.xp.where(inside, count, 0)), 0)


class RightShift(Op):
    """A shift by less than 0 bits, or by all there are, leaves the sign."""

    differentiable = False

    def forward(self, x: Any, count: Any, out: Any = None) -> Any:
        inside, last = _is_inside(x, count), 8 * x.dtype.itemsize - 1
        shifted = self.xp.right_shift(x, self.xp.where(inside, count, last))
        return shifted if x.dtype.kind == "i" else self.xp.where(inside, shifted, 0)


def _is_inside(x: Any, count: Any) -> Any:
    """Return whether a shift is one that array libraries define."""
    return (count >= 0) & (count < 8 * x.dtype.itemsize)


def bitwise_left_shift(input: Any, other: Any) -> Tensor:
    """Return ``input`` times ``2 ** other`` as far as its bits hold it.

    Args:
        input: an integer tensor, or a number where ``other`` is a tensor.
        other: by how many bits; shapes broadcast.

    Raises:
        NotImplementedError: floating-point, complex or all-bool operands.

    Example:
        >>> import trainctl
        >>> trainctl.tensor([1, 3]) << 2
        tensor([ 4, 12])
    """
    return _shift(LeftShift, "lshift", input, other)


def bitwise_right_shift(input: Any, other: Any) -> Tensor:
    """Return ``input`` divided by ``2 ** other``, rounded down; arguments and errors as :func:`bitwise_left_shift`.

    Example:
        >>> import trainctl
        >>> trainctl.tensor([12, -5]) >> 2
        tensor([ 3, -2])
    """
    return _shift(RightShift, "rshift", input, other)


def _shift(cls: type[Op], name: str, input: Any, other: Any) -> Tensor:
    check_some_tensor(name, input, other)
    kind = result_type(input, other)
    if kind.category != 1:
        raise NotImplementedError(f'"{name}_cpu" not implemented for {kind.name}')
    xp = (input if isinstance(input, Tensor) else other)._xp
    return binary(
        cls,
        *(
            each if isinstance(each, Tensor) else Tensor._wrap(xp.asarray(each, kind.array_dtype))
            for each in promote(input, other)
        ),
    )
