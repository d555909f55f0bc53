"""What is done with a batch: learn from it, or measure the model on it; as plans where the config says so."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import trainctl
from trainctl.train.batches import forward
from trainctl.train.state import rewind_to_here
from trainctl.train.summary import device_of

if TYPE_CHECKING:
    from trainctl.build import Experiment


class Steps:
    """The steps of an experiment.

    Which of them are plans depends on the config alone, from the first batch on, so that a run's results do not
    depend on where it was resumed.

    Args:
        experiment: model, loss, optimizer.
        threads: how many a plan uses.
        kernels: whose loops a plan runs, ``numba`` or ``numpy``.
        notify: called with a text if a step cannot be a plan.

    Attributes:
        learn: maps (input, target) to the loss, and takes an optimizer step.
        measure: maps (input, target) to the output and the loss.
    """

    learn: Callable[[Any, Any], Any]
    measure: Callable[[Any, Any], tuple[Any, Any]]

    def __init__(self, experiment: Experiment, threads: int, kernels: str, notify: Callable[[str], None]) -> None:
        self._model, self._loss, self._optimizer = experiment.model, experiment.loss, experiment.optimizer
        self.learn, self.measure = self._learn, self._measure
        if experiment.config.train.compile and device_of(experiment.model) == "cpu":
            undo = partial(rewind_to_here, experiment.model, experiment.optimizer)
            as_plan = partial(
                trainctl.compile, threads=threads, kernels=kernels, notify=notify, undo=undo,
                deterministic=experiment.config.train.deterministic,
            )  # fmt: skip
            self.learn, self.measure = as_plan(self._learn), as_plan(self._measure)

    def _learn(self, inputs: Any, target: Any) -> Any:
        self._optimizer.zero_grad()
        loss = self._loss(forward(self._model, inputs), target)
        loss.backward()
        self._optimizer.step()
        return loss

    def _measure(self, inputs: Any, target: Any) -> tuple[Any, Any]:
        output = forward(self._model, inputs)
        return output, self._loss(output, target)
