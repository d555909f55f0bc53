"""A trained model in integers: quantized by what calibration data shows of it, written down, and rebuilt from that."""

from __future__ import annotations

import copy
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy

from trainctl.backend.weight_groups import GroupFormat
from trainctl.errors import CheckpointError, DivergedError
from trainctl.nn.modules.activation import Identity
from trainctl.nn.modules.module import Module
from trainctl.nn.modules.multihead_attention import MultiheadAttention
from trainctl.nn.quantized.weight_only import weight_names
from trainctl.quantization.adaround import adaround
from trainctl.quantization.bias_correction import bias_correction
from trainctl.quantization.equalization import equalize_layers
from trainctl.quantization.trained.calibration import input_grids, output_noise, own_noise
from trainctl.quantization.trained.layers import empty, filled, folded, inner_path, is_integer, replace
from trainctl.quantization.trained.selection import Choice, Selection, select
from trainctl.storage.quantization_record import FloatLayer, Grid, QuantizedLayer, Settings

_SHOWN = 4  # batches, where each layer is tried alone
_CORRECTING = 8  # batches, of which means of outputs are taken
_NORMS = ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d")


@dataclass
class Quantized:
    """A model in integers.

    Attributes:
        model: the model.
        layers: what was done to each layer, in the model's order.
        float_layers: what stayed in float, and why.
    """

    model: Module
    layers: list[QuantizedLayer] = field(default_factory=list)
    float_layers: list[FloatLayer] = field(default_factory=list)


class PostTraining:
    """A float model, looked at once; it gives quantized models, with any of its layers left in float.

    Args:
        model: the float model; it stays as it is.
        batches: what it is shown: inputs as the model takes them, several by name. At least one.
        settings: what to do.

    Attributes:
        choices: what is to become of each layer with weights.
        noise: signal to quantization noise of each quantized layer's output, in dB, given the float model's inputs.

    Raises:
        DivergedError: a weight or an activation is not finite.

    Example:
        >>> import trainctl
        >>> from trainctl import nn
        >>> model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
        >>> found = PostTraining(model, [trainctl.randn(8, 4)], Settings())
        >>> [(layer.name, layer.relu) for layer in found.convert().layers]
        [('0', '1'), ('2', None)]
        >>> [layer.name for layer in found.convert(keep={"0"}).float_layers]
        ['0']
    """

    def __init__(self, model: Module, batches: Sequence[Any], settings: Settings) -> None:
        self.model, self.settings = copy.deepcopy(model).eval(), settings
        _check_weights(self.model)
        if settings.equalize:
            equalize_layers(self.model, batches[0], inplace=True)
        selection: Selection = select(self.model, batches[0], settings.method, settings.bits, settings.exclude)
        self.choices, self._next = selection.choices, selection.next_layer
        self._modules = dict(self.model.named_modules())
        chosen = [each for each in self.choices if each.scheme is not None]
        static = [each for each in chosen if each.scheme == "static"]
        self._grids = input_grids(self.model, static, batches, settings.observer)
        self._folded = {each.name: folded(each.module, each.norm and self._modules[each.norm]) for each in chosen}
        self._batches = batches
        self._learnt: dict[str, Any] = {}
        self.noise: dict[str, float | None] = {}
        self._nearest: dict[str, float | None] = {}
        self.noise = self._noise(chosen)
        if settings.bits < 8 and settings.rounding == "adaround" and chosen:
            self._learn(chosen)

    @property
    def names(self) -> list[str]:
        """The names of the layers that can be quantized."""
        return [each.name for each in self.choices if each.scheme is not None]

    def convert(self, keep: Collection[str] = (), why: str = "left in float", *, correct: bool = True) -> Quantized:
        """Return the quantized model.

        Args:
            keep: names of layers that stay in float.
            why: what to say of those.
            correct: whether biases are corrected, if the settings say so: it takes a pass over data for each layer.
        """
        made = Quantized(copy.deepcopy(self.model))
        for choice in self.choices:
            if choice.scheme is None or choice.name in keep:
                reason = choice.reason or why
                made.float_layers.append(
                    FloatLayer(name=choice.name, kind=choice.kind, reason=reason, bytes=own_bytes(choice.module))
                )
                continue
            layer = self._layer(choice, keep)
            quantized = self._filled(layer)
            if choice.scheme == "weights":  # float16 has not the range for the scales of some weights
                layer = layer.model_copy(update={"scale_dtype": quantized.form.scale_dtype})
            place(made.model, layer, quantized)
            made.layers.append(layer)
        if correct and self.settings.bias_correction and made.layers:
            bias_correction(self._without_norms(made.layers), made.model, self._batches, neval_batches=_CORRECTING)
        return made

    def _filled(self, layer: QuantizedLayer) -> Any:
        return filled(self._folded[layer.name], layer, self._learnt)

    def _noise(self, chosen: Sequence[Choice]) -> dict[str, float | None]:
        forms = {each.name: self._filled(self._layer(each, ())) for each in chosen}
        return own_noise(self.model, chosen, forms, self._batches)

    def _learn(self, chosen: Sequence[Choice]) -> None:
        """Learn codes, and keep those of the layers whose outputs they bring nearer to the float ones."""
        parts = {each.name: [each.name] for each in chosen}
        for each in chosen:
            if isinstance(each.module, MultiheadAttention):
                parts[each.name].append(inner_path(each.name))
        paths = [path for names in parts.values() for path in names]
        form = GroupFormat(4, self.settings.group_size)
        self._nearest = self.noise
        self._learnt = adaround(self.model, list(self._batches), form, layers=paths).codes
        learnt = self._noise(chosen)
        for name, nearest in self._nearest.items():
            if _decibels(learnt[name]) < _decibels(nearest):
                learnt[name] = nearest
                for path in parts[name]:
                    del self._learnt[path]
        self.noise = learnt

    def _without_norms(self, layers: Sequence[QuantizedLayer]) -> Module:
        """The float model with norms in the layers before them, as they are in the quantized one."""
        model = copy.deepcopy(self.model)
        for layer in layers:
            if layer.norm is not None:
                replace(model, layer.name, self._folded[layer.name])
                replace(model, layer.norm, Identity())
        return model

    def most_sensitive(self) -> list[str]:
        """Return the names of the layers by what quantizing one alone does to the model's output, the worst first."""
        names = self.names
        shown = self._batches[:_SHOWN]
        shares = {}
        for name in names:
            alone = self.convert(keep=set(names) - {name}, correct=False).model
            shares[name] = output_noise(self.model, alone, shown).share
        return sorted(names, key=lambda name: -shares[name])

    def _layer(self, choice: Choice, keep: Collection[str]) -> QuantizedLayer:
        assert choice.scheme is not None
        integer, static = choice.scheme != "weights", choice.scheme == "static"
        reader = self._next.get(choice.name)
        output: Grid | None = self._grids.get(reader) if static and reader is not None and reader not in keep else None
        settings = self.settings
        return QuantizedLayer(
            name=choice.name,
            kind=choice.kind,
            scheme=choice.scheme,
            bits=settings.bits,
            per_channel=settings.per_channel or not integer,
            has_bias=getattr(self._folded[choice.name], "bias", None) is not None if integer else False,
            norm=choice.norm,
            relu=choice.relu,
            input_grid=self._grids.get(choice.name),
            output_grid=output,
            group_size=settings.group_size if settings.bits < 8 else None,
            scale_dtype="float32" if settings.bits == 8 else "float16",
            sqnr=self.noise.get(choice.name),
            nearest_sqnr=self._nearest.get(choice.name),
        )


