"""How a run's learning rate changes: after every step, or after every epoch."""

from __future__ import annotations

import math
from typing import Any, Literal

from trainctl.optim.lr_scheduler import ReduceLROnPlateau


class Schedule:
    """A scheduler and when it is its turn.

    Args:
        scheduler: of the run's optimizer.
        interval: after what it steps. One that watches a figure steps after epochs.
        length: steps or epochs that it is made for: past them the learning rate stays, so that a run that is
            given more epochs trains on with the last one. None: it goes on for ever.

    Example:
        >>> from trainctl import nn, optim
        >>> optimizer = optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
        >>> schedule = Schedule(optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5), "epoch", length=2)
        >>> for _ in range(3):
        ...     optimizer.step()
        ...     schedule.after_epoch(0.1)
        >>> optimizer.param_groups[0]["lr"]
        0.5
    """

    def __init__(self, scheduler: Any, interval: Literal["step", "epoch"], length: int | None = None) -> None:
        self.scheduler, self.interval, self.length = scheduler, interval, length
        self._done = 0

    def after_step(self) -> None:
        """Take note of a step."""
        if self.interval == "step":
            self._advance()

    def after_epoch(self, monitored: float | None) -> None:
        """Take note of an epoch, and of the figure that decides which is the best (None: it was not a number)."""
        if isinstance(self.scheduler, ReduceLROnPlateau):
            self.scheduler.step(math.nan if monitored is None else monitored)
        elif self.interval == "epoch":
            self._advance()

    def _advance(self) -> None:
        self._done += 1
        if self.length is None or self._done < self.length:
            self.scheduler.step()

    def state_dict(self) -> dict[str, Any]:
        """Return all that going on needs; the learning rates are in the optimizer's state."""
        return {"done": self._done, "length": self.length, "scheduler": self.scheduler.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned."""
        self._done, self.length = state["done"], state["length"]
        self.scheduler.load_state_dict(state["scheduler"])
