"""Conversion between dtypes, and the promotion that puts operands on common ground."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes
from trainctl.backend.dtypes import dtype

_WEAK_KINDS = {bool: "bui" + "fc", int: "uifc", float: "fc", complex: "c"}


class Cast(Op):
    """Convert the elements; a complex gradient of a real input keeps its real part."""

    array_dtype: Any

    def forward(self, x: Any, out: Any = None) -> Any:
        if x.dtype.kind == "c" and self.array_dtype.kind != "c":
            x = x.real
        if out is None:
            return x.astype(self.array_dtype)
        self.xp.copyto(out, x, casting="unsafe")
        return out

    def backward(self, gy: Tensor) -> Any:
        return gy  # the walk casts it back


def cast(x: Tensor, kind: dtype) -> Tensor:
    """Return ``x`` in another dtype; ``x`` itself where it already has it."""
    if x._array.dtype == kind.array_dtype:
        return x
    return Cast.apply(x, array_dtype=kind.array_dtype)


def cast_gradient(gx: Tensor, array_dtype: Any) -> Tensor:
    """Return a gradient in the dtype of the tensor that it belongs to."""
    return Cast.apply(gx, array_dtype=array_dtype)


def result_type(*operands: Any) -> dtype:
    """Return the dtype of an arithmetic op on tensors and Python numbers, by PyTorch's rules.

    A number or a 0-d tensor counts only where its category (bool, integer, float, complex) is higher than
    that of the tensors with dimensions.

    Example:
        >>> import trainctl
        >>> result_type(trainctl.ones(2, dtype=trainctl.int32), 1.5)
        trainctl.float32
    """
    ranks: list[dtype | None] = [None, None, None]  # with dimensions, 0-d, numbers
    for each in operands:
        if isinstance(each, Tensor):
            rank, kind = (0 if each._array.ndim else 1), each.dtype
        else:
            rank, kind = 2, dtypes.of_number(each)
        known = ranks[rank]
        ranks[rank] = kind if known is None else dtypes.promote_types(known, kind)
    result: dtype | None = None
    for each in filter(None, ranks):
        if result is None:
            result = each
        elif each.category > result.category:
            # a number brings its category, not its width: float32 + 1j is complex64
            result = dtypes.promote_types(result, each) if result.category < 2 else result.to_complex()
    assert result is not None
    return result


def can_cast(from_: dtype, to: dtype) -> bool:
    """Return whether a conversion loses no category (complex to real, float to integer, ... do).

    Example:
        >>> from trainctl.backend.dtypes import float64, int64
        >>> can_cast(int64, float64), can_cast(float64, int64)
        (True, False)
    """
    return from_.category <= to.category


def operand(x: Any, kind: dtype) -> Any:
    """Return an operand in ``kind``: a tensor is cast, a number stays a number of that category."""
    if isinstance(x, Tensor):
        return cast(x, kind)
    if kind.category == 2:
        return float(x)
    if kind.category == 3:
        return complex(x)
    return x


def is_weak(x: Tensor, number: Any) -> bool:
    """Return whether a Python number joins ``x`` without changing its dtype."""
    kinds = _WEAK_KINDS.get(type(number))
    return kinds is not None and x._array.dtype.kind in kinds and x._array.dtype.kind != "b"


def promote(*operands: Any) -> tuple[Any, ...]:
    """Return the operands in their common dtype.

    Raises:
        TypeError: an operand is neither a tensor nor a number.
    """
    kind = result_type(*operands)
    return tuple(operand(each, kind) for each in operands)


def to_float(x: Any) -> Any:
    """Return an integer or bool tensor in the default floating-point dtype, others as they are."""
    if isinstance(x, Tensor) and x._array.dtype.kind in "bui":
        return cast(x, dtypes.get_default_dtype())
    return x
