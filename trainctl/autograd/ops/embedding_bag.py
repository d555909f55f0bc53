"""Sums, means or maxima of bags of rows of a table."""

from __future__ import annotations

import warnings
from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import div, mul
from trainctl.autograd.ops.cast import cast
from trainctl.autograd.ops.comparison import where
from trainctl.autograd.ops.embedding import Embedding, SumRows, bound_rows, check_index
from trainctl.autograd.ops.indexing import gather
from trainctl.autograd.ops.reduction import sum
from trainctl.autograd.ops.shape import reshape
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

FUNCTIONAL = "embedding_bag"


class BagOf(Op):
    """``[n], [offsets] -> [n]``: the bag of each index; those equal to ``skipped`` are put after the last bag."""

    differentiable = False
    bags: int
    skipped: int | None

    def forward(self, index: Any, offsets: Any) -> Any:
        xp = self.xp
        bag = xp.searchsorted(offsets, xp.arange(index.size), side="right") - 1
        return bag if self.skipped is None else xp.where(index == self.skipped, self.bags, bag)


class BagSizes(Op):
    """``[n] -> [bags, 1]``: how many elements each bag has."""

    differentiable = False
    bags: int

    def forward(self, bag: Any) -> Any:
        return self.xp.bincount(bag, minlength=self.bags + 1)[: self.bags, None]


class LargestInBag(Op):
    """``[n, d], [n], [bags] -> [bags, d]``: where in each bag, column by column, the largest element is; 0 if empty."""

    differentiable = False
    bags: int
    longest: int | None

    def forward(self, x: Any, bag: Any, offsets: Any) -> Any:
        xp, last = self.xp, x.shape[0] - 1
        starts, bags = offsets[: self.bags], xp.arange(self.bags)
        best = xp.full((self.bags, x.shape[1]), -xp.inf, x.dtype)
        place = xp.zeros(best.shape, int)
        found = xp.zeros((self.bags, 1), bool)
        longest = self.longest
        if longest is None:  # as many rounds as the longest bag has elements: a GPU is asked
            longest = int(xp.max(xp.diff(xp.append(offsets, x.shape[0])))) if self.bags else 0
        for step in range(longest):
            at = xp.minimum(starts + step, last)
            inside = (bag[at] == bags)[:, None]
            now = x[at]
            better = inside & (~found | (now > best) | ((now != now) & (best == best)))
            best, place = xp.where(better, now, best), xp.where(better, at[:, None], place)
            found = found | inside
        return place


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Return the sum, mean or maximum of each bag of rows of a table; 0 for an empty bag.

    Args:
        input: indices, int64 or int32: ``[bags, n]``, or ``[n]``, cut into bags by ``offsets``.
        weight: the table, ``[rows, d]``.
        offsets: ``[bags]``, where in a 1-d ``input`` each bag begins.
        max_norm: first scale the named rows of ``weight`` down to this norm, in place.
        norm_type: the p of that norm.
        scale_grad_by_freq: divide a row's gradient by how often it is named; not for ``max``.
        mode: ``sum``, ``mean`` or ``max``.
        sparse: accepted for PyTorch's sake (not for ``max``); the gradient is a dense tensor.
        per_sample_weights: of the shape of ``input``: what each row counts in a ``sum``.
        include_last_offset: ``offsets`` has one more element, where the last bag ends.
        padding_idx: a row that does not count; negative: from the end.

    Returns:
        ``[bags, d]``.

    Raises:
        NotImplementedError: ``per_sample_weights`` with another mode than ``sum``.
        RuntimeError: indices or offsets out of range or of the wrong type.
        ValueError: shapes or options that do not fit each other.

    Example:
        >>> import trainctl
        >>> embedding_bag(trainctl.tensor([[2, 0]]), trainctl.eye(3), mode="sum")
        tensor([[1., 0., 1.]])
    """
    if weight._array.dtype == dtypes.int64.array_dtype and input.is_floating_point():
        warnings.warn("embedding_bag takes (input, weight), not (weight, input) as it once did", stacklevel=2)
        input, weight = weight, input
    _check_bag_options(input, weight, offsets, mode, scale_grad_by_freq, sparse, per_sample_weights)
    rows = weight._array.shape[0]
    check_index("embedding_bag", input, rows, RuntimeError)
    skipped = _skipped(padding_idx, rows)
    index = reshape(input, -1)
    if max_norm is not None:
        bound_rows(weight, index, max_norm, norm_type)
    x = Embedding.apply(weight, index, skipped=None, by_frequency=scale_grad_by_freq)
    if mode == "max" and index._array.size:
        longest = input.shape[1] if input.ndim == 2 else None
        return _largest(x, *_bags(input, index, offsets, include_last_offset, skipped), longest)
    wide = dtypes.float32 if weight.dtype.itemsize == 2 else weight.dtype  # sums of half precision are too coarse
    x = cast(x, wide)
    if per_sample_weights is not None:
        x = mul(x, reshape(cast(per_sample_weights, wide), (-1, 1)))
    if offsets is None and skipped is None:
        sums, sizes = sum(reshape(x, (*input.shape, x.shape[1])), 1), max(input.shape[1], 1)
    else:
        sums, sizes = _sums(x, *_bags(input, index, offsets, include_last_offset, skipped)[1:])
    return cast(div(sums, sizes) if mode == "mean" else sums, weight.dtype)


def _skipped(padding_idx: int | None, rows: int) -> int | None:
    """Return the row that does not count, from the front.

    Raises:
        RuntimeError: there is no such row.
    """
    if padding_idx is not None and not -rows <= padding_idx < rows:
        raise RuntimeError(
            f"padding_idx must be within the number of embeddings, {-rows} through {rows - 1}, but got {padding_idx}"
        )
    return padding_idx if padding_idx is None else padding_idx % rows


def _largest(x: Tensor, starts: Tensor, bag: Tensor, bags: int, longest: int | None) -> Tensor:
    """``[n, d] -> [bags, d]``: the largest element of each column of a bag, 0 of an empty one."""
    place = LargestInBag.apply(x, bag, starts, bags=bags, longest=longest)
    return where(BagSizes.apply(bag, bags=bags) > 0, gather(x, 0, place), 0)


def _sums(x: Tensor, bag: Tensor, bags: int) -> tuple[Tensor, Tensor]:
    """``[n, d] -> [bags, d], [bags, 1]``: the sum of each bag's rows, and how many they are, at least 1."""
    sums = SumRows.apply(x, bag, rows=bags + 1, skipped=None)[:bags]
    return sums, BagSizes.apply(bag, bags=bags).clamp(min=1)


