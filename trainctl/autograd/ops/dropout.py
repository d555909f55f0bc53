"""Dropout of whole channels, and dropout that keeps mean and variance; plain dropout is in :mod:`.random`."""

from __future__ import annotations

import math
import warnings

from trainctl.autograd.ops.arithmetic import add, mul
from trainctl.autograd.ops.cast import refuse
from trainctl.autograd.ops.random import Dropout, Kept, check_probability
from trainctl.autograd.ops.shape import squeeze, unsqueeze
from trainctl.autograd.tensor import Tensor

FUNCTIONAL = "alpha_dropout dropout1d dropout2d dropout3d feature_alpha_dropout"

SELU_SATURATION = 1.7580993408473766  # minus the limit of selu(x) as x goes to -inf: its scale times its alpha


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Return ``input`` (``[N, C, L]`` or ``[C, L]``) with each channel zeroed with probability ``p``, others scaled.

    Raises:
        RuntimeError: other dims, or an integer tensor.
        ValueError: ``p`` is not a probability.

    Example:
        >>> import trainctl
        >>> dropout1d(trainctl.ones(2, 3), p=1.0)
        tensor([[0., 0., 0.],
                [0., 0., 0.]])
    """
    check_probability(p)
    if input._array.ndim not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input: [C, L] or [N, C, L], got shape "
            f"{list(input.shape)}"
        )
    return _batchwise(input, 3, p, training, inplace)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Return ``input`` (``[N, C, H, W]``) with each channel zeroed with probability ``p``, others scaled.

    As in PyTorch the first two dims are batch and channels whatever the number of dims; a 3-d input, which may
    be meant as one image, gets a warning.

    Raises:
        RuntimeError: fewer than 2 dims, or an integer tensor.
        ValueError: ``p`` is not a probability.

    Example:
        >>> import trainctl
        >>> dropout2d(trainctl.ones(1, 1, 1, 2), training=False)
        tensor([[[[1., 1.]]]])
    """
    check_probability(p)
    if input._array.ndim == 3:
        warnings.warn(
            "dropout2d: Received a 3D input, taken as [N, C, L]. For [C, H, W] add a batch dim; for [N, C, L] use dropout1d.",
            stacklevel=2,
        )
    elif input._array.ndim != 4:
        _warn_dims("dropout2d", "[N, C, H, W]", input)
    return _drop_channels(input, p, training, inplace)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Return ``input`` (``[N, C, D, H, W]`` or ``[C, D, H, W]``) with channels zeroed with probability ``p``, others scaled.

    Raises:
        RuntimeError: no dims, or an integer tensor.
        ValueError: ``p`` is not a probability.

    Example:
        >>> import trainctl
        >>> dropout3d(trainctl.ones(1, 1, 1, 2), training=False)
        tensor([[[[1., 1.]]]])
    """
    check_probability(p)
    if input._array.ndim not in (4, 5):
        _warn_dims("dropout3d", "[C, D, H, W] or [N, C, D, H, W]", input)
    return _batchwise(input, 5, p, training, inplace)


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Return ``input`` with elements set to SELU's limit at -inf with probability ``p``, then scaled and shifted.

    An input of mean 0 and variance 1 keeps both (Klambauer et al., 2017).

    Raises:
        RuntimeError: an integer tensor.
        ValueError: ``p`` is not a probability.

    Example:
        >>> import trainctl
        >>> alpha_dropout(trainctl.ones(2), training=False)
        tensor([1., 1.])
    """
    check_probability(p)
    return _alpha_drop(input, p, training, inplace, channels=False)


def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Return :func:`alpha_dropout` of whole channels of ``input`` (``[N, C, ...]``).

    Raises:
        RuntimeError: fewer than 2 dims, or an integer tensor.
        ValueError: ``p`` is not a probability.

    Example:
        >>> import trainctl
        >>> feature_alpha_dropout(trainctl.ones(1, 2), training=False)
        tensor([[1., 1.]])
    """
    check_probability(p)
    return _alpha_drop(input, p, training, inplace, channels=True)


def _warn_dims(op: str, wanted: str, input: Tensor) -> None:
    warnings.warn(f"{op}: expected input {wanted}, got shape {list(input.shape)}; use dropout for others", stacklevel=3)


def _channels(input: Tensor) -> tuple[int, ...]:
    """Return the shape of one number for each channel of each sample.

    Raises:
        RuntimeError: fewer than 2 dims.
    """
    shape = input._array.shape
    if len(shape) < 2:
        raise RuntimeError(f"Feature dropout requires at least 2 dimensions in the input, got shape {list(shape)}")
    return (*shape[:2], *(1,) * (len(shape) - 2))


def _batchwise(input: Tensor, ndim: int, p: float, training: bool, inplace: bool) -> Tensor:
    """Drop channels of a batch, or of one sample, which has a dim less than ``ndim``."""
    if input._array.ndim == ndim:
        return _drop_channels(input, p, training, inplace)
    result = squeeze(_drop_channels(unsqueeze(input, 0), p, training, inplace), 0)
    return input if inplace else result


def _drop_channels(input: Tensor, p: float, training: bool, inplace: bool) -> Tensor:
    if _keeps_all(input, p, training):
        return input
    if p == 1.0:
        return _nothing(input, inplace)
    return _times(input, _kept(input, p, _channels(input), 1 / (1 - p)), inplace)


def _keeps_all(input: Tensor, p: float, training: bool) -> bool:
    return not training or p == 0.0 or input._array.size == 0


def _nothing(input: Tensor, inplace: bool) -> Tensor:
    return input.mul_(0.0) if inplace else mul(input, 0.0)


def _alpha_drop(input: Tensor, p: float, training: bool, inplace: bool, channels: bool) -> Tensor:
    if _keeps_all(input, p, training):
        return input
    if p == 1.0:
        return _nothing(input, inplace)
    scale = 1 / math.sqrt((SELU_SATURATION**2 * p + 1) * (1 - p))
    kept = _kept(input, p, _channels(input) if channels else input._array.shape, 1.0)
    shift = add(mul(kept, SELU_SATURATION * scale), SELU_SATURATION * scale * (p - 1))
    result = _times(input, mul(kept, scale), inplace)
    return result.add_(shift) if inplace else add(result, shift)


def _kept(input: Tensor, p: float, shape: tuple[int, ...], value: float) -> Tensor:
    """Return ``value`` with probability ``1 - p``, else 0, drawn on the host.

    Raises:
        NotImplementedError: a complex tensor.
        RuntimeError: an integer or bool tensor.
    """
    refuse("c", "dropout", input)
    if input._array.dtype.kind != "f":
        raise RuntimeError(f"result type Float can't be cast to the desired output type {input.dtype.name}")
    return Kept.apply(input, p=p, shape=shape, value=value)


def _times(input: Tensor, mask: Tensor, inplace: bool) -> Tensor:
    return input.mul_(mask) if inplace else Dropout.apply(input, mask)
