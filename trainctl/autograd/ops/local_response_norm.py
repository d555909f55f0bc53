"""Normalisation over neighbouring channels."""

from __future__ import annotations

from trainctl.autograd.ops.arithmetic import add, div, mul, pow
from trainctl.autograd.ops.cast import check_tensor, refuse
from trainctl.autograd.ops.pooling_along import SumAlong
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

FUNCTIONAL = "local_response_norm"


def local_response_norm(input: Tensor, size: int, alpha: float = 0.0001, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """Return ``x / (k + alpha / size * sum x ** 2) ** beta``, the sum over ``size`` neighbouring channels.

    See Krizhevsky et al., 2012.

    Args:
        input: ``[N, C, *]``.
        size: number of channels; those before the first and after the last count as 0.
        alpha: factor of the mean square.
        beta: exponent.
        k: what is added.

    Raises:
        RuntimeError: a size that is not positive.
        ValueError: fewer than 3 dims.

    Example:
        >>> import trainctl
        >>> local_response_norm(trainctl.ones(1, 2, 1), 2, alpha=2.0, beta=1.0)
        tensor([[[0.5000],
                 [0.3333]]])
    """
    check_tensor("local_response_norm", input, "input")
    shape = input._array.shape
    if len(shape) < 3:
        raise ValueError(f"Expected 3D or higher dimensionality input (got {len(shape)} dimensions)")
    if input._array.size == 0:
        return input
    if size < 1:
        raise RuntimeError(f"local_response_norm: size should be greater than zero, but got {size}")
    if input.dtype is not dtypes.int64:
        refuse("buic", "local_response_norm", input)
    squares = SumAlong.apply(
        mul(input, input), dim=1 - len(shape), kernel=size, stride=1, padding=size // 2, dilation=1, places=shape[1]
    )
    mean = div(
        squares, size, rounding_mode="trunc" if input.dtype is dtypes.int64 else None
    )  # avg_pool's, as PyTorch's
    return div(input, pow(add(mul(mean, alpha), k), beta))
