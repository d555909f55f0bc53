"""Rprop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from trainctl.autograd.tensor import Tensor
from trainctl.optim.optimizer import Optimizer, check_not_negative
from trainctl.optim.updates import count_step, descent, real_parts, start


class Rprop(Optimizer):
    """Resilient backpropagation (Riedmiller and Braun, 1993), as PyTorch defines it: only gradients' signs count.

    Args:
        params: parameters or groups of them.
        lr: first step size.
        etas: factors of a step size after a change of sign, and after none.
        step_sizes: smallest and largest step size.
        capturable: accepted, without effect.
        foreach: accepted, without effect.
        maximize: go up instead of down.
        differentiable: accepted as False alone.

    Raises:
        ValueError: a negative learning rate, or not ``0 < etas[0] < 1 < etas[1]``.

    Example:
        >>> import trainctl
        >>> w = trainctl.ones(2, requires_grad=True)
        >>> w.sum().backward()
        >>> Rprop([w], lr=0.1).step()
        >>> w
        tensor([0.9000, 0.9000], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_not_negative(lr=lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = {
            "lr": lr, "etas": etas, "step_sizes": step_sizes, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "capturable": capturable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def update(self, parameter: Tensor, grad: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        """Take one step."""
        xp, w = parameter._xp, parameter._array
        if not state:
            lr = float(group["lr"])
            start(state, parameter, "prev")
            state["step_size"] = Tensor._wrap(xp.full_like(w, complex(lr, lr) if w.dtype.kind == "c" else lr))
        count_step(state)
        (shrink, grow), (smallest, largest) = group["etas"], group["step_sizes"]
        arrays = w, descent(parameter, grad, group), state["prev"]._array, state["step_size"]._array
        for part, g, before, sizes in real_parts(*arrays):
            agreement = g * before
            sizes[...] = xp.where(agreement > 0, sizes * grow, xp.where(agreement < 0, sizes * shrink, sizes))
            xp.clip(sizes, smallest, largest, out=sizes)
            before[...] = xp.where(agreement < 0, xp.zeros_like(g), g)  # after a change of sign, stand still once
            part -= xp.sign(before) * sizes
        parameter._bump_version()
