"""Which way to round each weight, learnt from calibration data: AdaRound (Nagel et al., 2020).

The nearest code is not the best one: errors of weights that see the same inputs can cancel. Layer by layer, in the order
in which data reaches them, each weight learns whether to go up or down, so that the layer's output, computed from what the
layers before it make *after* their rounding, is nearest to what the float model's layer puts out.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy

from trainctl.autograd.grad_mode import enable_grad
from trainctl.autograd.ops.creation import from_numpy
from trainctl.autograd.tensor import Tensor
from trainctl.backend.weight_groups import GroupedWeight, GroupFormat, quantize_groups
from trainctl.nn.modules.module import Module
from trainctl.nn.quantized.weight_only import as_rows, float_weight, from_rows, weight_names
from trainctl.optim.adam import Adam
from trainctl.quantization.groups import _chosen
from trainctl.quantization.layer_inputs import batches, call_order, calls_of, evaluating, rows
from trainctl.quantization.output_error import OutputError

_STRETCH = 1.1, -0.1  # the sigmoid reaches past 0 and 1, so that the clipped one reaches them
_BETA = 20.0, 2.0  # the regulariser's exponent, at first and at last


@dataclass(frozen=True)
class Rounding:
    """What became of a weight.

    Attributes:
        layer: its path.
        parameter: its name.
        signal: the mean square of the float layer's output on the calibration data, summed over the outputs.
        nearest_error: of the output's error with every weight at its nearest code, likewise.
        error: with the codes that are kept.
        moved: the share of codes that are not the nearest.
    """

    layer: str
    parameter: str
    signal: float
    nearest_error: float
    error: float
    moved: float

    @property
    def nearest_db(self) -> float:
        """Signal to noise of the output with nearest codes, in dB."""
        return _db(self.signal, self.nearest_error)

    @property
    def db(self) -> float:
        """Signal to noise of the output, in dB."""
        return _db(self.signal, self.error)


@dataclass(frozen=True)
class Rounded:
    """The codes of a model's weights.

    Attributes:
        codes: by layer and parameter; what :func:`~trainctl.quantization.groups.quantize_weights` takes as ``given``.
        report: what became of each weight whose inputs were seen; the others have their nearest codes.
    """

    codes: dict[str, dict[str, GroupedWeight]]
    report: tuple[Rounding, ...]


@dataclass(frozen=True)
class Settings:
    """How codes are learnt.

    Attributes:
        iterations: steps of Adam for each weight.
        lr: their size.
        warm_up: the part of the steps in which weights may stay between two codes at no cost.
        pressure: the regulariser's weight, against the error in units of the nearest codes' error.
        batch_size: rows of inputs a step, where a layer has too many inputs for sums over all data.
        seed: of which rows these are.
    """

    iterations: int = 500
    lr: float = 0.05
    warm_up: float = 0.2
    pressure: float = 20.0
    batch_size: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        if self.iterations < 0 or self.batch_size < 1:
            raise ValueError(
                f"expected iterations >= 0 and batch_size >= 1, got {self.iterations} and {self.batch_size}"
            )
        if not self.lr > 0 or not 0 <= self.warm_up <= 1 or not self.pressure >= 0:
            raise ValueError(
                "expected lr > 0, 0 <= warm_up <= 1 and pressure >= 0, "
                f"got {self.lr}, {self.warm_up} and {self.pressure}"
            )


def adaround(
    model: Module,
    data: Iterable[Any],
    form: GroupFormat | None = None,
    *,
    layers: Iterable[str] | None = None,
    settings: Settings | None = None,
) -> Rounded:
    """Return codes for a model's weights that are learnt from data; a weight whose error they do not lower keeps the nearest.

    Args:
        model: the float model; it is not changed.
        data: batches of its inputs: tensors, tuples of arguments, or dicts of arguments by name.
        form: the grids; default: 4 bits, in groups of 32. ``ROWS_OF_8_BITS``: int8, a scale a row.
        layers: paths of the layers; default: all of :func:`~trainctl.quantization.groups.weight_layers`.
        settings: how they are learnt.

    Raises:
        KeyError: there is no such layer.
        ValueError: no data, or a weight or an input is not finite; the layer is named.

    Example:
        >>> import trainctl
        >>> from trainctl import nn
        >>> from trainctl.quantization.groups import quantize_weights
        >>> model = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2))
        >>> found = adaround(model, [trainctl.randn(64, 8)])
        >>> quantized = quantize_weights(model, given=found.codes)
        >>> all(each.error <= each.nearest_error for each in found.report)
        True
    """
    settings, form, data = settings or Settings(), form or GroupFormat(), batches(data)
    chosen = _chosen(model, layers)
    rounded = copy.deepcopy(model)
    codes: dict[str, dict[str, GroupedWeight]] = {}
    report: list[Rounding] = []
    with evaluating(model, rounded):
        for path in call_order(model, chosen, data[0]):
            layer: Any = rounded.get_submodule(path)
            try:
                codes[path], found = _learnt(path, (model, chosen[path]), (rounded, layer), data, form, settings)
            except ValueError as error:
                raise ValueError(f"{path or type(layer).__name__}: {error}") from error
            report += found
            for name, grouped in codes[path].items():
                weight = getattr(layer, name).data
                weight.copy_(from_numpy(from_rows(layer, grouped.dequantize(), tuple(weight.shape))))
    return Rounded({path: codes[path] for path in chosen}, tuple(report))


def _learnt(
    path: str,
    float_layer: tuple[Module, Module],
    layer: tuple[Module, Module],
    data: list[Any],
    form: GroupFormat,
    settings: Settings,
) -> tuple[dict[str, GroupedWeight], list[Rounding]]:
    """Return the codes of a layer's weights; each layer is given with the model that it is of."""
    names = weight_names(layer[1])
    weights = {name: as_rows(layer[1], float_weight(float_layer[1], name)) for name in names}
    found = {name: quantize_groups(weights[name], form) for name in names}
    report = []
    for (name, first), error in _errors(float_layer, layer, data, weights, settings).items():
        part = slice(first, first + error.outputs)
        nearest = _part(found[name], part)
        better, line = _round(weights[name][part], nearest, error, settings)
        found[name].codes[part] = better.codes
        whole = error.outputs == len(weights[name])
        report.append(replace(line, layer=path, parameter=name if whole else f"{name}[{first}:{part.stop}]"))
    return found, report


