"""Losses of yes-or-no targets."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.activation_smooth import logsigmoid
from trainctl.autograd.ops.arithmetic import add, clamp, div, mul, neg, rsub, sub
from trainctl.autograd.ops.broadcasting import broadcast_shapes, expand
from trainctl.autograd.ops.cast import refuse
from trainctl.autograd.ops.elementwise import log
from trainctl.autograd.ops.loss import check_reduction, legacy_reduction, reduced
from trainctl.autograd.ops.reduction import sum
from trainctl.autograd.ops.special import log1p
from trainctl.autograd.tensor import Tensor

FUNCTIONAL = "binary_cross_entropy binary_cross_entropy_with_logits multilabel_soft_margin_loss soft_margin_loss"


class BinaryCrossEntropy(Op):
    """``-t log(x) - (1 - t) log(1 - x)``, each logarithm at least -100."""

    saves = (0, 1)

    def forward(self, x: Any, t: Any, out: Any = None) -> Any:
        xp = self.xp
        no = xp.maximum(xp.log1p(xp.negative(x)), -100)
        yes = xp.maximum(xp.log(x), -100)
        return xp.subtract((t - 1) * no, t * yes, out=out)

    def backward(self, gy: Tensor) -> Any:
        x, t = self.saved
        gx = gt = None
        if self.needs(0):
            gx = mul(gy, div(sub(x, t), clamp(mul(rsub(x, 1), x), min=1e-12)))
        if self.needs(1):
            gt = mul(gy, sub(clamp(log1p(neg(x)), min=-100), clamp(log(x), min=-100)))
        return gx, gt


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """Return the cross entropy of probabilities against yes-or-no targets, times ``weight``, reduced.

    Args:
        input: probabilities, of any shape.
        target: 0, 1 or between, of the input's shape and dtype.
        weight: broadcasts to that shape.
        size_average: deprecated, see ``reduction``.
        reduce: deprecated, see ``reduction``.
        reduction: ``none``, ``mean`` or ``sum``.

    Raises:
        ValueError: an unknown reduction, or shapes that differ.
        RuntimeError: dtypes that differ, or elements outside [0, 1].

    Example:
        >>> import trainctl
        >>> binary_cross_entropy(trainctl.tensor([0.5, 0.5]), trainctl.tensor([0.0, 1.0]))
        tensor(0.6931)
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    _check_same_size(input, target)
    refuse("buic", "binary_cross_entropy", input)
    if input._array.dtype != target._array.dtype:
        raise RuntimeError(f"Found dtype {target.dtype.name} of the target but expected {input.dtype.name}")
    for name, each in (("input", input), ("target", target)):
        if each._xp.on_host and not ((each._array >= 0) & (each._array <= 1)).all():
            raise RuntimeError(f"all elements of {name} should be between 0 and 1")
    loss = BinaryCrossEntropy.apply(input, target)
    return reduced(loss if weight is None else mul(loss, _as_wide_as(weight, target)), reduction)


def _check_same_size(input: Tensor, target: Tensor) -> None:
    if target._array.shape != input._array.shape:
        raise ValueError(f"Target size ({target.shape}) must be the same as input size ({input.shape})")


def _as_wide_as(weight: Tensor, target: Tensor) -> Tensor:
    """Return ``weight``, which has to broadcast to the target's shape.

    Raises:
        RuntimeError: it does not.
    """
    if broadcast_shapes(weight._array.shape, target._array.shape) != target._array.shape:
        raise RuntimeError(
            f"output with shape {list(target.shape)} doesn't match the broadcast shape of the weight {list(weight.shape)}"
        )
    return weight


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Return the cross entropy of logits against yes-or-no targets, without overflow, times ``weight``, reduced.

    Args:
        input: logits, of any shape.
        target: 0, 1 or between, of that shape.
        weight: broadcasts to that shape.
        size_average: deprecated, see ``reduction``.
        reduce: deprecated, see ``reduction``.
        reduction: ``none``, ``mean`` or ``sum``.
        pos_weight: weight of the positive part, broadcasts to that shape.

    Raises:
        ValueError: an unknown reduction, or shapes that differ.
        RuntimeError: weights that do not broadcast.

    Example:
        >>> import trainctl
        >>> binary_cross_entropy_with_logits(trainctl.zeros(2), trainctl.tensor([0.0, 1.0]))
        tensor(0.6931)
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    _check_same_size(input, target)
    yes = logsigmoid(input)
    if pos_weight is not None:
        yes = mul(yes, add(mul(sub(_as_wide_as(pos_weight, target), 1), target), 1))
    loss = sub(mul(rsub(target, 1), input), yes)
    return reduced(loss if weight is None else mul(loss, _as_wide_as(weight, target)), reduction)


def soft_margin_loss(
    input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Tensor:
    """Return ``log(1 + exp(-target * input))`` for targets of 1 and -1, reduced.

    Raises:
        ValueError: an unknown reduction.
        RuntimeError: the target does not broadcast to the input's shape.
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    expand(target.detach(), input.shape)  # raises where it does not broadcast
    return reduced(neg(logsigmoid(mul(target, input))), reduction)


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """Return the cross entropy of logits ``[N, C]`` against labels ``[N, C]``, mean over the classes, reduced over N.

    Raises:
        ValueError: an unknown reduction.
        IndexError: a scalar input.
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    classes = input.size(-1)
    loss = neg(add(mul(target, logsigmoid(input)), mul(rsub(target, 1), logsigmoid(neg(input)))))
    return reduced(div(sum(loss if weight is None else mul(loss, weight), -1), classes), reduction)
