"""Functions of each element that an array library has under one name: made from that name and the derivative."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import conj, mul
from trainctl.autograd.ops.cast import (
    binary,
    cast,
    check_some_tensor,
    check_tensor,
    operand,
    refuse,
    result_type,
    to_float,
)
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

Derivative = Callable[[Tensor], Tensor]


class Elementary(Op):
    """``array_function`` of each element; ``derivative`` is a function of the input in tensor ops."""

    saves = (0,)
    array_function: str
    derivative: Derivative

    def forward(self, x: Any, out: Any = None) -> Any:
        return getattr(self.xp, self.array_function)(x, out=out)

    def backward(self, gy: Tensor) -> Any:
        (x,) = self.saved
        return mul(gy, conj(type(self).derivative(x)))


def elementary(name: str, array_function: str, text: str, derivative: Derivative) -> Callable[[Tensor], Tensor]:
    """Return the public function ``name``, which returns ``text``; integers become the default floating-point dtype."""
    cls = type(name.title(), (Elementary,), {"array_function": array_function, "derivative": staticmethod(derivative)})

    def function(input: Tensor) -> Tensor:
        return real_valued(cls, name, input, complex=True)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Return {text}; integers become the default floating-point dtype."
    return function


def real_valued(cls: type[Op], name: str, input: Tensor, complex: bool = False, **params: Any) -> Tensor:
    """Apply an op of floating-point elements to a tensor; half precision is computed in float32.

    Raises:
        TypeError: ``input`` is no tensor.
        NotImplementedError: it is complex, where the op is not for complex elements.
    """
    check_tensor(name, input, "input")
    if not complex:
        refuse("c", name, input)
    return through_float32(lambda x: cls.apply(x, **params), to_float(input))


def is_half(array_dtype: Any) -> bool:
    """Return whether an array is of one of the floating-point types of two bytes."""
    return array_dtype.itemsize == 2 and array_dtype.kind == "f"


def through_float32(function: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """Call ``function`` with half-precision tensors as float32, and return what it gives in half precision."""
    half = next((each.dtype for each in inputs if is_half(each._array.dtype)), None)
    if half is None:
        return function(*inputs)
    return cast(function(*(cast(each, dtypes.float32) for each in inputs)), half)


def of_two_floats(cls: type[Op], name: str, input: Any, other: Any, second: str = "other") -> Tensor:
    """Apply an op to two operands in their common floating-point dtype, the default one for integers.

    Raises:
        TypeError: the operand called ``second`` is no tensor; ``""``: neither is.
        NotImplementedError: complex operands.
    """
    if second:
        check_tensor(name, input, "input")
        check_tensor(name, other, second)
    else:
        check_some_tensor(name, input, other)
    refuse("c", name, input, other)
    kind = result_type(input, other)
    kind = kind if kind.category > 1 else dtypes.get_default_dtype()
    return binary(cls, operand(input, kind), operand(other, kind))


def of_two_tensors(cls: type[Op], name: str, input: Tensor, other: Tensor, kinds: str) -> Tensor:
    """Apply an op to two tensors in their common dtype.

    Raises:
        TypeError: one is no tensor.
        NotImplementedError: the common dtype is of one of these kinds (NumPy's letters).
    """
    check_tensor(name, input, "input")
    check_tensor(name, other, "other")
    kind = result_type(input, other)
    if kind.array_dtype.kind in kinds:
        raise NotImplementedError(f'"{name}" not implemented for {kind.name}')
    return binary(cls, input, other)
