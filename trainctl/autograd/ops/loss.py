"""Losses."""

from __future__ import annotations

import warnings
from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import add, div, mul, neg, sub
from trainctl.autograd.ops.broadcasting import total
from trainctl.autograd.ops.cast import cast, check_broadcast, promote, refuse
from trainctl.autograd.ops.comparison import where
from trainctl.autograd.ops.indexing import getitem, outlier
from trainctl.autograd.ops.reduction import mean, sum
from trainctl.autograd.ops.shape import permute, reshape
from trainctl.autograd.ops.softmax import log_softmax
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

FUNCTIONAL = "cross_entropy mse_loss nll_loss"

REDUCTIONS = ("none", "mean", "sum")


def check_reduction(reduction: str) -> None:
    """Raise ValueError if ``reduction`` is not one of none, mean, sum."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"{reduction} is not a valid value for reduction; expected one of {', '.join(REDUCTIONS)}")


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """Return the loss as it is (``none``), its mean or its sum.

    Raises:
        ValueError: any other reduction.
    """
    check_reduction(reduction)
    if reduction == "none":
        return loss
    return mean(loss) if reduction == "mean" else sum(loss)


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Return the squared difference, reduced; the mean is weighted where ``weight``, of the input's shape, is given.

    Raises:
        ValueError: an unknown reduction, or a weight of another shape.
        RuntimeError: the shapes do not broadcast, or neither is floating point.

    Example:
        >>> import trainctl
        >>> mse_loss(trainctl.tensor([1.0, 2.0]), trainctl.tensor([1.0, 4.0]))
        tensor(2.)
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    if input._array.shape != target._array.shape:
        warnings.warn(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}). This will likely "
            "lead to incorrect results due to broadcasting. Please ensure they have the same size.",
            stacklevel=2,
        )
        check_broadcast(input._array.shape, target._array.shape)
    input, target = promote(input, target)
    refuse("buic", "mse", input)
    distance = sub(input, target)
    squares = mul(distance, distance)
    if weight is None:
        return reduced(squares, reduction)
    if weight._array.shape != input._array.shape:
        raise ValueError(
            f"Weights and input must have the same size, got {list(weight.shape)} and {list(input.shape)}."
        )
    weighted = mul(squares, weight)
    return div(sum(weighted), sum(weight)) if reduction == "mean" else reduced(weighted, reduction)


class NLLLoss(Op):
    """``[N, C], [N]``, perhaps weights ``[C]`` -> minus each row's entry at its class: ``[N]``, or reduced to ``[]``."""

    saves = (1, 2)
    ignore_index: int
    reduction: str

    def forward(self, x: Any, target: Any, weight: Any, out: Any = None) -> Any:
        self.before = x.shape
        at, counts = self.places(x.shape, x.dtype, target, weight)
        losses = self.xp.negative(x[at])
        if counts is not None:
            losses = self.xp.where(counts == 0, 0, losses * counts).astype(x.dtype)
        if self.reduction == "none":
            return losses
        summed = total(self.xp, losses, (0,), False)
        return summed if self.reduction == "sum" else summed / self.divisor(target, counts, x.dtype)

    def places(self, shape: Any, kind: Any, target: Any, weight: Any) -> tuple[Any, Any]:
        """Return (where each row's entry is, what each row counts: None where all count 1).

        Raises:
            IndexError: a class outside ``[0, C)``.
        """
        xp, classes = self.xp, shape[1]
        at = (xp.arange(shape[0]), target)
        plain = weight is None and xp.on_host and target.size and not 0 <= self.ignore_index < classes
        if plain and target.min() >= 0 and target.max() < classes:
            return at, None  # the usual case, at the price of two passes
        kept = target != self.ignore_index
        every = xp.on_host and bool(kept.all())
        target = target if every else xp.where(kept, target, 0)
        bad = outlier(target, classes)
        if bad is not None:
            raise IndexError(
                f"Target {bad} is out of bounds: expected a class in [0, {classes}) or ignore_index={self.ignore_index}"
            )
        at = (xp.arange(shape[0]), target)
        if weight is None:
            return at, None if every else kept.astype(kind)
        return at, weight[target] * kept

    def divisor(self, target: Any, counts: Any, kind: Any) -> Any:
        """Return what the mean divides by, as an array (0 rows give NaN, not an error)."""
        return self.xp.asarray(target.size if counts is None else counts.sum(), kind)

    def backward(self, gy: Tensor) -> Any:
        return NLLLossGradient.apply(gy, *self.saved, **self.params, shape=self.before)


