"""The ops as methods and operators of ``Tensor``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trainctl.autograd.ops import (
    arithmetic,
    comparison,
    creation,
    elementwise,
    index_write,
    indexing,
    linalg,
    listed,
    shifts,
)
from trainctl.autograd.ops.assign import in_place_form, in_place_view
from trainctl.autograd.tensor import Tensor
from trainctl.autograd.ufuncs import array_ufunc

OPERATORS: dict[str, Callable[..., Any]] = {
    "__add__": arithmetic.add, "__sub__": arithmetic.sub, "__mul__": arithmetic.mul,
    "__truediv__": arithmetic.div, "__floordiv__": arithmetic.floor_divide, "__mod__": arithmetic.remainder,
    "__pow__": arithmetic.pow, "__eq__": comparison.eq, "__ne__": comparison.ne, "__lt__": comparison.lt,
    "__le__": comparison.le, "__gt__": comparison.gt, "__ge__": comparison.ge,
    "__matmul__": linalg.matmul, "__and__": comparison.bitwise_and, "__or__": comparison.bitwise_or, "__xor__": comparison.bitwise_xor,
    "__lshift__": shifts.bitwise_left_shift, "__rshift__": shifts.bitwise_right_shift,
}  # fmt: skip
REFLECTED = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor", "lshift", "rshift")

AUGMENTED = {
    "add": "add", "sub": "sub", "mul": "mul", "div": "truediv", "floor_divide": "floordiv", "remainder": "mod",
    "pow": "pow", "bitwise_and": "and", "bitwise_or": "or", "bitwise_xor": "xor",
    "bitwise_left_shift": "lshift", "bitwise_right_shift": "rshift",
}  # fmt: skip


def _is_operand(value: Any) -> bool:
    return isinstance(value, (Tensor, bool, int, float, complex))


def _operand(value: Any) -> Any:
    """Return another operand as a tensor or number, or NotImplemented."""
    if _is_operand(value):
        return value
    if hasattr(value, "__array__"):
        array = creation.as_tensor(value)
        return array.item() if array.ndim == 0 else array
    return NotImplemented


def _operator(op: Callable[..., Any], reflected: bool) -> Callable[[Tensor, Any], Any]:
    def forward(self: Tensor, other: Any) -> Any:
        if type(other) is not Tensor and (other := _operand(other)) is NotImplemented:
            return NotImplemented
        return op(self, other)

    def backward(self: Tensor, other: Any) -> Any:
        if (other := _operand(other)) is NotImplemented:
            return NotImplemented
        return op(other, self)

    return backward if reflected else forward


def _where(self: Tensor, condition: Tensor, other: Any) -> Tensor:
    """Return the tensor's elements where ``condition`` holds, else those of ``other``."""
    return comparison.where(condition, self, other)


OTHERS: dict[str, Any] = {
    "__neg__": arithmetic.neg,
    "__pos__": lambda self: self,
    "__abs__": elementwise.abs,
    "__invert__": comparison.bitwise_not,
    "__getitem__": indexing.getitem,
    "__setitem__": index_write.setitem,
    "__array_ufunc__": array_ufunc,
    "where": _where,
}


def _bind() -> None:
    """Put everything that the families list, and the operators, on the class."""
    methods = listed("METHODS")
    methods.update({f"{name}_": in_place_form(name, op) for name, op in listed("IN_PLACE").items()})
    methods.update({f"{name}_": in_place_view(op) for name, op in listed("IN_PLACE_VIEWS").items()})
    setters = listed("SETTERS")
    methods.update({name: property(function, setters.get(name)) for name, function in listed("PROPERTIES").items()})
    methods.update({name: _operator(op, reflected=False) for name, op in OPERATORS.items()})
    methods.update({f"__r{name}__": _operator(OPERATORS[f"__{name}__"], reflected=True) for name in REFLECTED})
    methods.update({f"__i{short}__": methods[f"{name}_"] for name, short in AUGMENTED.items()})
    for name, function in (methods | OTHERS).items():
        setattr(Tensor, name, function)


_bind()
