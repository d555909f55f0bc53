"""A model measured over a whole dataset."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import trainctl
from trainctl.backend.devices import CPU
from trainctl.errors import DataError
from trainctl.train.batches import forward, moved, size_of
from trainctl.train.metrics import Metric


@dataclass(frozen=True)
class EvalResult:
    """What a model does on a dataset.

    Attributes:
        loss: mean over the samples; over the targets that count where the loss ignores some.
        metrics: each metric's figure, by name.
        samples: how many samples there were.
        tables: what each metric that is a table gives, by name.
    """

    loss: float
    metrics: dict[str, float]
    samples: int
    tables: dict[str, Any] = field(default_factory=dict, repr=False)


def evaluate(
    model: Any,
    loss: Callable[..., Any],
    metrics: Mapping[str, Metric],
    loader: Iterable[Any],
    *,
    between: Callable[[], None] | None = None,
    measure: Callable[[Any, Any], tuple[Any, Any]] | None = None,
    observers: Sequence[Callable[[Any, Any], object]] = (),
) -> EvalResult:
    """Measure a model, in evaluation mode and without gradients; its modes are put back after.

    Args:
        model: a module.
        loss: maps (output, target) to the batch's loss.
        metrics: metrics by name; reset first.
        loader: batches of (input [N, ...], target [N, ...]).
        between: called before each batch; it may raise to stop.
        measure: maps (input, target) to the output and the loss; default: the model's and ``loss`` of it.
        observers: called with each batch's (output, target); what they keep of it they must copy.

    Raises:
        DataError: the loader has no samples.

    Example:
        >>> from trainctl import nn, tensor
        >>> batch = tensor([[1.0], [3.0]]), tensor([[1.0], [2.0]])
        >>> evaluate(nn.Identity(), nn.MSELoss(), {}, [batch])
        EvalResult(loss=0.5, metrics={}, samples=2)
    """
    if measure is None:
        measure = _measure_of(model, loss)
    for metric in metrics.values():
        metric.bind(loss)
        metric.reset()
    watching = [*(metric.update for metric in metrics.values()), *observers]
    total, weight, samples, summed = 0.0, 0, 0, is_summed(loss)
    with evaluation_mode(model), trainctl.no_grad():
        for inputs, target in on_device(loader, model):
            if between:
                between()
            output, value = measure(inputs, target)
            counted = counted_in(loss, target)
            total += value.item() * (1 if summed else counted) if counted else 0.0
            weight += counted
            samples += size_of(target)
            for watch in watching:
                watch(output, target)
    if not samples:
        raise DataError("there is nothing to evaluate: the split has no samples")
    figures = {name: metric.compute() for name, metric in metrics.items()}
    tables = {name: figure for name, figure in figures.items() if metrics[name].is_table}
    numbers = {name: figure for name, figure in figures.items() if name not in tables}
    return EvalResult(total / weight if weight else math.nan, numbers, samples, tables)


def counted_in(loss: Any, target: Any) -> int:
    """Return over how much a batch's loss is the mean: samples, or targets where the loss can ignore some of them.

    Example:
        >>> from trainctl import nn, tensor
        >>> counted_in(nn.CrossEntropyLoss(ignore_index=0), tensor([[1, 2, 0], [3, 0, 0]]))
        3
        >>> counted_in(nn.CrossEntropyLoss(ignore_index=0, reduction="sum"), tensor([[1, 2, 0], [3, 0, 0]]))
        2
    """
    ignored = getattr(loss, "ignore_index", None)
    if ignored is None or is_summed(loss) or target.is_floating_point():
        return size_of(target)
    if target.device == CPU:
        return int(np.count_nonzero(target.numpy() != ignored))
    return int((target != ignored).sum().item())


def _measure_of(model: Any, loss: Callable[..., Any]) -> Callable[[Any, Any], tuple[Any, Any]]:
    def measure(inputs: Any, target: Any) -> tuple[Any, Any]:
        output = forward(model, inputs)
        return output, loss(output, target)

    return measure


def on_device(loader: Iterable[Any], model: Any) -> Iterable[Any]:
    """Return a loader's batches on the device of a model's parameters."""
    where = next((parameter.device for parameter in model.parameters()), CPU)
    if where == CPU:
        return loader
    return ([moved(part, where) for part in batch] for batch in loader)


def is_summed(loss: Any) -> bool:
    """Return whether a loss is the sum over a batch's samples; else it is taken for the mean."""
    return getattr(loss, "reduction", "mean") == "sum"


@contextmanager
def evaluation_mode(model: Any) -> Iterator[None]:
    """Put every module of a model in evaluation mode, and each back in its own mode after."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
