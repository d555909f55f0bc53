"""RAdam."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from trainctl.autograd.tensor import Tensor
from trainctl.optim.optimizer import Optimizer, check_not_negative
from trainctl.optim.updates import check_betas, count_step, descent, move_towards, real_parts, start


class RAdam(Optimizer):
    """Adam that trusts the mean square only as far as its variance allows (Liu et al., 2020), as PyTorch defines it.

    Args:
        params: parameters or groups of them.
        lr: learning rate.
        betas: decay of the running means of the gradient and of its square.
        eps: added to the denominator.
        weight_decay: multiple of the weights added to the gradient, or, decoupled, taken from them.
        decoupled_weight_decay: shrink the weights themselves, as AdamW.
        foreach: accepted, without effect.
        maximize: go up instead of down.
        capturable: accepted, without effect.
        differentiable: accepted as False alone.

    Raises:
        ValueError: a negative option, or a beta outside [0, 1).

    Example:
        >>> import trainctl
        >>> w = trainctl.ones(2, requires_grad=True)
        >>> w.sum().backward()
        >>> RAdam([w], lr=0.1).step()
        >>> w
        tensor([0.9000, 0.9000], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_not_negative(lr=lr, eps=eps)
        check_betas(betas)
        check_not_negative(weight_decay=weight_decay)
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
            "foreach": foreach, "capturable": capturable, "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def update(self, parameter: Tensor, grad: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        """Take one step."""
        if not state:
            start(state, parameter, "exp_avg", "exp_avg_sq")
        step, (beta1, beta2) = count_step(state), group["betas"]
        size = float(group["lr"]) / (1 - beta1**step)
        trust = _rectification(step, beta2)
        xp, gradient = parameter._xp, descent(parameter, grad, group)
        arrays = parameter._array, gradient, state["exp_avg"]._array, state["exp_avg_sq"]._array
        for w, g, mean, square in real_parts(*arrays):
            move_towards(mean, g, 1 - beta1)
            square *= beta2
            square += g * g * (1 - beta2)
            if trust is None:
                w -= mean * size
            else:
                w -= mean / (xp.sqrt(square) + group["eps"]) * (size * trust * math.sqrt(1 - beta2**step))
        parameter._bump_version()


def _rectification(step: float, beta: float) -> float | None:
    """Return the factor of the adaptive step, None where the mean square is of too few steps to be used."""
    longest = 2 / (1 - beta) - 1
    length = longest - 2 * step * beta**step / (1 - beta**step)
    if length <= 5.0:
        return None
    ratio = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
    return ratio**0.5
