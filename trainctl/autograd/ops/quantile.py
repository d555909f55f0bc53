"""Order statistics: medians, quantiles and the mode."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.dims import numpy_names, wrap_dim
from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import add, div, mul, sub
from trainctl.autograd.ops.cast import cast, check_tensor, refuse
from trainctl.autograd.ops.comparison import where
from trainctl.autograd.ops.compound import lerp
from trainctl.autograd.ops.reduction import ValuesIndices, check_size, sum
from trainctl.autograd.ops.rounding import ceil, floor, round
from trainctl.autograd.ops.scan import running
from trainctl.autograd.ops.shape import reshape, transpose, unsqueeze
from trainctl.autograd.ops.sorting import order, pick, sort, taken_along
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

METHODS = "median nanmedian quantile nanquantile mode"
FUNCTIONS = "median nanmedian quantile nanquantile mode"

_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


class MiddlePlace(Op):
    """Which place in a sorted dim (NaN last) holds the median: the lower of two, or the first NaN."""

    differentiable = False
    dim: int
    ignore_nan: bool

    def forward(self, ordered: Any, out: Any = None) -> Any:
        xp, size = self.xp, ordered.shape[self.dim]
        numbers = xp.sum(ordered == ordered, axis=self.dim, keepdims=True)
        if self.ignore_nan:
            return xp.maximum(numbers - 1, 0) // 2
        return xp.where(numbers < size, numbers, (size - 1) // 2)


@numpy_names
def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return the median, of two middle elements the lower; NaN if there is one.

    Args:
        input: real numbers.
        dim: the dimension; then (values, indices) along it. None: of all elements, and only the value.
        keepdim: keep ``dim``, with the size 1.

    Raises:
        IndexError: no such dim, or it is empty.
        NotImplementedError: bool or complex elements.

    Example:
        >>> import trainctl
        >>> trainctl.tensor([3.0, 1.0, 2.0, 4.0]).median()
        tensor(2.)
    """
    return _median("median", input, dim, keepdim, ignore_nan=False)


@numpy_names
def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return the :func:`median` of the elements that are not NaN; NaN where there are none.

    Raises:
        IndexError: no such dim, or it is empty.
        NotImplementedError: bool or complex elements.

    Example:
        >>> import trainctl
        >>> trainctl.tensor([3.0, float("nan"), 2.0]).nanmedian()
        tensor(2.)
    """
    return _median("nanmedian", input, dim, keepdim, ignore_nan=True)


def _median(op: str, input: Tensor, dim: int | None, keepdim: bool, ignore_nan: bool) -> Any:
    check_tensor(op, input, "input")
    if dim is None:
        if keepdim:
            raise TypeError(f'{op}() missing 1 required positional argument: "dim"; keepdim goes with it')
        return _median_of_all(op, input, ignore_nan)
    dim = wrap_dim(dim, input._array.ndim)
    check_size(op, input, dim)
    refuse("bc", op, input)
    indices = order(op, input, dim)
    if input._array.ndim:
        place = MiddlePlace.apply(taken_along(input.detach(), indices, dim), dim=dim, ignore_nan=ignore_nan)
        indices = taken_along(indices, place, dim)
    return pick(input, indices, dim, keepdim)


class SharedChoice(Op):
    """One element of a vector, at an index; all that equal it (a NaN: all NaN) share its gradient."""

    saves = (0,)
    saves_output = True

    def forward(self, x: Any, at: Any, out: Any = None) -> Any:
        return x[at]

    def backward(self, gy: Tensor) -> Any:
        x, y = self.saved
        equal = ((x == y) | ((x != x) & (y != y))).to(gy.dtype)
        return mul(equal, div(gy, sum(equal))), None


def _median_of_all(op: str, input: Tensor, ignore_nan: bool) -> Tensor:
    refuse("bc", op, input)
    flat = reshape(input, -1)
    if flat._array.size == 0:
        return add(sum(flat, dtype=input.dtype), _median_of_nothing(input))
    index = _median(op, flat.detach(), 0, False, ignore_nan).indices
    return SharedChoice.apply(flat, index)


def _median_of_nothing(input: Tensor) -> Tensor:
    """Return NaN, or what it becomes as an integer: the lowest, in fewer than 32 bits 0."""
    value = float("nan")
    if not input.is_floating_point():
        value = dtypes.iinfo(input.dtype).min if input.itemsize >= 4 else 0
    return Tensor._constant(input._xp.full((), value, input._array.dtype))


class ModePlace(Op):
    """Which place in a sorted dim ends the longest run of equal elements, the first of the longest."""

    differentiable = False
    dim: int

    def forward(self, ordered: Any, out: Any = None) -> Any:
        xp, size = self.xp, ordered.shape[self.dim]
        before = (slice(None),) * self.dim
        same = ordered[(*before, slice(1, None))] == ordered[(*before, slice(None, -1))]
        new = xp.concatenate((xp.ones_like(ordered[(*before, slice(None, 1))], dtype=bool), ~same), axis=self.dim)
        places = xp.arange(size).reshape((-1,) + (1,) * (ordered.ndim - self.dim - 1))
        start = running(xp, xp.maximum, xp.where(new, places, 0), self.dim)
        return xp.argmax(places - start, axis=self.dim, keepdims=True)


@numpy_names
def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> ValuesIndices:
    """Return (values, indices) of the most frequent element along ``dim``, of several the smallest.

    The index is that of its last occurrence. A NaN equals nothing, and so is there once.

    Raises:
        IndexError: no such dim, or it is empty.
        NotImplementedError: complex elements.

    Example:
        >>> import trainctl
        >>> trainctl.tensor([3, 1, 3, 2]).mode().values
        tensor(3)
    """
    check_tensor("mode", input, "input")
    dim = wrap_dim(dim, input._array.ndim)
    check_size("mode", input, dim)
    refuse("c", "mode", input)
    indices = order("mode", input, dim)
    if input._array.ndim:
        place = ModePlace.apply(taken_along(input.detach(), indices, dim), dim=dim)
        indices = taken_along(indices, place, dim)
    return pick(input, indices, dim, keepdim)


@numpy_names
def quantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """Return the elements below which a share ``q`` of the others lies.

    Args:
        input: float32 or float64; where there is a NaN the result is NaN.
        q: a number in [0, 1], or a tensor of them with at most one dim and the dtype of ``input``; one dim
            becomes the result's first.
        dim: the dimension; None: of all elements.
        keepdim: keep the reduced dim or dims, with the size 1.
        interpolation: between two elements: ``"linear"``, ``"lower"``, ``"higher"``, ``"midpoint"``, ``"nearest"``.

    Raises:
        IndexError: no such dim.
        RuntimeError: another dtype, no elements, a ``q`` outside [0, 1], or an unknown interpolation.

    Example:
        >>> import trainctl
        >>> trainctl.tensor([1.0, 2.0, 4.0]).quantile(trainctl.tensor([0.25, 0.5]))
        tensor([1.5000, 2.0000])
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, ignore_nan=False)


