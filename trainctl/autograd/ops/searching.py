"""Places of elements: those that are not zero, those of values in a sorted sequence."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.cast import check_tensor, promote, refuse
from trainctl.autograd.ops.indexing import gather, nonzero
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

METHODS = "argwhere"
FUNCTIONS = "argwhere searchsorted bucketize"


def argwhere(input: Tensor) -> Tensor:
    """Return the indices of the elements that are not zero: ``[count, ndim]``, see :func:`trainctl.nonzero`."""
    return nonzero(input)


class SearchSorted(Op):
    """By bisection, which also says what happens to a NaN and to a sequence that is not sorted."""

    differentiable = False
    right: bool

    def forward(self, sequence: Any, values: Any, out: Any = None) -> Any:
        xp, size = self.xp, sequence.shape[-1]
        low, high = xp.zeros(values.shape, xp.int64), xp.full(values.shape, size, xp.int64)
        for _ in range(size.bit_length() if values.size else 0):
            middle = (low + high) // 2
            at = xp.minimum(middle, size - 1)  # where low == high there is nothing left to ask
            found = sequence[at] if sequence.ndim == 1 else xp.take_along_axis(sequence, at, axis=-1)
            before = ~(found > values if self.right else found >= values) & (low < high)
            low, high = xp.where(before, middle + 1, low), xp.where(before, high, middle)
        return low


def searchsorted(
    sorted_sequence: Tensor,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """Return where each value would go into a sorted sequence so that it stays sorted.

    Args:
        sorted_sequence: ``[..., n]``, ascending along the last dim.
        input: values: any shape where the sequence has one dim, else ``[..., m]``; or a number.
        out_int32: int32 results instead of int64.
        right: behind equal elements instead of before them.
        side: ``"left"`` or ``"right"``, the same in words.
        sorter: int64 indices that sort ``sorted_sequence``, of its shape.

    Raises:
        RuntimeError: shapes that do not fit, an unknown ``side`` or one against ``right``, or a wrong ``sorter``.
        NotImplementedError: bool or complex elements.

    Example:
        >>> import trainctl
        >>> trainctl.searchsorted(trainctl.tensor([1, 3, 5]), trainctl.tensor([3, 6]), side="right")
        tensor([2, 3])
    """
    check_tensor("searchsorted", sorted_sequence, "sorted_sequence")
    _check_side(right, side)
    _check_fit(sorted_sequence, input)
    if sorter is not None:
        sorted_sequence = _sorted_by(sorted_sequence, sorter)
    return _search(sorted_sequence, input, right or side == "right", out_int32)


def _search(sequence: Tensor, values: Any, right: bool, out_int32: bool) -> Tensor:
    if not isinstance(values, Tensor):
        values = Tensor._wrap(sequence._xp.asarray(values, dtypes.of_number(values).array_dtype))
    if values._array.size:
        sequence, values = promote(sequence, values)
        refuse("bc", "searchsorted", sequence)
    places = SearchSorted.apply(sequence, values, right=right)
    return places.to(dtypes.int32) if out_int32 else places


def _check_side(right: bool, side: str | None) -> None:
    if side not in (None, "left", "right"):
        raise RuntimeError(f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}")
    if right and side == "left":
        raise RuntimeError(
            "torch.searchsorted(): side and right can't be set to opposites, got side of left while right was True"
        )


def _check_fit(sequence: Tensor, values: Any) -> None:
    """Raise RuntimeError unless each value has a sequence to be found in."""
    have = sequence._array.shape
    shape = values._array.shape if isinstance(values, Tensor) else ()
    if not have:
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should have positive dimension, but got 0 dimension"
        )
    if len(have) == 1:
        return
    if not shape:
        raise RuntimeError(
            "torch.searchsorted(): input value can be a scalar only when boundaries tensor dimension is 1, but we got "
            f"boundaries tensor dim({len(have)})"
        )
    if have[:-1] != shape[:-1]:
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries "
            f"tensor and input value tensor must match, but we got boundaries tensor {list(have)} and input value tensor "
            f"{list(shape)}"
        )


def _sorted_by(sequence: Tensor, sorter: Tensor) -> Tensor:
    if sorter._array.shape != sequence._array.shape:
        raise RuntimeError(
            "torch.searchsorted(): boundary and sorter must have the same size, but got boundary tensor "
            f"{list(sequence.shape)} and got sorter tensor {list(sorter.shape)}"
        )
    if sorter._array.dtype != dtypes.int64.array_dtype:
        raise RuntimeError(
            f"torch.searchsorted(): sorter must be a tensor of long dtype but got dtype {sorter.dtype.name}"
        )
    return gather(sequence, -1, sorter)


def bucketize(input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Tensor:
    """Return the number of the bucket that each value falls into.

    Args:
        input: values of any shape, or a number.
        boundaries: ``[n]``, ascending; bucket ``i`` is ``boundaries[i - 1] < value <= boundaries[i]``.
        out_int32: int32 results instead of int64.
        right: the upper boundary belongs to the next bucket: ``boundaries[i - 1] <= value < boundaries[i]``.

    Raises:
        RuntimeError: the boundaries are not one-dimensional.
        NotImplementedError: bool or complex elements.

    Example:
        >>> import trainctl
        >>> trainctl.bucketize(trainctl.tensor([0.5, 1.0, 9.0]), trainctl.tensor([1.0, 2.0]))
        tensor([0, 0, 2])
    """
    check_tensor("bucketize", boundaries, "boundaries")
    if boundaries._array.ndim != 1:
        raise RuntimeError(f"boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})")
    return _search(boundaries, input, right, out_int32)
