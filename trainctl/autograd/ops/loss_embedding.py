"""Losses of distances and rankings between samples, and the divergence of distributions."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

from trainctl.autograd.ops.arithmetic import add, clamp, div, minimum, mul, neg, rsub, sub
from trainctl.autograd.ops.comparison import where
from trainctl.autograd.ops.distance import pairwise_distance
from trainctl.autograd.ops.elementwise import exp, sqrt
from trainctl.autograd.ops.loss import check_reduction, legacy_reduction, reduced
from trainctl.autograd.ops.reduction import sum
from trainctl.autograd.ops.special import xlogy
from trainctl.autograd.tensor import Tensor

FUNCTIONAL = (
    "cosine_embedding_loss hinge_embedding_loss kl_div margin_ranking_loss triplet_margin_loss "
    "triplet_margin_with_distance_loss"
)


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """Return ``1 - cos`` of pairs with target 1 and ``max(0, cos - margin)`` of those with target -1, reduced.

    Args:
        input1: the first vectors, ``[N, D]`` or ``[D]``.
        input2: the second vectors, likewise.
        target: 1 or -1, ``[N]`` or ``[]``.
        margin: how close vectors of unlike pairs may be.
        size_average: deprecated, see ``reduction``.
        reduce: deprecated, see ``reduction``.
        reduction: ``none``, ``mean`` or ``sum``.

    Raises:
        ValueError: an unknown reduction.
        RuntimeError: numbers of dims that do not fit.
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    dim = target._array.ndim
    if dim > 1:
        raise RuntimeError(f"0D or 1D target tensor expected, multi-target not supported, got {list(target.shape)}")
    if input1._array.ndim != dim + 1 or input2._array.ndim != dim + 1:
        raise RuntimeError(
            f"{dim}D target tensor expects {dim + 1}D input tensors, but found inputs with sizes "
            f"{list(input1.shape)} and {list(input2.shape)}."
        )
    squares = [add(sum(mul(each, each), dim), 1e-12) for each in (input1, input2)]
    cosine = div(sum(mul(input1, input2), dim), sqrt(mul(*squares)))
    close = where(target == 1, rsub(cosine, 1), 0)
    return reduced(add(close, where(target == -1, clamp(sub(cosine, margin), min=0), 0)), reduction)


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """Return the distances of pairs with target 1 and ``max(0, margin - distance)`` of those with -1, reduced.

    Raises:
        ValueError: an unknown reduction.
        RuntimeError: the shapes do not broadcast.
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    room = clamp(rsub(input, int(margin) if input._array.dtype.kind in "ui" else margin), min=0)
    return reduced(add(where(target == 1, 0, room), where(target == -1, 0, input)), reduction)


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """Return ``max(0, margin - target (input1 - input2))``: target 1 where the first should rank higher; reduced.

    Raises:
        ValueError: an unknown reduction.
        RuntimeError: numbers of dims that differ, or shapes that do not broadcast.
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    if not input1._array.ndim == input2._array.ndim == target._array.ndim:
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {input1.shape}, input2: {input2.shape}, target: {target.shape}"
        )
    return reduced(clamp(add(mul(neg(target), sub(input1, input2)), float(margin)), min=0), reduction)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """Return :func:`triplet_margin_with_distance_loss` of the ``p``-norm, each difference plus ``eps``.

    Raises:
        ValueError: a margin that is not positive, or an unknown reduction.
        RuntimeError: numbers of dims that differ, or shapes that do not broadcast.
    """
    return triplet_margin_with_distance_loss(
        anchor,
        positive,
        negative,
        distance_function=partial(pairwise_distance, p=p, eps=eps),
        margin=margin,
        swap=swap,
        reduction=legacy_reduction(size_average, reduce, reduction),
    )


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """Return ``max(0, margin + d(anchor, positive) - d(anchor, negative))``, reduced (Balntas et al., 2016).

    Args:
        anchor: vectors, ``[N, D]`` or ``[D]``.
        positive: vectors that should be near them.
        negative: vectors that should be far from them.
        distance_function: d, by default :func:`pairwise_distance`.
        margin: by how much farther the negative has to be, positive.
        swap: take the distance of positive and negative where that is smaller.
        reduction: ``none``, ``mean`` or ``sum``.

    Raises:
        ValueError: a margin that is not positive, or an unknown reduction.
        RuntimeError: numbers of dims that differ, or shapes that do not broadcast.
    """
    check_reduction(reduction)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    dims = [each._array.ndim for each in (anchor, positive, negative)]
    if len(set(dims)) > 1:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: "
            f"anchor {dims[0]}D, positive {dims[1]}D, and negative {dims[2]}D inputs"
        )
    distance = distance_function or pairwise_distance
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = minimum(far, distance(positive, negative))
    return reduced(clamp(sub(add(near, margin), far), min=0), reduction)


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """Return the Kullback-Leibler divergence ``target (log(target) - input)``, reduced.

    Args:
        input: log-probabilities.
        target: probabilities, or their logarithms; shapes broadcast.
        size_average: deprecated, see ``reduction``.
        reduce: deprecated, see ``reduction``.
        reduction: ``none``, ``sum``, ``batchmean`` (the sum over the first dim's size, which is the divergence) or
            ``mean`` (over all elements, which is not).
        log_target: ``target`` holds logarithms.

    Raises:
        ValueError: an unknown reduction.
        RuntimeError: integers or complex numbers, or shapes that do not broadcast.
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce, reduction)
    elif reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size. 'batchmean' divides "
            "only by the batch size, and aligns with the KL div math definition.",
            stacklevel=2,
        )
    for each in (input, target):
        if each._array.dtype.kind != "f":
            raise RuntimeError(f"kl_div is for floating-point tensors, got {each.dtype.name}")
    loss = mul(exp(target), sub(target, input)) if log_target else sub(xlogy(target, target), mul(target, input))
    if reduction != "batchmean":
        return reduced(loss, reduction)
    return div(sum(loss), input._array.shape[0]) if input._array.ndim else sum(loss)
