"""Norms over each sample's own features, and vectors scaled to length 1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from trainctl.autograd.ops.arithmetic import add, div, mul
from trainctl.autograd.ops.cast import cast, refuse
from trainctl.autograd.ops.elementwise import rsqrt
from trainctl.autograd.ops.norms import norm
from trainctl.autograd.ops.reduction import mean
from trainctl.autograd.ops.shape import reshape
from trainctl.autograd.ops.standardization import Dims, MeanSquare, Moments, all_as, computed_in, standardized
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

FUNCTIONAL = "group_norm layer_norm normalize rms_norm"


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Return each group of channels of each sample with mean 0 and variance 1 (Wu and He, 2018).

    Args:
        input: ``[N, C, ...]``.
        num_groups: into how many groups of ``C / num_groups`` channels the channels are split.
        weight: ``[C]``.
        bias: ``[C]``.
        eps: added to the variance.

    Raises:
        NotImplementedError: ``input`` is not floating point.
        RuntimeError: sizes or dtypes that do not fit.
        ValueError: a single element a group.

    Example:
        >>> import trainctl
        >>> group_norm(trainctl.tensor([[1.0, 3.0, 0.0, 8.0]]), 2)
        tensor([[-1.0000,  1.0000, -1.0000,  1.0000]])
    """
    shape = input._array.shape
    _check_groups(shape, num_groups, weight, bias)
    kind = computed_in("group_norm", input, weight, bias)
    groups = (num_groups, shape[1] // num_groups)
    x = reshape(cast(input, kind), (shape[0], *groups, math.prod(shape[2:])))
    weight, bias = all_as(kind, weight, bias, shape=(*groups, 1))
    y = standardized(x, Moments.apply(x, dims=(2, 3)), weight, bias, eps, (2, 3))
    return cast(reshape(y, shape), input.dtype)


def _check_groups(shape: Dims, num_groups: int, weight: Tensor | None, bias: Tensor | None) -> None:
    if len(shape) < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {len(shape)}")
    if num_groups <= 0:
        raise RuntimeError(f"Expected num groups to be greater than 0, got {num_groups}")
    if math.prod(shape[2:], start=shape[0] * shape[1] // num_groups) == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {list(shape)}")
    if shape[1] % num_groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of shape "
            f"{list(shape)} and num_groups={num_groups}"
        )
    for name, each in (("weight", weight), ("bias", bias)):
        if each is not None and each._array.shape != (shape[1],):
            raise RuntimeError(
                f"Expected {name} to be a vector of size equal to the number of channels in input, but got {name} of "
                f"shape {list(each.shape)} and input of shape {list(shape)}"
            )


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Return the last dims with mean 0 and variance 1 (Ba et al., 2016).

    Args:
        input: ``[..., *normalized_shape]``.
        normalized_shape: sizes of the last dims.
        weight: of shape ``normalized_shape``.
        bias: of shape ``normalized_shape``.
        eps: added to the variance.

    Raises:
        NotImplementedError: ``input`` is not floating point.
        RuntimeError: shapes or dtypes that do not fit.
        TypeError: ``normalized_shape`` is no sequence.

    Example:
        >>> import trainctl
        >>> layer_norm(trainctl.tensor([1.0, 3.0]), (2,))
        tensor([-1.0000,  1.0000])
    """
    dims = _last_dims("layer_norm", input, normalized_shape, weight=weight, bias=bias)
    kind = computed_in("layer_norm", input, weight, bias)
    x, weight, bias = all_as(kind, input, weight, bias)
    return cast(standardized(x, Moments.apply(x, dims=dims), weight, bias, eps, dims), input.dtype)


def rms_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """Return the last dims over the root of the mean of their squares (Zhang and Sennrich, 2019).

    Args:
        input: ``[..., *normalized_shape]``.
        normalized_shape: sizes of the last dims.
        weight: of shape ``normalized_shape``.
        eps: added to the mean square; None: the smallest step of the dtype computed in.

    Raises:
        NotImplementedError: ``input`` is an integer or bool tensor.
        RuntimeError: shapes that do not fit.
        TypeError: ``normalized_shape`` is no sequence.

    Example:
        >>> import trainctl
        >>> rms_norm(trainctl.tensor([3.0, 4.0]), (2,))
        tensor([0.8485, 1.1314])
    """
    if isinstance(normalized_shape, (tuple, list)) and input._array.ndim < len(normalized_shape):
        raise ValueError(f"Input tensor must have at least {len(normalized_shape)} dimensions, but got {input.ndim}")
    dims = _last_dims("rms_norm", input, normalized_shape, weight=weight)
    refuse("bui", "rms_norm", input)
    kind = dtypes.float32 if input.dtype.itemsize == 2 else input.dtype
    x, scale = all_as(kind, input, weight)
    eps = dtypes.finfo(kind).eps if eps is None else eps
    if kind.is_complex:
        y = mul(x, rsqrt(add(mean(mul(x, x), dims, keepdim=True), eps)))
        return y if scale is None else mul(y, scale)
    return cast(standardized(x, MeanSquare.apply(x, dims=dims), scale, None, eps, dims), input.dtype)


def _last_dims(op: str, input: Tensor, normalized_shape: Sequence[int], **affine: Tensor | None) -> Dims:
    """Return the dims of ``input`` that ``normalized_shape`` names.

    Raises:
        RuntimeError: the input does not end in this shape, or a weight or bias does not have it.
        TypeError: not a sequence of ints.
    """
    if not isinstance(normalized_shape, (tuple, list)):
        raise TypeError(
            f"{op}(): argument 'normalized_shape' must be tuple of ints, not {type(normalized_shape).__name__}"
        )
    wanted, shape = tuple(normalized_shape), input._array.shape
    if not wanted:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, "
            "but got normalized_shape = []"
        )
    for name, each in affine.items():
        if each is not None and each._array.shape != wanted:
            raise RuntimeError(
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape {list(each.shape)} and "
                f"normalized_shape = {list(wanted)}"
            )
    if shape[-len(wanted) :] != wanted:
        raise RuntimeError(
            f"Given normalized_shape={list(wanted)}, expected input with shape [*, {str(list(wanted))[1:-1]}], but got "
            f"input of size{list(shape)}"
        )
    return tuple(range(len(shape) - len(wanted), len(shape)))


def normalize(input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: Tensor | None = None) -> Tensor:
    """Return ``input`` over its p-norm, or over ``eps`` where that is larger.

    Args:
        input: floating-point or complex.
        p: which norm.
        dim: the dim (or dims) of the vectors.
        eps: the smallest divisor.
        out: where to write the result, without a gradient.

    Raises:
        IndexError: no such dim.
        RuntimeError: an integer or bool tensor.

    Example:
        >>> import trainctl
        >>> normalize(trainctl.tensor([[3.0, 4.0]]))
        tensor([[0.6000, 0.8000]])
    """
    result = div(input, norm(input, p, dim, keepdim=True).clamp(min=eps))
    return result if out is None else out.copy_(result)
