"""Learning rates that change by factors: at steps, at milestones, with every epoch, or by a function."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from types import FunctionType
from typing import Any

from trainctl.optim.lr_scheduler.base import LRScheduler
from trainctl.optim.optimizer import Optimizer

Factor = Callable[[int], float]


class _ByFunction(LRScheduler):
    """What the schedules by functions of the epoch share."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Factor | Sequence[Factor], last_epoch: int = -1) -> None:
        groups = len(optimizer.param_groups)
        given = list(lr_lambda) if isinstance(lr_lambda, (list, tuple)) else [lr_lambda] * groups
        if len(given) != groups:
            raise ValueError(f"Expected {groups} lr_lambdas, but got {len(given)}")
        for each in given:
            if not callable(each):
                raise TypeError(f"lr_lambda should be a function, but got {type(each).__name__}")
        self.lr_lambdas: list[Any] = given
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """Return all that the schedule knows; of its functions, the attributes of those that are objects."""
        state = super().state_dict()
        state["lr_lambdas"] = [
            None if isinstance(each, FunctionType) else each.__dict__.copy() for each in self.lr_lambdas
        ]
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from what ``state_dict`` returned; functions stay those given to the constructor."""
        super().load_state_dict({name: value for name, value in state_dict.items() if name != "lr_lambdas"})
        for function, attributes in zip(self.lr_lambdas, state_dict["lr_lambdas"], strict=True):
            if attributes is not None:
                function.__dict__.update(attributes)


class LambdaLR(_ByFunction):
    """The first learning rate times ``lr_lambda(epoch)``.

    Args:
        optimizer: whose groups' ``lr`` is set.
        lr_lambda: a function of the epoch, or one for each group.
        last_epoch: number of the last epoch, to continue; -1 to begin.

    Raises:
        ValueError: not one function for each group.
        TypeError: something else than functions.

    Example:
        >>> import trainctl
        >>> optimizer = trainctl.optim.SGD([trainctl.ones(1, requires_grad=True)], lr=1.0)
        >>> LambdaLR(optimizer, lambda epoch: 0.5**epoch).get_last_lr()
        [1.0]
    """

    def _next(self) -> list[Any]:
        return [base * factor(self.last_epoch) for factor, base in zip(self.lr_lambdas, self.base_lrs, strict=True)]


class MultiplicativeLR(_ByFunction):
    """The learning rate times ``lr_lambda(epoch)`` at each epoch; arguments as for :class:`LambdaLR`."""

    def _next(self) -> list[Any]:
        if self._is_initial:
            return self._rates()
        groups = self.optimizer.param_groups
        return [group["lr"] * factor(self.last_epoch) for factor, group in zip(self.lr_lambdas, groups, strict=True)]


class StepLR(LRScheduler):
    """Times ``gamma`` every ``step_size`` epochs.

    Args:
        optimizer: whose groups' ``lr`` is set.
        step_size: epochs between two changes.
        gamma: factor.
        last_epoch: number of the last epoch, to continue; -1 to begin.

    Example:
        >>> import trainctl
        >>> optimizer = trainctl.optim.SGD([trainctl.ones(1, requires_grad=True)], lr=1.0)
        >>> schedule = StepLR(optimizer, step_size=2)
        >>> for _ in range(3):
        ...     optimizer.step()
        ...     schedule.step()
        >>> optimizer.param_groups[0]["lr"]
        0.1
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def _next(self) -> list[Any]:
        due = self.last_epoch != 0 and self.last_epoch % self.step_size == 0
        return self._times(self.gamma) if due else self._rates()

    def _get_closed_form_lr(self) -> list[Any]:
        return [base * self.gamma ** (self.last_epoch // self.step_size) for base in self.base_lrs]


class MultiStepLR(LRScheduler):
    """Times ``gamma`` at each milestone.

    Args:
        optimizer: whose groups' ``lr`` is set.
        milestones: epochs; one named twice counts twice.
        gamma: factor.
        last_epoch: number of the last epoch, to continue; -1 to begin.
    """

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.milestones, self.gamma = Counter(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def _next(self) -> list[Any]:
        if self.last_epoch not in self.milestones:
            return self._rates()
        return self._times(self.gamma ** self.milestones[self.last_epoch])

    def _get_closed_form_lr(self) -> list[Any]:
        passed = bisect_right(sorted(Counter(self.milestones).elements()), self.last_epoch)
        return [base * self.gamma**passed for base in self.base_lrs]


class ExponentialLR(LRScheduler):
    """Times ``gamma`` every epoch.

    Args:
        optimizer: whose groups' ``lr`` is set.
        gamma: factor.
        last_epoch: number of the last epoch, to continue; -1 to begin.
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _next(self) -> list[Any]:
        return self._rates() if self._is_initial else self._times(self.gamma)

    def _get_closed_form_lr(self) -> list[Any]:
        return [base * self.gamma**self.last_epoch for base in self.base_lrs]


class ConstantLR(LRScheduler):
    """Times ``factor`` until ``total_iters`` epochs have passed.

    Args:
        optimizer: whose groups' ``lr`` is set.
        factor: between 0 and 1.
        total_iters: epochs.
        last_epoch: number of the last epoch, to continue; -1 to begin.

    Raises:
        ValueError: a factor outside [0, 1].
    """

    def __init__(
        self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1
    ) -> None:
        if not 0 <= factor <= 1.0:
            raise ValueError(f"Constant multiplicative factor expected to be between 0 and 1, got {factor}")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def _next(self) -> list[Any]:
        if self.last_epoch == 0:
            return self._times(self.factor)
        return self._times(1.0 / self.factor) if self.last_epoch == self.total_iters else self._rates()

    def _get_closed_form_lr(self) -> list[Any]:
        over = self.last_epoch >= self.total_iters
        return [base * (self.factor + over * (1 - self.factor)) for base in self.base_lrs]


class LinearLR(LRScheduler):
    """From ``start_factor`` to ``end_factor`` times the first learning rate, in equal steps: a warm-up.

    Args:
        optimizer: whose groups' ``lr`` is set.
        start_factor: above 0, at most 1.
        end_factor: between 0 and 1.
        total_iters: epochs in between.
        last_epoch: number of the last epoch, to continue; -1 to begin.

    Raises:
        ValueError: a factor out of its range.

    Example:
        >>> import trainctl
        >>> optimizer = trainctl.optim.SGD([trainctl.ones(1, requires_grad=True)], lr=1.0)
        >>> LinearLR(optimizer, start_factor=0.5, total_iters=4).get_last_lr()
        [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1.0:
            raise ValueError(
                f"Starting multiplicative factor expected to be greater than 0 and less or equal to 1, got {start_factor}"
            )
        if not 0 <= end_factor <= 1.0:
            raise ValueError(f"Ending multiplicative factor expected to be between 0 and 1, got {end_factor}")
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def _next(self) -> list[Any]:
        if self.last_epoch == 0:
            return self._times(self.start_factor)
        if self._is_initial or self.last_epoch > self.total_iters:
            return self._rates()
        rise = self.end_factor - self.start_factor
        return self._times(1.0 + rise / (self.total_iters * self.start_factor + (self.last_epoch - 1) * rise))

    def _get_closed_form_lr(self) -> list[Any]:
        rise, passed = self.end_factor - self.start_factor, min(self.total_iters, self.last_epoch)
        return [base * (self.start_factor + rise * passed / self.total_iters) for base in self.base_lrs]


class PolynomialLR(LRScheduler):
    """The first learning rate times ``(1 - epoch / total_iters) ** power``; 0 from then on.

    Args:
        optimizer: whose groups' ``lr`` is set.
        total_iters: epochs until 0.
        power: of the polynomial.
        last_epoch: number of the last epoch, to continue; -1 to begin.
    """

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def _next(self) -> list[Any]:
        if self._is_initial or self.last_epoch > self.total_iters:
            return self._rates()
        left, before = (1.0 - epoch / self.total_iters for epoch in (self.last_epoch, self.last_epoch - 1))
        return self._times((left / before) ** self.power)

    def _get_closed_form_lr(self) -> list[Any]:
        left = 1.0 - min(self.total_iters, self.last_epoch) / self.total_iters
        return [base * left**self.power for base in self.base_lrs]
