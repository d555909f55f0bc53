"""Averages of weights along a training (Izmailov et al., 2018), and what goes with them."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from trainctl.autograd.grad_mode import no_grad
from trainctl.autograd.observer import as_effect
from trainctl.autograd.ops.creation import tensor
from trainctl.autograd.tensor import Tensor
from trainctl.backend.dtypes import int64
from trainctl.nn.modules.batchnorm import _BatchNorm
from trainctl.nn.modules.module import Module
from trainctl.optim.lr_scheduler.base import LRScheduler, for_each_group
from trainctl.optim.optimizer import Optimizer

__all__ = [
    "SWALR", "AveragedModel", "get_ema_avg_fn", "get_ema_multi_avg_fn", "get_swa_avg_fn", "get_swa_multi_avg_fn",
    "update_bn",
]  # fmt: skip

Average = Callable[[Tensor, Tensor, Any], Tensor]
MultiAverage = Callable[[Sequence[Tensor], Sequence[Tensor], Any], None]


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """Return a function ``(averaged, current, count) -> new average``: the exponential moving average.

    Raises:
        ValueError: a decay outside [0, 1].

    Example:
        >>> get_ema_avg_fn(0.75)(tensor(1.0), tensor(2.0), 1)
        tensor(1.2500)
    """
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")

    @no_grad()
    def update(averaged: Tensor, current: Tensor, count: Any) -> Tensor:
        return decay * averaged + (1 - decay) * current

    return update


def get_swa_avg_fn() -> Average:
    """Return a function ``(averaged, current, count) -> new average``: the plain average of ``count + 1`` values.

    Example:
        >>> get_swa_avg_fn()(tensor(1.0), tensor(4.0), 2)
        tensor(2.)
    """

    @no_grad()
    def update(averaged: Tensor, current: Tensor, count: Any) -> Tensor:
        return averaged + (current - averaged) / (count + 1)

    return update


def _of_lists(average: Average) -> MultiAverage:
    """Return a function that replaces each of a list of averages by a new one."""

    @no_grad()
    def update(averaged: Sequence[Tensor], current: Sequence[Tensor], count: Any) -> None:
        for mean, value in zip(averaged, current, strict=True):
            mean.copy_(average(mean, value, count))

    return update


def get_ema_multi_avg_fn(decay: float = 0.999) -> MultiAverage:
    """Return :func:`get_ema_avg_fn` for lists of tensors, in place.

    Raises:
        ValueError: a decay outside [0, 1].
    """
    return _of_lists(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn() -> MultiAverage:
    """Return :func:`get_swa_avg_fn` for lists of tensors, in place."""
    return _of_lists(get_swa_avg_fn())


class AveragedModel(Module):
    """A copy of a model whose parameters are the average of the model's, at each ``update_parameters``.

    Args:
        model: what is averaged.
        device: where the copy lives.
        avg_fn: how, ``(averaged, current, count) -> new average``; default: the plain average.
        multi_avg_fn: how, for lists of tensors, in place.
        use_buffers: average the buffers too, instead of copying them.

    Attributes:
        module: the copy.
        n_averaged: how many models went into it.

    Raises:
        AssertionError: both functions are given.

    Example:
        >>> from trainctl import nn
        >>> model = nn.Linear(1, 1)
        >>> averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
        >>> averaged.update_parameters(model)
        >>> averaged.n_averaged
        tensor(1)
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Average | None = None,
        multi_avg_fn: MultiAverage | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", tensor(0, dtype=int64, device=device))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the averaged model gives."""
        return self.module(*args, **kwargs)

    @as_effect
    @no_grad()
    def update_parameters(self, model: Module) -> None:
        """Take the parameters of ``model`` into the average."""
        ours, theirs = self._averaged(self.module), self._averaged(model)
        pairs = [(mean, value.detach().to(mean.device)) for mean, value in zip(ours, theirs, strict=False)]
        if self.n_averaged == 0:
            for mean, value in pairs:
                mean.copy_(value)
        else:
            average = self.multi_avg_fn or _of_lists(self.avg_fn or get_swa_avg_fn())
            for kind in dict.fromkeys(mean.dtype for mean, _ in pairs):
                alike = [pair for pair in pairs if pair[0].dtype == kind]
                average([mean.detach() for mean, _ in alike], [value for _, value in alike], self.n_averaged)
        if not self.use_buffers:
            for mean, value in zip(self.module.buffers(), model.buffers(), strict=True):
                mean.copy_(value.detach().to(mean.device))
        self.n_averaged += 1

    def _averaged(self, model: Module) -> Iterable[Tensor]:
        return itertools.chain(model.parameters(), model.buffers()) if self.use_buffers else model.parameters()


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the running statistics of a model's batch norms anew, as the plain average over a loader's batches.

    Args:
        loader: gives batches; of a list or tuple, the first part is the model's input.
        model: an averaged model, whose own statistics are those of other weights.
        device: where the inputs go.
    """
    momenta = {module: module.momentum for module in model.modules() if isinstance(module, _BatchNorm)}
    if not momenta:
        return
    training = model.training
    model.train()
    for module in momenta:
        module.reset_running_stats()
        module.momentum = None
    for batch in loader:
        inputs = batch[0] if isinstance(batch, (list, tuple)) else batch
        model(inputs if device is None else inputs.to(device))
    for module, momentum in momenta.items():
        module.momentum = momentum
    model.train(training)


class SWALR(LRScheduler):
    """From the learning rates there are to a constant one.

    Args:
        optimizer: whose groups' ``lr`` is set.
        swa_lr: the learning rate to reach, one for all groups or one for each.
        anneal_epochs: epochs on the way.
        anneal_strategy: ``"cos"`` or ``"linear"``.
        last_epoch: number of the last epoch, to continue; -1 to begin.

    Raises:
        ValueError: an unknown strategy, or a number of epochs that is no integer from 0.

    Example:
        >>> import trainctl
        >>> optimizer = trainctl.optim.SGD([trainctl.ones(1, requires_grad=True)], lr=1.0)
        >>> schedule = SWALR(optimizer, swa_lr=0.5, anneal_epochs=2, anneal_strategy="linear")
        >>> optimizer.step()
        >>> schedule.step()
        >>> schedule.get_last_lr()
        [0.75]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        for group, rate in zip(optimizer.param_groups, for_each_group("swa_lr", optimizer, swa_lr), strict=True):
            group["swa_lr"] = rate
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self._anneal_strategy, self.anneal_epochs = anneal_strategy, anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _next(self) -> list[Any]:
        step = self._step_count - 1 if self.anneal_epochs else max(1, self._step_count - 1)
        before, now = self._share(step - 1), self._share(step)
        return [
            group["swa_lr"] * now + _begin(group["lr"], group["swa_lr"], before) * (1 - now)
            for group in self.optimizer.param_groups
        ]

    def _share(self, step: int) -> float:
        """Return how much of the way is behind after so many steps."""
        t = max(0, min(1, step / max(1, self.anneal_epochs)))
        return t if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2


def _begin(lr: Any, end: Any, share: float) -> Any:
    """Return the learning rate from which a share of the way to ``end`` leads to ``lr``."""
    return end if share == 1 else (lr - share * end) / (1 - share)
