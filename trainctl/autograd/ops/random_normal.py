"""Normal random numbers of given means and standard deviations."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import zeros_as
from trainctl.autograd.ops.broadcasting import broadcast_shapes
from trainctl.autograd.ops.cast import cast, check_broadcast, refuse
from trainctl.autograd.ops.creation import empty
from trainctl.autograd.ops.random import Generator, fill_from_host, gaussian
from trainctl.autograd.tensor import Tensor
from trainctl.backend.dtypes import dtype as DType

METHODS = "normal_"
FUNCTIONS = "normal"


class Normal(Op):
    """Standard normal numbers that were drawn before, stretched and shifted; as in PyTorch without a slope."""

    def forward(self, mean: Any, std: Any, drawn: Any, out: Any = None) -> Any:
        return (drawn * std + mean).astype(drawn.dtype)

    def backward(self, gy: Tensor) -> Any:
        return zeros_as(gy), zeros_as(gy), None


def normal(
    mean: Any,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """Return normal random numbers.

    Args:
        mean: a number or a tensor.
        std: a number or a tensor, which broadcasts with ``mean``; the result has the dtype of the first tensor.
        size: the shape, where both are numbers.
        generator: what to draw from.
        dtype: of the result where both are numbers.
        layout: accepted for PyTorch's sake, as is ``pin_memory``.
        device: where the result is to live, where both are numbers.
        pin_memory: see ``layout``.
        requires_grad: record ops on the result, where both are numbers.

    Raises:
        TypeError: two numbers and no size.
        NotImplementedError: an integer dtype.
        RuntimeError: a negative or complex standard deviation; shapes that do not broadcast.

    Example:
        >>> import trainctl
        >>> normal(trainctl.tensor([1.0, 2.0]), 0.0)
        tensor([1., 2.])
    """
    tensors = [each for each in (mean, std) if isinstance(each, Tensor)]
    if tensors:
        return _normal_around(mean, std, tensors[0], generator)
    if size is None:
        raise TypeError("normal() takes a tensor for mean or std, or a size")
    made = normal_(empty(size, dtype=dtype, device=device), mean, std, generator=generator)
    return made.requires_grad_() if requires_grad else made


def _normal_around(mean: Any, std: Any, like: Tensor, generator: Generator | None) -> Tensor:
    refuse("bui", "normal", like)
    if isinstance(std, Tensor):
        if std.is_complex():
            raise RuntimeError("normal expects standard deviation to be non-complex")
        if std._xp.on_host and std._array.size and std._array.min() < 0:
            raise RuntimeError(f"normal expects all elements of std >= 0.0, got {std._array.min()}")
    else:
        _check_std(std)
    shapes = [each._array.shape for each in (mean, std) if isinstance(each, Tensor)]
    check_broadcast(shapes[0], shapes[-1])
    if like.is_complex() and like.requires_grad:
        raise RuntimeError("normal does not support automatic differentiation for outputs with complex dtype.")
    kind = like._array.dtype
    drawn = like._xp.from_host(gaussian(tuple(broadcast_shapes(*shapes)), kind, generator))
    return cast(Normal.apply(mean, std, Tensor._wrap(drawn)), like.dtype)


def _check_std(std: float) -> None:
    if std < 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")


def normal_(x: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill ``x`` in place with normal values and return it.

    Raises:
        RuntimeError: a negative ``std``, or an integer tensor.
    """
    refuse("bui", "normal_", x)
    _check_std(std)
    kind = x._array.dtype.type
    drawn = gaussian(x._array.shape, x._array.dtype, generator)
    return fill_from_host(x, drawn * kind(std) + kind(mean))
