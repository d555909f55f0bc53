"""Adadelta."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from trainctl.autograd.tensor import Tensor
from trainctl.optim.optimizer import Optimizer, check_not_negative
from trainctl.optim.updates import count_step, descent, real_parts, start


class Adadelta(Optimizer):
    """Adadelta (Zeiler, 2012), as PyTorch defines it: steps as large as recent steps, whatever the gradient's scale.

    Args:
        params: parameters or groups of them.
        lr: factor of each step.
        rho: decay of the running means of squares, of gradients and of steps.
        eps: added to both means.
        weight_decay: multiple of the weights added to the gradient.
        foreach: accepted, without effect.
        capturable: accepted, without effect.
        maximize: go up instead of down.
        differentiable: accepted as False alone.

    Raises:
        ValueError: a negative option, or ``rho`` above 1.

    Example:
        >>> import trainctl
        >>> w = trainctl.ones(2, requires_grad=True)
        >>> w.sum().backward()
        >>> Adadelta([w]).step()
        >>> w
        tensor([0.9968, 0.9968], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_not_negative(lr=lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        check_not_negative(eps=eps, weight_decay=weight_decay)
        defaults = {
            "lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
            "capturable": capturable, "foreach": foreach, "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def update(self, parameter: Tensor, grad: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        """Take one step."""
        if not state:
            start(state, parameter, "square_avg", "acc_delta")
        count_step(state)
        lr, rho, eps = float(group["lr"]), group["rho"], group["eps"]
        xp, gradient = parameter._xp, descent(parameter, grad, group)
        arrays = parameter._array, gradient, state["square_avg"]._array, state["acc_delta"]._array
        for w, g, squares, steps in real_parts(*arrays):
            squares *= rho
            squares += g * g * (1 - rho)
            step = xp.sqrt(steps + eps) / xp.sqrt(squares + eps) * g
            steps *= rho
            steps += step * step * (1 - rho)
            w -= step * lr
        parameter._bump_version()
