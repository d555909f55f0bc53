"""What a float model's layers are given, looked at while it answers calibration data: grids, and noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy

from trainctl.autograd.grad_mode import no_grad
from trainctl.autograd.tensor import Tensor
from trainctl.errors import DivergedError
from trainctl.nn.modules.module import Module
from trainctl.quantization.trained.observing import observer_of
from trainctl.quantization.trained.selection import Choice
from trainctl.storage.quantization_record import Grid


def answer(model: Module, batch: Any) -> Any:
    """Return what a model gives; several inputs are passed by name."""
    return model(**batch) if isinstance(batch, Mapping) else model(batch)


def input_grids(model: Module, choices: Sequence[Choice], batches: Sequence[Any], observer: str) -> dict[str, Grid]:
    """Return the grid of each layer's inputs, by its name.

    Args:
        model: the float model.
        choices: the layers.
        batches: what is shown to the model, which is in evaluation mode.
        observer: what finds the range of activations.

    Raises:
        DivergedError: a layer is given a number that is not finite.
    """
    observers = {each.name: observer_of(observer) for each in choices}

    def look_of(name: str) -> Callable[..., None]:
        def look(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            x = next(each for each in (*args, *kwargs.values()) if isinstance(each, Tensor))
            if not numpy.isfinite(x.numpy()).all():
                raise DivergedError(
                    f"layer {name} ({type(module).__name__}) is given NaN or infinity on calibration data",
                    hint="the float model gives no finite numbers there: trainctl eval shows how good it is",
                )
            observers[name](x.float())

        return look

    handles = [each.module.register_forward_pre_hook(look_of(each.name), with_kwargs=True) for each in choices]
    try:
        _show(model, batches)
    finally:
        for handle in handles:
            handle.remove()
    return {name: _grid(each) for name, each in observers.items()}


def _grid(observer: Any) -> Grid:
    scale, zero_point = observer.calculate_qparams()
    return Grid(scale=float(numpy.float32(scale.item())), zero_point=int(zero_point.item()))


def _show(model: Module, batches: Sequence[Any]) -> None:
    with no_grad():
        for batch in batches:
            answer(model, batch)


class Noise:
    """Powers of a signal and of what was added to it, summed over elements in float64.

    Example:
        >>> noise = Noise()
        >>> noise.add(numpy.float32([3.0, 4.0]), numpy.float32([3.0, 4.5]))
        >>> noise.ratio
        20.0
    """

    def __init__(self) -> None:
        self.signal = self.noise = 0.0

    def add(self, expected: Any, found: Any) -> None:
        """Take in a tensor's elements, and what they became."""
        expected, found = (numpy.asarray(each, numpy.float64) for each in (expected, found))
        self.signal += float(numpy.square(expected).sum())
        self.noise += float(numpy.square(found - expected).sum())

    @property
    def share(self) -> float:
        """Noise to signal, as powers; infinite where one is not finite, or there is noise without a signal."""
        if not self.noise:
            return 0.0
        finite = math.isfinite(self.noise) and 0 < self.signal < math.inf
        return self.noise / self.signal if finite else math.inf

    @property
    def ratio(self) -> float | None:
        """Signal to noise in dB; None where there is no noise, or no signal, or one is not finite."""
        if not (0 < self.signal < math.inf and 0 < self.noise < math.inf):
            return None
        return 10 * math.log10(self.signal / self.noise)


def own_noise(
    model: Module, choices: Sequence[Choice], quantized: Mapping[str, Module], batches: Sequence[Any]
) -> dict[str, float | None]:
    """Return each layer's signal-to-noise ratio in dB: its quantized form's output, given the float model's inputs.

    Args:
        model: the float model.
        choices: the layers.
        quantized: their quantized forms, by name.
        batches: what is shown to the model, which is in evaluation mode.
    """
    modules = dict(model.named_modules())
    found = {each.name: Noise() for each in choices}
    with _comparing([(each, modules[each.last], quantized[each.name], found[each.name]) for each in choices]):
        _show(model, batches)
    return {name: noise.ratio for name, noise in found.items()}


@contextmanager
def _comparing(pairs: Sequence[tuple[Choice, Any, Any, Noise]]) -> Iterator[None]:
    handles = []
    for choice, last, quantized, noise in pairs:
        given: list[tuple[Any, Any]] = []

        def note(module: Any, args: Any, kwargs: Any, given: list[Any] = given) -> None:
            given.append((args, kwargs))

        def compare(
            module: Any,
            args: Any,
            output: Any,
            given: list[Any] = given,
            quantized: Any = quantized,
            noise: Noise = noise,
        ) -> None:
            own_args, own_kwargs = given.pop()
            for expected, found in zip(tensors_in(output), tensors_in(quantized(*own_args, **own_kwargs)), strict=True):
                noise.add(expected.numpy(), found.numpy())

        handles.append(choice.module.register_forward_pre_hook(note, with_kwargs=True))
        handles.append(last.register_forward_hook(compare))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def output_noise(model: Module, other: Module, batches: Sequence[Any]) -> Noise:
    """Return the noise in what another model gives, against what a model gives; both are in evaluation mode."""
    noise = Noise()
    with no_grad():
        for batch in batches:
            both = (tensors_in(answer(each, batch)) for each in (model, other))
            for expected, found in zip(*both, strict=True):
                noise.add(expected.numpy(), found.numpy())
    return noise


def tensors_in(output: Any) -> list[Tensor]:
    """Return the float tensors in what a module gives: one, or lists and dicts of them."""
    if isinstance(output, Tensor):
        return [output.detach()] if output.is_floating_point() else []
    parts = output.values() if isinstance(output, Mapping) else output if isinstance(output, list | tuple) else ()
    return [tensor for part in parts for tensor in tensors_in(part)]
