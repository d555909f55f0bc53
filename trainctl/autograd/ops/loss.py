"""Losses."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import add, div, mul, neg, sub
from trainctl.autograd.ops.cast import promote
from trainctl.autograd.ops.comparison import where
from trainctl.autograd.ops.reduction import mean, sum
from trainctl.autograd.ops.shape import broadcast_shapes, expand, permute, reshape
from trainctl.autograd.ops.softmax import log_softmax
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

REDUCTIONS = ("none", "mean", "sum")


def check_reduction(reduction: str) -> None:
    """Raise ValueError if ``reduction`` is not one of none, mean, sum."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"{reduction} is not a valid value for reduction; expected one of {', '.join(REDUCTIONS)}")


def reduce(loss: Tensor, reduction: str) -> Tensor:
    """Return the loss as it is (``none``), its mean or its sum.

    Raises:
        ValueError: any other reduction.
    """
    check_reduction(reduction)
    if reduction == "none":
        return loss
    return mean(loss) if reduction == "mean" else sum(loss)


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    """Return the squared difference, reduced.

    Raises:
        ValueError: an unknown reduction.
        RuntimeError: the shapes do not broadcast.
    """
    if input.shape != target.shape:
        import warnings

        warnings.warn(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}). This will likely "
            "lead to incorrect results due to broadcasting. Please ensure they have the same size.",
            stacklevel=2,
        )
    shape = broadcast_shapes(input.shape, target.shape)
    distance = sub(*promote(expand(input, shape), expand(target, shape)))
    squares = mul(distance, distance)
    if weight is None:
        return reduce(squares, reduction)
    weighted = mul(squares, weight)
    return div(sum(weighted), sum(expand(weight, shape))) if reduction == "mean" else reduce(weighted, reduction)


class PickClass(Op):
    """The entry of each row at its class: ``[N, C], [N] -> [N]``; 0 at an ignored class."""

    target: Any
    kept: Any

    def forward(self, x: Any, out: Any = None) -> Any:
        self.before = x.shape
        rows = self.xp.arange(x.shape[0])
        self.at = (rows, self.target)
        picked = x[self.at]
        return picked if self.kept is None else self.xp.where(self.kept, picked, 0).astype(x.dtype)

    def backward(self, gy: Tensor) -> Any:
        return PutClass.apply(gy, at=self.at, shape=self.before, target=self.target, kept=self.kept)


