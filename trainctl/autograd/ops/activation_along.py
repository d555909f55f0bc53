"""Activations that read several elements along a dim."""

from __future__ import annotations

import warnings

from trainctl.autograd.dims import wrap_dim
from trainctl.autograd.ops.arithmetic import add, div, mul, neg, sub
from trainctl.autograd.ops.cast import cast, check_tensor, refuse
from trainctl.autograd.ops.elementary import through_float32
from trainctl.autograd.ops.elementwise import sigmoid
from trainctl.autograd.ops.joining import split
from trainctl.autograd.ops.random import uniform
from trainctl.autograd.ops.ranges import arange
from trainctl.autograd.ops.reduction import argmax
from trainctl.autograd.ops.shape import reshape
from trainctl.autograd.ops.softmax import softmax
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

FUNCTIONAL = "glu gumbel_softmax softmin"


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """Return the first half along ``dim`` times the sigmoid of the second half (Dauphin et al., 2017).

    Raises:
        RuntimeError: an odd size, or a scalar.

    Example:
        >>> import trainctl
        >>> glu(trainctl.tensor([2.0, 0.0]))
        tensor([1.])
    """
    check_tensor("glu", input, "input")
    if input._array.ndim == 0:
        raise RuntimeError("glu does not support scalars because halving size must be even")
    dim = wrap_dim(dim, input._array.ndim)
    size = input._array.shape[dim]
    if size % 2:
        raise RuntimeError(
            f"glu: halving dimension must be even, but dimension {dim} is size {size} (input {list(input.shape)})"
        )
    refuse("buic", "glu", input)
    first, second = split(input, [size // 2, size // 2], dim)
    return through_float32(lambda x, gate: mul(x, sigmoid(gate)), first, second)


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: dtypes.dtype | None = None) -> Tensor:
    """Return the :func:`softmax` of the negative elements along ``dim`` (default: 0 for 0, 1 or 3 dims, else 1)."""
    check_tensor("softmin", input, "input")
    if dim is None:
        dim = 0 if input._array.ndim in (0, 1, 3) else 1
    return softmax(neg(input), dim, dtype)


def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """Return a sample of the Gumbel-softmax distribution along ``dim`` (Jang et al., 2017).

    Args:
        logits: unnormalised log-probabilities, ``[*, C]``.
        tau: temperature: the lower, the closer to one-hot.
        hard: return one-hot vectors; the gradient is that of the soft sample.
        eps: deprecated, has no effect.
        dim: the dim of the classes.

    Raises:
        RuntimeError: not a floating-point type.
    """
    check_tensor("gumbel_softmax", logits, "logits")
    refuse("buic", "gumbel_softmax", logits)
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=2)
    soft = softmax(div(add(logits, _gumbel_noise(logits)), tau), dim)
    if not hard:
        return soft
    dim = wrap_dim(dim, logits._array.ndim)
    places = reshape(arange(soft._array.shape[dim], device=soft.device), (-1, *(1,) * (soft._array.ndim - dim - 1)))
    chosen = cast(argmax(soft, dim, keepdim=True) == places, soft.dtype)
    return add(sub(chosen, soft.detach()), soft)


def _gumbel_noise(like: Tensor) -> Tensor:
    """Return noise of the standard Gumbel distribution: minus the logarithm of exponential noise."""
    xp, tiny = like._xp, dtypes.finfo(like.dtype).tiny
    drawn = xp.from_host(uniform(like._array.shape, like._array.dtype, None))
    exponential = xp.maximum(xp.negative(xp.log1p(xp.negative(drawn))), tiny)
    return Tensor._wrap(xp.negative(xp.log(exponential)))
