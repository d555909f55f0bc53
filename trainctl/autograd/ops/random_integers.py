"""Random integers, drawn on the host from a seeded generator."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy

from trainctl.autograd.ops.creation import _finish, _kind, checked_shape
from trainctl.autograd.ops.random import Generator, stream_of
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes
from trainctl.backend.dtypes import dtype as DType

FUNCTIONS = "randint randint_like randperm"


def randint(
    *args: Any,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    low: int | None = None,
    high: int | None = None,
    size: Any = None,
) -> Tensor:
    """Return a tensor of integers, uniform in [low, high): ``randint(high, size)`` or ``randint(low, high, size)``.

    Raises:
        RuntimeError: an empty range, or one that the dtype does not hold.
    """
    given = list(args)
    if size is None:
        size = given.pop()
    if high is None:
        high = given.pop()
    if low is None:
        low = given.pop() if given else 0
    dtype = dtype or dtypes.int64
    _check_range(low, high, dtype)
    drawn = stream_of(generator).integers(low, high, checked_shape("randint", (size,)))
    return _finish(Tensor._wrap(numpy.asarray(drawn).astype(_kind(dtype))), device, requires_grad, dtype)


def _check_range(low: int, high: int, dtype: DType) -> None:
    """Raise RuntimeError if no integer is in [low, high), or one that ``dtype`` does not hold."""
    if low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    if dtype.is_complex:
        raise RuntimeError(f"check_random_bounds handles only integral, floating-point and boolean types, got {dtype}")
    if dtype.category < 2:
        least, most = (0, 1) if dtype.category == 0 else (dtypes.iinfo(dtype).min, dtypes.iinfo(dtype).max)
        for name, value in (("from", low), ("to - 1", high - 1)):
            if not least <= value <= most:
                raise RuntimeError(f"{name} is out of bounds for {dtype.name}: {value}")


def randint_like(
    input: Tensor,
    *range: Any,
    low: int | None = None,
    high: int | None = None,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    memory_format: Any = None,
) -> Tensor:
    """Return :func:`randint` of the shape and dtype of ``input``: ``(input, high)`` or ``(input, low, high)``.

    Raises:
        TypeError: an end is missing, or no integer.
        RuntimeError: an empty range, or one that the dtype does not hold.

    Example:
        >>> import trainctl
        >>> randint_like(trainctl.zeros(2), 7, 8)
        tensor([7., 7.])
    """
    names = [name for name, value in (("low", low), ("high", high)) if value is None]
    ends = {"low": low, "high": high} | dict(zip(names[-len(range) :] if range else (), range, strict=True))
    if ends["high"] is None:
        raise TypeError("randint_like() missing 1 required argument: 'high'")
    ends = {name: 0 if value is None else index(value) for name, value in ends.items()}
    kind = dtype or input.dtype
    where = input.device if device is None else device
    return randint(**ends, size=input.shape, generator=generator, dtype=kind, device=where, requires_grad=requires_grad)


def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return the integers ``0 .. n - 1`` in random order.

    Raises:
        RuntimeError: a negative ``n``.
    """
    if n < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {n}: n must be non-negative")
    drawn = stream_of(generator).permutation(n)
    return _finish(Tensor._wrap(drawn.astype(_kind(dtype or dtypes.int64))), device, requires_grad, dtype)
