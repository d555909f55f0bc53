"""Sums, extremes and statistics over dimensions."""

from __future__ import annotations

from typing import Any, NamedTuple

from trainctl.autograd.dims import wrap_dim, wrap_dims
from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import div, mul, sub
from trainctl.autograd.ops.cast import cast, to_float
from trainctl.autograd.ops.elementwise import sqrt
from trainctl.autograd.ops.shape import expand, reshape, squeeze
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes
from trainctl.backend.dtypes import dtype as DType


class ValuesIndices(NamedTuple):
    values: Tensor
    indices: Tensor


class Sum(Op):
    dims: tuple[int, ...]
    keepdim: bool

    def forward(self, x: Any, out: Any = None) -> Any:
        self.shape = x.shape
        return self.xp.sum(x, axis=self.dims, keepdims=self.keepdim, out=out)

    def backward(self, gy: Tensor) -> Any:
        return unreduce(gy, self.shape, self.dims, self.keepdim)


def unreduce(gy: Tensor, shape: tuple[int, ...], dims: tuple[int, ...], keepdim: bool) -> Tensor:
    """Return the gradient of a reduction spread over the dimensions that it removed."""
    if not keepdim and dims:
        gy = reshape(gy, tuple(1 if i in dims else size for i, size in enumerate(shape)))
    return expand(gy, shape)


def sum(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None) -> Tensor:
    """Return the sum over ``dim`` (an int, several, or None for all); integers sum in int64.

    Example:
        >>> import trainctl
        >>> trainctl.ones(2, 3).sum(dim=1)
        tensor([3., 3.])
    """
    if dtype is not None:
        input = cast(input, dtype)
    elif input._array.dtype.kind in "bui":
        input = cast(input, dtypes.int64)
    return Sum.apply(input, dims=wrap_dims(dim, input._array.ndim), keepdim=keepdim)


class Mean(Op):
    dims: tuple[int, ...]
    keepdim: bool

    def forward(self, x: Any, out: Any = None) -> Any:
        self.shape = x.shape
        return self.xp.mean(x, axis=self.dims, keepdims=self.keepdim, out=out)

    def backward(self, gy: Tensor) -> Any:
        return unreduce(div(gy, _count(self.shape, self.dims)), self.shape, self.dims, self.keepdim)


def _count(shape: tuple[int, ...], dims: tuple[int, ...]) -> int:
    count = 1
    for dim in dims:
        count *= shape[dim]
    return count


def mean(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None) -> Tensor:
    """Return the mean over ``dim`` (an int, several, or None for all).

    Raises:
        RuntimeError: an integer or bool tensor, and no ``dtype``.
    """
    if dtype is not None:
        input = cast(input, dtype)
    if input._array.dtype.kind in "bui":
        raise RuntimeError(
            "mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. "
            f"Got: {input.dtype.name}"
        )
    return Mean.apply(input, dims=wrap_dims(dim, input._array.ndim), keepdim=keepdim)


