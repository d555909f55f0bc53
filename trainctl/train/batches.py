"""Batches of every form: one input or several by name, one target or one for each output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainctl.nn.outputs import OutputLoss
from trainctl.train.metrics import Metric


def forward(model: Any, inputs: Any) -> Any:
    """Return what a model gives; several inputs are passed by name.

    Example:
        >>> from trainctl import nn, ones
        >>> forward(nn.Flatten(), ones(2, 3, 4)).shape
        trainctl.Size([2, 12])
    """
    return model(**inputs) if isinstance(inputs, dict) else model(inputs)


def size_of(target: Any) -> int:
    """Return how many samples a batch has.

    Example:
        >>> from trainctl import ones
        >>> size_of(ones(3, 2)), size_of({"a": ones(3), "b": ones(3, 2)})
        (3, 3)
    """
    return len(next(iter(target.values())) if isinstance(target, dict) else target)


def device_in(target: Any) -> Any:
    """Return the device of a target, or of the targets."""
    return (next(iter(target.values())) if isinstance(target, dict) else target).device


def moved(part: Any, where: Any) -> Any:
    """Return inputs or targets on a device."""
    if isinstance(part, dict):
        return {name: each.to(where) for name, each in part.items()}
    return part.to(where)


def output_names(loss: Any) -> list[str]:
    """Return the names of the outputs that a loss compares, none where it compares the only one.

    Example:
        >>> from trainctl import nn
        >>> output_names(nn.MSELoss())
        []
    """
    return [name for name, _ in loss.losses.items()] if isinstance(loss, OutputLoss) else []


class OutputMetric(Metric):
    """A metric of one of a model's outputs.

    Args:
        metric: the metric.
        output: the output's name.
    """

    def __init__(self, metric: Metric, output: str) -> None:
        self.metric, self.output = metric, output
        self.higher_is_better, self.is_table = metric.higher_is_better, metric.is_table

    def bind(self, loss: Any) -> None:
        """Learn from the output's own loss."""
        self.metric.bind(loss.losses[self.output] if output_names(loss) else loss)

    def reset(self) -> None:
        """Forget every batch."""
        self.metric.reset()

    def update(self, output: Any, target: Any) -> None:
        """Take in a batch: all outputs by name, and the target or the targets by name."""
        self.metric.update(output[self.output], target[self.output] if isinstance(target, Mapping) else target)

    def compute(self) -> Any:
        """Return the figure over all batches since the last reset."""
        return self.metric.compute()
