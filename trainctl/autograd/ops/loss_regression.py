"""Losses between numbers: absolute, Huber's, and the negative log-likelihoods of counts and of normal variables."""

from __future__ import annotations

import math
import warnings
from typing import Any

from trainctl.autograd.grad_mode import no_grad
from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import add, clamp, div, mul, sub
from trainctl.autograd.ops.cast import check_broadcast, promote, refuse
from trainctl.autograd.ops.comparison import where
from trainctl.autograd.ops.elementwise import abs, exp, log, square
from trainctl.autograd.ops.loss import check_reduction, legacy_reduction, reduced
from trainctl.autograd.ops.reduction import sum
from trainctl.autograd.ops.shape import unsqueeze
from trainctl.autograd.tensor import Tensor

FUNCTIONAL = "gaussian_nll_loss huber_loss l1_loss poisson_nll_loss smooth_l1_loss"


def _difference(input: Tensor, target: Tensor) -> Tensor:
    """Return ``input - target``; warns where the shapes differ.

    Raises:
        RuntimeError: they do not broadcast.
    """
    if input._array.shape != target._array.shape:
        warnings.warn(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}). This will likely "
            "lead to incorrect results due to broadcasting. Please ensure they have the same size.",
            stacklevel=3,
        )
        check_broadcast(input._array.shape, target._array.shape)
    return sub(*promote(input, target))


def _weighted(loss: Tensor, weight: Tensor, input: Tensor) -> Tensor:
    if weight._array.shape != input._array.shape:
        raise ValueError(
            f"Weights and input must have the same size, got {list(weight.shape)} and {list(input.shape)}."
        )
    return mul(loss, weight)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Return the absolute difference, reduced; the mean is weighted where ``weight``, of the input's shape, is given.

    Raises:
        ValueError: an unknown reduction, or a weight of another shape.
        RuntimeError: the shapes do not broadcast.

    Example:
        >>> import trainctl
        >>> l1_loss(trainctl.tensor([1.0, 2.0]), trainctl.tensor([1.0, 4.0]))
        tensor(1.)
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    errors = abs(_difference(input, target))
    if weight is None:
        return reduced(errors, reduction)
    weighted = _weighted(errors, weight, input)
    return div(sum(weighted), sum(weight)) if reduction == "mean" else reduced(weighted, reduction)


class Huber(Op):
    """Of a difference ``d``: ``d^2 / 2`` up to ``delta``, from there on ``delta (|d| - delta / 2)``."""

    saves = (0,)
    delta: float

    def forward(self, d: Any, out: Any = None) -> Any:
        size = self.xp.abs(d)
        return self.xp.where(size <= self.delta, size * size * 0.5, (size - 0.5 * self.delta) * self.delta)

    def backward(self, gy: Tensor) -> Any:
        (d,) = self.saved
        return mul(gy, clamp(d, -self.delta, self.delta))


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """Return half the squared difference up to ``delta``, linear beyond; times ``weight``, then reduced (Huber, 1964).

    Raises:
        ValueError: an unknown reduction, or a weight of another shape.
        RuntimeError: ``delta`` is not positive, or the shapes do not broadcast.
    """
    check_reduction(reduction)
    if delta <= 0:
        raise RuntimeError(f"huber_loss does not support non-positive values for delta, got {delta}")
    loss = _huber("huber_loss", input, target, delta)
    return reduced(loss if weight is None else _weighted(loss, weight, input), reduction)


def _huber(op: str, input: Tensor, target: Tensor, delta: float) -> Tensor:
    difference = _difference(input, target)
    refuse("buic", op, difference)
    return Huber.apply(difference, delta=delta)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """Return :func:`huber_loss` divided by its ``delta``, here ``beta``; with 0 that is :func:`l1_loss`.

    Raises:
        ValueError: an unknown reduction.
        RuntimeError: ``beta`` is negative, or the shapes do not broadcast.
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    if beta < 0:
        raise RuntimeError(f"smooth_l1_loss does not support negative values for beta, got {beta}")
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)
    loss = _huber("smooth_l1_loss", input, target, beta)
    return reduced(loss if beta == 1 else div(loss, beta), reduction)


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: Any = None,
    eps: float = 1e-8,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """Return the negative log-likelihood of counts, Poisson with rate ``exp(input)`` or ``input``; reduced.

    Args:
        input: logarithms of the rates, or the rates.
        target: counts; shapes broadcast.
        log_input: ``input`` holds logarithms.
        full: add Stirling's approximation of ``log(target!)``, where target is above 1.
        size_average: deprecated, see ``reduction``.
        eps: added to a rate before its logarithm is taken.
        reduce: deprecated, see ``reduction``.
        reduction: ``none``, ``mean`` or ``sum``.

    Raises:
        ValueError: an unknown reduction.
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    loss = sub(exp(input), mul(target, input)) if log_input else sub(input, mul(target, log(add(input, eps))))
    if full:
        count = where(target > 1, target, 1)
        stirling = add(sub(mul(count, log(count)), count), mul(log(mul(count, 2 * math.pi)), 0.5))
        loss = add(loss, where(target > 1, stirling, 0))
    return reduced(loss, reduction)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """Return the negative log-likelihood of ``target``, normal with mean ``input`` and variance ``var``; reduced.

    Args:
        input: means, ``[N, *]``.
        target: observations, of the input's shape.
        var: variances: a number, of the input's shape, of that without its last dim, or with one dim of size 1.
        full: add the constant ``log(2 pi) / 2``.
        eps: what a variance counts as at least, without an effect on the gradient.
        reduction: ``none``, ``mean`` or ``sum``.

    Raises:
        ValueError: a negative variance, a shape that does not fit, or an unknown reduction.
    """
    variances = _variances(var, input).clone()
    check_reduction(reduction)
    with no_grad():
        variances.clamp_(min=eps)
    loss = mul(add(log(variances), div(square(sub(input, target)), variances)), 0.5)
    return reduced(add(loss, 0.5 * math.log(2 * math.pi)) if full else loss, reduction)


def _variances(var: Tensor | float, input: Tensor) -> Tensor:
    """Return variances as a tensor that broadcasts to the input."""
    if not isinstance(var, Tensor):
        return _variances(input.new_full(input.shape, var), input)
    if var._xp.on_host and bool((var._array < 0).any()):
        raise ValueError("var has negative entry/entries")
    shape, wanted = var._array.shape, input._array.shape
    if shape == wanted:
        return var
    if shape == wanted[:-1]:
        return unsqueeze(var, -1)
    if len(shape) != len(wanted) or [b for a, b in zip(wanted, shape, strict=True) if a != b] != [1]:
        raise ValueError(f"var is of incorrect size: got {list(shape)} for an input {list(wanted)}")
    return var
