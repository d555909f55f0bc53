"""What every norm is made of: the mean and variance of elements, and elements relative to them.

Every norm is two ops: :class:`Moments` finds the statistics, :class:`Standardize` applies them. What differs
between norms is only over which dims the statistics are taken, and how weight and bias broadcast.
"""

from __future__ import annotations

import math
from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import add, div, mul, sub
from trainctl.autograd.ops.cast import cast, refuse
from trainctl.autograd.ops.elementwise import rsqrt
from trainctl.autograd.ops.reduction import mean
from trainctl.autograd.ops.shape import reshape
from trainctl.autograd.state import state
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

Dims = tuple[int, ...]


class Moments(Op):
    """``x`` -> its mean and its variance (over ``N``) over ``dims``, which stay with size 1."""

    saves = (0,)
    saves_output = True
    dims: Dims

    def forward(self, x: Any) -> Any:
        xp, count = self.xp, count_over(x.shape, self.dims)
        center = _float64_sum(xp, x, self.dims) / count
        distance = x - center.astype(x.dtype)
        distance *= distance
        return center.astype(x.dtype), (_float64_sum(xp, distance, self.dims) / count).astype(x.dtype)

    def backward(self, gmean: Tensor, gvar: Tensor) -> Any:
        x, center, _ = self.saved
        count = count_over(x._array.shape, self.dims)
        return add(div(gmean, count), mul(sub(x, center), mul(gvar, 2 / count)))


class MeanSquare(Op):
    """``x`` -> the mean of its squares over ``dims``, which stay with size 1."""

    saves = (0,)
    dims: Dims

    def forward(self, x: Any) -> Any:
        return (_float64_sum(self.xp, x * x, self.dims) / count_over(x.shape, self.dims)).astype(x.dtype)

    def backward(self, gy: Tensor) -> Any:
        (x,) = self.saved
        return mul(x, mul(gy, 2 / count_over(x._array.shape, self.dims)))


def _float64_sum(xp: Any, x: Any, dims: Dims) -> Any:
    """Return the sum over ``dims``: over a leading dim a float32 sum would lose a digit with every 100 rows."""
    return xp.sum(x, axis=dims, keepdims=True, dtype=xp.float64)


def count_over(shape: Dims, dims: Dims) -> int:
    """Return over how many elements a mean is taken, 1 for none (whose sum is 0)."""
    return max(math.prod(shape[dim] for dim in dims), 1)


class Standardize(Op):
    """``(x - mean) / sqrt(var + eps) * weight + bias``; mean (0 if None), var, weight and bias broadcast.

    With ``dims``, mean and var are those of ``x`` over these dims, and what ``x`` does to the output by way of
    them is part of its gradient here: they get none themselves. Without, they are constants.
    """

    saves = (0, 1, 2, 3)
    eps: float
    dims: Dims | None

    def forward(self, x: Any, center: Any, var: Any, weight: Any, bias: Any, out: Any = None) -> Any:
        xp, scale = self.xp, 1 / self.xp.sqrt(var + self.eps)
        if weight is not None and _is_outer(weight, x, self.dims):
            scale, weight = scale * weight, None
        if center is None:
            y = xp.multiply(x, scale, out=out)
        else:
            y = xp.subtract(x, center, out=out)
            y *= scale
        if weight is not None:
            y *= weight
        if bias is not None:
            y += bias
        return y

    def backward(self, gy: Tensor) -> Any:
        x, center, var, weight = self.saved
        if self.dims is None or state.grad:
            gx, gw = _standardize_gradient(gy, x, center, var, weight, self.eps, self.dims)
        else:
            gx, gw = StandardizeGradient.apply(gy, x, center, var, weight, eps=self.eps, dims=self.dims)
        return gx, None, None, gw, gy  # the walk sums the last two to the shapes of weight and bias


class StandardizeGradient(Op):
    """The gradients of ``x`` and, not yet summed to its shape, of ``weight``, in one op that has no gradient itself.

    Where the gradient will be differentiated again, :func:`_standardize_gradient` takes its place.
    """

    eps: float
    dims: Dims

    def forward(self, gy: Any, x: Any, center: Any, var: Any, weight: Any) -> Any:
        xp, count = self.xp, count_over(x.shape, self.dims)
        scale = 1 / xp.sqrt(var + self.eps)
        y = x * scale if center is None else (x - center) * scale
        g, gw = gy, gy * y
        along = gw
        if weight is not None and not _is_outer(weight, x, self.dims):
            g, along = gy * weight, gw * weight
        elif weight is not None:
            scale = scale * weight
        products = xp.sum(along, axis=self.dims, keepdims=True)
        y *= products / count
        gx = xp.subtract(g, y, out=y)
        if center is not None:
            gx -= xp.sum(g, axis=self.dims, keepdims=True) / count
        gx *= scale
        return gx, products if along is gw else gw


def _is_outer(weight: Any, x: Any, dims: Dims | None) -> bool:
    """Return whether ``weight`` is one number for all elements that share their statistics."""
    lead = x.ndim - weight.ndim
    return dims is None or all(dim < lead or weight.shape[dim - lead] == 1 for dim in dims)


def _standardize_gradient(
    gy: Tensor, x: Tensor, center: Tensor | None, var: Tensor, weight: Tensor | None, eps: float, dims: Dims | None
) -> tuple[Tensor, Tensor]:
    """Return what :class:`StandardizeGradient` does, from tensor ops, for constant statistics (no ``dims``), too."""
    scale = rsqrt(add(var, eps))
    y = mul(x if center is None else sub(x, center), scale)
    gx = gy if weight is None else mul(gy, weight)
    if dims is not None:
        along = mul(y, mean(mul(gx, y), dims, keepdim=True))
        gx = sub(gx if center is None else sub(gx, mean(gx, dims, keepdim=True)), along)
    return mul(gx, scale), mul(gy, y)


def computed_in(op: str, input: Tensor, *others: Tensor | None) -> dtypes.dtype:
    """Return the dtype to compute a norm in: half precision is computed in float32, its parameters may be float32.

    Raises:
        NotImplementedError: ``input`` is not floating point.
        RuntimeError: a parameter of another type.
    """
    refuse("buic", op, input)
    kind = dtypes.float32 if input.dtype.itemsize == 2 else input.dtype
    for each in others:
        if each is not None and each.dtype not in (kind, input.dtype):
            raise RuntimeError(
                f"{op}: mixed dtypes: expected parameters and statistics of type {kind.name}, as the input, "
                f"but got {each.dtype.name}"
            )
    return kind


def standardized(
    input: Tensor, stats: Any, weight: Tensor | None, bias: Tensor | None, eps: float, dims: Dims | None
) -> Tensor:
    """Return :class:`Standardize` of tensors that are already of one dtype."""
    center, var = stats if isinstance(stats, tuple) else (None, stats)
    return Standardize.apply(input, center, var, weight, bias, eps=eps, dims=dims)


def all_as(kind: dtypes.dtype, *tensors: Tensor | None, shape: Any = None) -> list[Any]:
    """Return the tensors that are there in a dtype and, where given, a shape."""
    cast_ = [None if each is None else cast(each, kind) for each in tensors]
    return cast_ if shape is None else [None if each is None else reshape(each, shape) for each in cast_]
