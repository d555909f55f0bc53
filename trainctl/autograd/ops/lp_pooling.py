"""Norms of windows."""

from __future__ import annotations

import math
from typing import Any

from trainctl.autograd.ops.activation import relu
from trainctl.autograd.ops.arithmetic import mul, neg, pow
from trainctl.autograd.ops.elementwise import abs, sign
from trainctl.autograd.ops.pooling import avg_pool1d, avg_pool2d, avg_pool3d, max_pool1d, max_pool2d, max_pool3d
from trainctl.autograd.ops.windows import as_sizes
from trainctl.autograd.tensor import Tensor

FUNCTIONAL = "lp_pool1d lp_pool2d lp_pool3d"


def _lp_pool(n: int, input: Tensor, norm_type: float, kernel_size: Any, stride: Any, ceil_mode: bool) -> Tensor:
    if math.isinf(norm_type):
        size = abs(input) if norm_type > 0 else neg(abs(input))
        extreme = (max_pool1d, max_pool2d, max_pool3d)[n - 1](size, kernel_size, stride, ceil_mode=ceil_mode)
        return extreme if norm_type > 0 else neg(extreme)
    pool = (avg_pool1d, avg_pool2d, avg_pool3d)[n - 1]
    mean = pool(pow(input, norm_type), kernel_size, stride, ceil_mode=ceil_mode)
    total = mul(mul(sign(mean), relu(abs(mean))), math.prod(as_sizes(kernel_size, n, "kernel_size")))
    return pow(total, 1.0 / norm_type)


def lp_pool1d(input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """Return the ``norm_type`` norm of each window: ``[N, C, L] -> [N, C, L']``; see :func:`lp_pool2d`."""
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """Return the ``norm_type`` norm of each window: ``(sum x ** p) ** (1 / p)``, 0 where the sum is 0.

    Args:
        input: ``[N, C, H, W]`` or ``[C, H, W]``.
        norm_type: ``p``; infinity: the largest absolute value.
        kernel_size: of the window, an int or one for each spatial dim.
        stride: its step, likewise; default: ``kernel_size``.
        ceil_mode: let the last window reach beyond the input.

    Example:
        >>> import trainctl
        >>> lp_pool2d(trainctl.ones(1, 1, 2, 2), 2, 2)
        tensor([[[[2.]]]])
    """
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """Return the ``norm_type`` norm of each window: ``[N, C, D, H, W] -> [N, C, ...]``; see :func:`lp_pool2d`."""
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)
