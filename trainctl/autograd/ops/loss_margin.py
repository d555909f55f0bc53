"""Losses that ask the right class to win by a margin."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.ops.activation import relu
from trainctl.autograd.ops.arithmetic import add, div, mul, sub
from trainctl.autograd.ops.comparison import where
from trainctl.autograd.ops.elementwise import square
from trainctl.autograd.ops.indexing import gather, getitem, outlier
from trainctl.autograd.ops.loss import check_reduction, legacy_reduction, reduced
from trainctl.autograd.ops.reduction import sum
from trainctl.autograd.ops.shape import reshape, unsqueeze
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

FUNCTIONAL = "multi_margin_loss multilabel_margin_loss"


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """Return the mean over the classes of ``max(0, margin - x[target] + x[i]) ** p``, i not the target; reduced.

    Args:
        input: scores, ``[N, C]`` or ``[C]``.
        target: classes, int64, ``[N]`` or ``[]``.
        p: 1 or 2.
        margin: by how much the target has to win.
        weight: a weight for each target class, ``[C]``.
        size_average: deprecated, see ``reduction``.
        reduce: deprecated, see ``reduction``.
        reduction: ``none``, ``mean`` or ``sum``.

    Raises:
        ValueError: another ``p``, an unknown reduction, or a weight that is no vector.
        RuntimeError: shapes or dtypes that do not fit, or a class outside ``[0, C)``.
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    if p not in (1, 2):
        raise ValueError(f"only p == 1 and p == 2 supported, got {p}")
    if weight is not None and weight._array.ndim != 1:
        raise ValueError(f"weight must be one-dimensional, got shape {list(weight.shape)}")
    rows = _rows(input)
    count, classes = rows._array.shape
    _check_target(target)
    if target._array.ndim > 1 or target._array.size != count:
        raise RuntimeError(f"inconsistent target size, expected {count} but got {list(target.shape)}")
    _check_range(target, 0, classes)
    column = reshape(target, (count, 1))
    distance = relu(add(sub(rows, gather(rows, 1, column)), margin))
    distance = distance if p == 1 else square(distance)
    if weight is not None:
        distance = mul(distance, _class_weights(weight, input, classes, column))
    losses = div(sum(where(_numbers(rows, classes) == column, 0, distance), 1), classes)
    return reduced(reshape(losses, target.shape), reduction)


def _rows(input: Tensor) -> Tensor:
    """Return ``[N, C]`` of ``[N, C]``, ``[C]`` or ``[]``."""
    shape = input._array.shape
    if len(shape) > 2 or (shape and shape[-1] == 0):
        raise RuntimeError(
            f"Expected non-empty vector or matrix with optional 0-dim batch size, but got: {list(shape)}"
        )
    return input if len(shape) == 2 else reshape(input, (1, -1))


def _check_target(target: Tensor) -> None:
    if target.dtype is not dtypes.int64:
        raise RuntimeError(f"expected a target of type int64 but found {target.dtype.name}")


def _check_range(target: Tensor, low: int, classes: int) -> None:
    bad = outlier(target._array, classes, low)
    if bad is not None:
        raise RuntimeError(f"target out of range: expected classes in [{low}, {classes}), got {bad}")


def _class_weights(weight: Tensor, input: Tensor, classes: int, column: Tensor) -> Tensor:
    if weight._array.size != classes:
        raise RuntimeError(f"inconsistent weight size, expected {classes} but got {list(weight.shape)}")
    if weight._array.dtype != input._array.dtype:
        raise RuntimeError(f"expected a weight of type {input.dtype.name} but found {weight.dtype.name}")
    return getitem(weight, column)


def _numbers(like: Tensor, count: int) -> Tensor:
    return Tensor._constant(like._xp.arange(count))


def multilabel_margin_loss(
    input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Tensor:
    """Return the sum over labels j and other classes i of ``max(0, 1 - x[j] + x[i])``, over C; reduced.

    Args:
        input: scores, ``[N, C]`` or ``[C]``.
        target: labels, int64, of that shape; the first -1 of a row ends them.
        size_average: deprecated, see ``reduction``.
        reduce: deprecated, see ``reduction``.
        reduction: ``none``, ``mean`` or ``sum``.

    Raises:
        ValueError: an unknown reduction.
        RuntimeError: shapes or dtypes that do not fit, or a label outside ``[-1, C)``.
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    rows = _rows(input)
    if target._array.shape != input._array.shape:
        raise RuntimeError(f"inconsistent target size: {list(target.shape)} for input of size: {list(input.shape)}")
    _check_target(target)
    count, classes = rows._array.shape
    _check_range(target, -1, classes)
    xp, labels = target._xp, target._array.reshape(count, classes)
    valid = xp.cumsum(labels < 0, axis=1) == 0
    if xp.on_host:  # few labels of many classes: leave out the columns that no row fills
        most = int(valid.sum(axis=1).max()) if count else 0
        labels, valid = labels[:, :most], valid[:, :most]
    labels = xp.where(valid, labels, 0)
    is_label = ((labels[:, :, None] == xp.arange(classes)) & valid[:, :, None]).any(axis=1)
    counts = Tensor._wrap(valid[:, :, None] & xp.logical_not(is_label)[:, None, :])
    scores = unsqueeze(gather(rows, 1, Tensor._wrap(labels)), 2)
    distances = relu(add(sub(unsqueeze(rows, 1), scores), 1))
    losses = div(sum(where(counts, distances, 0), (1, 2)), classes)
    return reduced(losses if input._array.ndim == 2 else reshape(losses, ()), reduction)
