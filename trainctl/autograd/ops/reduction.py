"""Sums, products and extremes over dimensions."""

from __future__ import annotations

from typing import Any, NamedTuple

from trainctl.autograd.dims import numpy_names, wrap_dim, wrap_dims
from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import conj, div, maximum, minimum, mul, sub
from trainctl.autograd.ops.broadcasting import expand, total
from trainctl.autograd.ops.cast import cast, refuse, to_float
from trainctl.autograd.ops.elementwise import exp
from trainctl.autograd.ops.shape import reshape, squeeze, transpose, unsqueeze
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes
from trainctl.backend.dtypes import dtype as DType

METHODS = "sum mean amax amin argmax argmin max min all any prod logsumexp"
FUNCTIONS = "sum mean amax amin argmax argmin max min all any prod logsumexp"


class ValuesIndices(NamedTuple):
    values: Tensor
    indices: Tensor


class Sum(Op):
    dims: tuple[int, ...]
    keepdim: bool

    def forward(self, x: Any, out: Any = None) -> Any:
        self.shape = x.shape
        return total(self.xp, x, self.dims, self.keepdim, out)

    def backward(self, gy: Tensor) -> Any:
        return unreduce(gy, self.shape, self.dims, self.keepdim)


def unreduce(gy: Tensor, shape: tuple[int, ...], dims: tuple[int, ...], keepdim: bool) -> Tensor:
    """Return the gradient of a reduction spread over the dimensions that it removed."""
    if not keepdim and dims:
        gy = reshape(gy, tuple(1 if i in dims else size for i, size in enumerate(shape)))
    return expand(gy, shape)


@numpy_names
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
        half = x.dtype == self.xp.float16  # summed in float32
        summed = self.xp.sum(x, axis=self.dims, keepdims=self.keepdim, dtype=self.xp.float32 if half else x.dtype)
        mean = self.xp.true_divide(summed, size_of(x.shape, self.dims), out=out)
        return mean.astype(x.dtype) if half and out is None else mean

    def backward(self, gy: Tensor) -> Any:
        return unreduce(div(gy, size_of(self.shape, self.dims)), self.shape, self.dims, self.keepdim)


def size_of(shape: tuple[int, ...], dims: tuple[int, ...]) -> int:
    """Return how many elements a reduction over ``dims`` makes one of."""
    count = 1
    for dim in dims:
        count *= shape[dim]
    return count


@numpy_names
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
        chosen = self.chosen(x, unreduce(y, shape, self.dims, self.keepdim)).to(gy.dtype)
        return mul(unreduce(gy, shape, self.dims, self.keepdim), div(chosen, sum(chosen, self.dims, True)))

    def chosen(self, x: Tensor, y: Tensor) -> Tensor:
        """Return which elements the extreme is."""
        return x == y


class ExtremeOfAll(Amax):
    """The extreme of all elements; where it is NaN, every NaN is one."""

    def chosen(self, x: Tensor, y: Tensor) -> Tensor:
        from trainctl.autograd.ops.comparison import where

        return where(y.isnan(), x.isnan(), x == y)


@numpy_names
def amax(input: Tensor, dim: Any = (), keepdim: bool = False) -> Tensor:
    """Return the largest element over ``dim``; equal ones share the gradient."""
    return _extreme(Amax, "amax", input, dim, keepdim)


@numpy_names
def amin(input: Tensor, dim: Any = (), keepdim: bool = False) -> Tensor:
    """Return the smallest element over ``dim``; equal ones share the gradient."""
    return _extreme(Amax, "amin", input, dim, keepdim)


def _extreme(cls: type[Amax], op: str, input: Tensor, dim: Any, keepdim: bool) -> Tensor:
    refuse("c", op, input)
    dims = wrap_dims(dim, input._array.ndim)
    if dim is None or dim == ():
        _check_not_empty(op, input, RuntimeError)
    for each in dims:
        check_size(op, input, each)
    return cls.apply(input, function=op[-3:], dims=dims, keepdim=keepdim)


def _check_not_empty(op: str, input: Tensor, kind: type[Exception]) -> None:
    if input._array.size == 0:
        raise kind(
            f"{op}(): Expected reduction dim to be specified for input.numel() == 0 (shape {list(input.shape)}). "
            "Specify the reduction dim with the 'dim' argument."
        )


def check_size(op: str, input: Tensor, dim: int) -> None:
    """Raise IndexError if there is nothing to reduce along ``dim``."""
    if input._array.ndim and input._array.shape[dim] == 0:
        raise IndexError(f"{op}(): Expected reduction dim {dim} to have non-zero size, got shape {list(input.shape)}.")


class Arg(Op):
    """The index of the first largest or smallest element, by the array function's name."""

    differentiable = False
    function: str
    dim: int | None
    keepdim: bool

    def forward(self, x: Any, out: Any = None) -> Any:
        return getattr(self.xp, self.function)(x, axis=self.dim, keepdims=self.keepdim, out=out)


@numpy_names
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Return the index of the largest element, in ``dim`` or in the flattened tensor."""
    return _arg("argmax", input, dim, keepdim)


@numpy_names
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Return the index of the smallest element, in ``dim`` or in the flattened tensor."""
    return _arg("argmin", input, dim, keepdim)


