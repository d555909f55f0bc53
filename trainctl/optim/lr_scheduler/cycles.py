"""Learning rates that go up and down, momentum down and up (Smith, 2017; Smith and Topin, 2019)."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import FunctionType
from typing import Any

from trainctl.optim.lr_scheduler.base import LRScheduler, check_optimizer, for_each_group, set_value
from trainctl.optim.optimizer import Optimizer


class _Cycle(LRScheduler):
    """What schedules that also cycle the momentum share."""

    cycle_momentum: bool
    use_beta1: bool

    def _begin_momentum(self, base: list[float], top: list[float], last_epoch: int) -> None:
        """Set each group's first momentum, the largest, and note both ends in it."""
        if last_epoch == -1:
            for group, low, high in zip(self.optimizer.param_groups, base, top, strict=True):
                self._set_momentum(group, high)
                group["max_momentum"], group["base_momentum"] = high, low

    def _find_momentum(self) -> None:
        """Find out what the optimizer's momentum is.

        Raises:
            ValueError: there is none.
        """
        options = self.optimizer.defaults
        if "momentum" not in options and "betas" not in options:
            raise ValueError("optimizer must support momentum or beta1 with `cycle_momentum` option enabled")
        self.use_beta1 = "betas" in options

    def _set_momentum(self, group: dict[str, Any], value: float) -> None:
        if self.use_beta1:
            group["betas"] = (value, *group["betas"][1:])
        else:
            group["momentum"] = value


