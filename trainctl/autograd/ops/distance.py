"""Distances and similarities between vectors."""

from __future__ import annotations

import math
from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import add, clamp, div, mul, neg, sub
from trainctl.autograd.ops.broadcasting import broadcast_shapes, expand
from trainctl.autograd.ops.cast import check_broadcast, promote
from trainctl.autograd.ops.comparison import where
from trainctl.autograd.ops.elementwise import abs, sgn
from trainctl.autograd.ops.linalg import matmul
from trainctl.autograd.ops.norms import norm_over, slope, vector_norm
from trainctl.autograd.ops.reduction import sum
from trainctl.autograd.ops.shape import transpose, unsqueeze
from trainctl.autograd.tensor import Tensor

FUNCTIONS = "dist cdist pairwise_distance cosine_similarity"
METHODS = "dist"
FUNCTIONAL = "pairwise_distance cosine_similarity"

_MODES = ("use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist")
_FEW = 25  # so many points, and no more, have their differences taken by default
_ELEMENTS = 1 << 22  # how many differences are held at once


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """Return the ``p``-norm of all elements of ``input - other``; the shapes broadcast.

    Raises:
        RuntimeError: integers, or shapes that do not broadcast.

    Example:
        >>> import trainctl
        >>> dist(trainctl.tensor([3.0, 0.0]), trainctl.tensor([0.0, 4.0]))
        tensor(5.)
    """
    return vector_norm(sub(input, other), p)


