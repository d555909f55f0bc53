"""Adam."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from trainctl.autograd.tensor import Tensor
from trainctl.backend.arrays import NUMPY
from trainctl.optim.optimizer import Optimizer, check_not_negative


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015), as PyTorch defines it.

    Args:
        params: parameters or groups of them.
        lr: learning rate.
        betas: decay of the running means of the gradient and of its square.
        eps: added to the denominator.
        weight_decay: multiple of the weights added to the gradient.
        amsgrad: divide by the largest mean square so far (Reddi et al., 2018).
        foreach: accepted, without effect.
        maximize: go up instead of down.
        capturable: accepted, without effect.
        differentiable: accepted as False alone.
        fused: accepted, without effect.
        decoupled_weight_decay: shrink the weights themselves instead (AdamW).

    Raises:
        ValueError: a negative option, or a beta outside [0, 1).

    Example:
        >>> import trainctl
        >>> w = trainctl.ones(2, requires_grad=True)
        >>> w.sum().backward()
        >>> Adam([w], lr=0.1).step()
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
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        check_not_negative(lr=lr, eps=eps, weight_decay=weight_decay)
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise ValueError(f"betas must be two numbers, got {betas!r}")
        for number, beta in enumerate(betas):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"Invalid beta parameter at index {number}: {beta}")
        defaults = {
            "lr": lr, "betas": tuple(betas), "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad,
            "maximize": maximize, "foreach": foreach, "capturable": capturable, "differentiable": differentiable,
            "fused": fused, "decoupled_weight_decay": decoupled_weight_decay,
        }  # fmt: skip
        super().__init__(params, defaults)

    def update(self, parameter: Tensor, grad: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        """Take one step."""
        xp, w, g = parameter._xp, parameter._array, grad._array
        lr, (beta1, beta2) = float(group["lr"]), group["betas"]
        if not state:
            _start(state, parameter, group["amsgrad"])
        if group["maximize"]:
            g = xp.negative(g)
        if group["weight_decay"] != 0 and group["decoupled_weight_decay"]:
            xp.multiply(w, 1 - lr * group["weight_decay"], out=w)
        elif group["weight_decay"] != 0:
            g = g + w * group["weight_decay"]
        state["step"]._array += 1
        step = state["step"].item()
        mean, square = state["exp_avg"]._array, state["exp_avg_sq"]._array
        mean += (g - mean) * (1 - beta1)
        square *= beta2
        square += g * xp.conjugate(g) * (1 - beta2)
        if group["amsgrad"]:
            top = state["max_exp_avg_sq"]._array
            square = xp.maximum(top, square, out=top)
        denominator = xp.sqrt(square)
        denominator /= math.sqrt(1 - beta2**step)
        denominator += group["eps"]
        xp.divide(mean, denominator, out=denominator)
        denominator *= lr / (1 - beta1**step)
        xp.subtract(w, denominator, out=w)
        parameter._bump_version()


def _start(state: dict[str, Any], parameter: Tensor, amsgrad: bool) -> None:
    """Put the first step's state: zeros."""
    xp = parameter._xp
    state["step"] = Tensor._wrap(NUMPY.zeros((), "float32"))  # read at every step, so kept on the host
    for name in ("exp_avg", "exp_avg_sq") + (("max_exp_avg_sq",) if amsgrad else ()):
        state[name] = Tensor._wrap(xp.zeros_like(parameter._array))
