"""The rows of the metrics files: one an epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trainctl.train.events import EpochEnd
from trainctl.train.summary import number

if TYPE_CHECKING:
    from trainctl.build import Experiment


def columns_of(experiment: Experiment) -> list[str]:
    """Return the names of a row's figures, in order: those of all epochs are the same."""
    config, groups = experiment.config.train, len(experiment.optimizer.param_groups)
    clips = config.clip_grad_norm is not None or config.clip_grad_value is not None
    rates = ["lr", *(f"lr_{group}" for group in range(1, groups))]
    return ["epoch", "global_step", "train_loss", "val_loss", *experiment.metrics, *rates, *["grad_norm"] * clips]


class Meters:
    """What an epoch's row says of its steps: the learning rates of the last, the mean gradient norm.

    Attributes:
        lrs: the learning rates of the last step, one a group.
        counted: over how much the sum of the losses is: samples, or targets where the loss can ignore some.

    Example:
        >>> meters = Meters()
        >>> meters.after_step([0.1, 0.2], 3.0)
        >>> meters.after_step([0.1, 0.1], 1.0)
        >>> meters.lrs, meters.grad_norm
        ((0.1, 0.1), 2.0)
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin an epoch."""
        self.lrs: tuple[float, ...] = ()
        self.counted = 0
        self._sum, self._steps = 0.0, 0

    def after_step(self, lrs: Sequence[float], grad_norm: float | None) -> None:
        """Take note of a step."""
        self.lrs = tuple(lrs)
        if grad_norm is not None:
            self._sum, self._steps = self._sum + grad_norm, self._steps + 1

    @property
    def grad_norm(self) -> float | None:
        """The mean of the steps' gradient norms, None where there is none."""
        return self._sum / self._steps if self._steps else None

    def state_dict(self) -> dict[str, Any]:
        """Return what going on in the middle of an epoch needs."""
        return {"lrs": list(self.lrs), "counted": self.counted, "sum": self._sum, "steps": self._steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned."""
        self.lrs, self.counted = tuple(state["lrs"]), state.get("counted", 0)
        self._sum, self._steps = state["sum"], state["steps"]


def row_of(event: EpochEnd, columns: Sequence[str]) -> dict[str, Any]:
    """Return an epoch's row: its figures by their columns' names, None where there is none or it is not finite.

    Example:
        >>> row_of(EpochEnd(1, 5, 0.4, None, {}, 0.1, 1.0, 80.0, True), ["epoch", "train_loss", "accuracy"])
        {'epoch': 1, 'train_loss': 0.4, 'accuracy': None}
    """
    figures: dict[str, Any] = {
        "epoch": event.epoch,
        "global_step": event.global_step,
        "train_loss": event.train_loss,
        "val_loss": event.val_loss,
        "lr": event.lr,
        **{f"lr_{group}": lr for group, lr in enumerate(event.lrs)},
        "grad_norm": event.grad_norm,
        **event.metrics,
    }
    return {name: number(figures.get(name)) for name in columns}
