"""Initial values of parameters, by PyTorch's names and distributions."""

from __future__ import annotations

import math
import warnings

from trainctl.autograd.grad_mode import no_grad
from trainctl.autograd.ops.decomposition import qr
from trainctl.autograd.ops.random import Generator
from trainctl.autograd.tensor import Tensor
from trainctl.backend.dtypes import float64


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return the factor by which a nonlinearity wants its input's standard deviation scaled.

    Raises:
        ValueError: an unknown nonlinearity.

    Example:
        >>> calculate_gain("relu") == 2**0.5
        True
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        return math.sqrt(2.0 / (1 + slope**2))
    gains = {"tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 0.75}
    plain = ("linear", "sigmoid", *(f"conv{kind}{n}d" for kind in ("", "_transpose") for n in (1, 2, 3)))
    gains.update(dict.fromkeys(plain, 1.0))
    if nonlinearity not in gains:
        raise ValueError(f"Unsupported nonlinearity {nonlinearity}; expected one of leaky_relu, {', '.join(gains)}")
    return gains[nonlinearity]


def _fans(tensor: Tensor) -> tuple[int, int]:
    """Return the number of inputs and outputs of one unit: ``[out, in, *kernel]``.

    Raises:
        ValueError: fewer than two dims.
    """
    if tensor.ndim < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


@no_grad()
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with values uniform in [a, b)."""
    return tensor.uniform_(a, b, generator=generator)


@no_grad()
def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with normal values."""
    return tensor.normal_(mean, std, generator=generator)


@no_grad()
def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one value."""
    return tensor.fill_(val)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0."""
    return constant_(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1."""
    return constant_(tensor, 1.0)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill with values uniform in ``±gain * sqrt(3 / fan)`` (He et al., 2015)."""
    if 0 in tensor.shape:
        return tensor
    bound = math.sqrt(3.0) * calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode))
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill with normal values of standard deviation ``gain / sqrt(fan)`` (He et al., 2015)."""
    if 0 in tensor.shape:
        return tensor
    return normal_(tensor, 0.0, calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode)), generator)


def _fan(tensor: Tensor, mode: str) -> int:
    if mode.lower() not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of fan_in, fan_out")
    return _fans(tensor)[mode.lower() == "fan_out"]


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with values uniform in ``±gain * sqrt(6 / (fan_in + fan_out))`` (Glorot and Bengio, 2010)."""
    bound = gain * math.sqrt(6.0 / sum(_fans(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with normal values of standard deviation ``gain * sqrt(2 / (fan_in + fan_out))`` (Glorot and Bengio, 2010)."""
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(_fans(tensor))), generator)


@no_grad()
def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with the identity.

    Raises:
        ValueError: not two dims.
    """
    from trainctl.autograd.ops.creation import eye

    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    return tensor.copy_(eye(*tensor.shape, dtype=tensor.dtype))


@no_grad()
def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Fill with normal values of those in [a, b] alone, by the inverse of the distribution function.

    Warns:
        UserWarning: ``mean`` is so far outside [a, b] that little of the distribution is left.
    """
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of values may be incorrect.",
            UserWarning,
            stacklevel=3,
        )
    low, high = (math.erf((end - mean) / std / math.sqrt(2.0)) for end in (a, b))
    drawn = _wide(tensor, tensor.shape).uniform_(low, high, generator=generator).erfinv()
    return tensor.copy_((drawn * (std * math.sqrt(2.0)) + mean).clamp(a, b))


def _wide(like: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return zeros in which values are drawn for ``like``: float64 on its device, for its tails and bases are exact."""
    return like.new_zeros(shape, dtype=float64)


@no_grad()
def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """Fill with ``gain`` times a matrix of orthonormal rows, or columns where those are fewer (Saxe et al., 2014).

    Dims after the first count as one.

    Raises:
        ValueError: fewer than two dims.
    """
    if tensor.ndim < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0:
        return tensor
    rows, columns = tensor.shape[0], tensor.numel() // tensor.shape[0]
    drawn = _wide(tensor, (max(rows, columns), min(rows, columns))).normal_(generator=generator)
    q, r = qr(drawn)
    q = q * r.diagonal().sign()  # of the many factorizations the one that makes q uniform (Mezzadri, 2007)
    return tensor.copy_((q.T if rows < columns else q).reshape(tensor.shape) * gain)


@no_grad()
def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fill a convolution's weight so that, in each group, each output channel is the input channel of its number.

    Args:
        tensor: ``[out, in / groups, *kernel]`` of one, two or three kernel dims.
        groups: the convolution's.

    Raises:
        ValueError: other dims, or ``groups`` does not divide the output channels.
    """
    if tensor.ndim not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    if tensor.shape[0] % groups != 0:
        raise ValueError("dim 0 must be divisible by groups")
    per_group = tensor.shape[0] // groups
    middle = tuple(size // 2 for size in tensor.shape[2:])
    tensor.zero_()
    for group in range(groups):
        for channel in range(min(per_group, tensor.shape[1])):
            tensor[(group * per_group + channel, channel, *middle)] = 1
    return tensor


@no_grad()
def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """Fill a matrix with normal values, and set a share of each column, rounded up, to 0 (Martens, 2010).

    Raises:
        ValueError: not two dims.
    """
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, columns = tensor.shape
    order = _wide(tensor, (rows, columns)).uniform_(generator=generator).argsort(dim=0).argsort(dim=0)
    return tensor.normal_(0, std, generator=generator).masked_fill_(order < math.ceil(sparsity * rows), 0)