class CyclicLR(_Cycle):
    """Between ``base_lr`` and ``max_lr`` and back, in straight lines; one ``step`` a batch.

    Args:
        optimizer: whose groups' ``lr`` is set.
        base_lr: lower end, one for all groups or one for each.
        max_lr: upper end, likewise.
        step_size_up: steps on the way up.
        step_size_down: steps on the way down; default: as many.
        mode: ``"triangular"``; ``"triangular2"``: half as high with each cycle; ``"exp_range"``: times ``gamma`` each step.
        gamma: see ``mode``.
        scale_fn: the height as a function of the cycle or step, instead of a mode.
        scale_mode: ``"cycle"`` (from 1) or ``"iterations"``: what ``scale_fn`` is a function of.
        cycle_momentum: cycle the momentum (or the first beta) the other way.
        base_momentum: lower end of the momentum, one for all groups or one for each.
        max_momentum: upper end, likewise.
        last_epoch: number of the last step, to continue; -1 to begin.

    Raises:
        TypeError: not an optimizer.
        ValueError: an unknown mode, an optimizer without momentum, or lists of another length than the groups.

    Example:
        >>> import trainctl
        >>> optimizer = trainctl.optim.SGD([trainctl.ones(1, requires_grad=True)], lr=1.0, momentum=0.9)
        >>> schedule = CyclicLR(optimizer, base_lr=0.1, max_lr=0.5, step_size_up=2)
        >>> optimizer.step()
        >>> schedule.step()
        >>> round(optimizer.param_groups[0]["lr"], 6), round(optimizer.param_groups[0]["momentum"], 6)
        (0.3, 0.85)
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        base_lrs = for_each_group("base_lr", optimizer, base_lr)
        if last_epoch == -1:
            for lr, group in zip(base_lrs, optimizer.param_groups, strict=True):
                set_value(group, "lr", lr)
        self.max_lrs = for_each_group("max_lr", optimizer, max_lr)
        up = float(step_size_up)
        self.total_size = up + (up if step_size_down is None else float(step_size_down))
        self.step_ratio = up / self.total_size
        if scale_fn is None and mode not in ("triangular", "triangular2", "exp_range"):
            raise ValueError(
                f"mode is invalid and scale_fn is None: expected triangular, triangular2 or exp_range, got {mode!r}"
            )
        self.mode, self.gamma, self._scale_fn_custom = mode, gamma, scale_fn
        by_mode = "iterations" if mode == "exp_range" else "cycle"
        self.scale_mode = scale_mode if scale_fn is not None else by_mode
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._find_momentum()
            self.base_momentums = for_each_group("base_momentum", optimizer, base_momentum)
            self.max_momentums = for_each_group("max_momentum", optimizer, max_momentum)
            self._begin_momentum(self.base_momentums, self.max_momentums, last_epoch)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        """Return the height of a cycle or step, 1 for the whole way from ``base_lr`` to ``max_lr``."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "triangular":
            return 1.0
        return 1 / 2.0 ** (x - 1) if self.mode == "triangular2" else self.gamma**x

    def _next(self) -> list[Any]:
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        way = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        height = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            ends = zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True)
            for group, low, high in ends:
                self._set_momentum(group, high - (high - low) * way * height)
        return [low + (high - low) * way * height for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """Return all that the schedule knows; of ``scale_fn``, the attributes if it is an object."""
        state = super().state_dict()
        custom = self._scale_fn_custom
        state["_scale_fn_custom"] = (
            None if custom is None or isinstance(custom, FunctionType) else custom.__dict__.copy()
        )
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from what ``state_dict`` returned; ``scale_fn`` stays the one given to the constructor."""
        super().load_state_dict({name: value for name, value in state_dict.items() if name != "_scale_fn_custom"})
        if state_dict["_scale_fn_custom"] is not None and self._scale_fn_custom is not None:
            self._scale_fn_custom.__dict__.update(state_dict["_scale_fn_custom"])


class OneCycleLR(_Cycle):
    """Up to ``max_lr`` and down to almost 0, once; one ``step`` a batch.

    Args:
        optimizer: whose groups' ``lr`` is set.
        max_lr: highest learning rate, one for all groups or one for each.
        total_steps: steps in all; or give both of the next.
        epochs: number of epochs.
        steps_per_epoch: steps in each.
        pct_start: share of the steps on the way up.
        anneal_strategy: ``"cos"`` or ``"linear"``.
        cycle_momentum: cycle the momentum (or the first beta) the other way.
        base_momentum: lower end of the momentum, one for all groups or one for each.
        max_momentum: upper end, likewise.
        div_factor: the first learning rate is ``max_lr`` divided by this.
        final_div_factor: the last one is the first divided by this.
        three_phase: down to the first learning rate, as slowly as up, and then to the last.
        last_epoch: number of the last step, to continue; -1 to begin.

    Raises:
        TypeError: not an optimizer.
        ValueError: options out of range, or an optimizer without momentum; and on a step too many.

    Example:
        >>> import trainctl
        >>> optimizer = trainctl.optim.SGD([trainctl.ones(1, requires_grad=True)], lr=1.0, momentum=0.9)
        >>> OneCycleLR(optimizer, max_lr=1.0, total_steps=10, div_factor=2.0).get_last_lr()
        [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        self.total_steps = _count_steps(total_steps, epochs, steps_per_epoch)
        if not isinstance(pct_start, float) or not 0 <= pct_start <= 1:
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        self._schedule_phases = _phases(self.total_steps, pct_start, three_phase)
        self._anneal_func_type = anneal_strategy
        tops = for_each_group("max_lr", optimizer, max_lr)
        if last_epoch == -1:
            for group, top in zip(optimizer.param_groups, tops, strict=True):
                first = top / div_factor
                group["initial_lr"], group["max_lr"], group["min_lr"] = first, top, first / final_div_factor
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._find_momentum()
            high = for_each_group("max_momentum", optimizer, max_momentum)
            self._begin_momentum(for_each_group("base_momentum", optimizer, base_momentum), high, last_epoch)
        super().__init__(optimizer, last_epoch)

    def _next(self) -> list[Any]:
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(f"Tried to step {step} times. The specified number of total steps is {self.total_steps}")
        begin = 0.0
        for phase in self._schedule_phases:
            if step <= phase["end_step"] or phase is self._schedule_phases[-1]:
                break
            begin = phase["end_step"]
        share = (step - begin) / (phase["end_step"] - begin)
        groups = self.optimizer.param_groups
        if self.cycle_momentum:
            for group in groups:
                ends = group[phase["start_momentum"]], group[phase["end_momentum"]]
                self._set_momentum(group, self._between(*ends, share))
        return [self._between(group[phase["start_lr"]], group[phase["end_lr"]], share) for group in groups]

    def _between(self, start: Any, end: Any, share: float) -> Any:
        if self._anneal_func_type == "linear":
            return (end - start) * share + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * share) + 1)


def _count_steps(total_steps: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    """Return the number of steps, given in one way or the other.

    Raises:
        ValueError: neither, or not positive integers.
    """
    given = (
        {"total_steps": total_steps}
        if total_steps is not None
        else {"epochs": epochs, "steps_per_epoch": steps_per_epoch}
    )
    if None in given.values():
        raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
    steps = 1
    for name, value in given.items():
        if not isinstance(value, int) or value <= 0:
            raise ValueError(f"Expected positive integer {name}, but got {value}")
        steps *= value
    return steps


def _phases(steps: int, share: float, three: bool) -> list[dict[str, Any]]:
    """Return the phases: where each ends, and the names of the learning rates and momentums at its two ends."""
    way = {"max_momentum": "initial_lr", "base_momentum": "max_lr"}

    def phase(end: float, start: str, stop: str, last: str | None = None) -> dict[str, Any]:
        return {
            "end_step": end, "start_lr": way[start], "end_lr": last or way[stop], "start_momentum": start,
            "end_momentum": stop,
        }  # fmt: skip

    up = phase(float(share * steps) - 1, "max_momentum", "base_momentum")
    if not three:
        return [up, phase(steps - 1, "base_momentum", "max_momentum", "min_lr")]
    down = phase(float(2 * share * steps) - 2, "base_momentum", "max_momentum")
    return [up, down, phase(steps - 1, "max_momentum", "max_momentum", "min_lr")]
