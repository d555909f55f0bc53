"""RMSprop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from trainctl.autograd.tensor import Tensor
from trainctl.backend.arrays import Array
from trainctl.optim.optimizer import Optimizer, check_not_negative
from trainctl.optim.updates import count_step, descent, move_towards, real_parts, start


class RMSprop(Optimizer):
    """RMSprop (Hinton, 2012), centred too (Graves, 2013), as PyTorch defines it.

    Args:
        params: parameters or groups of them.
        lr: learning rate.
        alpha: decay of the running mean of the gradient's square.
        eps: added to the denominator.
        weight_decay: multiple of the weights added to the gradient.
        momentum: share of the last step that is kept.
        centered: divide by the gradient's variance instead of its mean square.
        capturable: accepted, without effect.
        foreach: accepted, without effect.
        maximize: go up instead of down.
        differentiable: accepted as False alone.

    Raises:
        ValueError: a negative option.

    Example:
        >>> import trainctl
        >>> w = trainctl.ones(2, requires_grad=True)
        >>> w.sum().backward()
        >>> RMSprop([w], lr=0.01).step()
        >>> w
        tensor([0.9000, 0.9000], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_not_negative(lr=lr, eps=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha)
        defaults = {
            "lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered,
            "weight_decay": weight_decay, "capturable": capturable, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def update(self, parameter: Tensor, grad: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        """Take one step."""
        kept = ["square_avg"]
        kept += ["momentum_buffer"] if group["momentum"] > 0 else []
        kept += ["grad_avg"] if group["centered"] else []
        if not state:
            start(state, parameter, *kept)
        count_step(state)
        arrays = parameter._array, descent(parameter, grad, group), *(state[name]._array for name in kept)
        for w, g, *means in real_parts(*arrays):
            _descend(parameter._xp, group, w, g, **dict(zip(kept, means, strict=True)))
        parameter._bump_version()


def _descend(
    xp: Any,
    group: dict[str, Any],
    w: Array,
    g: Array,
    square_avg: Array,
    momentum_buffer: Array | None = None,
    grad_avg: Array | None = None,
) -> None:
    """Change the weights and the running means."""
    alpha, lr = group["alpha"], float(group["lr"])
    square_avg *= alpha
    square_avg += g * g * (1 - alpha)
    spread = square_avg
    if grad_avg is not None:
        move_towards(grad_avg, g, 1 - alpha)
        spread = square_avg - grad_avg * grad_avg
    step = g / (xp.sqrt(spread) + group["eps"])
    if momentum_buffer is not None:
        momentum_buffer *= group["momentum"]
        momentum_buffer += step
        step = momentum_buffer
    w -= step * lr
