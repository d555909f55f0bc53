"""Initial values of parameters, by PyTorch's names and distributions."""

from __future__ import annotations

import math
import warnings

from trainctl.autograd.grad_mode import no_grad
from trainctl.autograd.ops.comparison import where
from trainctl.autograd.ops.creation import zeros, zeros_like
from trainctl.autograd.ops.decomposition import qr
from trainctl.autograd.ops.random import Generator, rand
from trainctl.autograd.tensor import Tensor


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
def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fill a convolution's weight ``[out, in / groups, *kernel]`` so that it passes on as many channels as it can.

    Raises:
        ValueError: not one to three kernel dims, or output channels that the groups do not divide.

    Example:
        >>> import trainctl
        >>> dirac_(trainctl.empty(2, 2, 3)).tolist()
        [[[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]], [[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]
    """
    if tensor.ndim not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    if tensor.shape[0] % groups:
        raise ValueError(f"dim 0 must be divisible by groups, got {tensor.shape[0]} and {groups}")
    tensor.zero_()
    each_has = tensor.shape[0] // groups
    channels = range(min(each_has, tensor.shape[1]))
    outputs = [group * each_has + channel for group in range(groups) for channel in channels]
    if outputs:
        centre = (size // 2 for size in tensor.shape[2:])
        tensor[(outputs, [*channels] * groups, *centre)] = 1
    return tensor


@no_grad()
def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Fill with normal values, those outside ``[a, b]`` drawn again.

    Where less than a third would stay, uniform values in ``[a, b]`` are drawn instead and kept as often as
    the density at the value is of the density at its highest (rejection sampling, von Neumann, 1951).
    """
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. "
            "The distribution of values may be incorrect.",
            stacklevel=2,
        )
    peak = ((max(a, min(mean, b)) - mean) / std) ** 2

    def draw_normal(into: Tensor) -> Tensor:
        into.normal_(mean, std, generator=generator)
        return (into < a) | (into > b)

    def draw_uniform(into: Tensor) -> Tensor:
        into.uniform_(a, b, generator=generator)
        chance = (((into - mean) / std) ** 2 - peak) / -2
        return zeros_like(into).uniform_(generator=generator).log() > chance

    stays = math.erf((b - mean) / std / 2**0.5) - math.erf((a - mean) / std / 2**0.5)
    draw = draw_normal if stays > 2 / 3 else draw_uniform
    refused = draw(tensor)
    while refused.any():
        again = zeros_like(tensor)
        refused_again = draw(again)
        tensor.copy_(where(refused, again, tensor))
        refused &= refused_again
    return tensor


@no_grad()
def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """Fill with a matrix whose rows, or columns where those are fewer, are orthogonal and of length ``gain``.

    Dims beyond the second are flattened. Saxe et al. (2013); the signs that make the distribution uniform are
    Mezzadri's (2007).

    Raises:
        ValueError: fewer than two dims.

    Example:
        >>> import trainctl
        >>> q = orthogonal_(trainctl.empty(2, 3))
        >>> trainctl.allclose(q @ q.T, trainctl.eye(2), atol=1e-6)
        True
    """
    if tensor.ndim < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if not tensor.numel():
        return tensor
    rows, columns = tensor.shape[0], tensor.numel() // tensor.shape[0]
    shape = (max(rows, columns), min(rows, columns))
    q, r = qr(zeros(shape, dtype=tensor.dtype, device=tensor.device).normal_(generator=generator))
    q = q * r.diagonal().sign()
    return tensor.copy_((q.T if rows < columns else q).reshape(tensor.shape)).mul_(gain)


@no_grad()
def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """Fill a matrix with normal values, and set the fraction ``sparsity`` of each column to 0 (Martens, 2010).

    Raises:
        ValueError: not two dims.
    """
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    tensor.normal_(0, std, generator=generator)
    order = rand(*tensor.shape, generator=generator, device=tensor.device).argsort(0)
    return tensor.scatter_(0, order[: math.ceil(sparsity * tensor.shape[0])], 0.0)