class PutClass(Op):
    """Zeros with one value a row, at its class: ``[N] -> [N, C]``."""

    at: Any
    shape: tuple[int, ...]
    target: Any
    kept: Any

    def forward(self, gy: Any, out: Any = None) -> Any:
        if out is None:
            out = self.xp.zeros(self.shape, gy.dtype)
        else:
            out[...] = 0
        out[self.at] = gy if self.kept is None else self.xp.where(self.kept, gy, 0)
        return out

    def backward(self, ggx: Tensor) -> Any:
        return PickClass.apply(ggx, target=self.target, kept=self.kept)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """Return the negative of ``input`` at each target class, reduced; the mean is weighted by class.

    Args:
        input: log-probabilities, ``[N, C]``, ``[C]`` or ``[N, C, d1, ...]``.
        target: classes, int64, ``[N]``, ``[]`` or ``[N, d1, ...]``.
        weight: a weight for each class, ``[C]``.
        size_average: deprecated, see ``reduction``.
        ignore_index: a class that counts for nothing.
        reduce: deprecated, see ``reduction``.
        reduction: ``none``, ``mean`` or ``sum``.

    Raises:
        IndexError: a class outside ``[0, C)``.
        RuntimeError: shapes or dtypes that do not fit.
        ValueError: an unknown reduction, or batch sizes that differ.
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    rows, classes, shape = _rows_and_classes(input, target)
    count = rows._array.shape[1]
    kept = classes != ignore_index
    ignores = not bool(kept.all())
    safe = rows._xp.where(kept, classes, 0) if ignores else classes
    if safe.size and not 0 <= safe.min() <= safe.max() < count:
        bad = safe[(safe < 0) | (safe >= count)][0]
        raise IndexError(
            f"Target {bad} is out of bounds: expected a class in [0, {count}) or ignore_index={ignore_index}"
        )
    picked = neg(PickClass.apply(rows, target=safe, kept=kept if ignores else None))
    weights = None
    if weight is not None or ignores:
        weights = _class_weights(rows, safe, kept, weight)
        picked = picked if weight is None else mul(picked, weights)
    if reduction == "none":
        return reshape(picked, shape)
    if reduction == "sum":
        return sum(picked)
    return mean(picked) if weights is None else div(sum(picked), sum(weights))


def _rows_and_classes(input: Tensor, target: Tensor) -> tuple[Tensor, Any, tuple[int, ...]]:
    """Return input as ``[rows, C]``, the classes as one int array, and the target's shape.

    Raises:
        RuntimeError: shapes or dtypes that do not fit.
        ValueError: batch sizes that differ.
    """
    shape, wanted = input._array.shape, target._array.shape
    if not shape:
        raise RuntimeError("input tensor should be 1D or 2D or more: [C], [N, C] or [N, C, d1, ...]")
    if target._array.dtype != dtypes.int64.array_dtype and target._array.dtype != dtypes.uint8.array_dtype:
        raise RuntimeError(f"expected scalar type Long but found {target.dtype.name}: a target of classes is int64")
    if len(shape) == 1:
        if wanted not in ((), (1,)):
            raise RuntimeError(f"For 1D input [C] the target must be a scalar, got {list(wanted)}")
        return reshape(input, (1, -1)), target._array.reshape(1), wanted
    if len(wanted) and shape[0] != wanted[0]:
        raise ValueError(f"Expected input batch_size ({shape[0]}) to match target batch_size ({wanted[0]}).")
    if (shape[0], *shape[2:]) != wanted:
        raise RuntimeError(f"Expected target size {[shape[0], *shape[2:]]}, got {list(wanted)}")
    if len(shape) > 2:
        input = reshape(permute(input, (0, *range(2, len(shape)), 1)), (-1, shape[1]))
    return input, target._array.reshape(-1), wanted


def _class_weights(rows: Tensor, classes: Any, kept: Any, weight: Tensor | None) -> Tensor:
    """Return each row's weight: its class's (1 where there are none), 0 where it is ignored."""
    xp, kind = rows._xp, rows._array.dtype
    if weight is None:
        return Tensor._wrap(kept.astype(kind))
    if weight._array.shape != (rows._array.shape[1],):
        raise RuntimeError(
            f"weight tensor should be defined either for all {rows._array.shape[1]} classes or no classes "
            f"but got weight tensor of shape: {list(weight.shape)}"
        )
    return Tensor._wrap(xp.where(kept, weight._array[classes], 0).astype(kind))


def legacy_reduction(size_average: Any, reduce: Any, reduction: str) -> str:
    """Return the reduction meant by PyTorch's deprecated pair of flags, where one is given."""
    if size_average is None and reduce is None:
        return reduction
    if reduce is False:
        return "none"
    return "sum" if size_average is False else "mean"


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return the cross entropy of logits against classes or class probabilities, reduced.

    Args:
        input: logits, ``[N, C]``, ``[C]`` or ``[N, C, d1, ...]``.
        target: classes, int64, of the input's shape without C; or probabilities, of the input's shape.
        weight: a weight for each class, ``[C]``.
        size_average: deprecated, see ``reduction``.
        ignore_index: a class that counts for nothing.
        reduce: deprecated, see ``reduction``.
        reduction: ``none``, ``mean`` or ``sum``; the mean over classes is weighted.
        label_smoothing: the share, in [0, 1], of each target that is spread evenly over all classes.

    Raises:
        IndexError: a class outside ``[0, C)``.
        RuntimeError: shapes or dtypes that do not fit.
        ValueError: an unknown reduction, or batch sizes that differ.

    Example:
        >>> import trainctl
        >>> cross_entropy(trainctl.zeros(2, 4), trainctl.tensor([0, 3]))
        tensor(1.3863)
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    dim = 0 if input._array.ndim == 1 else 1
    logs = log_softmax(input, dim)
    if target._array.dtype.kind == "f":
        return _soft_cross_entropy(logs, target, weight, reduction, label_smoothing, dim)
    hard = nll_loss(logs, target, weight, ignore_index=ignore_index, reduction=reduction)
    if label_smoothing == 0.0:
        return hard
    smooth = _smoothing_loss(logs, target, weight, ignore_index, reduction, dim)
    return add(mul(hard, 1 - label_smoothing), mul(smooth, label_smoothing / input._array.shape[dim]))


def _over_classes(weight: Tensor | None, logs: Tensor, dim: int) -> Tensor:
    """Return ``logs`` weighted by class."""
    if weight is None:
        return logs
    return mul(logs, reshape(weight, (1,) * dim + (-1,) + (1,) * (logs._array.ndim - dim - 1)))


def _soft_cross_entropy(
    logs: Tensor, target: Tensor, weight: Tensor | None, reduction: str, smoothing: float, dim: int
) -> Tensor:
    if logs._array.shape != target._array.shape:
        raise RuntimeError(
            f"Expected floating point type for target with class probabilities to be of the input's shape "
            f"{list(logs.shape)}, got {list(target.shape)}"
        )
    if smoothing:
        target = add(mul(target, 1 - smoothing), smoothing / target._array.shape[dim])
    loss = neg(sum(mul(_over_classes(weight, logs, dim), target), dim))
    if reduction == "mean":
        rows = logs._array.size // logs._array.shape[dim]
        return div(sum(loss), rows)
    return loss if reduction == "none" else sum(loss)


def _smoothing_loss(
    logs: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str, dim: int
) -> Tensor:
    """Return the sum over all classes of the negative log-probabilities, reduced as the hard loss is."""
    loss = neg(sum(_over_classes(weight, logs, dim), dim))
    ignored = target == ignore_index
    loss = where(ignored, 0.0, loss)
    if reduction == "none":
        return loss
    if reduction == "sum":
        return sum(loss)
    xp = logs._xp
    kept = ~ignored._array
    classes = xp.where(kept, target._array, 0)
    total = kept.sum() if weight is None else xp.where(kept, weight._array[classes], 0).sum()
    return div(sum(loss), float(total))