def _arg(op: str, input: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    if input._array.dtype.kind in "bc":
        raise RuntimeError(f"{op}(): does not support {input.dtype.name} input")
    return _arg_along(op, op, input, dim, keepdim)


def _arg_along(op: str, function: str, input: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    ndim = input._array.ndim
    wrapped = None if dim is None else wrap_dim(dim, ndim)
    if wrapped is None:
        _check_not_empty(op, input, IndexError)
    else:
        check_size(op, input, wrapped)
    return Arg.apply(input, function=function, dim=wrapped if ndim else None, keepdim=keepdim)


@numpy_names
def max(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Tensor | None = None) -> Any:
    """Return the largest element; with ``dim``, (values, indices) along it; with a tensor, :func:`maximum`."""
    return _max_or_min("max", input, dim if other is None else other, keepdim)


@numpy_names
def min(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Tensor | None = None) -> Any:
    """Return the smallest element; with ``dim``, (values, indices) along it; with a tensor, :func:`minimum`."""
    return _max_or_min("min", input, dim if other is None else other, keepdim)


def _max_or_min(op: str, input: Tensor, dim: Any, keepdim: bool) -> Any:
    if dim is None:
        return _extreme(ExtremeOfAll, op, input, None, keepdim)
    if isinstance(dim, Tensor):
        return (maximum if op == "max" else minimum)(input, dim)
    refuse("c", op, input)
    indices = _arg_along(op, "arg" + op, input, dim, True)
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
        truth = getattr(self.xp, self.function)(x, axis=self.dims, keepdims=self.keepdim, out=out)
        return truth.astype(x.dtype) if x.dtype == self.xp.uint8 else truth


@numpy_names
def all(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Return whether all elements over ``dim`` are nonzero, as bool (uint8 for uint8)."""
    return _truth("all", input, dim, keepdim)


@numpy_names
def any(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Return whether any element over ``dim`` is nonzero, as bool (uint8 for uint8)."""
    return _truth("any", input, dim, keepdim)


def _truth(function: str, input: Tensor, dim: Any, keepdim: bool) -> Tensor:
    none = isinstance(dim, (tuple, list)) and not dim  # for these two PyTorch reduces nothing then
    dims = () if none else wrap_dims(dim, input._array.ndim)
    return Truth.apply(input, function=function, dims=dims, keepdim=keepdim)


class Prod(Op):
    saves = (0,)
    dim: int

    def forward(self, x: Any, out: Any = None) -> Any:
        return self.xp.prod(x, axis=self.dim, dtype=x.dtype, out=out)

    def backward(self, gy: Tensor) -> Any:
        (x,) = self.saved
        return mul(unsqueeze(gy, self.dim), conj(ProductOfOthers.apply(x, dim=self.dim)))


class ProductOfOthers(Op):
    """For each element the product of all others along ``dim``; right where elements are 0, too."""

    saves = (0,)
    dim: int

    def forward(self, x: Any, out: Any = None) -> Any:
        xp = self.xp
        x = xp.moveaxis(x, self.dim, -1)
        before, after = xp.ones_like(x), xp.ones_like(x)
        before[..., 1:] = xp.cumprod(x[..., :-1], axis=-1)
        after[..., :-1] = xp.cumprod(x[..., :0:-1], axis=-1)[..., ::-1]
        return xp.moveaxis(xp.multiply(before, after), -1, self.dim)

    def backward(self, gy: Tensor) -> Any:
        from trainctl.autograd.ops.comparison import where

        (x,) = self.saved
        x, gy = transpose(x, self.dim, -1), transpose(gy, self.dim, -1)
        size = x._array.shape[-1]
        own = Tensor._constant(self.xp.eye(size, dtype=bool))
        factors = where(own, 1, unsqueeze(x, -2))  # [..., n, n]: row i holds the factors of the i-th product
        pairs = conj(ProductOfOthers.apply(factors, dim=factors._array.ndim - 1))
        gx = sum(where(own, 0, mul(unsqueeze(gy, -1), pairs)), -2)
        return transpose(gx, self.dim, -1)


@numpy_names
def prod(input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: DType | None = None) -> Tensor:
    """Return the product over ``dim`` (None: of all elements); integers multiply in int64.

    Raises:
        TypeError: ``dim`` is not an int.
    """
    if dtype is not None:
        input = cast(input, dtype)
    elif input._array.dtype.kind in "bui":
        input = cast(input, dtypes.int64)
    shape = input._array.shape
    if dim is None or not shape:
        wrap_dim(0 if dim is None else dim, len(shape))
        return reshape(Prod.apply(reshape(input, -1), dim=0), (1,) * len(shape) if keepdim else ())
    dim = wrap_dim(dim, len(shape))
    product = Prod.apply(input, dim=dim)
    return unsqueeze(product, dim) if keepdim else product


class LogSumExp(Op):
    saves = (0,)
    saves_output = True
    dims: tuple[int, ...]
    keepdim: bool

    def forward(self, x: Any, out: Any = None) -> Any:
        xp = self.xp
        empty = 0 in (x.shape[dim] for dim in self.dims)  # then the sum is 0, and its logarithm -inf
        top = xp.zeros((), x.real.dtype) if empty else xp.max(x.real, axis=self.dims, keepdims=True)
        top = xp.where(xp.isfinite(top), top, 0)  # all -inf, or an inf: shift by nothing
        summed = xp.log(xp.sum(xp.exp(x - top), axis=self.dims, keepdims=True)) + top
        return summed if self.keepdim else xp.squeeze(summed, axis=self.dims)

    def backward(self, gy: Tensor) -> Any:
        x, y = self.saved
        shape = x._array.shape
        weights = exp(sub(x, unreduce(y, shape, self.dims, self.keepdim)))
        return mul(unreduce(gy, shape, self.dims, self.keepdim), conj(weights))


@numpy_names
def logsumexp(input: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    """Return ``log(sum(exp(input)))`` over ``dim`` without overflow."""
    return LogSumExp.apply(to_float(input), dims=wrap_dims(dim, input._array.ndim), keepdim=keepdim)
