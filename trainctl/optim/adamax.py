"""Adamax."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from trainctl.autograd.tensor import Tensor
from trainctl.optim.optimizer import Optimizer, check_not_negative
from trainctl.optim.updates import check_betas, count_step, descent, move_towards, real_parts, start


class Adamax(Optimizer):
    """Adam with the largest gradient in place of the mean square (Kingma and Ba, 2015), as PyTorch defines it.

    Args:
        params: parameters or groups of them.
        lr: learning rate.
        betas: decay of the running mean of the gradient, and of its largest size.
        eps: added to the gradient's size.
        weight_decay: multiple of the weights added to the gradient.
        foreach: accepted, without effect.
        maximize: go up instead of down.
        differentiable: accepted as False alone.
        capturable: accepted, without effect.

    Raises:
        ValueError: a negative option, or a beta outside [0, 1).

    Example:
        >>> import trainctl
        >>> w = trainctl.ones(2, requires_grad=True)
        >>> w.sum().backward()
        >>> Adamax([w], lr=0.1).step()
        >>> w
        tensor([0.9000, 0.9000], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_not_negative(lr=lr, eps=eps)
        check_betas(betas)
        check_not_negative(weight_decay=weight_decay)
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "capturable": capturable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def update(self, parameter: Tensor, grad: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        """Take one step."""
        if not state:
            start(state, parameter, "exp_avg", "exp_inf")
        beta1, beta2 = group["betas"]
        size = float(group["lr"]) / (1 - beta1 ** count_step(state))
        xp, gradient = parameter._xp, descent(parameter, grad, group)
        arrays = parameter._array, gradient, state["exp_avg"]._array, state["exp_inf"]._array
        for w, g, mean, largest in real_parts(*arrays):
            move_towards(mean, g, 1 - beta1)
            largest *= beta2
            xp.maximum(largest, xp.abs(g) + group["eps"], out=largest)
            w -= mean / largest * size
        parameter._bump_version()
