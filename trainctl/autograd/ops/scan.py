"""Running sums, products and extremes along a dim, and the linear recurrence behind their gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trainctl.autograd.dims import numpy_names, wrap_dim
from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import conj, mul, sub
from trainctl.autograd.ops.cast import cast, check_tensor, refuse
from trainctl.autograd.ops.comparison import where
from trainctl.autograd.ops.elementwise import exp
from trainctl.autograd.ops.indexing import Gather
from trainctl.autograd.ops.joining import cat
from trainctl.autograd.ops.reduction import ValuesIndices
from trainctl.autograd.ops.shape import narrow, reshape
from trainctl.autograd.ops.special import log1p_array
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes
from trainctl.backend.dtypes import dtype as DType

METHODS = "cumsum cumprod cummax cummin logcumsumexp"
IN_PLACE = "cumsum cumprod"
FUNCTIONS = "cumsum cumprod cummax cummin logcumsumexp"

# What a running total is kept in, as in PyTorch, so that its error does not grow with its length.
_ACCUMULATED_IN = {"float16": "float32", "float32": "float64", "complex64": "complex128"}


def _widened(xp: Any, x: Any) -> Any:
    """Return the array dtype in which a running total of ``x`` is kept."""
    return xp.dtype(_ACCUMULATED_IN.get(x.dtype.name, x.dtype.name))


def scan(xp: Any, dim: int, combine: Callable[[Any, Any], tuple[Any, ...]], *arrays: Any) -> tuple[Any, ...]:
    """Return the running combination of arrays along ``dim``, in log2(size) passes over them whole.

    Where the dim has but one element there is no pass to make, and they come back as they are.

    Args:
        xp: the backend.
        dim: the dimension.
        combine: ``combine(earlier, later)`` of two tuples of arrays; associative.
        arrays: what is combined, all of one shape.
    """
    step, size, before = 1, arrays[0].shape[dim], (slice(None),) * dim
    while step < size:
        earlier = tuple(each[(*before, slice(None, -step))] for each in arrays)
        later = tuple(each[(*before, slice(step, None))] for each in arrays)
        first = (each[(*before, slice(None, step))] for each in arrays)
        arrays = tuple(xp.concatenate(pair, axis=dim) for pair in zip(first, combine(earlier, later), strict=True))
        step *= 2
    return arrays


def running(xp: Any, combine: Callable[..., Any], x: Any, dim: int) -> Any:
    """Return the running combination of one array by an associative function of two."""
    return scan(xp, dim, lambda early, late: (combine(early[0], late[0]),), x)[0]


def _apply_along(cls: type[Op], x: Tensor, dim: int, **params: Any) -> Tensor:
    """Apply an op of one dim; a 0-d tensor counts as one of a single element."""
    dim = wrap_dim(dim, x._array.ndim)
    if x._array.ndim == 0:
        return reshape(cls.apply(reshape(x, 1), dim=0, **params), ())
    return cls.apply(x, dim=dim, **params)


class CumSum(Op):
    dim: int
    reverse: bool = False

    def forward(self, x: Any, out: Any = None) -> Any:
        xp = self.xp
        total = xp.cumsum(xp.flip(x, self.dim) if self.reverse else x, axis=self.dim, dtype=_widened(xp, x))
        y = total.astype(x.dtype, copy=False)
        return xp.flip(y, self.dim).copy() if self.reverse else y

    def backward(self, gy: Tensor) -> Any:
        return CumSum.apply(gy, dim=self.dim, reverse=not self.reverse)


@numpy_names
def cumsum(input: Tensor, dim: int, *, dtype: DType | None = None) -> Tensor:
    """Return the running sum along ``dim``; integers are summed in int64.

    Args:
        input: any shape; the output has it too.
        dim: the dimension.
        dtype: convert to this type first.

    Raises:
        IndexError: no such dim.
        NotImplementedError: ``dtype`` is bool.

    Example:
        >>> import trainctl
        >>> trainctl.tensor([1, 2, 3]).cumsum(0)
        tensor([1, 3, 6])
    """
    return _apply_along(CumSum, _as_total("cumsum", input, dtype), dim)


def _as_total(op: str, input: Tensor, kind: DType | None) -> Tensor:
    """Return the tensor in the dtype of its running total."""
    check_tensor(op, input, "input")
    if kind is dtypes.bool_:
        raise NotImplementedError(f'"{op}" not implemented for bool')
    if kind is None:
        kind = dtypes.int64 if input._array.dtype.kind in "bui" else input.dtype
    return cast(input, kind)


class CumProd(Op):
    saves = (0,)
    saves_output = True
    dim: int

    def forward(self, x: Any, out: Any = None) -> Any:
        return self.xp.cumprod(x, axis=self.dim, dtype=_widened(self.xp, x)).astype(x.dtype, copy=False)

    def backward(self, gy: Tensor) -> Any:
        x, y = self.saved  # y[k] = x[k] y[k-1], so what arrives at y[k] is gy[k] + x[k+1] (what arrives at y[k+1])
        arriving = Recurrence.apply(conj(x), gy, dim=self.dim, reverse=True)
        return mul(arriving, conj(_delayed(y, self.dim, 1)))


@numpy_names
def cumprod(input: Tensor, dim: int, *, dtype: DType | None = None) -> Tensor:
    """Return the running product along ``dim``; integers are multiplied in int64.

    The gradient divides by nothing, so elements that are 0 have theirs.

    Args:
        input: any shape; the output has it too.
        dim: the dimension.
        dtype: convert to this type first.

    Raises:
        IndexError: no such dim.
        NotImplementedError: ``dtype`` is bool.

    Example:
        >>> import trainctl
        >>> trainctl.tensor([2, 3, 4]).cumprod(0)
        tensor([ 2,  6, 24])
    """
    return _apply_along(CumProd, _as_total("cumprod", input, dtype), dim)


class Recurrence(Op):
    """``r[k] = a[k] r[k-1] + b[k]`` along a dim, from 0; in reverse ``r[k] = a[k+1] r[k+1] + b[k]``.

    Each direction is what the other's gradient with respect to ``b`` runs through.
    """

    saves = (0,)
    saves_output = True
    dim: int
    reverse: bool

    def forward(self, a: Any, b: Any, out: Any = None) -> Any:
        xp = self.xp
        if self.reverse:
            a, b = xp.roll(xp.flip(a, self.dim), 1, self.dim), xp.flip(b, self.dim)
        _, r = scan(xp, self.dim, lambda early, late: (early[0] * late[0], late[0] * early[1] + late[1]), a, b)
        return (xp.flip(r, self.dim) if self.reverse else r).copy()

    def backward(self, gy: Tensor) -> Any:
        a, r = self.saved
        gb = Recurrence.apply(conj(a), gy, dim=self.dim, reverse=not self.reverse)
        if self.reverse:
            return mul(_delayed(gb, self.dim, 0), conj(r)), gb
        return mul(gb, conj(_delayed(r, self.dim, 0))), gb


def _delayed(x: Tensor, dim: int, first: float) -> Tensor:
    """Return ``x`` one place later along ``dim``, beginning with a number."""
    size = x._array.shape[dim]
    if size == 0:
        return x
    start = x._xp.full((*x._array.shape[:dim], 1, *x._array.shape[dim + 1 :]), first, x._array.dtype)
    return cat([Tensor._constant(start), narrow(x, dim, 0, size - 1)], dim)


class ArgCumMax(Op):
    """Index of the largest (``function="maximum"``) or smallest (``"minimum"``) element so far.

    Of equal ones it is the last; a NaN beats everything before it.
    """

    differentiable = False
    function: str
    dim: int

    def forward(self, x: Any, out: Any = None) -> Any:
        xp = self.xp
        extreme = running(xp, getattr(xp, self.function), x, self.dim)
        places = xp.arange(x.shape[self.dim]).reshape((-1,) + (1,) * (x.ndim - self.dim - 1))
        return running(xp, xp.maximum, xp.where((x == extreme) | (x != x), places, 0), self.dim)


@numpy_names
def cummax(input: Tensor, dim: int) -> ValuesIndices:
    """Return (values, indices) of the largest element so far along ``dim``; of equal ones the last.

    Raises:
        IndexError: no such dim.
        NotImplementedError: complex elements.

    Example:
        >>> import trainctl
        >>> trainctl.tensor([1, 3, 2, 3]).cummax(0).indices
        tensor([0, 1, 1, 3])
    """
    return _running_extreme("cummax", input, dim, "maximum")


@numpy_names
def cummin(input: Tensor, dim: int) -> ValuesIndices:
    """Return (values, indices) of the smallest element so far along ``dim``; of equal ones the last.

    Raises:
        IndexError: no such dim.
        NotImplementedError: complex elements.

    Example:
        >>> import trainctl
        >>> trainctl.tensor([2, 1, 3, 1]).cummin(0).values
        tensor([2, 1, 1, 1])
    """
    return _running_extreme("cummin", input, dim, "minimum")


def _running_extreme(op: str, input: Tensor, dim: int, function: str) -> ValuesIndices:
    check_tensor(op, input, "input")
    wrap_dim(dim, input._array.ndim)
    refuse("c", op, input)
    indices = _apply_along(ArgCumMax, input, dim, function=function)
    return ValuesIndices(taken_along(input, indices, dim), indices)


def taken_along(input: Tensor, indices: Tensor, dim: int) -> Tensor:
    """Return the elements that ``indices`` (known to be right) name along ``dim``; a 0-d tensor has but one."""
    if input._array.ndim == 0:
        return reshape(input, ())
    return Gather.apply(input, indices, dim=wrap_dim(dim, input._array.ndim))


class LogCumSumExp(Op):
    saves = (0,)
    saves_output = True
    dim: int

    def forward(self, x: Any, out: Any = None) -> Any:
        xp = self.xp
        wide = x.astype(_widened(xp, x), copy=False)
        if x.dtype.kind == "c":
            return _sequential(xp, wide, self.dim).astype(x.dtype, copy=False)
        return running(xp, xp.logaddexp, wide, self.dim).astype(x.dtype)

    def backward(self, gy: Tensor) -> Any:
        x, y = self.saved  # exp(y[k]) = exp(y[k-1]) + exp(x[k]); between running sums of one scale nothing overflows
        before = _delayed(y, self.dim, 0)
        decay = exp(where(before == y, 0, sub(before, y)))
        arriving = Recurrence.apply(conj(decay), gy, dim=self.dim, reverse=True)
        return mul(arriving, conj(exp(sub(x, y))))


def _sequential(xp: Any, x: Any, dim: int) -> Any:
    """Return the running log-sum-exp of complex numbers, whose sheet of the logarithm depends on the order."""
    x = xp.moveaxis(x, dim, 0)
    y = x.copy()
    for i in range(1, len(x)):
        y[i] = _complex_logaddexp(xp, y[i - 1], x[i])
    return xp.ascontiguousarray(xp.moveaxis(y, 0, dim))


def _complex_logaddexp(xp: Any, a: Any, b: Any) -> Any:
    swap = b.real >= a.real
    low, high = xp.where(swap, a, b), xp.where(swap, b, a)
    vanishes = xp.isinf(low.real) & (low.real < 0)
    return xp.where(vanishes, high, high + log1p_array(xp, xp.exp(xp.where(vanishes, 0, low - high))))


@numpy_names
def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """Return the logarithm of the running sum of ``exp(input)`` along ``dim``, without overflow.

    Raises:
        IndexError: no such dim.
        NotImplementedError: not a floating-point or complex type.

    Example:
        >>> import trainctl
        >>> trainctl.tensor([0.0, 0.0]).logcumsumexp(0)
        tensor([0.0000, 0.6931])
    """
    check_tensor("logcumsumexp", input, "input")
    wrap_dim(dim, input._array.ndim)
    refuse("bui", "logcumsumexp", input)
    return _apply_along(LogCumSumExp, input, dim)
