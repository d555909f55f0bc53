"""Normalisation: elements relative to the mean and variance of those around them.

Every norm is two ops: :class:`Moments` finds the statistics, :class:`Standardize` applies them. What differs
between the norms is only over which dims the statistics are taken and which shape weight and bias have.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from trainctl.autograd.inplace import apply_inplace
from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import add, div, mul, sub
from trainctl.autograd.ops.cast import cast, refuse
from trainctl.autograd.ops.elementwise import rsqrt
from trainctl.autograd.ops.reduction import mean
from trainctl.autograd.ops.shape import reshape
from trainctl.autograd.state import state
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

FUNCTIONS = "batch_norm group_norm instance_norm layer_norm rms_norm"
FUNCTIONAL = "batch_norm group_norm instance_norm layer_norm rms_norm"

Dims = tuple[int, ...]


class Moments(Op):
    """``x`` -> its mean and its variance (over ``N``) over ``dims``, which stay with size 1."""

    saves = (0,)
    saves_output = True
    dims: Dims

    def forward(self, x: Any) -> Any:
        xp, count = self.xp, _count(x.shape, self.dims)
        center = _float64_sum(xp, x, self.dims) / count
        distance = x - center.astype(x.dtype)
        distance *= distance
        return center.astype(x.dtype), (_float64_sum(xp, distance, self.dims) / count).astype(x.dtype)

    def backward(self, gmean: Tensor, gvar: Tensor) -> Any:
        x, center, _ = self.saved
        count = _count(x._array.shape, self.dims)
        return add(div(gmean, count), mul(sub(x, center), mul(gvar, 2 / count)))


class MeanSquare(Op):
    """``x`` -> the mean of its squares over ``dims``, which stay with size 1."""

    saves = (0,)
    dims: Dims

    def forward(self, x: Any) -> Any:
        return (_float64_sum(self.xp, x * x, self.dims) / _count(x.shape, self.dims)).astype(x.dtype)

    def backward(self, gy: Tensor) -> Any:
        (x,) = self.saved
        return mul(x, mul(gy, 2 / _count(x._array.shape, self.dims)))


def _float64_sum(xp: Any, x: Any, dims: Dims) -> Any:
    """Return the sum over ``dims``: over a leading dim a float32 sum would lose a digit with every 100 rows."""
    return xp.sum(x, axis=dims, keepdims=True, dtype=xp.float64)


def _count(shape: Dims, dims: Dims) -> int:
    """Return over how many elements a mean is taken, 1 for none (whose sum is 0)."""
    return max(math.prod(shape[dim] for dim in dims), 1)


class Standardize(Op):
    """``(x - mean) / sqrt(var + eps) * weight + bias``; mean (0 if None), var, weight and bias broadcast.

    With ``dims``, mean and var are those of ``x`` over these dims, and what ``x`` does to the output by way of
    them is part of its gradient here: they get none themselves. Without, they are constants.
    """

    saves = (0, 1, 2, 3)
    eps: float
    dims: Dims | None

    def forward(self, x: Any, center: Any, var: Any, weight: Any, bias: Any, out: Any = None) -> Any:
        xp, scale = self.xp, 1 / self.xp.sqrt(var + self.eps)
        if weight is not None and _is_outer(weight, x, self.dims):
            scale, weight = scale * weight, None
        if center is None:
            y = xp.multiply(x, scale, out=out)
        else:
            y = xp.subtract(x, center, out=out)
            y *= scale
        if weight is not None:
            y *= weight
        if bias is not None:
            y += bias
        return y

    def backward(self, gy: Tensor) -> Any:
        x, center, var, weight = self.saved
        if self.dims is None or state.grad:
            gx, gw = _standardize_gradient(gy, x, center, var, weight, self.eps, self.dims)
        else:
            gx, gw = StandardizeGradient.apply(gy, x, center, var, weight, eps=self.eps, dims=self.dims)
        return gx, None, None, gw, gy  # the walk sums the last two to the shapes of weight and bias


class StandardizeGradient(Op):
    """The gradients of ``x`` and, not yet summed to its shape, of ``weight``, in one op and once differentiable only.

    Where the gradient will be differentiated again, :func:`_standardize_gradient` says the same in tensor ops.
    """

    eps: float
    dims: Dims

    def forward(self, gy: Any, x: Any, center: Any, var: Any, weight: Any) -> Any:
        xp, count = self.xp, _count(x.shape, self.dims)
        scale = 1 / xp.sqrt(var + self.eps)
        y = x * scale if center is None else (x - center) * scale
        g, gw = gy, gy * y
        along = gw
        if weight is not None and not _is_outer(weight, x, self.dims):
            g, along = gy * weight, gw * weight
        elif weight is not None:
            scale = scale * weight
        products = xp.sum(along, axis=self.dims, keepdims=True)
        y *= products / count
        gx = xp.subtract(g, y, out=y)
        if center is not None:
            gx -= xp.sum(g, axis=self.dims, keepdims=True) / count
        gx *= scale
        return gx, products if along is gw else gw


def _is_outer(weight: Any, x: Any, dims: Dims | None) -> bool:
    """Return whether ``weight`` is one number for all elements that share their statistics."""
    lead = x.ndim - weight.ndim
    return dims is None or all(dim < lead or weight.shape[dim - lead] == 1 for dim in dims)


def _standardize_gradient(
    gy: Tensor, x: Tensor, center: Tensor | None, var: Tensor, weight: Tensor | None, eps: float, dims: Dims | None
) -> tuple[Tensor, Tensor]:
    scale = rsqrt(add(var, eps))
    y = mul(x if center is None else sub(x, center), scale)
    gx = gy if weight is None else mul(gy, weight)
    if dims is not None:
        along = mul(y, mean(mul(gx, y), dims, keepdim=True))
        gx = sub(gx if center is None else sub(gx, mean(gx, dims, keepdim=True)), along)
    return mul(gx, scale), mul(gy, y)


class MovingAverage(Op):
    """Move ``old`` the share ``factor`` of the way to ``new``."""

    takes_out = True
    factor: float

    def forward(self, old: Any, new: Any, out: Any = None) -> Any:
        return self.xp.add(old * (1 - self.factor), new * self.factor, out=out, casting="same_kind")


def _computed_in(op: str, input: Tensor, *others: Tensor | None) -> dtypes.dtype:
    """Return the dtype to compute a norm in: half precision is computed in float32, its parameters may be float32.

    Raises:
        NotImplementedError: ``input`` is not floating point.
        RuntimeError: a parameter of another type.
    """
    refuse("buic", op, input)
    kind = dtypes.float32 if input.dtype.itemsize == 2 else input.dtype
    for each in others:
        if each is not None and each.dtype not in (kind, input.dtype):
            raise RuntimeError(
                f"{op}: mixed dtypes: expected parameters and statistics of type {kind.name}, as the input, "
                f"but got {each.dtype.name}"
            )
    return kind


def _standardized(
    input: Tensor, stats: Any, weight: Tensor | None, bias: Tensor | None, eps: float, dims: Dims | None
) -> Tensor:
    """Return :class:`Standardize` of tensors that are already of one dtype."""
    center, var = stats if isinstance(stats, tuple) else (None, stats)
    return Standardize.apply(input, center, var, weight, bias, eps=eps, dims=dims)


def _as(kind: dtypes.dtype, *tensors: Tensor | None, shape: Any = None) -> list[Any]:
    """Return the tensors that are there in a dtype and, where given, a shape."""
    cast_ = [None if each is None else cast(each, kind) for each in tensors]
    return cast_ if shape is None else [None if each is None else reshape(each, shape) for each in cast_]


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
    kind = _computed_in("batch_norm", input, running_mean, running_var, weight, bias)
    x = cast(input, kind)
    shape = (-1, *(1,) * (x._array.ndim - 2))
    dims = (0, *range(2, x._array.ndim))
    weight, bias = _as(kind, weight, bias, shape=shape)
    if training:
        stats = Moments.apply(x, dims=dims)
        _track(running_mean, running_var, stats, _count(x._array.shape, dims) if x._array.size else 0, momentum)
    else:
        stats = tuple(_as(kind, running_mean, running_var, shape=shape))
    return cast(_standardized(x, stats, weight, bias, eps, dims if training else None), input.dtype)


def _track(running_mean: Any, running_var: Any, stats: Any, count: int, momentum: float) -> None:
    """Move running statistics towards those of ``count`` elements: of a batch, or of all instances on average."""
    if running_mean is None or count == 0:
        return
    center, var = (each.detach() for each in stats)
    unbiased = mul(var, count / (count - 1))
    for running, new in ((running_mean, center), (running_var, unbiased)):
        each = mean(reshape(new, (-1, running._array.size)), 0)
        apply_inplace(MovingAverage, running, each, factor=momentum)


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
    if len(shape) < 2:
        raise IndexError(f"batch_norm: expected input [N, C, ...] of at least 2 dims, got shape {list(shape)}")


def _check_running(op: str, running_mean: Tensor | None, running_var: Tensor | None) -> None:
    if (running_mean is None) != (running_var is None):
        raise ValueError("running_mean and running_var must either both be None or neither be None")
    for name, each in (("running_mean", running_mean), ("running_var", running_var)):
        if each is not None and each.requires_grad:
            raise RuntimeError(f"{op} is not differentiable with respect to '{name}'; it cannot have requires_grad True")


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
    kind = _computed_in("instance_norm", input, running_mean, running_var, weight, bias)
    x, dims = cast(input, kind), tuple(range(2, len(shape)))
    per_channel = (-1, *(1,) * len(dims))
    weight, bias = _as(kind, weight, bias, shape=per_channel)
    if use_input_stats:
        stats = Moments.apply(x, dims=dims)
        _track(running_mean, running_var, stats, _count(shape, dims) if x._array.size else 0, momentum)
    else:
        stats = tuple(_as(kind, running_mean, running_var, shape=per_channel))
    return cast(_standardized(x, stats, weight, bias, eps, dims if use_input_stats else None), input.dtype)


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
    kind = _computed_in("group_norm", input, weight, bias)
    groups = (num_groups, shape[1] // num_groups)
    x = reshape(cast(input, kind), (shape[0], *groups, math.prod(shape[2:])))
    weight, bias = _as(kind, weight, bias, shape=(*groups, 1))
    y = _standardized(x, Moments.apply(x, dims=(2, 3)), weight, bias, eps, (2, 3))
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
    kind = _computed_in("layer_norm", input, weight, bias)
    x, *affine = _as(kind, input, weight, bias)
    return cast(_standardized(x, Moments.apply(x, dims=dims), *affine, eps, dims), input.dtype)


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
        >>> rms_norm(trainctl.tensor([3.0, 3.0]), (2,))
        tensor([1.0000, 1.0000])
    """
    if isinstance(normalized_shape, (tuple, list)) and input._array.ndim < len(normalized_shape):
        raise ValueError(f"Input tensor must have at least {len(normalized_shape)} dimensions, but got {input.ndim}")
    dims = _last_dims("rms_norm", input, normalized_shape, weight=weight)
    refuse("bui", "rms_norm", input)
    kind = dtypes.float32 if input.dtype.itemsize == 2 else input.dtype
    x, scale = _as(kind, input, weight)
    eps = dtypes.finfo(kind).eps if eps is None else eps
    if kind.is_complex:
        y = mul(x, rsqrt(add(mean(mul(x, x), dims, keepdim=True), eps)))
        return y if scale is None else mul(y, scale)
    return cast(_standardized(x, MeanSquare.apply(x, dims=dims), scale, None, eps, dims), input.dtype)


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