def quantize_model(model: Module, batches: Sequence[Any], settings: Settings | None = None) -> Quantized:
    """Return a trained model in integers; the model itself stays as it is.

    Args:
        model: the float model.
        batches: inputs as the model takes them, several by name: what its activations' ranges are found on.
        settings: what to do; default: static, 8 bits, per channel.

    Raises:
        DivergedError: a weight or an activation is not finite.
    """
    return PostTraining(model, batches, settings or Settings()).convert()


def rebuild(model: Module, layers: Sequence[QuantizedLayer]) -> None:
    """Make a float model the quantized one that was written down: empty, its weights are to be loaded.

    Args:
        model: the float model, which is changed.
        layers: what was done to each layer.

    Raises:
        CheckpointError: the model has no such layer.
    """
    modules, seen = dict(model.named_modules()), set[str]()
    for layer in layers:
        _check_place(modules, layer, seen)
        place(model, layer, empty(modules[layer.name], layer))


def _check_place(modules: Mapping[str, Any], layer: QuantizedLayer, seen: set[str]) -> None:
    """Check that a model has the layers that a record names, once each, and of these kinds."""
    wanted = {layer.name: layer.kind, layer.norm: _NORMS, layer.relu: "ReLU"}
    for name, kinds in wanted.items():
        if name is None:
            continue
        kind = type(modules[name]).__name__ if name in modules else "none"
        if kind not in kinds if isinstance(kinds, tuple) else kind != kinds:
            raise CheckpointError(f"its record has a layer {name} of kind {layer.kind}, where the model has {kind}")
        if name in seen or not name:
            raise CheckpointError(f"its record has layer {name!r} twice, or as the whole model")
        seen.add(name)
    weights = layer.scheme == "weights"
    if not (weight_names(modules[layer.name]) if weights else is_integer(layer.kind, layer.scheme)):
        raise CheckpointError(f"its record has layer {layer.name} as {layer.scheme}, which a {layer.kind} cannot be")


def place(model: Module, layer: QuantizedLayer, quantized: Module) -> None:
    """Put a quantized layer in its place, and nothing in those of what became part of it."""
    replace(model, layer.name, quantized)
    for name in filter(None, (layer.norm, layer.relu)):
        replace(model, name, Identity())


def own_bytes(module: Any) -> int:
    """Return how many bytes a layer's own weights and buffers take."""
    return sum(each.numel() * each.element_size() for each in (*module.parameters(), *module.buffers()))


def _decibels(noise: float | None) -> float:
    return math.inf if noise is None else noise


def _check_weights(model: Module) -> None:
    for name, weight in model.named_parameters():
        if not numpy.isfinite(weight.detach().numpy()).all():
            raise DivergedError(
                f"{name}: NaN or infinity in the float model's weights",
                hint="training diverged; use an earlier checkpoint of the run",
            )
