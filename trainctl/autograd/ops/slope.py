"""What activations share: a derivative computed in one pass, and the choice between a new tensor and the old one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import mul
from trainctl.autograd.ops.assign import in_place_form
from trainctl.autograd.ops.cast import check_tensor, refuse
from trainctl.autograd.ops.elementary import through_float32
from trainctl.autograd.tensor import Tensor


class Activation(Op):
    """A function of each element whose derivative is array code too.

    ``slope`` returns the derivative at an array: numbers, or a mask where it is 1 or 0. ``bend`` returns the second
    derivative at a tensor, in tensor ops; None where the function is made of straight pieces.
    """

    saves = (0,)

    def slope(self, x: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no slope")

    def bend(self, x: Tensor) -> Tensor | None:
        return None

    def backward(self, gy: Tensor) -> Any:
        (x,) = self.saved
        return Slope.apply(gy, x, activation=self)


class Slope(Op):
    """A gradient times the derivative of an activation; where that is a mask, the gradient behind it is not read."""

    saves = (0, 1)
    activation: Activation

    def forward(self, gy: Any, x: Any, out: Any = None) -> Any:
        slope = self.activation.slope(x)
        if slope.dtype.kind == "b":
            return self.xp.where(slope, gy, self.xp.zeros((), gy.dtype))
        return self.xp.multiply(gy, slope, out=out)

    def backward(self, ggx: Tensor) -> Any:
        gy, x = self.saved
        bend = self.activation.bend(x) if self.needs(1) else None
        return Slope.apply(ggx, x, activation=self.activation), None if bend is None else mul(mul(ggx, gy), bend)


def activation(cls: type[Op], name: str, input: Tensor, inplace: bool = False, **params: Any) -> Tensor:
    """Apply an activation; half precision is computed in float32.

    Raises:
        TypeError: ``input`` is no tensor.
        NotImplementedError: it is not of a floating-point type.
    """
    check_tensor(name, input, "input")
    refuse("buic", name, input)

    def apply(x: Tensor) -> Tensor:
        return through_float32(lambda each: cls.apply(each, **params), x)

    return written(name, apply, input, inplace)


def written(name: str, function: Callable[[Tensor], Tensor], input: Tensor, inplace: bool) -> Tensor:
    """Return ``function(input)``; with ``inplace``, written into ``input``."""
    return in_place_form(name, function)(input) if inplace else function(input)


def in_place(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return ``function`` with ``inplace=True``, under its name with an underscore."""

    def change(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return function(input, *args, inplace=True, **kwargs)

    change.__name__ = change.__qualname__ = f"{function.__name__}_"
    change.__doc__ = f"In-place form of :func:`{function.__name__}`: the result is written into ``input``."
    return change
