"""Several optimizers as one: Muon for matrices and AdamW for the rest, say."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Sequence
from typing import Any

from trainctl.autograd.grad_mode import enable_grad
from trainctl.optim.optimizer import Optimizer


class MixedOptimizer(Optimizer):
    """Several optimizers as one, for a schedule and for checkpoints; each has parameters of its own.

    Args:
        optimizers: in the order of their groups.

    Attributes:
        optimizers: as given.
        param_groups: those of all, one after another; changing an option there changes it.
        defaults: the options that all of them have.

    Raises:
        ValueError: there are none, or two have a parameter in common.

    Example:
        >>> import trainctl
        >>> from trainctl import optim
        >>> a, b = trainctl.ones(1, requires_grad=True), trainctl.ones(1, requires_grad=True)
        >>> both = MixedOptimizer([optim.SGD([a], lr=0.1), optim.SGD([b], lr=0.5)])
        >>> (a + b).backward()
        >>> both.step()
        >>> a.item(), b.item()
        (0.8999999761581421, 0.5)
    """

    def __init__(self, optimizers: Sequence[Optimizer]) -> None:
        if not optimizers:
            raise ValueError("a mixed optimizer needs at least one optimizer")
        self.optimizers = tuple(optimizers)
        first, *others = (each.defaults for each in self.optimizers)
        self.defaults = {name: value for name, value in first.items() if all(name in other for other in others)}
        self._start_hooks()
        self._opt_called = True  # each optimizer's steps are its own: a schedule has nothing to watch here
        self._collect()
        owners = [id(parameter) for group in self.param_groups for parameter in group["params"]]
        if len(set(owners)) != len(owners):
            raise ValueError("some parameters appear in more than one optimizer")

    def _collect(self) -> None:
        self.param_groups = [group for each in self.optimizers for group in each.param_groups]
        self.state = ChainMap(*(each.state for each in self.optimizers))  # type: ignore[assignment]  # only read here

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Refuse: a group belongs to one of the optimizers.

        Raises:
            TypeError: always.
        """
        raise TypeError("add a group to one of the optimizers, and mix them again")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop every parameter's gradient (or set it to 0)."""
        for each in self.optimizers:
            each.zero_grad(set_to_none)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Let each optimizer take its step; return ``closure()``, evaluated first, where it is given."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for each in self.optimizers:
            each.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Return the states of all."""
        return {"optimizers": [each.state_dict() for each in self.optimizers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from what ``state_dict`` returned.

        Raises:
            ValueError: it is of other optimizers.
        """
        states = state_dict.get("optimizers", ())
        if len(states) != len(self.optimizers):
            raise ValueError(f"expected the state of {len(self.optimizers)} optimizers, got {len(states)}")
        for each, state in zip(self.optimizers, states, strict=True):
            each.load_state_dict(state)
        self._collect()

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy or a pickle keeps."""
        return {"optimizers": self.optimizers, "defaults": self.defaults}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({**state, "_opt_called": True})
        self._collect()
