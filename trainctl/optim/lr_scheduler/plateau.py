"""A learning rate that falls when a metric stops improving."""

from __future__ import annotations

import warnings
from typing import Any, SupportsFloat

from trainctl.autograd.observer import as_effect
from trainctl.optim.lr_scheduler.base import _EPOCH_GIVEN, LRScheduler, check_optimizer, set_value, values
from trainctl.optim.optimizer import Optimizer


class ReduceLROnPlateau(LRScheduler):
    """Times ``factor`` when a metric has not improved for more than ``patience`` epochs: ``step(metric)``.

    Args:
        optimizer: whose groups' ``lr`` is set.
        mode: ``"min"``: smaller is better, or ``"max"``.
        factor: below 1.
        patience: epochs without improvement that are allowed.
        threshold: how much better counts as better.
        threshold_mode: ``"rel"``: a share of the best so far, or ``"abs"``.
        cooldown: epochs after a change that do not count.
        min_lr: lower limit of the learning rate, one for all groups or one for each.
        eps: a smaller change is not made.

    Raises:
        ValueError: a factor of 1 or more, an unknown mode, or not one limit for each group.
        TypeError: not an optimizer.

    Example:
        >>> import trainctl
        >>> optimizer = trainctl.optim.SGD([trainctl.ones(1, requires_grad=True)], lr=1.0)
        >>> schedule = ReduceLROnPlateau(optimizer, patience=1)
        >>> for loss in (3.0, 2.0, 2.0, 2.0):
        ...     schedule.step(loss)
        >>> schedule.get_last_lr()
        [0.1]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: list[float] | float = 0,
        eps: float = 1e-8,
    ) -> None:
        if factor >= 1.0:
            raise ValueError(f"Factor should be < 1.0, got {factor}")
        check_optimizer(optimizer)
        if mode not in ("min", "max"):
            raise ValueError(f"mode {mode} is unknown! Expected min or max")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"threshold mode {threshold_mode} is unknown! Expected rel or abs")
        self.optimizer, self.factor, self.patience = optimizer, factor, patience
        self.threshold, self.threshold_mode, self.cooldown, self.eps = threshold, threshold_mode, cooldown, eps
        self._set_limits(min_lr)
        self.mode, self.mode_worse = mode, float("inf") if mode == "min" else -float("inf")
        self.last_epoch = 0
        self._last_lr = values(optimizer, "lr")
        self._reset()

    def _set_limits(self, min_lr: list[float] | float) -> None:
        groups = len(self.optimizer.param_groups)
        one_for_all = not isinstance(min_lr, (list, tuple))
        self.default_min_lr: Any = min_lr if one_for_all else None
        self.min_lrs: list[Any] = [min_lr] * groups if one_for_all else list(min_lr)  # type: ignore[arg-type]  # a list
        if len(self.min_lrs) != groups:
            raise ValueError(f"expected {groups} min_lrs, got {len(self.min_lrs)}")

    def _reset(self) -> None:
        """Forget the metrics so far."""
        self.best = self.mode_worse
        self.cooldown_counter = 0
        self.num_bad_epochs = 0

    @as_effect
    def step(self, metrics: SupportsFloat, epoch: int | None = None) -> None:
        """Note an epoch's metric, and lower the learning rates if it is time."""
        if epoch is not None:
            warnings.warn(_EPOCH_GIVEN, UserWarning, stacklevel=2)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        value = float(metrics)
        if self._is_better(value, self.best):
            self.best, self.num_bad_epochs = value, 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce_lr()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = self._rates()

    def _reduce_lr(self) -> None:
        groups = self.optimizer.param_groups
        if len(groups) != len(self.min_lrs):
            if self.default_min_lr is None:
                raise RuntimeError(
                    f"The number of param groups in the `optimizer` ({len(groups)}) differs from when "
                    f"`ReduceLROnPlateau` was initialized ({len(self.min_lrs)}). Please modify the `min_lrs` field to "
                    "match the length of the `optimizer` param groups."
                )
            self.min_lrs = [self.default_min_lr] * len(groups)
        for group, limit in zip(groups, self.min_lrs, strict=True):
            old = float(group["lr"])
            new = max(old * self.factor, limit)
            if old - new > self.eps:
                set_value(group, "lr", new)

    @property
    def in_cooldown(self) -> bool:
        """Whether a change is so recent that epochs do not count."""
        return self.cooldown_counter > 0

    def _is_better(self, value: float, best: float) -> bool:
        if self.threshold_mode == "rel":
            sign = -1.0 if self.mode == "min" else 1.0
            needed = best * (1.0 + sign * self.threshold)
        else:
            needed = best - self.threshold if self.mode == "min" else best + self.threshold
        return value < needed if self.mode == "min" else value > needed