class NLLLossGradient(NLLLoss):
    """The adjoint: ``[N]`` or ``[]`` -> zeros ``[N, C]`` with each row's gradient at its class."""

    shape: tuple[int, ...]

    def forward(self, gy: Any, target: Any, weight: Any, out: Any = None) -> Any:
        at, counts = self.places(self.shape, gy.dtype, target, weight)
        if out is None:
            out = self.xp.zeros(self.shape, gy.dtype)
        else:
            out[...] = 0
        scale = gy / self.divisor(target, counts, gy.dtype) if self.reduction == "mean" else gy
        out[at] = -scale if counts is None else self.xp.where(counts == 0, 0, -scale * counts)
        return out

    def backward(self, ggx: Tensor) -> Any:
        return NLLLoss.apply(ggx, *self.saved, ignore_index=self.ignore_index, reduction=self.reduction)


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

    Example:
        >>> import trainctl
        >>> nll_loss(trainctl.tensor([[-1.0, -2.0], [-3.0, -4.0]]), trainctl.tensor([0, 1]))
        tensor(2.5000)
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    _check_classes(input, target)
    shape = input._array.shape
    _check_weight(weight, shape[0 if len(shape) == 1 else 1])
    if weight is not None and weight._array.dtype != input._array.dtype:
        raise RuntimeError(f"expected a weight of type {input.dtype.name}, as the input, but found {weight.dtype.name}")
    rows = input
    if len(shape) == 1:
        rows = reshape(input, (1, -1))
    elif len(shape) > 2:
        rows = reshape(permute(input, (0, *range(2, len(shape)), 1)), (target.numel(), shape[1]))
    classes = target if target._array.ndim == 1 else reshape(target, -1)
    losses = NLLLoss.apply(rows, classes, weight, ignore_index=ignore_index, reduction=reduction)
    return losses if reduction != "none" else reshape(losses, () if len(shape) == 1 else target.shape)


def _check_classes(input: Tensor, target: Tensor) -> None:
    """Raise an error if input and target do not fit: ValueError for batch sizes, else RuntimeError."""
    shape, wanted = input._array.shape, target._array.shape
    if not shape:
        raise ValueError("Expected 1 or more dimensions (got 0): [C], [N, C] or [N, C, d1, ...]")
    if target._array.dtype not in (dtypes.int64.array_dtype, dtypes.uint8.array_dtype):
        raise RuntimeError(f"expected target dtype to be Long or Byte, but got {target.dtype.name}")
    refuse("buic", "nll_loss", input)
    if len(shape) == 1:
        if wanted not in ((), (1,)):
            raise ValueError(f"For 1D input, 1D target must have size 1, but got target size: {list(wanted)}")
    elif not wanted or shape[0] != wanted[0]:
        got = wanted[0] if wanted else 0
        raise ValueError(f"Expected input batch_size ({shape[0]}) to match target batch_size ({got}).")
    elif (shape[0], *shape[2:]) != wanted:
        raise RuntimeError(
            f"Expected target size {[shape[0], *shape[2:]]}, got {list(wanted)} (input of size {list(shape)})"
        )


def _check_weight(weight: Tensor | None, classes: int) -> None:
    if weight is not None and weight._array.shape != (classes,):
        raise RuntimeError(
            f"weight tensor should be defined either for all {classes} classes or no classes "
            f"but got weight tensor of shape: {list(weight.shape)}"
        )


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
    dim = 0 if input._array.ndim < 2 else 1
    soft = target._array.shape == input._array.shape
    if soft:
        _check_probabilities(target, weight, ignore_index, dim)
    logs = log_softmax(input, dim)
    if soft:
        return _soft_cross_entropy(logs, target, weight, reduction, label_smoothing, dim)
    hard = nll_loss(logs, target, weight, ignore_index=ignore_index, reduction=reduction)
    if label_smoothing == 0.0:
        return hard
    smooth = _smoothing_loss(logs, target, weight, ignore_index, reduction, dim)
    return add(mul(hard, 1 - label_smoothing), mul(smooth, label_smoothing / input._array.shape[dim]))


def _check_probabilities(target: Tensor, weight: Tensor | None, ignore_index: int, dim: int) -> None:
    """Raise RuntimeError if a target of the input's shape is none of class probabilities."""
    if target._array.dtype.kind != "f":
        raise RuntimeError(
            f"Expected floating point type for target with class probabilities, got {target.dtype.name}; "
            "a target of classes has the input's shape without the dim of classes"
        )
    if ignore_index >= 0:
        raise RuntimeError("ignore_index is not supported for floating point target")
    _check_weight(weight, target._array.shape[dim])


def _over_classes(weight: Tensor | None, logs: Tensor, dim: int) -> Tensor:
    """Return ``logs`` weighted by class."""
    if weight is None:
        return logs
    return mul(logs, reshape(weight, (1,) * dim + (-1,) + (1,) * (logs._array.ndim - dim - 1)))


def _soft_cross_entropy(
    logs: Tensor, target: Tensor, weight: Tensor | None, reduction: str, smoothing: float, dim: int
) -> Tensor:
    classes = logs._array.shape[dim]
    if smoothing:
        target = add(mul(target, 1 - smoothing), smoothing / classes)
    losses = neg(sum(mul(_over_classes(weight, logs, dim), target), dim))
    return losses if reduction == "none" else mean(losses) if reduction == "mean" else sum(losses)


def _smoothing_loss(
    logs: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str, dim: int
) -> Tensor:
    """Return the sum over all classes of the negative log-probabilities, reduced as the hard loss is."""
    kept = target != ignore_index
    losses = where(kept, neg(sum(_over_classes(weight, logs, dim), dim)), 0.0)
    if reduction == "none":
        return losses
    if reduction == "sum":
        return sum(losses)
    counts = cast(kept, logs.dtype)
    if weight is not None:
        counts = mul(counts, getitem(weight, where(kept, target, 0).reshape(-1)).reshape(target.shape))
    return div(sum(losses), sum(counts))
