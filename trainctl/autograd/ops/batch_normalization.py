"""Norms that can keep running statistics: over a batch, and over each sample of it."""

from __future__ import annotations

import math
from typing import Any

from trainctl.autograd.ops.arithmetic import add, mul
from trainctl.autograd.ops.cast import cast
from trainctl.autograd.ops.reduction import mean
from trainctl.autograd.ops.shape import reshape
from trainctl.autograd.ops.standardization import Dims, Moments, all_as, computed_in, count_over, standardized
from trainctl.autograd.tensor import Tensor

FUNCTIONAL = "batch_norm instance_norm"


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Return each channel with mean 0 and variance 1 over batch and space (Ioffe and Szegedy, 2015).

    Args:
        input: ``[N, C, ...]``.
        running_mean: ``[C]``, moved towards the batch's mean in training, used as the mean otherwise.
        running_var: ``[C]``, likewise for the unbiased variance.
        weight: ``[C]``.
        bias: ``[C]``.
        training: use the batch's own statistics.
        momentum: share of the batch in the running statistics.
        eps: added to the variance.

    Raises:
        NotImplementedError: ``input`` is not floating point.
        RuntimeError: sizes or dtypes that do not fit, or no running statistics in evaluation.
        ValueError: one value a channel in training, one of the running statistics alone, or a bad ``eps``.

    Example:
        >>> import trainctl
        >>> batch_norm(trainctl.tensor([[1.0], [3.0]]), None, None, training=True)
        tensor([[-1.0000],
                [ 1.0000]])
    """
    _check_batch_norm(input, running_mean, running_var, weight, bias, training, eps)
    dims = (0, *range(2, input._array.ndim))
    return _normalized("batch_norm", input, running_mean, running_var, weight, bias, dims, training, momentum, eps)


def _normalized(
    op: str,
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    dims: Dims,
    by_own: bool,
    momentum: float,
    eps: float,
) -> Tensor:
    """Return ``input`` by its own statistics over ``dims``, which the running ones then follow, or by the running ones."""
    kind = computed_in(op, input, running_mean, running_var, weight, bias)
    x, per_channel = cast(input, kind), (-1, *(1,) * (input._array.ndim - 2))
    weight, bias = all_as(kind, weight, bias, shape=per_channel)
    if by_own:
        stats = Moments.apply(x, dims=dims)
        if running_mean is not None and x._array.size:
            _track(running_mean, running_var, stats, count_over(x._array.shape, dims), momentum)
    else:
        stats = tuple(all_as(kind, running_mean, running_var, shape=per_channel))
    return cast(standardized(x, stats, weight, bias, eps, dims if by_own else None), input.dtype)


def _track(running_mean: Any, running_var: Any, stats: Any, count: int, momentum: float) -> None:
    """Move running statistics towards those of ``count`` elements: of a batch, or of all instances on average."""
    center, var = (each.detach() for each in stats)
    unbiased = mul(var, count / (count - 1))
    for running, new in ((running_mean, center), (running_var, unbiased)):
        average = mean(reshape(new, (-1, running._array.size)), 0)
        running.copy_(add(mul(cast(running, average.dtype), 1 - momentum), mul(average, momentum)))


def _check_batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    training: bool,
    eps: float,
) -> None:
    shape = input._array.shape
    if training and math.prod((*shape[:1], *shape[2:])) == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {list(shape)}")
    if eps < 0.0 or (training and eps == 0.0):
        wanted = "positive during training" if training else "non-negative"
        raise ValueError(f"batch_norm eps must be {wanted}, but got {eps}")
    _check_running("batch_norm", running_mean, running_var)
    if not training and running_mean is None:
        raise RuntimeError("running_mean must be defined in evaluation mode")
    channels = shape[1] if len(shape) > 1 else 0
    _check_sizes(channels, shape, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    if len(shape) < 2 and shape != (0,):
        raise IndexError(f"batch_norm: expected input [N, C, ...] of at least 2 dims, got shape {list(shape)}")


def _check_running(op: str, running_mean: Tensor | None, running_var: Tensor | None) -> None:
    if (running_mean is None) != (running_var is None):
        raise ValueError("running_mean and running_var must either both be None or neither be None")
    for name, each in (("running_mean", running_mean), ("running_var", running_var)):
        if each is not None and each.requires_grad:
            raise RuntimeError(
                f"{op} is not differentiable with respect to '{name}'; it cannot have requires_grad True"
            )


def _check_sizes(channels: int, shape: Dims, **tensors: Tensor | None) -> None:
    """Raise RuntimeError if a tensor does not hold one number a channel."""
    for name, each in tensors.items():
        if each is not None and each._array.size != channels:
            raise RuntimeError(
                f"{name} should contain {channels} elements not {each._array.size} (input of shape {list(shape)})"
            )


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Return each channel of each sample with mean 0 and variance 1 over space (Ulyanov et al., 2016).

    Args:
        input: ``[N, C, ...]``.
        running_mean: ``[C]``, moved towards the samples' average mean, or used as the mean.
        running_var: ``[C]``, likewise for the unbiased variance.
        weight: ``[C]``.
        bias: ``[C]``.
        use_input_stats: normalise by the input's own statistics, not by the running ones.
        momentum: share of the input in the running statistics.
        eps: added to the variance.

    Raises:
        NotImplementedError: ``input`` is not floating point.
        RuntimeError: sizes or dtypes that do not fit, or no running statistics to use.
        ValueError: a single element a channel, or one of the running statistics alone.

    Example:
        >>> import trainctl
        >>> instance_norm(trainctl.tensor([[[1.0, 3.0], [5.0, 5.0]]]))
        tensor([[[-1.0000,  1.0000],
                 [ 0.0000,  0.0000]]])
    """
    shape = input._array.shape
    if use_input_stats and math.prod(shape[2:]) == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {list(shape)}")
    _check_running("instance_norm", running_mean, running_var)
    if not use_input_stats and running_mean is None:
        raise RuntimeError("Expected running_mean and running_var to be defined when use_input_stats is false")
    if len(shape) < 2:
        raise IndexError(f"instance_norm: expected input [N, C, ...] of at least 2 dims, got shape {list(shape)}")
    _check_sizes(shape[1], shape, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    dims = tuple(range(2, len(shape)))
    return _normalized(
        "instance_norm", input, running_mean, running_var, weight, bias, dims, use_input_stats, momentum, eps
    )