def _bags(
    input: Tensor, index: Tensor, offsets: Tensor | None, include_last_offset: bool, skipped: int | None
) -> tuple[Tensor, Tensor, int]:
    """Return where in the flat index bags begin, the bag of each of its elements, and how many bags there are."""
    offsets, bags = _offsets(input, offsets, include_last_offset)
    return offsets, BagOf.apply(index, offsets, bags=bags, skipped=skipped), bags


def _check_bag_options(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None,
    mode: str,
    scale_grad_by_freq: bool,
    sparse: bool,
    per_sample_weights: Tensor | None,
) -> None:
    counts, shape = per_sample_weights, list(input.shape)
    if counts is not None and counts._array.shape != input._array.shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({list(counts.shape)}) is not None, then it must have the same shape as "
            f"the input ({shape})"
        )
    if weight._array.ndim != 2:
        raise ValueError(f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.ndim}")
    if len(shape) not in (1, 2):
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {len(shape)}")
    if len(shape) == 2 and offsets is not None:
        raise ValueError("if input is 2D, then offsets has to be None: each row is a bag")
    if len(shape) == 1 and (offsets is None or offsets._array.ndim != 1):
        raise ValueError(
            f"offsets has to be a 1D Tensor but got {None if offsets is None else f'shape {list(offsets.shape)}'}"
        )
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"mode has to be one of sum, mean or max, got {mode!r}")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if mode == "max" and sparse:
        raise ValueError("max mode does not support sparse weights")
    if counts is not None and mode != "sum":
        raise NotImplementedError(
            f"embedding_bag: per_sample_weights is only supported for mode='sum' (got mode='{mode}')"
        )
    if not weight.is_floating_point():
        raise RuntimeError(f"embedding_bag: expected a weight of floating-point type, but got {weight.dtype.name}")
    if counts is not None and counts._array.dtype != weight._array.dtype:
        raise RuntimeError(
            "embedding_bag: expected per_sample_weights and weight of one type, but got "
            f"{counts.dtype.name} and {weight.dtype.name}"
        )


def _offsets(input: Tensor, offsets: Tensor | None, include_last_offset: bool) -> tuple[Tensor, int]:
    """Return where in the flat input each bag begins (perhaps with one more element, the end) and how many there are.

    Raises:
        RuntimeError: offsets of the wrong type, or that do not rise from 0 to at most the input's size.
    """
    xp = input._xp
    if offsets is None:
        bags, length = input._array.shape
        return Tensor._wrap(xp.arange(bags) * length), bags
    at = offsets._array
    if at.dtype.kind != "i":
        raise RuntimeError(f"embedding_bag: expected offsets of type int64 or int32, but got {offsets.dtype.name}")
    if include_last_offset and not at.size:
        raise RuntimeError("include_last_offset: number of offset should be at least 1")
    if xp.device_type == "cpu" and at.size:
        _check_offsets(at, input._array.size)
    return offsets, at.size - include_last_offset


def _check_offsets(at: Any, size: int) -> None:
    if at[0] != 0:
        raise RuntimeError(f"offsets[0] has to be 0: the first bag has to start from position 0. However, got {at[0]}")
    if at[-1] > size:
        raise RuntimeError(f"offsets[-1] can not be greater than input's length {size} but got offsets[-1] of {at[-1]}")
    if (at[1:] < at[:-1]).any():
        raise RuntimeError("embedding_bag: offsets have to rise from bag to bag")
