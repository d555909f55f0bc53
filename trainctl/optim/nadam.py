"""NAdam."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from trainctl.autograd.tensor import Tensor
from trainctl.optim.optimizer import Optimizer, check_not_negative
from trainctl.optim.updates import check_betas, count_step, descent, move_towards, real_parts, scalar, start


class NAdam(Optimizer):
    """Adam with Nesterov's momentum (Dozat, 2016), as PyTorch defines it.

    Args:
        params: parameters or groups of them.
        lr: learning rate.
        betas: decay of the running means of the gradient and of its square.
        eps: added to the denominator.
        weight_decay: multiple of the weights added to the gradient, or, decoupled, taken from them.
        momentum_decay: how fast the momentum reaches ``betas[0]``.
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
        >>> NAdam([w], lr=0.1).step()
        >>> w
        tensor([0.8944, 0.8944], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_not_negative(lr=lr, eps=eps)
        check_betas(betas)
        check_not_negative(weight_decay=weight_decay, momentum_decay=momentum_decay)
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize, "foreach": foreach,
            "capturable": capturable, "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def update(self, parameter: Tensor, grad: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        """Take one step."""
        if not state:
            start(state, parameter)
            state["mu_product"] = scalar(1.0)
            for name in ("exp_avg", "exp_avg_sq"):
                state[name] = Tensor._wrap(parameter._xp.zeros_like(parameter._array))
        step, lr, (beta1, beta2) = count_step(state), float(group["lr"]), group["betas"]
        now, later = (beta1 * (1 - 0.5 * 0.96 ** (at * group["momentum_decay"])) for at in (step, step + 1))
        state["mu_product"]._array *= now
        product = state["mu_product"].item()
        xp, gradient = parameter._xp, descent(parameter, grad, group)
        arrays = parameter._array, gradient, state["exp_avg"]._array, state["exp_avg_sq"]._array
        for w, g, mean, square in real_parts(*arrays):
            move_towards(mean, g, 1 - beta1)
            square *= beta2
            square += g * g * (1 - beta2)
            denominator = xp.sqrt(square / (1 - beta2**step)) + group["eps"]
            w -= g / denominator * (lr * (1 - now) / (1 - product))
            w -= mean / denominator * (lr * later / (1 - product * later))
        parameter._bump_version()
