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


def monitor_of(config: Config, metrics: Mapping[str, Any]) -> Monitor:
    """Return what ``train.monitor`` names; by default the validation loss, or else the training loss."""
    name = config.train.monitor or ("val_loss" if config.data.split.val else "train_loss")
    return Monitor(name, name in metrics and metrics[name].higher_is_better)
