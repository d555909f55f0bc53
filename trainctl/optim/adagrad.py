"""Adagrad."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from trainctl.autograd.tensor import Tensor
from trainctl.optim.optimizer import Optimizer, check_not_negative
from trainctl.optim.updates import count_step, descent, real_parts, scalar


class Adagrad(Optimizer):
    """Adagrad (Duchi et al., 2011), as PyTorch defines it: steps shrink with all gradients so far.

    Args:
        params: parameters or groups of them.
        lr: learning rate.
        lr_decay: the learning rate is divided by ``1 + lr_decay`` times the steps taken.
        weight_decay: multiple of the weights added to the gradient.
        initial_accumulator_value: where the sum of squares begins.
        eps: added to the denominator.
        foreach: accepted, without effect.
        maximize: go up instead of down.
        differentiable: accepted as False alone.
        fused: accepted, without effect.

    Raises:
        ValueError: a negative option.

    Example:
        >>> import trainctl
        >>> w = trainctl.ones(2, requires_grad=True)
        >>> w.sum().backward()
        >>> Adagrad([w], lr=0.1).step()
        >>> w
        tensor([0.9000, 0.9000], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_not_negative(lr=lr, lr_decay=lr_decay, weight_decay=weight_decay)
        check_not_negative(initial_accumulator_value=initial_accumulator_value, eps=eps)
        defaults = {
            "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "fused": fused,
        }  # fmt: skip
        super().__init__(params, defaults)
        for group in self.param_groups:  # as PyTorch, whose state_dict has a state before the first step
            for parameter in group["params"]:
                _start(self.state[parameter], parameter, group)

    def update(self, parameter: Tensor, grad: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        """Take one step."""
        if not state:
            _start(state, parameter, group)
        lr = float(group["lr"]) / (1 + (count_step(state) - 1) * group["lr_decay"])
        xp, gradient = parameter._xp, descent(parameter, grad, group)
        for w, g, total in real_parts(parameter._array, gradient, state["sum"]._array):
            total += g * g
            w -= g / (xp.sqrt(total) + group["eps"]) * lr
        parameter._bump_version()


def _start(state: dict[str, Any], parameter: Tensor, group: dict[str, Any]) -> None:
    value = group["initial_accumulator_value"]
    first = complex(value, value) if parameter.is_complex() else value
    state["step"] = scalar(0.0)
    state["sum"] = Tensor._wrap(parameter._xp.full_like(parameter._array, first))
