"""Schedules made of other schedules: one after the other, or all at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from trainctl.autograd.observer import as_effect
from trainctl.optim.lr_scheduler.base import LRScheduler, set_value
from trainctl.optim.lr_scheduler.plateau import ReduceLROnPlateau
from trainctl.optim.optimizer import Optimizer


class _Combined(LRScheduler):
    """What the two share."""

    _schedulers: Sequence[Any]

    def _check(self, schedulers: Sequence[Any], optimizer: Any) -> None:
        """Raise an error, naming the first, if there are schedulers that cannot be part of this."""
        name = type(self).__name__
        for number, each in enumerate(schedulers):
            if not hasattr(each, "optimizer"):
                raise TypeError(f"{name} at index {number} should have `optimizer` as its attribute.")
            if isinstance(each, ReduceLROnPlateau):
                raise ValueError(
                    f"{name} does not support `ReduceLROnPlateau` scheduler as it requires additional kwargs to be "
                    f"specified when calling `step`, but got one at index {number} in the given schedulers sequence."
                )
            if each.optimizer is not optimizer:
                raise ValueError(
                    f"{name} expects all schedulers to belong to the same optimizer, but got scheduler "
                    f"{type(each).__name__} at index {number}, which has another one."
                )

    def state_dict(self) -> dict[str, Any]:
        """Return all that the schedule knows, with the states of those that it is made of."""
        return {**super().state_dict(), "_schedulers": [each.state_dict() for each in self._schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from what ``state_dict`` returned."""
        super().load_state_dict({name: value for name, value in state_dict.items() if name != "_schedulers"})
        for each, state in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            each.load_state_dict(state)


class SequentialLR(_Combined):
    """One schedule after the other, each from the epoch of its milestone.

    Args:
        optimizer: whose groups' ``lr`` is set.
        schedulers: of this optimizer.
        milestones: the epochs at which the second, third, ... schedule takes over.
        last_epoch: number of the last epoch, to continue; -1 to begin.

    Raises:
        ValueError: no schedules, one that cannot be part of this, or not one milestone less than schedules.
        TypeError: something else than schedules.

    Example:
        >>> import trainctl
        >>> from trainctl.optim.lr_scheduler import ConstantLR, ExponentialLR
        >>> optimizer = trainctl.optim.SGD([trainctl.ones(1, requires_grad=True)], lr=1.0)
        >>> parts = [ConstantLR(optimizer, factor=0.5, total_iters=9), ExponentialLR(optimizer, gamma=0.9)]
        >>> schedule, rates = SequentialLR(optimizer, parts, milestones=[2]), []
        >>> for _ in range(4):
        ...     rates += schedule.get_last_lr()
        ...     optimizer.step()
        ...     schedule.step()
        >>> rates
        [0.5, 0.5, 1.0, 0.9]
    """

    def __init__(
        self, optimizer: Optimizer, schedulers: list[LRScheduler], milestones: list[int], last_epoch: int = -1
    ) -> None:
        if not schedulers:
            raise ValueError(f"{type(self).__name__} expects at least one scheduler, but got no scheduler.")
        self._check(schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                "Sequential Schedulers expects number of schedulers provided to be one more than the number of milestone "
                f"points, but got number of schedulers {len(schedulers)} and the number of milestones to be equal to "
                f"{len(milestones)}"
            )
        self._schedulers, self._milestones = schedulers, milestones
        self.last_epoch, self.optimizer = last_epoch + 1, optimizer
        for group in optimizer.param_groups:  # undo what making the schedules did
            set_value(group, "lr", group["initial_lr"])
        for each in schedulers:
            _step_back(each)
        first: Any = schedulers[bisect_right(milestones, 0)]
        first._initial_step()
        self._last_lr = first.get_last_lr()

    @as_effect
    def step(self) -> None:
        """Step the schedule whose turn it is; a new one begins."""
        self.last_epoch += 1
        turn = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[turn]
        if turn > 0 and self._milestones[turn - 1] == self.last_epoch:
            scheduler._update_lr(0)
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()


def _step_back(scheduler: Any) -> None:
    """Undo a schedule's first step, inside combined ones too."""
    if hasattr(scheduler, "_schedulers"):
        for each in scheduler._schedulers:
            _step_back(each)
    elif hasattr(scheduler, "last_epoch"):
        scheduler.last_epoch -= 1


class ChainedScheduler(_Combined):
    """All schedules at once, each changing the learning rate that the one before it has set.

    Args:
        schedulers: of one optimizer.
        optimizer: default: that of the first schedule.

    Raises:
        ValueError: no schedules, or one that cannot be part of this.
        TypeError: something else than schedules.

    Example:
        >>> import trainctl
        >>> from trainctl.optim.lr_scheduler import ConstantLR, ExponentialLR
        >>> optimizer = trainctl.optim.SGD([trainctl.ones(1, requires_grad=True)], lr=1.0)
        >>> ChainedScheduler([ConstantLR(optimizer, factor=0.5), ExponentialLR(optimizer, gamma=0.9)]).get_last_lr()
        [0.5]
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        if not schedulers:
            raise ValueError(
                f"{type(self).__name__} expects at least one scheduler to be chained, but got no scheduler."
            )
        self.optimizer = optimizer or schedulers[0].optimizer
        self._check(schedulers, self.optimizer)
        self._schedulers = schedulers
        self._last_lr = self._rates()

    @as_effect
    def step(self) -> None:
        """Step all schedules."""
        for each in self._schedulers:
            each.step()
        self._last_lr = self._rates()
