"""Evenly spaced numbers, and the powers that they are exponents of."""

from __future__ import annotations

import math
from typing import Any

import numpy

from trainctl.autograd.ops.cast import cast
from trainctl.autograd.ops.creation import _finish, host_dtype
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes
from trainctl.backend.dtypes import dtype as DType

FUNCTIONS = "arange linspace logspace"


def arange(
    start: Any,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return ``start, start + step, ...`` up to but without ``end``; integers give int64.

    Raises:
        RuntimeError: the step is 0 or leads away from ``end``, or an end is infinite.
        ValueError: the step is 0 as an int64.

    Example:
        >>> arange(1, 7, 2)
        tensor([1, 3, 5])
    """
    if end is None:
        start, end = 0, start
    start, end, step = (each.item() if isinstance(each, Tensor) else each for each in (start, end, step))
    if dtype is None:
        whole = all(isinstance(each, int) for each in (start, end, step))
        dtype = dtypes.int64 if whole else dtypes.get_default_dtype()
    dtype = dtypes.as_dtype(dtype)
    if dtype.category not in (1, 2):
        raise NotImplementedError(f'"arange" not implemented for {dtype.name}')
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if dtype == dtypes.int64:  # PyTorch counts in whole numbers for this type alone
        start, end, step = int(start), int(end), int(step)
        if step == 0:
            raise ValueError("step must be nonzero; as an int64 it is 0")
    if (end - start) * step < 0:
        raise RuntimeError(
            f"upper bound and lower bound inconsistent with step sign: start={start}, end={end}, step={step}"
        )
    count = math.ceil((end - start) / step)
    exact: Any = numpy.float64 if dtype.is_floating_point else numpy.int64
    values = exact(start) + exact(step) * numpy.arange(count, dtype=exact)
    return _finish(Tensor._constant(values.astype(host_dtype(dtype))), device, requires_grad, dtype)


def linspace(
    start: Any,
    end: Any,
    steps: int,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return ``steps`` evenly spaced values from ``start`` to ``end``, both included.

    Args:
        start: a number or a 0-d tensor.
        end: a number or a 0-d tensor.
        steps: how many values.
        dtype: default: the default dtype (its complex one where an end is complex); integers are cut off.
        device: where it lives.
        requires_grad: record ops on it.

    Raises:
        RuntimeError: a negative number of steps, or an end with dimensions.

    Example:
        >>> linspace(0, 1, 5)
        tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    start, end, kind = _ends("linspace", start, end, steps, dtype)
    return _finish(
        Tensor._constant(numpy.linspace(start, end, steps).astype(host_dtype(kind))), device, requires_grad, dtype
    )


def _ends(op: str, start: Any, end: Any, steps: int, dtype: DType | None) -> tuple[Any, Any, DType]:
    """Return the ends of a range as numbers, and its dtype.

    Raises:
        RuntimeError: a negative number of steps, or an end with dimensions.
    """
    if any(isinstance(each, Tensor) and each.ndim for each in (start, end)):
        raise RuntimeError(f"{op} only supports 0-dimensional start and end tensors")
    start, end = (each.item() if isinstance(each, Tensor) else each for each in (start, end))
    if steps < 0:
        raise RuntimeError(f"number of steps must be non-negative, got {steps}")
    kind = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    if dtype is None and (isinstance(start, complex) or isinstance(end, complex)):
        kind = kind.to_complex()
    if steps > 1 or kind.category < 2:  # a single number is rounded only once, as the result
        start, end = (cast(Tensor._wrap(numpy.asarray(each)), kind).item() for each in (start, end))
    return start, end, kind


def logspace(
    start: Any,
    end: Any,
    steps: int,
    base: float = 10.0,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return ``base`` to the powers that :func:`linspace` gives; arguments and errors are its own.

    Raises:
        TypeError: the base is no real number.

    Example:
        >>> logspace(0, 3, 4, base=2)
        tensor([1., 2., 4., 8.])
    """
    if isinstance(base, complex):
        raise TypeError("logspace(): argument 'base' must be float, not complex")
    start, end, kind = _ends("logspace", start, end, steps, dtype)
    exact = numpy.complex128 if kind.is_complex else numpy.float64
    with numpy.errstate(all="ignore"):  # an overflow is an infinity; of a negative base not every power is a number
        powers = numpy.power(exact(base), numpy.linspace(start, end, steps, dtype=exact)).astype(host_dtype(kind))
    return _finish(Tensor._constant(powers), device, requires_grad, dtype)
