"""A model that rounds as it will when it is quantized, so that it can learn to do without what rounding takes.

Each layer with weights rounds them; linear layers and convolutions round their input, too, at 8 bits. A batch norm that
follows such a layer alone is part of it, and it is the weights times the norm's factor that are rounded (Krishnamoorthi,
2018). Parameters stay the same objects. :mod:`trainctl.quantization.trained` makes a quantized model of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from typing import Any

from trainctl import nn
from trainctl.autograd.ops.random import get_rng_state, set_rng_state
from trainctl.nn.modules.batchnorm import _BatchNorm
from trainctl.nn.quantized.weight_only import weight_names
from trainctl.quantization.aware_layers import (
    Rounding,
    add_input_rounding,
    make_layer_aware,
    with_norm,
)
from trainctl.quantization.fake_quantize import FakeQuantizeBase
from trainctl.quantization.learnable import _LearnableFakeQuantize
from trainctl.quantization.trained.layers import replace
from trainctl.quantization.trained.selection import Choice, Selection, fits, select

__all__ = [
    "Part", "Rounding", "fits", "freeze_norms", "is_aware", "learned_steps", "make_aware", "measuring", "observe", "plan_of",
    "round_numbers", "roundable",
]  # fmt: skip


@dataclass(frozen=True)
class Part:
    """What becomes of a layer with weights; plain values, so that it can be written down.

    Attributes:
        name: of the layer.
        scheme: ``static``: weights and inputs are rounded; ``weights``: they alone; None: nothing is.
        reason: why nothing is.
        norm: the name of the batch norm that is part of it.
        relu: the name of the ReLU after that, which a quantized layer has in it.
        reader: the name of the one layer that reads its output.
    """

    name: str
    scheme: str | None
    reason: str = ""
    norm: str | None = None
    relu: str | None = None
    reader: str | None = None

    def plain(self) -> list[str | None]:
        """Return the values in order: ``Part(*values)`` is this one."""
        return list(astuple(self))


def roundable(model: nn.Module) -> dict[str, str]:
    """Return the layers of a model whose weights could be rounded: their names, and their classes'.

    Example:
        >>> roundable(nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.BatchNorm1d(2)))
        {'0': 'Linear'}
    """
    return {name: type(module).__name__ for name, module in model.named_modules() if weight_names(module)}


def plan_of(model: nn.Module, inputs: Any, rounding: Rounding) -> list[Part]:
    """Return what becomes of each layer with weights, as a call of the model shows it; the model stays as it is.

    Args:
        model: a float model.
        inputs: a tensor; a dict of arguments by name.
        rounding: how its layers are to round.

    Example:
        >>> import trainctl
        >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2))
        >>> [part.norm for part in plan_of(model, trainctl.ones(1, 1, 4, 4), Rounding())]
        ['1', None]
    """
    found: Selection = select(model, inputs, "qat", rounding.bits, rounding.exclude)
    modules = dict(model.named_modules())
    return [_part(each, modules, found.next_layer) for each in found.choices]


def _part(choice: Choice, modules: dict[str, Any], readers: dict[str, str]) -> Part:
    norm = modules[choice.norm] if choice.norm else None
    if norm is not None and not (norm.affine and norm.track_running_stats):
        return Part(choice.name, choice.scheme)  # a norm that cannot learn folded stays a layer of its own
    return Part(choice.name, choice.scheme, choice.reason, choice.norm, choice.relu, readers.get(choice.name))


def make_aware(model: nn.Module, plan: Sequence[Part], rounding: Rounding) -> None:
    """Have a model round from now on; its parameters stay the same objects, under other names where a norm is folded.

    Args:
        model: a float model, or one that does already.
        plan: what becomes of its layers.
        rounding: how they round.
    """
    if is_aware(model):
        return
    stream = get_rng_state()  # making a layer draws weights that are not used
    modules = dict(model.named_modules())
    for part in plan:
        if part.scheme is None:
            continue
        layer: Any = modules[part.name]
        if part.norm is not None:
            layer = with_norm(layer, modules[part.norm], rounding)
            replace(model, part.norm, nn.Identity())
            replace(model, part.name, layer)
        else:
            make_layer_aware(layer, rounding, part.scheme == "weights")
        if part.scheme == "static":
            add_input_rounding(layer, rounding)
    set_rng_state(stream)
    observe(model, True)


def is_aware(model: nn.Module) -> bool:
    """Return whether a model rounds."""
    return any(True for _ in _roundings(model))


def _roundings(model: nn.Module) -> Iterator[FakeQuantizeBase]:
    return (each for each in model.modules() if isinstance(each, FakeQuantizeBase))


def observe(model: nn.Module, on: bool) -> None:
    """Have all grids follow what they see, or learn if they do that; or stay as they are."""
    for each in _roundings(model):
        if isinstance(each, _LearnableFakeQuantize):
            each.toggle_qparam_learning(on).toggle_observer_update(False)
        else:
            each.enable_observer(on)


def round_numbers(model: nn.Module, on: bool) -> None:
    """Have everything that rounds do so, or hand on what it is given."""
    for each in _roundings(model):
        each.enable_fake_quant(on)


@contextmanager
def measuring(model: nn.Module) -> Iterator[None]:
    """Give all grids the ranges of what they see in the block, where nothing is rounded; then they follow, or learn."""
    for each in _roundings(model):
        each.enable_observer()
    round_numbers(model, False)
    yield
    round_numbers(model, True)
    observe(model, True)


def freeze_norms(model: nn.Module) -> None:
    """Have batch norms use their running statistics and leave them as they are, until ``model.train()``."""
    for each in model.modules():
        if isinstance(each, _BatchNorm):
            each.training = False


def learned_steps(model: nn.Module) -> list[Any]:
    """Return the steps of grids that are learned: parameters."""
    return [
        each for part in _roundings(model) if isinstance(part, _LearnableFakeQuantize) for each in part.parameters()
    ]
