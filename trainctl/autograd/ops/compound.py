"""Several steps of arithmetic under one name."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import add, conj, div, mul, pow, rsub, sub
from trainctl.autograd.ops.assign import in_place_form
from trainctl.autograd.ops.cast import (
    cast,
    check_broadcast,
    check_some_tensor,
    check_tensor,
    operand,
    refuse,
    result_type,
)
from trainctl.autograd.ops.elementary import through_float32
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

METHODS = "addcdiv addcmul float_power ldexp lerp float_power_"
IN_PLACE = "addcdiv addcmul ldexp lerp"
FUNCTIONS = "addcdiv addcmul float_power ldexp lerp"


def addcmul(input: Tensor, tensor1: Any, tensor2: Any, legacy: Tensor | None = None, *, value: Any = 1) -> Tensor:
    """Return ``input + value * tensor1 * tensor2``; shapes broadcast.

    PyTorch's older form ``addcmul(input, value, tensor1, tensor2)`` is understood too.

    Raises:
        NotImplementedError: all are bool.
        RuntimeError: a complex ``value`` for real tensors.
    """
    if legacy is not None:
        value, tensor1, tensor2 = tensor1, tensor2, legacy
    input, tensor1, tensor2 = _common("addcmul", input, tensor1, tensor2)
    if input._array.dtype.kind == "b":
        raise NotImplementedError('"addcmul" not implemented for bool')
    return through_float32(lambda x, y, z: add(x, mul(_scaled(y, value), z)), input, tensor1, tensor2)


def addcdiv(input: Tensor, tensor1: Any, tensor2: Any, legacy: Tensor | None = None, *, value: Any = 1) -> Tensor:
    """Return ``input + value * tensor1 / tensor2``; shapes broadcast.

    PyTorch's older form ``addcdiv(input, value, tensor1, tensor2)`` is understood too.

    Raises:
        RuntimeError: both tensors are integers, or a complex ``value`` for real tensors.
    """
    if legacy is not None:
        value, tensor1, tensor2 = tensor1, tensor2, legacy
    check_tensor("addcdiv", tensor1, "tensor1")
    check_tensor("addcdiv", tensor2, "tensor2")
    if tensor1._array.dtype.kind in "bui" and tensor2._array.dtype.kind in "bui":
        raise RuntimeError(
            f"addcdiv has no integer division, got {tensor1.dtype.name} and {tensor2.dtype.name}: write "
            "input + value * div(tensor1, tensor2, rounding_mode='trunc'), or convert one of them to floating point"
        )
    input, tensor1, tensor2 = _common("addcdiv", input, tensor1, tensor2)
    return through_float32(lambda x, y, z: add(x, div(_scaled(y, value), z)), input, tensor1, tensor2)


def _common(op: str, *tensors: Any) -> list[Tensor]:
    """Return three tensors in their common dtype."""
    for each, name in zip(tensors, ("input", "tensor1", "tensor2"), strict=True):
        check_tensor(op, each, name)
    kind = result_type(*tensors)
    return [cast(each, kind) for each in tensors]


def _scaled(x: Tensor, value: Any) -> Tensor:
    """Return ``value * x`` in the dtype of ``x``."""
    if isinstance(value, Tensor):
        value = value.item()
    kind = x._array.dtype.kind
    if isinstance(value, complex) and kind != "c":
        raise RuntimeError(f"value cannot be converted to type {x.dtype.name} without overflow: {value}")
    if kind in "ui":
        value = int(value)
    return x if value == 1 else mul(x, value)


class Lerp(Op):
    saves = (0, 1, 2)

    def forward(self, start: Any, end: Any, weight: Any, out: Any = None) -> Any:
        xp, span = self.xp, end - start
        from_start = start + weight * span
        from_end = end - span * (1 - weight)  # exact where the weight is 1
        return xp.where(abs(weight) < 0.5, from_start, from_end)

    def backward(self, gy: Tensor) -> Any:
        start, end, weight = self.saved
        return (
            mul(gy, conj(rsub(weight, 1) if isinstance(weight, Tensor) else 1 - weight)) if self.needs(0) else None,
            mul(gy, conj(weight)) if self.needs(1) else None,
            mul(gy, conj(sub(end, start))) if self.needs(2) else None,
        )


def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """Return ``input + weight * (end - input)``; ``weight`` is a number or a tensor; shapes broadcast.

    Raises:
        NotImplementedError: integers or bools.
        RuntimeError: the dtypes differ.

    Example:
        >>> import trainctl
        >>> lerp(trainctl.tensor([0.0, 1.0]), trainctl.tensor([10.0, 11.0]), 0.5)
        tensor([5., 6.])
    """
    check_tensor("lerp", input, "input")
    check_tensor("lerp", end, "end")
    _check_same_dtype("end", end, input)
    refuse("bui", "lerp", input)
    check_broadcast(input._array.shape, end._array.shape)
    if not isinstance(weight, Tensor):
        if isinstance(weight, complex) and not input.is_complex():
            raise RuntimeError(f"value cannot be converted to type {input.dtype.name} without overflow: {weight}")
        return through_float32(lambda a, b: Lerp.apply(a, b, weight), input, end)
    if weight._array.ndim:
        _check_same_dtype("weight", weight, input)
        check_broadcast(weight._array.shape, input._array.shape)
        check_broadcast(weight._array.shape, end._array.shape)
    kind = result_type(input, weight)
    return through_float32(Lerp.apply, *(cast(each, kind) for each in (input, end, weight)))


def _check_same_dtype(name: str, x: Tensor, input: Tensor) -> None:
    if x._array.dtype != input._array.dtype:
        raise RuntimeError(f"lerp: expected dtype {input.dtype.name} for `{name}` but got dtype {x.dtype.name}")


class Ldexp(Op):
    saves = (1,)

    def forward(self, x: Any, y: Any, out: Any = None) -> Any:
        return self.xp.ldexp(x, y, out=out)

    def backward(self, gy: Tensor) -> Any:
        (y,) = self.saved
        return Ldexp.apply(gy, y), None


def ldexp(input: Tensor, other: Tensor) -> Tensor:
    """Return ``input * 2 ** other``; exact for integer powers of floating-point numbers, whatever ``2 ** other`` is.

    Raises:
        NotImplementedError: bool powers of floating-point numbers.
    """
    check_tensor("ldexp", input, "input")
    check_tensor("ldexp", other, "other")
    if not input.is_floating_point() or other._array.dtype.kind in "fc":
        kind = result_type(input, other)
        kind = kind if kind.category > 1 else dtypes.get_default_dtype()
        return mul(cast(input, kind), pow(2.0, cast(other, kind)))
    refuse("b", "ldexp", other)
    check_broadcast(input._array.shape, other._array.shape)
    return Ldexp.apply(input, other)


def float_power(input: Any, exponent: Any) -> Tensor:
    """Return ``input ** exponent`` in double precision; either may be a number, shapes broadcast."""
    check_some_tensor("float_power", input, exponent)
    kind = _double(result_type(input, exponent))
    return pow(operand(input, kind), operand(exponent, kind))


def _double(kind: dtypes.dtype) -> dtypes.dtype:
    return dtypes.complex128 if kind.is_complex else dtypes.float64


def float_power_(self: Tensor, exponent: Any) -> Tensor:
    """In-place form of :func:`float_power`, for tensors of double precision.

    Raises:
        RuntimeError: the tensor has another dtype than the result.
    """
    kind = _double(result_type(self, exponent))
    if self.dtype is not kind:
        raise RuntimeError(
            f"the base given to float_power_ has dtype {self.dtype.name} but the operation's result requires dtype {kind.name}"
        )
    return in_place_form("float_power", float_power)(self, exponent)
