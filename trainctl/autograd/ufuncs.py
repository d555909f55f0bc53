"""NumPy's universal functions on tensors."""

from __future__ import annotations

from typing import Any

import numpy

from trainctl.autograd.tensor import Tensor

# What NumPy calls the operators of ``array <op> tensor``.
REFLECTED = {
    "add": "__radd__",
    "subtract": "__rsub__",
    "multiply": "__rmul__",
    "divide": "__rtruediv__",
    "floor_divide": "__rfloordiv__",
    "remainder": "__rmod__",
    "power": "__rpow__",
    "matmul": "__rmatmul__",
    "bitwise_and": "__rand__",
    "bitwise_or": "__ror__",
    "bitwise_xor": "__rxor__",
    "equal": "__eq__",
    "not_equal": "__ne__",
    "less": "__gt__",
    "less_equal": "__ge__",
    "greater": "__lt__",
    "greater_equal": "__le__",
}


def array_ufunc(self: Tensor, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """NumPy's functions on a tensor: ``array * tensor`` is the tensor's operation, ``np.exp(tensor)`` a new tensor."""
    if method == "__call__" and len(inputs) == 2 and not kwargs and inputs[1] is self:
        operation = getattr(self, REFLECTED.get(ufunc.__name__, ""), None)
        if operation is not None:
            return operation(inputs[0])
    arrays = [each.numpy() if isinstance(each, Tensor) else each for each in inputs]
    result = getattr(ufunc, method)(*arrays, **kwargs)
    return Tensor._wrap(result) if isinstance(result, (numpy.ndarray, numpy.generic)) else result
