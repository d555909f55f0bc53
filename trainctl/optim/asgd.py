"""Averaged stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from trainctl.autograd.tensor import Tensor
from trainctl.optim.optimizer import Optimizer, check_not_negative
from trainctl.optim.updates import count_step, descent, scalar, start


class ASGD(Optimizer):
    """Gradient descent that also averages its weights (Polyak and Juditsky, 1992), as PyTorch defines it.

    The average of a parameter is ``state[parameter]["ax"]``.

    Args:
        params: parameters or groups of them.
        lr: learning rate.
        lambd: how fast weights and learning rate decay.
        alpha: power of the learning rate's decay.
        t0: step at which averaging begins.
        weight_decay: multiple of the weights added to the gradient.
        foreach: accepted, without effect.
        maximize: go up instead of down.
        differentiable: accepted as False alone.
        capturable: accepted, without effect.

    Raises:
        ValueError: a negative learning rate or weight decay.

    Example:
        >>> import trainctl
        >>> w = trainctl.ones(2, requires_grad=True)
        >>> w.sum().backward()
        >>> ASGD([w], lr=0.1).step()
        >>> w
        tensor([0.9000, 0.9000], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_not_negative(lr=lr, weight_decay=weight_decay)
        defaults = {
            "lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable, "capturable": capturable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def update(self, parameter: Tensor, grad: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        """Take one step."""
        lr, lambd = float(group["lr"]), group["lambd"]
        if not state:
            start(state, parameter)
            state["eta"], state["mu"] = scalar(lr), scalar(1.0)
            state["ax"] = Tensor._wrap(parameter._xp.zeros_like(parameter._array))
        step = count_step(state)
        w, average, eta, share = parameter._array, state["ax"]._array, state["eta"].item(), state["mu"].item()
        g = descent(parameter, grad, group)
        w *= 1 - lambd * eta
        w -= g * eta
        if share == 1:
            average[...] = w
        else:
            average += (w - average) * share
        state["eta"]._array[...] = lr / (1 + lambd * lr * step) ** group["alpha"]
        state["mu"]._array[...] = 1 / max(1, step - group["t0"])
        parameter._bump_version()
