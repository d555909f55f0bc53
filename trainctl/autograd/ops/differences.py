"""Differences of neighbours along a dim, and integrals by the trapezoid rule."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.dims import numpy_names, wrap_dim
from trainctl.autograd.ops.arithmetic import add, div, mul, sub
from trainctl.autograd.ops.cast import check_tensor
from trainctl.autograd.ops.comparison import logical_xor
from trainctl.autograd.ops.indexing import select, slice_dim
from trainctl.autograd.ops.joining import cat
from trainctl.autograd.ops.reduction import sum
from trainctl.autograd.ops.scan import cumsum
from trainctl.autograd.ops.shape import clone, reshape
from trainctl.autograd.tensor import Tensor

METHODS = "diff"
FUNCTIONS = "diff trapezoid trapz=trapezoid cumulative_trapezoid"


@numpy_names
def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """Return the ``n``-th difference ``input[i + 1] - input[i]`` along ``dim``; of bools, whether neighbours differ.

    Args:
        input: at least one dim.
        n: how many times; the dim shrinks by as much.
        dim: the dimension.
        prepend: put before ``input`` first; its shape but for ``dim``.
        append: put behind ``input`` first, likewise.

    Raises:
        RuntimeError: a 0-d tensor, a negative ``n``, or a shape that does not fit.

    Example:
        >>> import trainctl
        >>> trainctl.tensor([1, 4, 9]).diff()
        tensor([3, 5])
    """
    check_tensor("diff", input, "input")
    if input._array.ndim == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    dim = wrap_dim(dim, input._array.ndim)
    parts = [each for each in (prepend, input, append) if each is not None]
    for each in parts:
        _check_joins(input, each, dim)
    if len(parts) > 1 and n:
        input = cat(parts, dim)
    if n == 0:
        return clone(input)
    minus = logical_xor if input._array.dtype.kind == "b" else sub
    for _ in range(min(n, input._array.shape[dim])):
        input = minus(slice_dim(input, dim, 1, None), slice_dim(input, dim, None, -1))
    return input


def _check_joins(input: Tensor, part: Tensor, dim: int) -> None:
    have, got = input._array.shape, part._array.shape
    if len(have) != len(got):
        raise RuntimeError(
            f"diff expects prepend or append to be the same dimension as input, got shapes {list(got)} and {list(have)}"
        )
    for i, (want, size) in enumerate(zip(have, got, strict=True)):
        if i != dim and want != size:
            raise RuntimeError(
                "diff expects the shape of tensor to prepend or append to match that of input except along the "
                f"differencing dimension; input.size({i}) = {want}, but got tensor.size({i}) = {size}"
            )


@numpy_names
def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float | None = None, dim: int = -1) -> Tensor:
    """Return the integral of ``y`` along ``dim`` by the trapezoid rule.

    Args:
        y: samples.
        x: where they were taken: one dim for all of ``y``, or a shape that broadcasts to that of ``y``.
        dx: the distance between samples, where ``x`` is not given (1).
        dim: the dimension.

    Raises:
        RuntimeError: bools, a ``dx`` that is not real, or an ``x`` of another size.
        TypeError: both ``x`` and ``dx``.

    Example:
        >>> import trainctl
        >>> trainctl.trapezoid(trainctl.tensor([1.0, 2.0, 4.0]), dx=2)
        tensor(9.)
    """
    width = _widths("trapezoid", y, x, dx, dim)
    dim = wrap_dim(dim, y._array.ndim)
    if y._array.shape[dim] == 0:
        return sum(y.detach(), dim, dtype=y.dtype)
    if isinstance(width, Tensor):
        return div(sum(mul(_neighbours(y, dim), width), dim), 2.0)
    ends = add(select(y, dim, 0), select(y, dim, -1))
    return mul(sub(sum(y, dim), mul(ends, 0.5)), width)


@numpy_names
def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float | None = None, dim: int = -1) -> Tensor:
    """Return the integral of ``y`` from its first sample to each later one; arguments as :func:`trapezoid`.

    Raises:
        RuntimeError: bools, a ``dx`` that is not real, or an ``x`` of another size.
        TypeError: both ``x`` and ``dx``.

    Example:
        >>> import trainctl
        >>> trainctl.cumulative_trapezoid(trainctl.tensor([1.0, 2.0, 4.0]))
        tensor([1.5000, 4.5000])
    """
    width = _widths("cumulative_trapezoid", y, x, dx, dim)
    if isinstance(width, Tensor):
        return div(cumsum(mul(_neighbours(y, dim), width), dim), 2.0)
    return cumsum(mul(_neighbours(y, dim), width / 2.0), dim)


def _neighbours(y: Tensor, dim: int) -> Tensor:
    """Return the sum of each two neighbours."""
    return add(slice_dim(y, dim, None, -1), slice_dim(y, dim, 1, None))


def _widths(op: str, y: Tensor, x: Tensor | None, dx: Any, dim: int) -> Any:
    """Return the distance between samples: a number, or a tensor that broadcasts to pairs of them."""
    check_tensor(op, y, "y")
    if x is not None:
        check_tensor(op, x, "x")
        if dx is not None:
            raise TypeError(f"{op}() takes the places x or the distance dx, not both")
    if any(each is not None and each._array.dtype.kind == "b" for each in (y, x)):
        raise RuntimeError(f"{op}: received a bool input for `x` or `y`, but bool is not supported")
    if isinstance(dx, (bool, complex)):
        raise RuntimeError(f"{op}: Currently, we only support dx as a real number.")
    if y._array.ndim == 0:
        raise IndexError(f"{op}: Dimension specified as {dim} but tensor has no dimensions")
    return (1.0 if dx is None else float(dx)) if x is None else _distances(op, y, x, wrap_dim(dim, y._array.ndim))


def _distances(op: str, y: Tensor, x: Tensor, dim: int) -> Tensor:
    shape, have = y._array.shape, x._array.shape
    if len(have) == 1:
        if have[0] != shape[dim]:
            raise RuntimeError(
                f"{op}: There must be one `x` value for each sample point, got {have[0]} for {shape[dim]} samples"
            )
        x = reshape(x, tuple(have[0] if i == dim else 1 for i in range(len(shape))))
    elif len(have) < len(shape):
        x = reshape(x, (1,) * (len(shape) - len(have)) + have)
    return diff(x, dim=dim)
