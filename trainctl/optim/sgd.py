"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from trainctl.autograd.tensor import Tensor
from trainctl.optim.optimizer import Optimizer, check_not_negative
from trainctl.optim.updates import descent


class SGD(Optimizer):
    """Gradient descent with momentum (Sutskever et al., 2013), as PyTorch defines it.

    Args:
        params: parameters or groups of them.
        lr: learning rate.
        momentum: share of the last step that is kept.
        dampening: share of the gradient that momentum leaves out.
        weight_decay: multiple of the weights added to the gradient.
        nesterov: look ahead along the momentum.
        maximize: go up instead of down.
        foreach: accepted, without effect.
        differentiable: accepted as False alone.
        fused: accepted, without effect.

    Raises:
        ValueError: a negative option, or ``nesterov`` without momentum or with dampening.

    Example:
        >>> import trainctl
        >>> w = trainctl.ones(2, requires_grad=True)
        >>> w.sum().backward()
        >>> SGD([w], lr=0.1).step()
        >>> w
        tensor([0.9000, 0.9000], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_not_negative(lr=lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        defaults = {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov,
            "maximize": maximize, "foreach": foreach, "differentiable": differentiable, "fused": fused,
        }  # fmt: skip
        super().__init__(params, defaults)

    def update(self, parameter: Tensor, grad: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        """Take one step."""
        xp, w, g = parameter._xp, parameter._array, descent(parameter, grad, group)
        lr = w.dtype.type(float(group["lr"]))
        momentum = group["momentum"]
        if momentum != 0:
            buffer = state.get("momentum_buffer")
            if buffer is None:
                buffer = state["momentum_buffer"] = Tensor._wrap(xp.array(g))
            else:
                b = buffer._array
                xp.multiply(b, momentum, out=b)
                xp.add(b, g if group["dampening"] == 0 else g * (1 - group["dampening"]), out=b)
            g = g + buffer._array * momentum if group["nesterov"] else buffer._array
        xp.subtract(w, g * lr, out=w)
        parameter._bump_version()