@numpy_names
def nanquantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """Return the :func:`quantile` of the elements that are not NaN; NaN where there are none.

    Raises:
        IndexError: no such dim.
        RuntimeError: another dtype, no elements, a ``q`` outside [0, 1], or an unknown interpolation.

    Example:
        >>> import trainctl
        >>> trainctl.tensor([1.0, float("nan"), 2.0]).nanquantile(0.5)
        tensor(1.5000)
    """
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, ignore_nan=True)


def _quantile(
    op: str, input: Tensor, q: Any, dim: int | None, keepdim: bool, interpolation: str, ignore_nan: bool
) -> Tensor:
    q = _checked_q(op, input, q, interpolation)
    ndim = input._array.ndim
    dim = None if dim is None else wrap_dim(dim, ndim)
    rows = reshape(input, -1) if dim is None or not ndim else transpose(unsqueeze(input, -1), dim, -1)
    ordered = sort(rows).values
    found = _interpolated(ordered, _ranks(ordered, reshape(q, -1), ignore_nan), interpolation)  # [..., 1, q]
    kept = [1] * ndim if dim is None else [1 if i == dim else size for i, size in enumerate(input.shape)]
    shape = kept if keepdim else [] if dim is None else [size for i, size in enumerate(kept) if i != dim]
    if q._array.ndim == 0:
        return reshape(found, shape)
    return reshape(transpose(unsqueeze(found, 0), 0, -1), (q.numel(), *shape))


def _checked_q(op: str, input: Tensor, q: Any, interpolation: str) -> Tensor:
    """Return ``q`` as a tensor after the checks of every argument but ``dim``."""
    check_tensor(op, input, "input")
    if input.numel() == 0:
        raise RuntimeError(f"{op}() input tensor must be non-empty, got shape {list(input.shape)}")
    if input.dtype not in (dtypes.float32, dtypes.float64):
        raise RuntimeError(f"{op}() input tensor must be either float or double dtype, got {input.dtype.name}")
    if interpolation not in _INTERPOLATIONS:
        raise RuntimeError(
            f"{op}() interpolation must be one of linear, lower, higher, midpoint or nearest, but got {interpolation}"
        )
    if not isinstance(q, Tensor):
        if not 0 <= q <= 1:
            raise RuntimeError(f"{op}() q must be in the range [0, 1] but got {q}")
        return Tensor._constant(input._xp.full((), q, input._array.dtype))
    if q._array.ndim > 1:
        raise RuntimeError(f"{op}() q must be a scalar or 1D tensor, got shape {list(q.shape)}")
    if q._array.dtype != input._array.dtype:
        raise RuntimeError(
            f"{op}() q tensor must be same dtype as the input tensor, got {q.dtype.name} and {input.dtype.name}"
        )
    if q._xp.on_host and not ((q >= 0) & (q <= 1)).all():
        raise RuntimeError(f"{op}() q values must be in the range [0, 1]")
    return q


def _ranks(ordered: Tensor, q: Tensor, ignore_nan: bool) -> Tensor:
    """Return the places of the quantiles in a sorted last dim, NaN last: ``[..., q]``, not yet whole numbers."""
    last = ordered._array.shape[-1] - 1
    missing = ordered.detach().isnan()
    if ignore_nan:
        ranks = mul(q, sub(last, sum(missing, -1, True)).to(q.dtype))
        return where(ranks < 0, 0.0, ranks)
    return where(missing.any(-1, True), float(last), mul(q, last))


def _interpolated(ordered: Tensor, ranks: Tensor, interpolation: str) -> Tensor:
    whole = ranks.detach()
    if interpolation in ("lower", "higher", "nearest"):
        return _at(ordered, {"lower": floor, "higher": ceil, "nearest": round}[interpolation](whole))
    below = floor(whole)
    weight = 0.5 if interpolation == "midpoint" else sub(ranks, below)
    return lerp(_at(ordered, below), _at(ordered, ceil(whole)), weight)


def _at(ordered: Tensor, places: Tensor) -> Tensor:
    """Return the elements at whole-number places of the last dim."""
    return taken_along(ordered, cast(places, dtypes.int64), -1)
