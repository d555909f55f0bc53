"""Norms of vectors and matrices."""

from __future__ import annotations

import math
from typing import Any

from trainctl.autograd.dims import wrap_dim, wrap_dims
from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import div, mul, pow, zeros_as
from trainctl.autograd.ops.cast import cast
from trainctl.autograd.ops.comparison import where
from trainctl.autograd.ops.elementwise import abs, sgn
from trainctl.autograd.ops.reduction import amax, amin, sum, unreduce
from trainctl.autograd.ops.shape import permute, squeeze, unsqueeze
from trainctl.autograd.ops.spectral import svdvals
from trainctl.autograd.tensor import Tensor
from trainctl.backend.dtypes import dtype as DType
from trainctl.backend.dtypes import promote_types

METHODS = "norm"
FUNCTIONS = "norm"
LINALG = "norm=linalg_norm vector_norm matrix_norm"


class VectorNorm(Op):
    """The norm of absolute values over some dims."""

    saves = (0,)
    saves_output = True
    order: float
    dims: tuple[int, ...]
    keepdim: bool

    def forward(self, x: Any, out: Any = None) -> Any:
        return norm_over(self.xp, x, self.order, self.dims, self.keepdim)

    def backward(self, gy: Tensor) -> Any:
        x, y = self.saved
        y, gy = (unreduce(each, x._array.shape, self.dims, self.keepdim) for each in (y, gy))
        if math.isinf(self.order):
            chosen = cast(where(y.isnan(), x.isnan(), abs(x) == y), gy.dtype)
            return mul(sgn(x), mul(gy, div(chosen, sum(chosen, self.dims, True))))
        return slope(x, y, gy, self.order)


def norm_over(xp: Any, x: Any, order: float, dims: Any, keepdim: bool) -> Any:
    """Return ``sum(abs(x) ** order) ** (1 / order)`` of an array: for order 0 a count, for infinite ones an extreme."""
    size, over = xp.abs(x), {"axis": dims, "keepdims": keepdim}
    kind = size.dtype
    if kind.itemsize < 4:
        size = size.astype(xp.float32)
    if order == 0:
        size = xp.sum(size != 0, **over)
    elif math.isinf(order):
        size = (xp.max if order > 0 else xp.min)(size, **over)
    elif order == 1:
        size = xp.sum(size, **over)
    elif order == 2:
        size = xp.sqrt(xp.sum(size * size, **over))
    else:
        size = xp.power(xp.sum(xp.power(size, order), **over), 1 / order)
    return xp.asarray(size).astype(kind)


def slope(x: Tensor, y: Tensor, gy: Tensor, order: float) -> Tensor:
    """Return the gradient of ``x``, whose norm of a finite order is ``y``; 0 where the norm has no slope."""
    if order == 0:
        return zeros_as(x)
    if order == 1:
        return mul(sgn(x), gy)
    if order == 2:
        flat = y == 0
        return mul(x, where(flat, 0, div(gy, where(flat, 1, y))))
    flat = (x == 0) | (y == 0)
    share = div(where(flat, 1, abs(x)), where(flat, 1, y))
    return mul(sgn(x), where(flat, 0, mul(gy, pow(share, order - 1))))


