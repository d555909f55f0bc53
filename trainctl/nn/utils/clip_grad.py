"""Limits on the size of gradients."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from types import GeneratorType

from trainctl.autograd.grad_mode import no_grad
from trainctl.autograd.ops.creation import tensor
from trainctl.autograd.ops.joining import stack
from trainctl.autograd.ops.norms import vector_norm
from trainctl.autograd.tensor import Tensor


@no_grad()
def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Return the norm of all tensors' elements as one vector, 0 where there are none.

    Raises:
        RuntimeError: the norm is NaN or infinite, with ``error_if_nonfinite``.

    Example:
        >>> import trainctl
        >>> get_total_norm([trainctl.tensor([3.0, 4.0]), trainctl.tensor([12.0])])
        tensor(13.)
    """
    listed = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    norm_type = float(norm_type)
    if not listed:
        return tensor(0.0)
    total = vector_norm(stack([vector_norm(each, norm_type) for each in listed]), norm_type)
    if error_if_nonfinite and not bool(total.isfinite()):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be clipped. "
            "To disable this error and scale the gradients by the non-finite norm anyway, set `error_if_nonfinite=False`"
        )
    return total


@no_grad()
def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scale the gradients in place by ``max_norm / total_norm`` where that is below 1."""
    scale = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
    for each in _grads(parameters):
        each.mul_(scale)


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale the gradients in place so that their joint norm is at most ``max_norm``; return the norm before.

    Raises:
        RuntimeError: the norm is NaN or infinite, with ``error_if_nonfinite``.

    Example:
        >>> import trainctl
        >>> w = trainctl.zeros(2, requires_grad=True)
        >>> w.grad = trainctl.tensor([3.0, 4.0])
        >>> clip_grad_norm_([w], 1.0)
        tensor(5.)
        >>> w.grad
        tensor([0.6000, 0.8000])
    """
    listed = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    if not listed and isinstance(parameters, GeneratorType):
        warnings.warn("`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=2)
    total = get_total_norm(_grads(listed), norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(listed, max_norm, total, foreach)
    return total


@no_grad()
def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None) -> None:
    """Limit every element of the gradients, in place, to ``[-clip_value, clip_value]``."""
    clip_value = float(clip_value)
    for each in _grads(parameters):
        each.clamp_(-clip_value, clip_value)


def _grads(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    listed = [parameters] if isinstance(parameters, Tensor) else parameters
    return [each.grad for each in listed if each.grad is not None]
