"""Several elements for one place reduced to one: sums, products, means and extremes."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import conj, div, mul
from trainctl.autograd.ops.cast import cast, refuse
from trainctl.autograd.ops.comparison import eq, where
from trainctl.autograd.ops.index_along import check_entries, write_entries
from trainctl.autograd.ops.index_write import AddAt, SetAt, number_as_tensor
from trainctl.autograd.ops.indexing import TakeAt, check_range, places
from trainctl.autograd.ops.scatter import write_along
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

METHODS = "index_reduce scatter_reduce"
IN_PLACE = METHODS
FUNCTIONS = METHODS


class Reduction(Op):
    """``x`` with elements of ``source`` reduced into those that index tensors name.

    Attributes:
        function: the array function of two elements.
        pattern: for each dim whether it takes the next of the index tensors.
        include_self: what ``x`` holds at those places takes part.
    """

    function: str
    pattern: tuple[bool, ...]
    include_self: bool

    def forward(self, x: Any, source: Any, *at: Any, out: Any = None) -> Any:
        self.saves = tuple(range(len(at) + 2))
        place, result = places(self.pattern, at), x.copy()
        if not self.include_self:
            result[place] = self.neutral(x.dtype)
        self.xp.scatter_reduce(self.function, result, place, source)
        return result

    def neutral(self, kind: Any) -> Any:
        """Return what an element is to start from that takes no part."""
        raise NotImplementedError

    def take(self, x: Tensor) -> Tensor:
        """Return the elements at the places of ``source``."""
        return TakeAt.apply(x, *self.saved[2 : len(self.saves)], pattern=self.pattern)

    def add(self, x: Tensor, source: Tensor) -> Tensor:
        """Return ``x`` with ``source`` added at its places."""
        return AddAt.apply(x, source, *self.saved[2 : len(self.saves)], pattern=self.pattern)

    def again(self, x: Tensor, source: Tensor) -> Tensor:
        """Return this reduction of other tensors."""
        return type(self).apply(x, source, *self.saved[2 : len(self.saves)], **self.params)

    def of_self(self, gx: Tensor) -> Tensor:
        """Return the gradient of ``x``: none at the places where it took no part."""
        if self.include_self:
            return gx
        zero = number_as_tensor(0, gx)
        return SetAt.apply(gx, zero, *self.saved[2 : len(self.saves)], pattern=self.pattern)


class ReduceSum(Reduction):
    function = "add"

    def neutral(self, kind: Any) -> Any:
        return 0

    def backward(self, gy: Tensor) -> Any:
        return self.of_self(gy), self.take(gy)


class ReduceMean(ReduceSum):
    def forward(self, x: Any, source: Any, *at: Any, out: Any = None) -> Any:
        total, xp = super().forward(x, source, *at), self.xp
        count = xp.full(x.shape, int(self.include_self), dtypes.int64.array_dtype)
        xp.scatter_reduce("add", count, places(self.pattern, at), xp.ones(source.shape, count.dtype))
        divide = xp.true_divide if x.dtype.kind in "fc" else xp.floor_divide
        return divide(total, xp.maximum(count, 1)).astype(x.dtype)

    def backward(self, gy: Tensor) -> Any:
        source = self.saved[1]
        start = Tensor._constant(self.xp.full(gy._array.shape, int(self.include_self), gy._array.dtype))
        count = self.add(start, Tensor._constant(self.xp.ones(source._array.shape, gy._array.dtype)))
        gy = div(gy, where(count == 0, 1, count))
        return self.of_self(gy), self.take(gy)


class ReduceProd(Reduction):
    function = "multiply"
    saves_output = True

    def neutral(self, kind: Any) -> Any:
        return 1

    def backward(self, gy: Tensor) -> Any:
        x, source, y = self.saved[0], self.saved[1], self.saved[-1]
        gx = gs = None
        if self.needs(0):
            others = where(x == 0, 1, x)  # dividing by x is no way to leave it out where it is 0
            gx = self.of_self(mul(gy, conj(div(self.again(others, source), others))))
        if self.needs(1):
            zero = source == 0
            zeros = self.take(self.add(number_as_tensor(0, y).expand(y.shape), cast(zero, y.dtype)))
            lone = zero & (zeros == 1)  # among several zeros each has a product of others that is 0
            without = self.take(mul(gy, conj(self.again(x, where(lone, 1, source)))))
            divided = div(self.take(mul(gy, conj(y))), conj(where(zero, 1, source)))
            gs = OnceDifferentiable.apply(where(lone, without, divided), zeros > 1)
        return gx, gs


class OnceDifferentiable(Op):
    """Pass a gradient on; its own gradient is unknown where ``unknown`` holds anywhere."""

    saves = (1,)

    def forward(self, x: Any, unknown: Any, out: Any = None) -> Any:
        return x.copy()

    def backward(self, gy: Tensor) -> Any:
        (unknown,) = self.saved
        if unknown.any():
            raise RuntimeError(
                "scatter_reduce(): Double backward is unsupported for src when >1 zeros in src are scattered to the "
                "same position in self"
            )
        return gy, None


class ReduceMax(Reduction):
    """The largest; equal ones share the gradient evenly (as in PyTorch ``x`` counts even where it took no part)."""

    function = "maximum"
    saves_output = True

    def neutral(self, kind: Any) -> Any:
        return -self.xp.inf if kind.kind == "f" else _limits(kind)[0]

    def backward(self, gy: Tensor) -> Any:
        x, source, y = self.saved[0], self.saved[1], self.saved[-1]
        own, theirs = cast(eq(x, y), gy.dtype), cast(eq(source, self.take(y)), gy.dtype)
        share = div(gy, self.add(own, theirs))
        return self.of_self(mul(share, own)), mul(self.take(share), theirs)


class ReduceMin(ReduceMax):
    function = "minimum"

    def neutral(self, kind: Any) -> Any:
        return self.xp.inf if kind.kind == "f" else _limits(kind)[1]


def _limits(kind: Any) -> tuple[int, int]:
    """Return the smallest and the largest number of an integer or bool type."""
    if kind.kind == "b":
        return 0, 1
    limits = dtypes.iinfo(dtypes.FROM_ARRAY[kind])
    return limits.min, limits.max


_REDUCTIONS = {"sum": ReduceSum, "prod": ReduceProd, "mean": ReduceMean, "amax": ReduceMax, "amin": ReduceMin}


def _reduction(op: str, reduce: str, known: tuple[str, ...], input: Tensor) -> type[Reduction]:
    """Return the op of a reduction.

    Raises:
        RuntimeError: an unknown name.
        NotImplementedError: the mean of bools, the extreme of complex numbers.
    """
    if reduce not in known:
        raise RuntimeError(f"{op}(): Expected reduce to be one of {', '.join(known)} but got {reduce}.")
    refuse({"mean": "b", "amax": "c", "amin": "c"}.get(reduce, ""), op, input)
    return _REDUCTIONS[reduce]


def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """Return ``input`` with elements of ``src`` reduced into the places that ``index`` names along ``dim``.

    Args:
        input: ``[d0, d1, ...]``.
        dim: the dimension whose place ``index`` replaces.
        index: int64 or int32, as many dims; no larger than ``src``, nor than ``input`` but in ``dim``.
        src: of the dtype of ``input``.
        reduce: ``"sum"``, ``"prod"``, ``"mean"``, ``"amax"`` or ``"amin"``; a mean of integers is rounded down.
        include_self: what ``input`` holds at those places takes part.

    Raises:
        RuntimeError: an unknown reduction, an index that leaves ``dim``, shapes or dtypes that do not fit.

    Example:
        >>> import trainctl
        >>> x, index = trainctl.tensor([9.0, 9.0]), trainctl.tensor([0, 0])
        >>> scatter_reduce(x, 0, index, trainctl.tensor([1.0, 5.0]), "mean", include_self=False)
        tensor([3., 9.])
    """
    cls = _reduction("scatter_reduce", reduce, ("sum", "prod", "mean", "amax", "amin"), input)
    return write_along("scatter_reduce", cls, input, dim, index, src, include_self=include_self)


def index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """Return ``input`` with entries of ``source`` reduced into those at ``index`` of ``dim``.

    Args:
        input: ``[d0, d1, ...]``.
        dim: the dimension that ``index`` counts in.
        index: 1-d, int64 or int32.
        source: of the shape of ``input`` but in ``dim``, where it has as many entries as ``index``.
        reduce: ``"prod"``, ``"mean"``, ``"amax"`` or ``"amin"``; a mean of integers is rounded down.
        include_self: what ``input`` holds at those entries takes part.

    Raises:
        IndexError: an index leaves ``dim`` or has dims.
        RuntimeError: an unknown reduction, shapes or dtypes that do not fit.

    Example:
        >>> import trainctl
        >>> index_reduce(trainctl.ones(2), 0, trainctl.tensor([1, 1]), trainctl.tensor([2.0, 3.0]), "prod")
        tensor([1., 6.])
    """
    cls = _reduction("index_reduce", reduce, ("prod", "mean", "amax", "amin"), input)
    dim = check_entries("index_reduce", input, dim, index, source)
    check_range(index._array, input._array.shape[dim] if input._array.ndim else 1, dim, IndexError)
    return write_entries(cls, input, dim, index, source, include_self=include_self)
