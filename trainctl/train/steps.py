"""What is done with a batch: learn from it, or measure the model on it; as plans where the config says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import trainctl
from trainctl.nn.parallel import DataParallel
from trainctl.nn.utils import clip_grad_value_, clip_grads_with_norm_, get_total_norm
from trainctl.train.batches import device_in, forward, size_of
from trainctl.train.evaluate import counted_in, is_summed
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
        measured: the model to measure; default: the one that learns.

    Attributes:
        learn: maps (input, target) to the loss, and takes an optimizer step.
        measure: maps (input, target) to the output and the loss.
        summed: whether the loss is the sum over a batch.
    """

    learn: Callable[..., Any]
    measure: Callable[[Any, Any], tuple[Any, Any]]

    def __init__(
        self, experiment: Experiment, threads: int, kernels: str, notify: Callable[[str], None], measured: Any = None
    ) -> None:
        self._model, self._loss, self._optimizer = experiment.model, experiment.loss, experiment.optimizer
        self._trained, self._measured = (_spread(each, experiment) for each in (self._model, measured or self._model))
        config = experiment.config.train
        self._batch_size, self._accumulate = experiment.config.data.batch_size, config.accumulate
        self.summed = is_summed(experiment.loss)
        self._max_norm, self._max_value = config.clip_grad_norm, config.clip_grad_value
        self._clips = self._max_norm is not None or self._max_value is not None
        self._learning = [each for each in self._model.parameters() if each.requires_grad]
        self._norm = trainctl.zeros((), device=self._learning[0].device if self._learning else None)
        self.learn, self.measure = self._learn if config.accumulate == 1 else self._learn_part, self._measure
        if config.compile and device_of(experiment.model) == "cpu":
            undo = partial(rewind_to_here, experiment.model, experiment.optimizer)
            as_plan = partial(
                trainctl.compile, threads=threads, kernels=kernels, notify=notify, undo=undo,
                deterministic=config.deterministic,
            )  # fmt: skip
            self.learn, self.measure = as_plan(self.learn), as_plan(self._measure)

    def over(self, batches: Iterable[Any], samples: int) -> Iterator[tuple[float, int, int]]:
        """Learn from batches; yield each optimizer step's sum of losses, of how many samples, and over how much it is.

        That is the samples, but the targets that count where the loss can ignore some (:func:`counted_in`).

        Args:
            batches: (input, target) each.
            samples: how many there are in all of them.
        """
        if self._accumulate > 1:
            yield from self._in_groups(iter(batches), samples)
            return
        learn, summed, loss = self.learn, self.summed, self._loss
        for inputs, target in batches:
            value, counted = learn(inputs, target).item(), counted_in(loss, target)
            yield (value if summed else value * counted), size_of(target), counted

    def _in_groups(self, batches: Iterator[Any], samples: int) -> Iterator[tuple[float, int, int]]:
        """As :meth:`over`, several batches a step; the last group of an epoch may have fewer."""
        while samples:
            whole = min(samples, self._accumulate * self._batch_size)
            total, seen, counted = 0.0, 0, 0
            while seen < whole:
                inputs, target = next(batches)
                size = size_of(target)
                share = trainctl.tensor(1.0 if self.summed else size / whole, device=device_in(target))
                is_last = seen + size == whole and not self._clips
                value = self.learn(inputs, target, share, seen == 0, is_last).item()
                weight = counted_in(self._loss, target)
                total, counted = total + (value if self.summed else value * weight), counted + weight
                seen += size
            if self._clips:  # not in a plan, which cannot read gradients that another one left
                self._clip()
                self._optimizer.step()
            samples -= whole
            yield total, whole, counted

    @property
    def grad_norm(self) -> float | None:
        """The joint norm of the last step's gradients before they were clipped; None where they are not."""
        return self._norm.item() if self._clips else None

    def _learn(self, inputs: Any, target: Any) -> Any:
        self._optimizer.zero_grad()
        loss = self._loss(forward(self._trained, inputs), target)
        loss.backward()
        if self._clips:
            self._clip()
        self._optimizer.step()
        return loss

    def _learn_part(self, inputs: Any, target: Any, share: Any = 1.0, first: bool = True, last: bool = True) -> Any:
        """Learn from a batch that has a share in an optimizer step's samples; return its own loss."""
        if first:
            self._optimizer.zero_grad()
        loss = self._loss(forward(self._trained, inputs), target)
        (loss * share).backward()
        if last:
            if self._clips:
                self._clip()
            self._optimizer.step()
        return loss.detach()

    def _clip(self) -> None:
        """Note the norm of the gradients, and bring them below the limits: the norm's first."""
        norm = get_total_norm([each.grad for each in self._learning if each.grad is not None])
        self._norm.copy_(norm)
        if self._max_norm is not None:
            clip_grads_with_norm_(self._learning, self._max_norm, norm)
        if self._max_value is not None:
            clip_grad_value_(self._learning, self._max_value)

    def _measure(self, inputs: Any, target: Any) -> tuple[Any, Any]:
        output = forward(self._measured, inputs)
        return output, self._loss(output, target)


def _spread(model: Any, experiment: Experiment) -> Any:
    """A model that shares each batch out over the config's ``devices``; the model itself where there is one."""
    devices = experiment.config.devices
    return DataParallel(model, devices) if len(devices) > 1 else model
