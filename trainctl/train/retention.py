"""Which checkpoints of a run stay on disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from trainctl.train.checkpoint import Progress
from trainctl.train.monitor import Monitor, first_comparable

if TYPE_CHECKING:
    from trainctl.config import Config


@dataclass(frozen=True)
class Keep:
    """How many checkpoints stay beside those that a link names.

    What stays is a function of the run's history alone, so that a run that was stopped and went on keeps what one
    that never stopped does; the checkpoint of the stop itself goes with the next one.

    Attributes:
        best: of the epochs, the best by the monitored value; of equals the earlier.
        last: of the checkpoints that are due after an epoch or every ``every`` steps, the last.
        every: steps between checkpoints within an epoch, None for none.
        monitor: what the best are best in.
        first: the epoch from which on, once there is one, epochs are compared.

    Example:
        >>> rows = [{"epoch": n, "global_step": 5 * n, "val_loss": loss} for n, loss in enumerate([3, 1, 2, 1, 9], 1)]
        >>> keep = Keep(best=2, last=1, monitor=Monitor("val_loss", higher_is_better=False))
        >>> sorted(keep.steps(Progress(epoch=6, global_step=25, history=rows)))
        [10, 20, 25]
    """

    best: int = 1
    last: int = 1
    every: int | None = None
    monitor: Monitor | None = None
    first: int = 1

    @classmethod
    def of(cls, config: Config, monitor: Monitor) -> Self:
        """Return what a config asks for."""
        train = config.train
        return cls(train.keep_best, train.keep_last, train.checkpoint_every, monitor, first_comparable(config))

    def steps(self, progress: Progress) -> set[int]:
        """Return the steps whose checkpoints stay."""
        return self._best_steps(progress) | self._last_steps(progress)

    def _best_steps(self, progress: Progress) -> set[int]:
        if self.monitor is None:
            return set()
        name, sign = self.monitor.name, -1 if self.monitor.higher_is_better else 1
        measured = [row for row in progress.history if row.get(name) is not None]
        measured = [row for row in measured if row["epoch"] >= self.first] or measured
        measured.sort(key=lambda row: (sign * row[name], row["epoch"]))
        return {row["global_step"] for row in measured[: self.best]}

    def _last_steps(self, progress: Progress) -> set[int]:
        due = {row["global_step"] for row in progress.history[-self.last :]}
        if self.every:
            newest = progress.global_step // self.every
            due |= {self.every * number for number in range(max(newest - self.last, 0) + 1, newest + 1)}
        return set(sorted(due)[-self.last :])
