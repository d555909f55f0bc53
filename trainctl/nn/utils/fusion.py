"""Batch norms folded into the layer before them, for evaluation; follows ``torch.nn.utils.fusion``."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from trainctl.autograd.grad_mode import no_grad
from trainctl.autograd.ops.creation import ones_like, zeros_like
from trainctl.autograd.tensor import Tensor
from trainctl.nn.parameter import Parameter

if TYPE_CHECKING:
    from trainctl.nn.modules.batchnorm import _BatchNorm
    from trainctl.nn.modules.conv import _Conv
    from trainctl.nn.modules.linear import Linear

Pair = tuple[Parameter, Parameter]


def fuse_conv_bn_eval(conv: _Conv, bn: _BatchNorm, transpose: bool = False) -> Any:
    """Return a copy of a convolution that computes what ``bn(conv(x))`` computes in evaluation.

    Args:
        conv: the convolution, in evaluation mode.
        bn: the norm after it, likewise, with running statistics.
        transpose: ``conv`` is a transposed convolution.

    Raises:
        AssertionError: one of the two is in training mode, or the norm has no running statistics.

    Example:
        >>> import trainctl
        >>> from trainctl import nn
        >>> conv, bn, x = nn.Conv2d(1, 2, 3).eval(), nn.BatchNorm2d(2).eval(), trainctl.ones(1, 1, 3, 3)
        >>> trainctl.allclose(fuse_conv_bn_eval(conv, bn)(x), bn(conv(x)), atol=1e-6)
        True
    """
    mean, var = _statistics(conv, bn)
    fused = copy.deepcopy(conv)
    parts = (fused.weight, fused.bias, mean, var, bn.eps, bn.weight, bn.bias)
    fused.weight, fused.bias = fuse_conv_bn_weights(*parts, transpose)
    return fused


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> Pair:
    """Return the weight and the bias of :func:`fuse_conv_bn_eval`.

    Args:
        conv_w: the kernels, ``[O, C / groups, *kernel]``; transposed ``[C, O, *kernel]``.
        conv_b: the bias, ``[O]``, or None.
        bn_rm: the running mean, ``[O]``.
        bn_rv: the running variance, ``[O]``.
        bn_eps: what is added to it.
        bn_w: the norm's weight, ``[O]``, or None for 1.
        bn_b: its bias, ``[O]``, or None for 0.
        transpose: of a transposed convolution.

    Returns:
        Two new parameters; each requires a gradient if what it is made from does.
    """
    bias = zeros_like(bn_rm) if conv_b is None else conv_b
    with no_grad():
        weight = ones_like(bn_rm) if bn_w is None else bn_w
        shift = zeros_like(bn_rm) if bn_b is None else bn_b
        rsqrt = (bn_rv + bn_eps).rsqrt()
        shape = [1] * conv_w.ndim
        shape[1 if transpose else 0] = -1
        fused_w = (conv_w * (weight * rsqrt).reshape(shape)).to(conv_w.dtype)
        fused_b = ((bias - bn_rm) * rsqrt * weight + shift).to(conv_w.dtype if conv_b is None else conv_b.dtype)
    return Parameter(fused_w, conv_w.requires_grad), Parameter(fused_b, bias.requires_grad)


def fuse_linear_bn_eval(linear: Linear, bn: _BatchNorm) -> Any:
    """Return a copy of a linear layer that computes what ``bn(linear(x))`` computes in evaluation, for ``x`` of two dims.

    Args:
        linear: the layer, in evaluation mode.
        bn: the norm after it, likewise, with running statistics.

    Raises:
        AssertionError: one of the two is in training mode, the norm has no running statistics or another number of
            features.

    Example:
        >>> import trainctl
        >>> from trainctl import nn
        >>> linear, bn, x = nn.Linear(3, 2).eval(), nn.BatchNorm1d(2).eval(), trainctl.ones(1, 3)
        >>> trainctl.allclose(fuse_linear_bn_eval(linear, bn)(x), bn(linear(x)), atol=1e-6)
        True
    """
    mean, var = _statistics(linear, bn)
    if bn.num_features not in (linear.out_features, 1):
        raise AssertionError(
            f"To fuse, linear.out_features == bn.num_features or bn.num_features == 1, "
            f"got linear.out_features={linear.out_features} and bn.num_features={bn.num_features}"
        )
    fused = copy.deepcopy(linear)
    parts = (fused.weight, fused.bias, mean, var, bn.eps, bn.weight, bn.bias)
    fused.weight, fused.bias = fuse_linear_bn_weights(*parts)
    return fused


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
) -> Pair:
    """Return the weight and the bias of :func:`fuse_linear_bn_eval`.

    Args:
        linear_w: the weight, ``[O, I]``.
        linear_b: the bias, ``[O]``, or None.
        bn_rm: the running mean, ``[O]`` or ``[1]``; likewise those below.
        bn_rv: the running variance.
        bn_eps: what is added to it.
        bn_w: the norm's weight, or None for 1.
        bn_b: its bias, or None for 0.

    Returns:
        Two new parameters; each requires a gradient if what it is made from does.
    """
    bias = zeros_like(bn_rm) if linear_b is None else linear_b
    with no_grad():
        rsqrt = (bn_rv + bn_eps).rsqrt()
        scale = rsqrt if bn_w is None else bn_w * rsqrt
        shift = zeros_like(bn_rm) if bn_b is None else bn_b
        fused_w = linear_w * scale.unsqueeze(-1).to(linear_w.dtype)
        fused_b = ((bias - bn_rm) * scale + shift).to(linear_w.dtype if linear_b is None else linear_b.dtype)
    return Parameter(fused_w, linear_w.requires_grad), Parameter(fused_b, bias.requires_grad)


def _statistics(layer: _Conv | Linear, bn: _BatchNorm) -> tuple[Tensor, Tensor]:
    if layer.training or bn.training:
        raise AssertionError("Fusion only for eval!")
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("bn.running_mean and bn.running_var must not be None")
    return bn.running_mean, bn.running_var
