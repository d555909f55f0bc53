"""SparseAdam."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from trainctl.autograd.tensor import Tensor
from trainctl.optim.optimizer import Optimizer, check_single
from trainctl.optim.updates import check_betas


class SparseAdam(Optimizer):
    """Adam on those rows alone that a step's gradient touches, as PyTorch defines it for sparse gradients.

    The rows of an embedding that a batch does not use keep their weights and running means. Gradients are dense here: the
    rows touched are those whose gradient is not all zero (docs/decisions/2026-11-23-sparse-adam.md).

    Args:
        params: parameters or groups of them; real ones, whose first dim counts the rows.
        lr: learning rate.
        betas: decay of the running means of the gradient and of its square.
        eps: added to the denominator.
        maximize: go up instead of down.

    Raises:
        ValueError: an option that is not positive, a beta outside [0, 1), or complex parameters.

    Example:
        >>> import trainctl
        >>> w = trainctl.ones(2, 2, requires_grad=True)
        >>> w[0].sum().backward()
        >>> SparseAdam([w], lr=0.1).step()
        >>> w
        tensor([[0.9000, 0.9000],
                [1.0000, 1.0000]], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        check_single(lr)
        if not lr > 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not eps > 0.0:
            raise ValueError(f"Invalid epsilon value: {eps}")
        check_betas(betas)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})
        complex_ones = [
            [number, place]
            for number, group in enumerate(self.param_groups)
            for place, parameter in enumerate(group["params"])
            if parameter.is_complex()
        ]
        if complex_ones:
            raise ValueError(
                f"Complex params at indices {complex_ones}: SparseAdam does not support complex parameters"
            )

    def update(self, parameter: Tensor, grad: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        """Take one step."""
        xp, w = parameter._xp, parameter._array
        if not state:
            state["step"] = 0
            for name in ("exp_avg", "exp_avg_sq"):
                state[name] = Tensor._wrap(xp.zeros_like(w))
        state["step"] += 1
        step, (beta1, beta2) = state["step"], group["betas"]
        g = xp.negative(grad._array) if group["maximize"] else grad._array
        touched = (g != 0).any(axis=tuple(range(1, g.ndim)))
        g, old_mean, old_square = g[touched], state["exp_avg"]._array[touched], state["exp_avg_sq"]._array[touched]
        mean = (g - old_mean) * (1 - beta1) + old_mean
        square = (g * g - old_square) * (1 - beta2) + old_square
        state["exp_avg"]._array[touched], state["exp_avg_sq"]._array[touched] = mean, square
        size = float(group["lr"]) * math.sqrt(1 - beta2**step) / (1 - beta1**step)
        w[touched] -= mean / (xp.sqrt(square) + group["eps"]) * size
        parameter._bump_version()
