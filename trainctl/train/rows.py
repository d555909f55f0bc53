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
    return ["epoch", "global_step", "train_loss", "val_loss", *experiment.metrics, "lr"]


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
        **event.metrics,
    }
    return {name: number(figures.get(name)) for name in columns}
