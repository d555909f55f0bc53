"""Which epoch of a run is its best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainctl.train.checkpoint import Best

if TYPE_CHECKING:
    from trainctl.config import Config


@dataclass(frozen=True)
class Monitor:
    """The figure of an epoch that is compared, and which way is better.

    Example:
        >>> Monitor("val_loss", higher_is_better=False).improves({"val_loss": 0.2}, Best(0.3, 1, 844))
        True
    """

    name: str
    higher_is_better: bool

    @property
    def mode(self) -> str:
        """Which way is better, in PyTorch's words: ``"min"`` or ``"max"``."""
        return "max" if self.higher_is_better else "min"

    def improves(self, row: Mapping[str, Any], best: Best | None) -> bool:
        """Return whether an epoch's row beats the best so far; of equals the earlier is the best."""
        value = row[self.name]
        if value is None or best is None:
            return value is not None
        return value > best.value if self.higher_is_better else value < best.value


def early_stopping_of(config: Config, monitor: Monitor) -> EarlyStopping | None:
    """Return what ``train.early_stopping`` asks for, None where it does not."""
    asked = config.train.early_stopping
    return EarlyStopping(monitor, asked.patience, asked.min_delta, asked.start_epoch) if asked else None


def monitor_of(config: Config, metrics: Mapping[str, Any]) -> Monitor:
    """Return what ``train.monitor`` names; by default the validation loss, or else the training loss."""
    name = config.train.monitor or ("val_loss" if config.data.split.val else "train_loss")
    return Monitor(name, name in metrics and metrics[name].higher_is_better)


def first_comparable(config: Config) -> int:
    """Return the epoch from which on a run's figures are of the model that it ends with: one that rounds, if any does."""
    return config.quantization.start_epoch if config.quantization else 1


class EarlyStopping:
    """Counts the epochs since what is monitored last improved.

    Args:
        monitor: what is compared.
        patience: how many of them are enough.
        min_delta: by how much it has to improve to count.
        start_epoch: epochs before this one do not count.

    Example:
        >>> early = EarlyStopping(Monitor("val_loss", higher_is_better=False), patience=2)
        >>> for epoch, loss in enumerate([0.5, 0.4, 0.45, 0.41], start=1):
        ...     early.after_epoch(epoch, loss)
        >>> early.is_over
        True
    """

    def __init__(self, monitor: Monitor, patience: int, min_delta: float = 0.0, start_epoch: int = 1) -> None:
        self.monitor, self.patience, self.min_delta, self.start_epoch = monitor, patience, min_delta, start_epoch
        self.waited = 0
        self._reference: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether there is no point in going on."""
        return self.waited >= self.patience

    @property
    def reason(self) -> str:
        """Why, in words: a half-sentence."""
        by = f" by more than {self.min_delta:g}" if self.min_delta else ""
        epochs = f"{self.waited} epoch{'s' * (self.waited != 1)}"
        return f"{self.monitor.name} has not improved{by} for {epochs}"

    def after_epoch(self, epoch: int, value: float | None) -> None:
        """Take note of an epoch's figure; None, which is not a number, is no improvement."""
        if value is not None and self._improves(value):
            self._reference, self.waited = value, 0
        elif epoch >= self.start_epoch:
            self.waited += 1

    def _improves(self, value: float) -> bool:
        if self._reference is None:
            return True
        gain = value - self._reference if self.monitor.higher_is_better else self._reference - value
        return gain > self.min_delta

    def state_dict(self) -> dict[str, Any]:
        """Return what counting on needs."""
        return {"waited": self.waited, "reference": self._reference}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned."""
        self.waited, self._reference = state["waited"], state["reference"]
