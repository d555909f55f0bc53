"""Gradients dropped or set to 0, as ``zero_grad`` of modules and optimizers do."""

from __future__ import annotations

from trainctl.autograd.tensor import Tensor


def clear_grad(tensor: Tensor, set_to_none: bool) -> None:
    """Drop a tensor's gradient or, without ``set_to_none``, set it to 0 where it is, out of any graph.

    Example:
        >>> import trainctl
        >>> w = trainctl.ones(2, requires_grad=True)
        >>> w.sum().backward()
        >>> clear_grad(w, set_to_none=False)
        >>> w.grad
        tensor([0., 0.])
    """
    if set_to_none:
        tensor.grad = None
        return
    grad = tensor.grad
    if grad is None:
        return
    if grad.grad_fn is None:
        grad.requires_grad_(False)
    else:
        grad.detach_()
    grad.zero_()
