"""AdamW."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from trainctl.optim.adam import Adam


class AdamW(Adam):
    """Adam whose weight decay shrinks the weights themselves (Loshchilov and Hutter, 2019), as PyTorch defines it.

    Args:
        params: parameters or groups of them.
        lr: learning rate.
        betas: decay of the running means of the gradient and of its square.
        eps: added to the denominator.
        weight_decay: share of the weights that a step of learning rate 1 would take away.
        amsgrad: divide by the largest mean square so far (Reddi et al., 2018).
        maximize: go up instead of down.
        foreach: accepted, without effect.
        capturable: accepted, without effect.
        differentiable: accepted as False alone.
        fused: accepted, without effect.

    Raises:
        ValueError: a negative option, or a beta outside [0, 1).

    Example:
        >>> import trainctl
        >>> w = trainctl.ones(2, requires_grad=True)
        >>> w.sum().backward()
        >>> AdamW([w], lr=0.1, weight_decay=0.5).step()
        >>> w
        tensor([0.8500, 0.8500], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize, capturable=capturable,
            differentiable=differentiable, fused=fused, decoupled_weight_decay=True,
        )  # fmt: skip

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from what ``state_dict`` of this or of Adam returned; the decay stays decoupled."""
        super().load_state_dict(state_dict)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
