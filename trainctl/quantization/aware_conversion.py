"""From a model that rounds to the quantized one that it was trained to be: the same codes on the same grids."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy

from trainctl import nn
from trainctl.autograd.grad_mode import no_grad
from trainctl.autograd.ops.creation import from_numpy
from trainctl.autograd.ops.random import get_rng_state, set_rng_state
from trainctl.backend.weight_groups import ROWS_OF_8_BITS, GroupedWeight, GroupFormat
from trainctl.nn.quantized.weight_only import as_rows, class_of, weight_names
from trainctl.quantization.aware import Part, observe
from trainctl.quantization.aware_layers import GRID, INPUT, Rounding, as_float, grid_of, rounded_weight
from trainctl.quantization.post_training import PostTraining, Quantized, own_bytes, place
from trainctl.quantization.trained.calibration import own_noise
from trainctl.quantization.trained.layers import empty, folded, replace
from trainctl.quantization.trained.selection import Choice
from trainctl.storage.quantization_record import FloatLayer, Grid, QuantizedLayer, Settings


def convert_aware(model: nn.Module, plan: Sequence[Part], rounding: Rounding) -> Quantized:
    """Return the quantized model that a model which rounds is, in evaluation; the latter stays as it is.

    Args:
        model: what :func:`trainctl.quantization.aware.make_aware` made, trained.
        plan: what it was made by.
        rounding: likewise.

    Example:
        >>> import trainctl
        >>> from trainctl.quantization.aware import make_aware, plan_of
        >>> model, x, rounding = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), trainctl.randn(8, 4), Rounding()
        >>> plan = plan_of(model, x, rounding)
        >>> make_aware(model, plan, rounding)
        >>> rounded = model(x)
        >>> bool((convert_aware(model, plan, rounding).model(x) - rounded).abs().max() < 1e-5)
        True
    """
    return AwareTrained(model, plan, rounding).convert()


class AwareTrained(PostTraining):
    """A model that was trained with rounding; it gives quantized models as a float one that was calibrated does.

    Args:
        model: what :func:`trainctl.quantization.aware.make_aware` made, trained; it stays as it is.
        plan: what it was made by.
        rounding: likewise.
        batches: what it is shown to measure noise; none: no noise is known.
        settings: to be written down; bits, scales and what is excluded are ``rounding``'s.
    """

    def __init__(
        self, model: nn.Module, plan: Sequence[Part], rounding: Rounding, batches: Sequence[Any] = (),
        settings: Settings | None = None,
    ) -> None:  # fmt: skip
        asked = {"method": "qat", "bits": rounding.bits, "per_channel": rounding.per_channel}
        asked |= {"group_size": rounding.group_size, "exclude": list(rounding.exclude)}
        self.settings = (settings or Settings()).model_copy(update=asked)
        aware = copy.deepcopy(model).eval()
        observe(aware, False)
        layers = {part.name: aware.get_submodule(part.name) for part in plan if part.scheme is not None}
        self._grids = {name: grid for name, each in layers.items() if (grid := _input_grid(each))}
        with no_grad():
            self._codes = {name: _codes(each, rounding) for name, each in layers.items()}
        self.model = _plain(aware, plan)
        self._modules = dict(self.model.named_modules())
        self.choices = [_choice(part, self._modules) for part in plan]
        self._next = {part.name: part.reader for part in plan if part.reader is not None}
        chosen = [each for each in self.choices if each.scheme is not None]
        self._folded = {each.name: folded(each.module, each.norm and self._modules[each.norm]) for each in chosen}
        self.noise, self._batches = {}, batches
        if batches:
            made = {each.name: self._made(each.name, self._layer(each, set())) for each in chosen}
            self.noise = own_noise(self.model, chosen, made, batches)

    def convert(self, keep: Collection[str] = (), why: str = "left in float") -> Quantized:
        """Return the quantized model; what stays in float has the weights before rounding."""
        made = Quantized(copy.deepcopy(self.model))
        for choice in self.choices:
            if choice.scheme is None or choice.name in keep:
                size, reason = own_bytes(choice.module), choice.reason or why
                made.float_layers.append(FloatLayer(name=choice.name, kind=choice.kind, reason=reason, bytes=size))
            else:
                layer = self._layer(choice, keep)
                place(made.model, layer, self._made(choice.name, layer))
                made.layers.append(layer)
        return made

    def _layer(self, choice: Choice, keep: Collection[str]) -> QuantizedLayer:
        return super()._layer(choice, keep).model_copy(update={"scale_dtype": "float32"})

    def _made(self, name: str, layer: QuantizedLayer) -> Any:
        """A layer with the codes that it was trained with."""
        module, codes = self._folded[name], self._codes[name]
        if layer.scheme == "weights":
            made = class_of(type(module)).from_float(module, given={each: codes[each] for each in weight_names(module)})
            if isinstance(module, nn.MultiheadAttention):
                last = {"weight": codes["out_proj"]}
                made.out_proj = class_of(type(module.out_proj)).from_float(module.out_proj, given=last)
            return made
        made = empty(module, layer)
        made.weight_codes, made.weight_scale = (from_numpy(each) for each in codes["weight"])
        if module.bias is not None:
            made.bias_float = module.bias.detach().clone()
        return made


def _choice(part: Part, modules: Mapping[str, Any]) -> Choice:
    scheme: Any = part.scheme
    return Choice(part.name, modules[part.name], scheme, part.reason, part.norm, part.relu)


def _input_grid(layer: Any) -> Grid | None:
    if INPUT not in layer._modules:
        return None
    scale, zero_point = grid_of(layer._modules[INPUT])
    return Grid(scale=float(scale.item()), zero_point=int(zero_point.item()))


def _plain(model: nn.Module, plan: Sequence[Part]) -> nn.Module:
    """Take a model that rounds apart, into the float one that it was, with norms of their own."""
    stream = get_rng_state()  # making a layer draws weights that are not used
    for part in plan:
        layer: Any = model.get_submodule(part.name)
        if part.norm is not None:
            replace(model, part.name, as_float(layer))
            parent, _, own = part.norm.rpartition(".")
            setattr(model.get_submodule(parent), own, layer.bn)
        elif part.scheme is not None:
            as_float(layer)
    set_rng_state(stream)
    return model


def _codes(layer: Any, rounding: Rounding) -> dict[str, Any]:
    """The codes of a layer's weights by name, those of an attention's last product as ``out_proj``."""
    if INPUT in layer._modules:
        return {"weight": _whole_codes(layer)}
    form = ROWS_OF_8_BITS if rounding.bits == 8 else GroupFormat(4, rounding.group_size, scale_dtype="float32")
    found = {name: _grouped(layer, name, form) for name in weight_names(layer)}
    if isinstance(layer, nn.MultiheadAttention):
        found["out_proj"] = _grouped(layer.out_proj, "weight", form)
    return found


def _whole_codes(layer: Any) -> tuple[Any, Any]:
    """int8 codes in the weight's shape, and their scale: a number, or one for each output."""
    rounds = layer._modules["weight" + GRID]
    scale, _ = grid_of(rounds)
    scale = scale.reshape(-1) if rounds.rows is not None else scale.reshape(())
    rounded = rounded_weight(layer).numpy()
    along = scale.reshape(-1, *[1] * (rounded.ndim - 1)) if scale.ndim else scale
    return numpy.rint(rounded / along).astype(numpy.int8), numpy.array(scale, numpy.float32)


def _grouped(layer: Any, name: str, form: GroupFormat) -> GroupedWeight:
    """A weight's rounded elements as codes in rows."""
    scale, zero_point = grid_of(layer._modules[name + GRID])
    rows = as_rows(layer, getattr(layer, name).numpy())
    scale = scale.reshape(len(rows), -1)
    points = None if form.symmetric else zero_point.astype(numpy.uint8).reshape(scale.shape)
    grid = GroupedWeight(rows, scale, points, form)
    codes = numpy.rint(rows / grid.spread(scale, rows.shape[1]))
    if points is not None:
        codes += grid.spread(points, rows.shape[1])
    return GroupedWeight(codes.astype(numpy.int8 if form.symmetric else numpy.uint8), scale, points, form)