def _errors(
    float_layer: tuple[Module, Module],
    layer: tuple[Module, Module],
    data: list[Any],
    weights: dict[str, Any],
    settings: Settings,
) -> dict[tuple[str, int], OutputError]:
    """Return the measures of the output's error, by parameter and first row."""
    found: dict[tuple[str, int], OutputError] = {}
    for inputs in data:
        calls = zip(calls_of(*float_layer, inputs), calls_of(*layer, inputs), strict=True)
        for expected, given in calls:
            for (name, first, x), (_, _, seen) in zip(rows(layer[1], expected), rows(layer[1], given), strict=True):
                if (name, first) not in found:
                    weight = weights[name]
                    outputs = layer[1].embed_dim if name == "in_proj_weight" else len(weight)
                    part = weight[first : first + outputs]
                    found[name, first] = OutputError(part, len(x), len(data), settings.batch_size, settings.seed)
                found[name, first].add(seen, x)
    return found


def _part(grouped: GroupedWeight, part: slice) -> GroupedWeight:
    points = None if grouped.zero_point is None else grouped.zero_point[part]
    return replace(grouped, codes=grouped.codes[part], scale=grouped.scale[part], zero_point=points)


def _round(
    weight: Any, nearest: GroupedWeight, error: OutputError, settings: Settings
) -> tuple[GroupedWeight, Rounding]:
    """Return the codes of a weight ``[O, K]``, the nearest if learning does not lower the error."""
    before = error.whole(nearest.dequantize() - weight)
    best, after = nearest, before
    if before > 0 and settings.iterations:
        error.prepare(nearest.dequantize() - weight)
        learnt = _learn(weight, nearest, error, settings)
        its_error = error.whole(learnt.dequantize() - weight)
        if its_error < before:
            best, after = learnt, its_error
    moved = float(numpy.mean(best.codes != nearest.codes)) if best.codes.size else 0.0
    return best, Rounding("", "", error.signal, before, after, moved)


def _learn(weight: Any, nearest: GroupedWeight, error: OutputError, settings: Settings) -> GroupedWeight:
    inputs = weight.shape[1]
    low, high = nearest.form.codes
    scale = nearest.spread(nearest.scale.astype(numpy.float32), inputs)
    points = 0 if nearest.zero_point is None else nearest.spread(nearest.zero_point.astype(numpy.float32), inputs)
    place = weight / scale + points
    floor = numpy.clip(numpy.floor(place), low, high)
    room = floor < high  # is there a code above
    up = numpy.clip(place - floor, 0, 1)
    base = from_numpy((floor - points) * scale - weight)
    span = from_numpy(scale * room)
    share = _anneal(up, base, span, error, settings)
    codes = floor + (room & (share >= 0.5))
    return replace(nearest, codes=codes.astype(nearest.codes.dtype))


def _anneal(up: Any, base: Tensor, span: Tensor, error: OutputError, settings: Settings) -> Any:
    """Return how far each weight is on its way up, 0 to 1, when learning has ended."""
    high, low = _STRETCH
    start = (up - low) / (high - low)
    logits = from_numpy(numpy.log(start / (1 - start)).astype(numpy.float32)).requires_grad_()
    optimizer = Adam([logits], lr=settings.lr)
    warm = int(settings.warm_up * settings.iterations)
    with enable_grad():
        for step in range(settings.iterations):
            share = (logits.sigmoid() * (high - low) + low).clamp(0, 1)
            loss = error.sampled(base + span * share)
            if step >= warm:
                beta = numpy.interp(step, (warm, settings.iterations), _BETA)
                loss = loss + (1 - (share * 2 - 1).abs().pow(float(beta))).mean() * settings.pressure
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return (logits.detach().sigmoid() * (high - low) + low).numpy()


def _db(signal: float, noise: float) -> float:
    if noise == 0 or signal == 0:
        return float("inf") if noise == 0 else -float("inf")
    return float(10 * numpy.log10(signal / noise))