def vector_norm(
    x: Tensor, ord: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """Return ``sum(abs(x) ** ord) ** (1 / ord)`` over ``dim``.

    Args:
        x: floating-point or complex.
        ord: any real number; 0 counts the nonzero elements, inf is the largest absolute value, -inf the smallest.
        dim: an int, several, or None for all.
        keepdim: keep them with size 1.
        dtype: the type computed in; default: that of ``x``. The result is real.

    Raises:
        RuntimeError: an integer tensor, a narrower dtype, or no elements where ``ord`` is inf or negative.
        TypeError: ``ord`` is no number.

    Example:
        >>> import trainctl
        >>> vector_norm(trainctl.tensor([3.0, 4.0]))
        tensor(5.)
    """
    if not isinstance(ord, (int, float)):
        raise TypeError(f"linalg.vector_norm(): argument 'ord' must be a number, not {type(ord).__name__}")
    x = _in_dtype("linalg.vector_norm", x, dtype)
    dims, shape = wrap_dims(dim, x._array.ndim), x._array.shape
    empty = [each for each in dims if shape and shape[each] == 0]
    if empty and (ord < 0 or ord == math.inf):
        raise RuntimeError(
            f"linalg.vector_norm cannot compute the {ord} norm over dimension {empty[0]} of a tensor of shape "
            f"{list(shape)}, because this dimension is empty and the operation does not have an identity"
        )
    return VectorNorm.apply(x, order=ord, dims=dims, keepdim=keepdim)


def _in_dtype(op: str, x: Tensor, dtype: DType | None) -> Tensor:
    """Return a tensor in the type that its norm is computed in.

    Raises:
        RuntimeError: the tensor or the type is of integers, the type is narrower, or real for complex numbers.
    """
    if x._array.dtype.kind not in "fc":
        raise RuntimeError(f"{op}: Expected a floating point or complex tensor as input. Got {x.dtype.name}")
    if dtype is None:
        return x
    if dtype.category != x.dtype.category:
        wanted = "complex for complex" if x.is_complex() else "real for real"
        raise RuntimeError(f"{op}: dtype should be {wanted} inputs, but got {dtype.name}")
    if promote_types(x.dtype, dtype) is not dtype:
        raise RuntimeError(
            f"{op}: the dtype of the input ({x.dtype.name}) should be convertible without narrowing to the specified "
            f"dtype ({dtype.name})"
        )
    return cast(x, dtype)


def matrix_norm(
    A: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """Return a norm of matrices: ``[*, m, n] -> [*]``.

    Args:
        A: floating-point or complex.
        ord: ``fro`` (the root of the sum of squares), ``nuc`` (the sum of singular values), 2, -2 (the largest,
            smallest singular value), 1, -1 (the largest, smallest column sum of absolute values), inf, -inf (row sum).
        dim: the dims of rows and columns.
        keepdim: keep them with size 1.
        dtype: the type computed in; default: that of ``A``.

    Raises:
        RuntimeError: another ``ord``, or dims or types that do not fit.

    Example:
        >>> import trainctl
        >>> matrix_norm(trainctl.tensor([[1.0, -2.0], [3.0, 4.0]]), 1)
        tensor(6.)
    """
    A, dims = _check_matrix_norm(A, ord, dim, dtype)
    if ord == "fro":
        return vector_norm(A, 2, dims, keepdim)
    if ord in _OF_SINGULAR_VALUES:
        return _singular_value_norm(A, ord, dims, keepdim)
    summed, chosen = dims if math.fabs(ord) == 1 else dims[::-1]
    value = _extreme(vector_norm(A, 1, summed, keepdim=True), chosen, ord)
    return value if keepdim else squeeze(value, dims)


_OF_SINGULAR_VALUES = ("nuc", 2, -2)
_MATRIX_ORDERS = ("fro", *_OF_SINGULAR_VALUES, 1, -1, math.inf, -math.inf)


def _check_matrix_norm(A: Tensor, ord: Any, dim: Any, dtype: DType | None) -> tuple[Tensor, tuple[int, ...]]:
    """Return the matrices in the type computed in, and their two dims.

    Raises:
        RuntimeError: no matrices, an order that is none, dims that are not two, or types that do not fit.
    """
    op, low = "linalg.matrix_norm", A._array.dtype.itemsize < 4
    if A._array.ndim < 2:
        raise RuntimeError(f"{op}: The input tensor A must have at least 2 dimensions, got shape {list(A.shape)}")
    A = _in_dtype(op, A, dtype)
    if ord not in _MATRIX_ORDERS:
        raise RuntimeError(f"{op}: Order {ord} not supported; expected one of {', '.join(map(str, _MATRIX_ORDERS))}")
    if low and ord in _OF_SINGULAR_VALUES:
        raise RuntimeError(f"{op}: Low precision dtypes not supported for order {ord}")
    if isinstance(dim, int) or len(dim) != 2:
        raise RuntimeError(f"{op}: dim must be a 2-tuple. Got {dim}")
    first, second = (wrap_dim(each, A._array.ndim) for each in dim)
    if first == second:
        raise RuntimeError(f"{op}: dims must be different. Got {tuple(dim)}")
    return A, (first, second)


def _singular_value_norm(A: Tensor, ord: Any, dims: tuple[int, ...], keepdim: bool) -> Tensor:
    rest = [each for each in range(A._array.ndim) if each not in dims]
    values = svdvals(permute(A, (*rest, *dims)))
    value = sum(values, -1) if ord == "nuc" else squeeze(_extreme(values, -1, ord), -1)
    for each in sorted(dims) if keepdim else ():
        value = unsqueeze(value, each)
    return value


def _extreme(sizes: Tensor, dim: int, ord: float) -> Tensor:
    """Return the largest (of none: 0) or, for a negative order, the smallest size along a dim, which is kept."""
    if ord < 0:
        return amin(sizes, dim, keepdim=True)
    return amax(sizes, dim, keepdim=True) if sizes._array.shape[dim] else sum(sizes, dim, keepdim=True)


def linalg_norm(
    A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """Return a norm of vectors (one dim) or matrices (two dims), or the root of the sum of all squares.

    Args:
        A: floating-point or complex.
        ord: as for :func:`vector_norm` and :func:`matrix_norm`; None: the root of the sum of squares.
        dim: one dim or two; None: those of ``A``, which must be one or two unless ``ord`` is None.
        keepdim: keep them with size 1.
        dtype: the type computed in; default: that of ``A``.

    Raises:
        RuntimeError: dims, types or an order that do not fit.
    """
    dims = (dim,) if isinstance(dim, int) else None if dim is None else tuple(dim)
    if dims is not None and len(dims) not in (1, 2):
        raise RuntimeError(f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dims)}")
    if ord is None:
        return vector_norm(A, 2, dims, keepdim, dtype=dtype)
    if dims is None:
        if A._array.ndim not in (1, 2):
            raise RuntimeError(
                f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {A.ndim}D."
            )
        dims = tuple(range(A._array.ndim))
    if len(dims) == 2 or isinstance(ord, str):
        return matrix_norm(A, ord, dims, keepdim, dtype=dtype)
    return vector_norm(A, ord, dims, keepdim, dtype=dtype)


def norm(
    input: Tensor,
    p: Any = "fro",
    dim: Any = None,
    keepdim: bool = False,
    out: None = None,
    dtype: DType | None = None,
) -> Tensor:
    """Return a norm over ``dim``, by default of all elements: ``sum(abs(input) ** p) ** (1 / p)``.

    Args:
        input: floating-point or complex.
        p: a number, also for several dims; ``fro`` or None: 2; ``nuc``: the sum of the singular values of matrices.
        dim: an int, several, or None for all; two for ``nuc``, at most two for ``fro``.
        keepdim: keep them with size 1.
        out: taken by name only.
        dtype: the type computed in; default: that of ``input``.

    Raises:
        RuntimeError: dims, types or a ``p`` that do not fit.
        TypeError: ``out`` by position.

    Example:
        >>> import trainctl
        >>> norm(trainctl.tensor([3.0, 4.0]))
        tensor(5.)
    """
    if out is not None:
        raise TypeError("norm(): give out= by name")
    dims = (dim,) if isinstance(dim, int) else None if dim is None else tuple(dim)
    if p is None or (p == "fro" and (dims is None or len(dims) <= 2)):
        p = 2.0
    if isinstance(p, str):
        return matrix_norm(input, p, tuple(range(input._array.ndim)) if dims is None else dims, keepdim, dtype=dtype)
    return vector_norm(input, p, dims, keepdim, dtype=dtype)