class PairDistances(Op):
    """``[*, n, d], [*, m, d] -> [*, n, m]``: the norm of each difference, a slice of rows at a time."""

    saves = (0, 1)
    saves_output = True
    order: float

    def forward(self, x: Any, y: Any, out: Any = None) -> Any:
        xp, count = self.xp, x.shape[-2]
        if x.shape[-1] == 0:
            return xp.zeros((*xp.broadcast_shapes(x.shape[:-2], y.shape[:-2]), count, y.shape[-2]), x.dtype)
        rows = max(1, _ELEMENTS // max(1, y.size * max(1, x.size // max(1, count * x.shape[-1]))))
        parts = [
            norm_over(xp, x[..., start : start + rows, None, :] - y[..., None, :, :], self.order, -1, False)
            for start in range(0, max(count, 1), rows)
        ]
        return parts[0] if len(parts) == 1 else xp.concatenate(parts, axis=-2)

    def backward(self, gy: Tensor) -> Any:
        x, y, distance = self.saved
        difference = sub(unsqueeze(x, -2), unsqueeze(y, -3))
        distance, gy = unsqueeze(distance, -1), unsqueeze(gy, -1)
        if math.isinf(self.order):
            gx = mul(sgn(difference), where(abs(difference) == distance, gy, 0))
        else:
            gx = slope(difference, distance, gy, self.order)
        return sum(gx, -2), neg(sum(gx, -3))


class EuclideanDistances(Op):
    """Distances of order 2 by one matrix product: fast, but points close to each other lose digits."""

    saves = (0, 1)
    saves_output = True

    def forward(self, x: Any, y: Any, out: Any = None) -> Any:
        xp = self.xp
        squares = xp.sum(x * x, axis=-1)[..., :, None] + xp.sum(y * y, axis=-1)[..., None, :]
        squares -= 2 * xp.matmul(x, xp.swapaxes(y, -2, -1))
        return xp.sqrt(xp.maximum(squares, 0))

    def backward(self, gy: Tensor) -> Any:
        x, y, distance = self.saved
        same = distance == 0
        ratio = where(same, 0, div(gy, where(same, 1, distance)))
        back = transpose(ratio, -2, -1)
        gx = sub(mul(x, sum(ratio, -1, True)), matmul(ratio, y))
        return gx, sub(mul(y, sum(back, -1, True)), matmul(back, x))


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist_if_necessary") -> Tensor:
    """Return the ``p``-norm distance of each point of ``x1`` to each of ``x2``: ``[*, n, d], [*, m, d] -> [*, n, m]``.

    Args:
        x1: points as rows; batches broadcast.
        x2: points as rows.
        p: at least 0; 0 counts the coordinates that differ, inf is the largest difference.
        compute_mode: for ``p=2`` whether a matrix product is used: ``use_mm_for_euclid_dist``,
            ``donot_use_mm_for_euclid_dist``, or ``use_mm_for_euclid_dist_if_necessary`` (where there are more than 25
            points in either).

    Raises:
        RuntimeError: shapes or dtypes that do not fit, or a negative ``p``.
        ValueError: another ``compute_mode``.

    Example:
        >>> import trainctl
        >>> cdist(trainctl.tensor([[0.0, 0.0]]), trainctl.tensor([[3.0, 4.0], [0.0, 1.0]]))
        tensor([[5., 1.]])
    """
    if compute_mode not in _MODES:
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode; expected one of {', '.join(_MODES)}")
    _check_points(x1, x2)
    if not p >= 0:
        raise RuntimeError(f"cdist only supports non-negative p values, got {p}")
    many = max(x1._array.shape[-2], x2._array.shape[-2]) > _FEW
    if p == 2 and (compute_mode == _MODES[1] or (compute_mode == _MODES[0] and many)):
        return EuclideanDistances.apply(x1, x2)
    return PairDistances.apply(x1, x2, order=p)


def _check_points(x1: Tensor, x2: Tensor) -> None:
    """Raise RuntimeError unless both hold rows of points with as many coordinates."""
    for name, each in (("X1", x1), ("X2", x2)):
        if each._array.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {name} got: {each.ndim}D")
        if each._array.dtype.kind != "f":
            raise RuntimeError(f"cdist only supports floating-point dtypes, {name} got: {each.dtype.name}")
    if x1._array.dtype != x2._array.dtype:
        raise RuntimeError(f"cdist: expected scalar type {x1.dtype.name} but found {x2.dtype.name}")
    a, b = x1._array.shape, x2._array.shape
    if a[-1] != b[-1]:
        raise RuntimeError(f"X1 and X2 must have the same number of columns. X1: {a[-1]} X2: {b[-1]}")
    check_broadcast(a[:-2], b[:-2])


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """Return the ``p``-norm of ``x1 - x2 + eps`` over the last dim: ``[*, d], [*, d] -> [*]``.

    Args:
        x1: the first vectors; shapes broadcast.
        x2: the second vectors.
        p: the order of the norm.
        eps: added to each difference, so that the norm has a slope.
        keepdim: keep the last dim with size 1.

    Raises:
        RuntimeError: the shapes do not broadcast.
    """
    return vector_norm(add(sub(x1, x2), eps), p, -1, keepdim)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """Return the cosine of the angle between vectors along ``dim``; the shapes broadcast.

    Args:
        x1: the first vectors.
        x2: the second vectors.
        dim: the dim of the coordinates, in the shape that both broadcast to.
        eps: what a vector's norm counts as at least.

    Raises:
        RuntimeError: no floating-point type, or shapes that do not broadcast.

    Example:
        >>> import trainctl
        >>> cosine_similarity(trainctl.tensor([1.0, 0.0]), trainctl.tensor([2.0, 0.0]), dim=0)
        tensor(1.)
    """
    x1, x2 = promote(x1, x2)
    if x1._array.dtype.kind != "f":
        raise RuntimeError(f"expected common dtype to be floating point, yet common dtype is {x1.dtype.name}")
    check_broadcast(x1._array.shape, x2._array.shape)
    shape = broadcast_shapes(x1._array.shape, x2._array.shape)
    return sum(mul(_unit(expand(x1, shape), dim, eps), _unit(expand(x2, shape), dim, eps)), dim)


def _unit(x: Tensor, dim: int, eps: float) -> Tensor:
    """Return vectors of length 1; a norm below ``eps`` is replaced by it, but keeps its gradient."""
    norm = vector_norm(x, 2, dim, keepdim=True)
    missing = sub(clamp(norm.detach(), min=eps), norm.detach())
    return div(x, add(norm, missing))
