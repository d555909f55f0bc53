"""Helpers for gradients and parameters."""

from __future__ import annotations

from collections.abc import Iterable

from trainctl.autograd.grad_mode import no_grad
from trainctl.autograd.ops.creation import tensor
from trainctl.autograd.ops.joining import cat, stack
from trainctl.autograd.ops.reduction import amax
from trainctl.autograd.tensor import Tensor


def _grads(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    listed = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    return [each.grad for each in listed if each.grad is not None]


@no_grad()
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
    """
    grads = _grads(parameters)
    if not grads:
        return tensor(0.0)
    if norm_type == float("inf"):
        total = amax(stack([each.abs().max() for each in grads]))
    else:
        powers = stack([(each.abs() ** norm_type).sum() for each in grads])
        total = powers.sum() ** (1.0 / norm_type)
    if error_if_nonfinite and not bool(total.isfinite()):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be clipped. "
            "To disable this error and scale the gradients by the non-finite norm anyway, set `error_if_nonfinite=False`"
        )
    scale = (max_norm / (total + 1e-6)).clamp(max=1.0)
    for each in grads:
        each.mul_(scale)
    return total


@no_grad()
def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None) -> None:
    """Limit every element of the gradients, in place, to ``[-clip_value, clip_value]``."""
    for each in _grads(parameters):
        each.clamp_(-clip_value, clip_value)


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """Return all parameters as one flat tensor."""
    return cat([each.reshape(-1) for each in parameters])


@no_grad()
def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Write one flat tensor back into the parameters.

    Raises:
        RuntimeError: the sizes differ; nothing has been changed.
    """
    listed, start = list(parameters), 0
    wanted = sum(each.numel() for each in listed)
    if vec.numel() != wanted:
        raise RuntimeError(f"a vector of {vec.numel()} elements does not fit parameters of {wanted}")
    for each in listed:
        each.copy_(vec[start : start + each.numel()].reshape(each.shape))
        start += each.numel()
