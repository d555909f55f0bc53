"""``LRScheduler``: the base of all schedules of learning rates."""

from __future__ import annotations

import warnings
from typing import Any

from trainctl.autograd.grad_mode import no_grad
from trainctl.autograd.observer import as_effect
from trainctl.autograd.tensor import Tensor
from trainctl.optim.optimizer import Optimizer

_EPOCH_GIVEN = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where possible. Please use "
    "`scheduler.step()` to step the scheduler. During the deprecation, if epoch is different from None, the closed form "
    "is used instead of the new chainable form, where available."
)
_OUTSIDE_STEP = "To get the last learning rate computed by the scheduler, please use `get_last_lr()`."
_WRONG_ORDER = (
    "Detected call of `lr_scheduler.step()` before `optimizer.step()`. You should call them in the opposite order: "
    "`optimizer.step()` before `lr_scheduler.step()`. Failure to do this skips the first value of the learning rate "
    "schedule."
)


class LRScheduler:
    """Base of every schedule: subclass it and write ``get_lr``, which returns each group's next learning rate.

    Call ``step`` once an epoch (or once a step, for those schedules that count steps), after ``optimizer.step``.

    Args:
        optimizer: whose groups' ``lr`` is set.
        last_epoch: number of the last epoch, to continue; -1 to begin.

    Attributes:
        last_epoch: how often the schedule stepped.
        base_lrs: each group's learning rate at the beginning.

    Raises:
        TypeError: not an optimizer.
        KeyError: ``last_epoch`` is given, and the groups do not say where they began.

    Example:
        >>> import trainctl
        >>> class Halving(LRScheduler):
        ...     def get_lr(self):
        ...         return [lr / 2**self.last_epoch for lr in self.base_lrs]
        >>> optimizer = trainctl.optim.SGD([trainctl.ones(1, requires_grad=True)], lr=0.8)
        >>> schedule = Halving(optimizer)
        >>> for _ in range(2):
        ...     optimizer.step()
        ...     schedule.step()
        >>> schedule.get_last_lr()
        [0.2]
    """

    _get_lr_called_within_step = False
    _is_initial = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        for number, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", _copied(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{number}] when resuming scheduler with "
                    f"last_epoch={last_epoch}: load the optimizer's state first, or leave last_epoch at -1"
                )
        self.base_lrs: list[Any] = values(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        _watch(optimizer)
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def get_lr(self) -> list[Any]:
        """Return each group's learning rate at ``last_epoch``, from what it is now; for use by ``step``."""
        if not self._get_lr_called_within_step:
            warnings.warn(_OUTSIDE_STEP, UserWarning, stacklevel=2)
        return self._next()

    def _next(self) -> list[Any]:
        """Return what ``get_lr`` returns."""
        raise NotImplementedError(f"{type(self).__name__} has no get_lr()")

    def get_last_lr(self) -> list[Any]:
        """Return each group's learning rate as the last step set it."""
        return self._last_lr

    @as_effect
    def step(self, epoch: int | None = None) -> None:
        """Set the next learning rates; ``epoch`` (deprecated) names another than the next one.

        Warns:
            UserWarning: the optimizer has not stepped yet, or ``epoch`` is given.
        """
        if self._step_count == 1 and not getattr(self.optimizer, "_opt_called", True):
            warnings.warn(_WRONG_ORDER, UserWarning, stacklevel=2)
        self._step_count += 1
        if epoch is not None:
            warnings.warn(_EPOCH_GIVEN, UserWarning, stacklevel=2)
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        closed_form = getattr(self, "_get_closed_form_lr", None) if epoch is not None else None
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        self._set(closed_form or self.get_lr)

    def _set(self, compute: Any) -> None:
        """Set each group's learning rate to what a function returns."""
        self._get_lr_called_within_step = True
        try:
            new = compute()
        finally:
            self._get_lr_called_within_step = False
        for group, lr in zip(self.optimizer.param_groups, new, strict=True):
            set_value(group, "lr", lr)
        self._last_lr: list[Any] = values(self.optimizer, "lr")

    def _rates(self) -> list[Any]:
        """Return each group's learning rate as it is now."""
        return values(self.optimizer, "lr")

    def _times(self, factor: float) -> list[Any]:
        """Return each group's learning rate times a factor."""
        return [group["lr"] * factor for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Return all that the schedule knows, but for the optimizer (whose state holds the learning rates)."""
        return {name: value for name, value in self.__dict__.items() if name != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from what ``state_dict`` returned."""
        self.__dict__.update(state_dict)


_LRScheduler = LRScheduler  # PyTorch's old name for it


def check_optimizer(optimizer: Any) -> None:
    """Raise TypeError if this is not an optimizer."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")


def _watch(optimizer: Any) -> None:
    """Let the optimizer note that it has stepped, from now on."""
    if not hasattr(optimizer, "_opt_called"):
        optimizer._opt_called = False
        optimizer.register_step_pre_hook(_note_step)


def _note_step(optimizer: Any, args: Any, kwargs: Any) -> None:
    optimizer._opt_called = True


def _copied(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else value


def values(optimizer: Optimizer, name: str) -> list[Any]:
    """Return an option of each group; tensors are copied."""
    return [_copied(group[name]) for group in optimizer.param_groups]


@no_grad()
def set_value(group: dict[str, Any], name: str, value: Any) -> None:
    """Set an option of a group; a tensor keeps its identity."""
    if isinstance(group[name], Tensor):
        group[name].fill_(value)
    else:
        group[name] = value


def for_each_group(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """Return a value for each group, from a list of them or from one for all.

    Raises:
        ValueError: a list of another length.
    """
    count = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [_copied(value) for _ in range(count)]
    if len(value) != count:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. "
            f"{name} has {len(value)} values, param_groups has {count}."
        )
    return [_copied(each) for each in value]
