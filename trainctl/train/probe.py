"""Where numbers stop being finite: one batch through a model and back, looked at layer by layer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

import trainctl
from trainctl.autograd.tensor import Tensor
from trainctl.storage.packing import to_array
from trainctl.train.batches import forward, size_of

# What a model may raise that does not like to be looked at; a diagnosis then knows less, and does not fail.
ODD = (ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True)
class Finding:
    """The first thing that is not finite.

    Attributes:
        quantity: what of the layer it is: ``input``, ``weight``, ``output``, ``loss``, ``gradient`` or ``update``.
        layer: the name of the module; None for the batch itself, and for the loss.
        layer_type: the module's or the loss's class.
        rows: which samples of the batch it is in; None: that cannot be told.
        tensor: the name of the weight; None for other quantities.
    """

    quantity: str
    layer: str | None = None
    layer_type: str | None = None
    rows: tuple[int, ...] | None = None
    tensor: str | None = None

    def __str__(self) -> str:
        if self.quantity == "input":
            return "the batch itself is not finite"
        if self.quantity == "loss":
            return f"the loss ({self.layer_type}) is not finite, and what the model gives is"
        where = f"layer {self.layer} ({self.layer_type})" if self.layer else f"the model ({self.layer_type})"
        words = {"weight": f"the weight {self.tensor} of", "update": f"the new {self.tensor} of"}
        return f"{words.get(self.quantity, f'the {self.quantity} of')} {where} is not finite"


def probe(
    model: Any, loss: Any, inputs: Any, target: Any, *, share: float = 1.0, learns: bool = True
) -> Finding | None:
    """Return what is the first not to be finite as a model sees a batch, None where all is.

    Args:
        model: in the mode that it is to be looked at in; its gradients are added to.
        loss: maps (output, target) to one number.
        inputs: a batch.
        target: what is right for it.
        share: what the loss is multiplied by before the way back.
        learns: whether to look at gradients.

    Example:
        >>> from trainctl import nn, ones
        >>> model = nn.Sequential(nn.Linear(2, 1), nn.ReLU())
        >>> _ = model[0].weight.data.fill_(1e30)
        >>> _ = model[0].bias.data.fill_(0.0)
        >>> print(probe(model, nn.MSELoss(), ones(3, 2) * 1e10, ones(3, 1)))
        the output of layer 0 (Linear) is not finite
    """
    with np.errstate(all="ignore"):
        before = _in_batch(inputs, target) or _in_weights(model)
        found = _Look(model).find(loss, inputs, target, share, learns)
        return before or found


def owner_of(model: Any, name: str) -> tuple[str | None, str]:
    """Return the name and the class of the module that has a parameter."""
    layer = name.rpartition(".")[0]
    return layer or None, type(model.get_submodule(layer)).__name__


def gradient_norm(model: Any) -> float | None:
    """Return the joint norm of a model's gradients, None where it has none."""
    gradients = [to_array(each.grad).astype(float) for each in model.parameters() if each.grad is not None]
    with np.errstate(all="ignore"):
        return math.sqrt(sum(float(np.square(each).sum()) for each in gradients)) if gradients else None


def _in_batch(inputs: Any, target: Any) -> Finding | None:
    for each in (*_tensors(inputs), *_tensors(target)):
        if not _finite(each):
            return Finding("input", rows=_rows(each, size_of(target)))
    return None


def _in_weights(model: Any) -> Finding | None:
    for name, parameter in model.named_parameters():
        if not _finite(parameter):
            return Finding("weight", *owner_of(model, name), tensor=name)
    return None


class _Look:
    """Hooks on every module of a model, for one batch."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._names = {module: name for name, module in model.named_modules()}
        self._ran: list[Any] = []
        self._found: Finding | None = None
        self._count = 0

    def find(self, loss: Any, inputs: Any, target: Any, share: float, learns: bool) -> Finding | None:
        self._count = size_of(target)
        with ExitStack() as hooks:
            for module in self._names:
                hooks.enter_context(module.register_forward_hook(self._saw))
            with nullcontext() if learns else trainctl.no_grad():
                value = loss(forward(self._model, inputs), target)
        if self._found is None and not _finite(value):
            self._found = Finding("loss", layer_type=type(loss).__name__)
        if learns:
            (value * share).backward()  # be it for the norm of the gradients alone
            self._found = self._found or self._in_gradients()
        return self._found

    def _saw(self, module: Any, args: Any, output: Any) -> None:
        """A module has run: look at what it gave, and have a look at its gradient on the way back."""
        place = len(self._ran)
        self._ran.append(module)
        for tensor in _tensors(output):
            if self._found is None and not _finite(tensor):
                # With such an input and nobody who made it, it is from between the layers of the one around.
                blamed = module if all(map(_finite, _tensors(args))) else self._around(module)
                self._found = self._finding("output", blamed, tensor)
            if tensor.requires_grad and not tensor.is_leaf:
                tensor.register_hook(lambda gradient: self._saw_gradient(place, gradient))

    def _saw_gradient(self, place: int, gradient: Any) -> None:
        """The gradient of the output of the module at ``place``: what ran after it made it."""
        if self._found is None and not _finite(gradient):
            after = [each for each in self._ran[place + 1 :] if self._is_leaf(each)]
            self._found = self._finding("gradient", after[0] if after else self._ran[place], gradient)

    def _in_gradients(self) -> Finding | None:
        for module in reversed(self._ran):
            for name, parameter in module.named_parameters(recurse=False):
                if parameter.grad is not None and not _finite(parameter.grad):
                    return Finding("gradient", self._names[module] or None, type(module).__name__, tensor=name)
        return None

    def _finding(self, quantity: str, module: Any, tensor: Any) -> Finding:
        return Finding(quantity, self._names[module] or None, type(module).__name__, _rows(tensor, self._count))

    def _around(self, module: Any) -> Any:
        """The module that a module is in; the model itself where it is in none."""
        return self._model.get_submodule(self._names[module].rpartition(".")[0])

    def _is_leaf(self, module: Any) -> bool:
        return not any(True for _ in module.children())


def _tensors(value: Any) -> Iterator[Any]:
    """The tensors in what a module takes or gives."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _tensors(each)
    elif isinstance(value, (tuple, list)):
        for each in value:
            yield from _tensors(each)


def _finite(tensor: Any) -> bool:
    array = to_array(tensor)
    return array.dtype.kind not in "fc" or bool(np.isfinite(array).all())


def _rows(tensor: Any, count: int) -> tuple[int, ...] | None:
    """Which rows of a batch's tensor are not finite; None where its first axis is not the batch."""
    array = to_array(tensor)
    if array.ndim == 0 or len(array) != count:
        return None
    bad = ~np.isfinite(array.reshape(count, -1)).all(axis=1)
    return tuple(np.flatnonzero(bad).tolist())


def sample_ids(data: Any, places: Iterable[int]) -> tuple[int, ...]:
    """Return which samples of the whole dataset are at these places of a part of it.

    Example:
        >>> from trainctl.data import Subset
        >>> sample_ids(Subset("abcdef", [5, 3, 1]), [0, 2])
        (5, 1)
    """
    found = list(places)
    while hasattr(data, "dataset"):  # a part, or the samples after transforms
        if hasattr(data, "indices"):
            found = [int(data.indices[place]) for place in found]
        data = data.dataset
    return tuple(int(place) for place in found)
