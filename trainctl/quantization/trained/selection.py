"""Which layers of a trained model are quantized, how, and why the others are not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from trainctl import nn
from trainctl.backend import dtypes
from trainctl.nn.modules.module import Module
from trainctl.nn.quantized.weight_only import weight_names
from trainctl.quantization.dataflow import Dataflow
from trainctl.quantization.neighbours import exclusive_pairs, fusable
from trainctl.storage.quantization_record import Method, Scheme

INTEGER = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
"""Layers with integer products, if they are just these classes: a subclass may compute anything."""

_NORMS = (
    nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm,
    nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d,
)  # fmt: skip
_KEEPS_CODES = (
    nn.Identity, nn.Flatten, nn.Unflatten, nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AdaptiveMaxPool1d,
    nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d,
)  # fmt: skip
"""What gives, in evaluation, elements of its input: on a grid, they are on it still."""


@dataclass(frozen=True)
class Choice:
    """What is to become of a layer with weights.

    Attributes:
        name: of the layer.
        module: the layer itself, in the float model.
        scheme: how it is quantized; None: not at all.
        reason: why not.
        norm: the name of the batch norm that becomes part of it.
        relu: the name of the ReLU that does.
    """

    name: str
    module: Any
    scheme: Scheme | None
    reason: str = ""
    norm: str | None = None
    relu: str | None = None

    @property
    def kind(self) -> str:
        """The layer's class."""
        return type(self.module).__name__

    @property
    def last(self) -> str:
        """The name of the module whose output is this layer's, with what becomes part of it."""
        return self.relu or self.norm or self.name


@dataclass(frozen=True)
class Selection:
    """All layers with weights, and who reads whom.

    Attributes:
        choices: one a layer, in the model's order.
        next_layer: the one quantized layer that reads a layer's output and nothing else does, with what lies between
            keeping codes; by name.
    """

    choices: Sequence[Choice]
    next_layer: dict[str, str]


def select(model: Module, inputs: Any, method: Method, bits: int, exclude: Sequence[str]) -> Selection:
    """Decide what becomes of each layer.

    Args:
        model: a float model.
        inputs: a batch, as :func:`trainctl.quantization.fusable` takes it.
        method: how activations get their grids.
        bits: of a weight.
        exclude: patterns of layers that stay in float.
    """
    flow = Dataflow(model)
    flow.run(model, inputs)
    integer = bits == 8
    chains = {names[0]: names[1:] for names in fusable(model, inputs)} if integer else {}
    modules = dict(model.named_modules())
    choices: list[Choice] = []
    taken: set[str] = set()
    for name, module in layers_with_weights(model):
        if name in taken:
            continue
        choice = _choose(name, module, flow, method, integer, exclude)
        if choice.scheme in ("static", "dynamic"):
            choice = _with_chain(choice, chains.get(name, []), modules)
            taken |= {each for each in (choice.norm, choice.relu) if each}
        if isinstance(module, nn.MultiheadAttention):
            taken.add(f"{name}.out_proj" if name else "out_proj")  # whose weights the attention itself reads
        choices.append(choice)
    choices = [each for each in choices if each.name not in taken]
    return Selection(choices, _next_layers(choices, modules, exclusive_pairs(model, inputs)))


def fits(name: str, kind: str, pattern: str) -> bool:
    """Return whether a pattern of ``exclude`` fits a layer: by its name, by its class, or by the part that it is in.

    Example:
        >>> fits("2.layers.0", "Conv2d", "2.*"), fits("2.layers.0", "Conv2d", "2"), fits("12", "Linear", "Conv2d")
        (True, True, False)
    """
    inside = name.split(".")
    prefixes = [".".join(inside[:count]) for count in range(1, len(inside) + 1)]
    return kind == pattern or any(fnmatchcase(each, pattern) for each in prefixes)


def layers_with_weights(model: Module) -> Iterator[tuple[str, Any]]:
    """Yield the modules that have parameters of their own, by name."""
    for name, module in model.named_modules():
        if any(True for _ in module.parameters(recurse=False)):
            yield name, module


def _choose(name: str, module: Any, flow: Dataflow, method: Method, integer: bool, exclude: Sequence[str]) -> Choice:
    reason = _why_float(name, module, exclude)
    if reason:
        return Choice(name, module, None, reason)
    if not integer or type(module) not in INTEGER or module in flow.borrowed or not flow.calls[module]:
        return Choice(name, module, "weights")
    if method == "dynamic":
        return Choice(name, module, "dynamic" if type(module) is nn.Linear else "weights")
    return Choice(name, module, "static")


def _why_float(name: str, module: Any, exclude: Sequence[str]) -> str:
    kind = type(module).__name__
    for pattern in exclude:
        if fits(name, kind, pattern):
            return f"--exclude {pattern}"
    if isinstance(module, _NORMS):
        return "a norm; its weights are few, and its range is what it is for"
    names = weight_names(module)
    if not names:
        return f"there is no quantized {kind}"
    weights = [module._parameters.get(each) for each in names]
    if any(each is None for each in weights):
        return "its weights are computed from others"
    if any(each.dtype is not dtypes.float32 for each in weights if each is not None):
        return f"its weights are {weights[0].dtype}".replace("trainctl.", "")
    if not all(each.numel() for each in weights if each is not None):
        return "it has no weights"
    if getattr(module, "max_norm", None) is not None:
        return "max_norm changes its weights as it is called"
    return ""


def _with_chain(choice: Choice, rest: Sequence[str], modules: dict[str, Any]) -> Choice:
    """A layer with the batch norm and the ReLU that follow it, as far as :func:`fusable` found them."""
    norm = next((each for each in rest if isinstance(modules[each], _NORMS)), None)
    relu = next((each for each in rest if isinstance(modules[each], nn.ReLU)), None)
    return Choice(choice.name, choice.module, choice.scheme, "", norm, relu)


def _next_layers(
    choices: Sequence[Choice], modules: dict[str, Any], pairs: Sequence[tuple[str, str]]
) -> dict[str, str]:
    after = dict(pairs)
    static = {each.name for each in choices if each.scheme == "static"}
    found = {}
    for choice in choices:
        if choice.scheme != "static":
            continue
        name = after.get(choice.last)
        while name is not None and name not in static and isinstance(modules[name], _KEEPS_CODES):
            name = after.get(name)
        if name in static:
            found[choice.name] = name
    return found
