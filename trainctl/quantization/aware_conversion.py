"""From a model that rounds to the quantized one that it was trained to be: the same codes on the same grids."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy

from trainctl import nn
from trainctl.autograd.grad_mode import no_grad
from trainctl.autograd.ops.creation import from_numpy
from trainctl.autograd.ops.random import get_rng_state, set_rng_state
from trainctl.backend.weight_groups import ROWS_OF_8_BITS, GroupedWeight, GroupFormat
from trainctl.nn.quantized.weight_only import as_rows, weight_names
from trainctl.quantization.aware import Part, observe
from trainctl.quantization.aware_layers import GRID, INPUT, Rounding, as_float, grid_of, rounded_weight
from trainctl.quantization.post_training import PostTraining, Quantized
from trainctl.quantization.trained.layers import empty, filled, folded, inner_path, replace
from trainctl.quantization.trained.selection import Choice, fits
from trainctl.storage.quantization_record import Grid, QuantizedLayer, Scheme, Settings


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
        observer = getattr(rounding.observer, "func", rounding.observer).__name__
        asked = {"method": "qat", "bits": rounding.bits, "per_channel": rounding.per_channel, "observer": observer}
        excluded = dict.fromkeys((*rounding.exclude, *(settings.exclude if settings else ())))
        asked |= {"group_size": rounding.group_size, "exclude": list(excluded)}
        asked |= {"equalize": False, "bias_correction": False, "rounding": "nearest"}
        self.settings = (settings or Settings()).model_copy(update=asked)
        aware = copy.deepcopy(model).eval()
        observe(aware, False)
        layers = {part.name: aware.get_submodule(part.name) for part in plan if part.scheme is not None}
        self._grids = {name: grid for name, each in layers.items() if (grid := _input_grid(each))}
        with no_grad():
            self._codes = {name: _codes(name, each, rounding) for name, each in layers.items()}
        self.model = _plain(aware, plan)
        self._modules = dict(self.model.named_modules())
        self.choices = [_choice(part, self._modules, settings) for part in plan]
        chosen = [each for each in self.choices if each.scheme is not None]
        self._next = {part.name: part.reader for part in plan if part.reader and part.reader in self.names}
        self._folded = {each.name: folded(each.module, each.norm and self._modules[each.norm]) for each in chosen}
        self.noise, self._nearest, self._batches = {}, {}, batches
        if batches:
            self.noise = self._noise(chosen)

    def _filled(self, layer: QuantizedLayer) -> Any:
        """A layer with the codes that it was trained with."""
        module, codes = self._folded[layer.name], self._codes[layer.name]
        if layer.scheme == "weights":
            return filled(module, layer, codes)
        made = empty(module, layer)
        made.weight_codes, made.weight_scale = (from_numpy(each) for each in codes)
        if module.bias is not None:
            made.bias_float = module.bias.detach().clone()
        return made


def _choice(part: Part, modules: Mapping[str, Any], settings: Settings | None) -> Choice:
    """What becomes of a layer: as it was trained, but for what is asked now to stay in float."""
    module, scheme = modules[part.name], cast("Scheme | None", part.scheme)
    for pattern in settings.exclude if settings else ():
        if fits(part.name, type(module).__name__, pattern):
            return Choice(part.name, module, None, f"--exclude {pattern}")
    return Choice(part.name, module, scheme, part.reason, part.norm, part.relu)


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


def _codes(name: str, layer: Any, rounding: Rounding) -> Any:
    """The codes of a layer: with their scale, or by path and weight as :func:`filled` takes them."""
    if INPUT in layer._modules:
        return _whole_codes(layer)
    form = ROWS_OF_8_BITS if rounding.bits == 8 else GroupFormat(4, rounding.group_size, scale_dtype="float32")
    found = {name: {each: _grouped(layer, each, form) for each in weight_names(layer)}}
    if isinstance(layer, nn.MultiheadAttention):
        found[inner_path(name)] = {"weight": _grouped(layer.out_proj, "weight", form)}
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
