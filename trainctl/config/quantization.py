"""The ``quantization`` of a config: training with weights and activations rounded as an int8 model rounds them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, Strict

from trainctl.config.components import Component, parse
from trainctl.config.problems import Fault, misfit
from trainctl.config.section import Section
from trainctl.config.words import Expected

Epoch = Annotated[int, Field(ge=1, lt=2**63), Expected("an epoch: an integer >= 1")]
Observer = Annotated[Component, PlainValidator(partial(parse, "observer")), Expected("an observer")]
# Not strict: YAML's lists become tuples.
Layers = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...], Strict(False), Expected("a list of patterns such as 'head.*'")
]

_usual = partial(parse, "observer", "MovingAverageMinMaxObserver")


class QuantizationConfig(Section):
    """Quantization-aware training: from an epoch on the model learns with the rounding that ``quantize`` will do.

    Attributes:
        bits: of the weights. With 8, layers take inputs of 8 bits too; with 4, the weights alone are rounded.
        start_epoch: the first epoch that rounds; those before train in float.
        observer: what a layer's input range is measured with, for 8 bits.
        freeze_observers_epoch: from this epoch on, ranges stay as they are.
        freeze_bn_epoch: from this epoch on, batch norms use their running statistics and leave them as they are.
        learned_step_size: whether the steps of the grids are learned (LSQ) once the first batch has set them.
        per_channel: whether each output channel of a weight has a scale of its own, or the whole weight one; for 8 bits.
        group_size: weights along the input that share a scale, for 4 bits.
        exclude: layers that stay in float: patterns of names, of them or of what they are in, or classes.
    """

    bits: Annotated[Literal[8, 4], Expected("8 or 4")] = 8
    start_epoch: Epoch = 1
    observer: Observer = Field(default_factory=_usual)
    freeze_observers_epoch: Epoch | None = None
    freeze_bn_epoch: Epoch | None = None
    learned_step_size: bool = False
    per_channel: bool = True
    group_size: Annotated[int, Field(ge=1, lt=2**31), Expected("an integer >= 1")] = 32
    exclude: Layers = ()


def quantization_faults(asked: QuantizationConfig, others: Mapping[str, Any]) -> Iterator[Fault]:
    """Find what in it contradicts itself, or what the config says elsewhere.

    Args:
        asked: the section.
        others: the config's other values, by name; one that has a mistake is not there.
    """
    start, freeze = asked.start_epoch, asked.freeze_observers_epoch
    if freeze is not None and freeze <= start:
        hint = f"an epoch after start_epoch ({start}), so that there are ranges to keep; null: never"
        yield Fault(("freeze_observers_epoch",), f"epoch {freeze} is not after start_epoch {start}", hint)
    if asked.freeze_bn_epoch is not None and asked.freeze_bn_epoch < start:
        message = f"epoch {asked.freeze_bn_epoch} is before start_epoch {start}"
        yield Fault(("freeze_bn_epoch",), message, f"{start} or later; null: never")
    share = asked.observer.args.get("averaging_constant", 1.0)
    if not 0 < share <= 1:
        path = ("observer", asked.observer.name, "averaging_constant")
        yield misfit(path, "a number > 0 and <= 1", share)
    yield from _idle(asked)
    yield from _unfit(asked, others)


def _idle(asked: QuantizationConfig) -> Iterator[Fault]:
    """What would be without effect."""
    if asked.bits == 4 and asked.observer != _usual():
        message = "with `bits: 4` inputs are not rounded, and nothing observes them"
        yield Fault(("observer",), message, "leave it out")
    if asked.bits == 4 and not asked.per_channel:
        message = "with `bits: 4` weights have a scale for each group of an output channel"
        yield Fault(("per_channel",), message, "leave it out")
    if asked.bits == 8 and asked.group_size != 32:
        yield Fault(("group_size",), "weights of 8 bits are in no groups", "leave it out, or set `bits: 4`")


def _unfit(asked: QuantizationConfig, others: Mapping[str, Any]) -> Iterator[Fault]:
    """What does not go with the rest of the config."""
    train = others.get("train")
    if train is not None and asked.start_epoch > train.epochs:
        message = f"epoch {asked.start_epoch} never comes: train.epochs is {train.epochs}"
        yield Fault(("start_epoch",), message, f"{train.epochs} at most")
    if len(others.get("devices", ())) > 1:
        message = "a batch that several GPUs share is observed by none of them as a whole"
        yield Fault((), message, "leave out `devices`, and set `device: cuda:0`")
    if asked.learned_step_size:
        yield from _not_learned(others.get("optimizer"))


def _not_learned(optimizer: Any) -> Iterator[Fault]:
    """Why steps cannot be learned with an optimizer."""
    at = ("learned_step_size",)
    if isinstance(optimizer, tuple):
        yield Fault(at, "with several optimizers it is not said which one learns the steps", "use one optimizer")
    elif isinstance(optimizer, Component) and optimizer.name not in _SCALED_BY_GRADIENT:
        message = (
            f"{optimizer.name} changes every number by about the learning rate, and a step is often smaller than it"
        )
        yield Fault(
            at, message, "use SGD, whose changes are as small as the gradients are, or leave the steps to ranges"
        )


_SCALED_BY_GRADIENT = ("SGD", "ASGD")