def var(
    input: Tensor,
    dim: Any = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """Return the variance over ``dim``: squared distance from the mean over ``N - correction`` (default 1)."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    dims = wrap_dims(dim, input._array.ndim)
    minus = (1 if unbiased else 0) if correction is None else correction
    distance = sub(input, mean(input, dims, keepdim=True))
    squares = mul(distance, distance.conj()) if distance.is_complex() else mul(distance, distance)
    total = sum(squares, dims, keepdim)
    return div(total, max_number(_count(input._array.shape, dims) - minus, 0))


def max_number(a: float, b: float) -> float:
    """Return the larger of two Python numbers (``max`` is an op in this module)."""
    return a if a > b else b


def std(
    input: Tensor,
    dim: Any = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """Return the standard deviation over ``dim``, the root of :func:`var`."""
    return sqrt(var(input, dim, unbiased, keepdim, correction=correction))


class Amax(Op):
    """The largest (``function="max"``) or smallest (``"min"``) element; ties share the gradient evenly."""

    saves = (0,)
    saves_output = True
    function: str
    dims: tuple[int, ...]
    keepdim: bool

    def forward(self, x: Any, out: Any = None) -> Any:
        return getattr(self.xp, self.function)(x, axis=self.dims, keepdims=self.keepdim, out=out)

    def backward(self, gy: Tensor) -> Any:
        x, y = self.saved
        shape = x._array.shape
        chosen = (x == unreduce(y, shape, self.dims, self.keepdim)).to(gy.dtype)
        return mul(unreduce(gy, shape, self.dims, self.keepdim), div(chosen, sum(chosen, self.dims, True)))


def amax(input: Tensor, dim: Any = (), keepdim: bool = False) -> Tensor:
    """Return the largest element over ``dim``; equal ones share the gradient."""
    return _extreme(input, dim, keepdim, "max")


def amin(input: Tensor, dim: Any = (), keepdim: bool = False) -> Tensor:
    """Return the smallest element over ``dim``; equal ones share the gradient."""
    return _extreme(input, dim, keepdim, "min")


def _extreme(input: Tensor, dim: Any, keepdim: bool, function: str) -> Tensor:
    dims = wrap_dims(dim, input._array.ndim)
    empty = [each for each in dims if input._array.shape[each] == 0]
    if empty:
        raise IndexError(f"a{function}(): Expected reduction dim {empty[0]} to have non-zero size.")
    return Amax.apply(input, function=function, dims=dims, keepdim=keepdim)


class Arg(Op):
    """The index of the first largest or smallest element, by the array function's name."""

    differentiable = False
    function: str
    dim: int | None
    keepdim: bool

    def forward(self, x: Any, out: Any = None) -> Any:
        return getattr(self.xp, self.function)(x, axis=self.dim, keepdims=self.keepdim, out=out)


def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Return the index of the largest element, in ``dim`` or in the flattened tensor."""
    return _arg(input, dim, keepdim, "argmax")


def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Return the index of the smallest element, in ``dim`` or in the flattened tensor."""
    return _arg(input, dim, keepdim, "argmin")


def _arg(input: Tensor, dim: int | None, keepdim: bool, function: str) -> Tensor:
    ndim = input._array.ndim
    wrapped = None if dim is None else wrap_dim(dim, ndim)
    if input._array.size == 0 and (wrapped is None or input._array.shape[wrapped] == 0):
        raise IndexError(f"{function}(): Expected reduction dim {dim} to have non-zero size.")
    return Arg.apply(input, function=function, dim=wrapped if ndim else None, keepdim=keepdim)


def max(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """Return the largest element; with ``dim``, (values, indices) along it; with a tensor, :func:`maximum`."""
    return _max_or_min(input, dim, keepdim, "max")


def min(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """Return the smallest element; with ``dim``, (values, indices) along it; with a tensor, :func:`minimum`."""
    return _max_or_min(input, dim, keepdim, "min")


def _max_or_min(input: Tensor, dim: Any, keepdim: bool, function: str) -> Any:
    if dim is None:
        return _extreme(input, None, keepdim, function)
    if isinstance(dim, Tensor):
        from trainctl.autograd.ops.arithmetic import maximum, minimum

        return (maximum if function == "max" else minimum)(input, dim)
    indices = _arg(input, dim, True, "arg" + function)
    if input._array.ndim == 0:
        return ValuesIndices(reshape(input, ()), reshape(indices, ()))
    from trainctl.autograd.ops.indexing import gather

    values = gather(input, dim, indices)
    return ValuesIndices(values, indices) if keepdim else ValuesIndices(squeeze(values, dim), squeeze(indices, dim))


class Truth(Op):
    """Whether any or all elements are nonzero."""

    differentiable = False
    function: str
    dims: tuple[int, ...]
    keepdim: bool

    def forward(self, x: Any, out: Any = None) -> Any:
        return getattr(self.xp, self.function)(x, axis=self.dims, keepdims=self.keepdim, out=out)


def all(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Return whether all elements over ``dim`` are nonzero."""
    return Truth.apply(input, function="all", dims=wrap_dims(dim, input._array.ndim), keepdim=keepdim)


def any(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Return whether any element over ``dim`` is nonzero."""
    return Truth.apply(input, function="any", dims=wrap_dims(dim, input._array.ndim), keepdim=keepdim)


class Prod(Op):
    saves = (0,)
    dims: tuple[int, ...]
    keepdim: bool

    def forward(self, x: Any, out: Any = None) -> Any:
        return self.xp.prod(x, axis=self.dims, keepdims=self.keepdim, out=out)


def prod(input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: DType | None = None) -> Tensor:
    """Return the product over ``dim`` (None: of all elements); integers multiply in int64."""
    if dtype is not None:
        input = cast(input, dtype)
    elif input._array.dtype.kind in "bui":
        input = cast(input, dtypes.int64)
    return Prod.apply(input, dims=wrap_dims(dim, input._array.ndim), keepdim=keepdim)


class LogSumExp(Op):
    saves = (0,)
    saves_output = True
    dims: tuple[int, ...]
    keepdim: bool

    def forward(self, x: Any, out: Any = None) -> Any:
        xp = self.xp
        top = xp.max(x, axis=self.dims, keepdims=True)
        top = xp.where(xp.isfinite(top), top, 0)  # all -inf, or an inf: shift by nothing
        total = xp.log(xp.sum(xp.exp(x - top), axis=self.dims, keepdims=True)) + top
        return total if self.keepdim else xp.squeeze(total, axis=self.dims)

    def backward(self, gy: Tensor) -> Any:
        x, y = self.saved
        shape = x._array.shape
        weights = sub(x, unreduce(y, shape, self.dims, self.keepdim)).exp()
        return mul(unreduce(gy, shape, self.dims, self.keepdim), weights)


def logsumexp(input: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    """Return ``log(sum(exp(input)))`` over ``dim`` without overflow."""
    return LogSumExp.apply(to_float(input), dims=wrap_dims(dim, input._array.ndim), keepdim=keepdim)
