"""Adam."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from trainctl.autograd.tensor import Tensor
from trainctl.optim.optimizer import Optimizer, check_not_negative
from trainctl.optim.updates import check_betas, count_step, descent, move_towards, real_parts, start


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
        check_not_negative(lr=lr, eps=eps)
        check_betas(betas)
        check_not_negative(weight_decay=weight_decay)
        _check_tensors(lr, betas, foreach and not capturable)
        defaults = {
            "lr": lr, "betas": tuple(betas), "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad,
            "maximize": maximize, "foreach": foreach, "capturable": capturable, "differentiable": differentiable,
            "fused": fused, "decoupled_weight_decay": decoupled_weight_decay,
        }  # fmt: skip
        super().__init__(params, defaults)

    def update(self, parameter: Tensor, grad: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        """Take one step."""
        if not state:
            start(state, parameter, "exp_avg", "exp_avg_sq", *(["max_exp_avg_sq"] if group["amsgrad"] else []))
        step, (beta1, beta2) = count_step(state), map(float, group["betas"])
        size, root = float(group["lr"]) / (1 - beta1**step), math.sqrt(1 - beta2**step)
        xp, arrays = parameter._xp, [parameter._array, descent(parameter, grad, group)]
        arrays += [state["exp_avg"]._array, state["exp_avg_sq"]._array]
        arrays += [state["max_exp_avg_sq"]._array] if group["amsgrad"] else []
        for w, g, mean, square, *top in real_parts(*arrays):
            move_towards(mean, g, 1 - beta1)
            square *= beta2
            square += g * g * (1 - beta2)
            if top:
                square = xp.maximum(top[0], square, out=top[0])
            denominator = xp.sqrt(square, out=xp.empty_like(square))
            denominator /= root
            denominator += group["eps"]
            xp.divide(mean, denominator, out=denominator)
            denominator *= size
            w -= denominator
        parameter._bump_version()


def _check_tensors(lr: Any, betas: tuple[Any, Any], grouped: bool | None) -> None:
    """Check options that are given as tensors: of one element, and none where all parameters are updated together.

    Raises:
        ValueError: they are not so, or one beta is a tensor and the other is a number.
    """
    first, second = (isinstance(beta, Tensor) for beta in betas)
    if first != second or (not first and not all(isinstance(beta, float) for beta in betas)):
        raise ValueError("betas must be either both floats or both Tensors")
    for name, value in (("lr", lr), ("betas[0]", betas[0]), ("betas[1]", betas[1])):
        if isinstance(value, Tensor) and grouped:
            raise ValueError(f"{name} as a Tensor is not supported for capturable=False and foreach=True")
        if isinstance(value, Tensor) and value.numel() != 1:
            raise ValueError(f"Tensor {name} must be 1-element")
