"""Layers that round their weights each time that these are read, as a quantized model will have them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from trainctl import nn
from trainctl.autograd.grad_mode import no_grad
from trainctl.autograd.ops.comparison import where
from trainctl.autograd.ops.creation import ones_like
from trainctl.autograd.tensor import Tensor
from trainctl.backend.quantized_dtypes import (
    per_channel_affine,
    per_channel_symmetric,
    per_tensor_affine,
    per_tensor_symmetric,
    qint8,
    quint8,
)
from trainctl.nn import intrinsic as nni
from trainctl.nn.intrinsic import qat as nniqat
from trainctl.nn.intrinsic.qat.modules.folding import NormInside
from trainctl.nn.qat.modules.from_float import conv_options, linear_options, take_parameters
from trainctl.nn.quantized.weight_only import weight_names
from trainctl.quantization.fake_quantize import FakeQuantize
from trainctl.quantization.learnable import _LearnableFakeQuantize
from trainctl.quantization.observers import MovingAverageMinMaxObserver, MovingAveragePerChannelMinMaxObserver
from trainctl.quantization.qconfig import QConfig

GRID = "_fake_quant"
"""Ends the name of what rounds a weight."""
INPUT = "input_fake_quant"
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_WITH_NORM: dict[type[nn.Module], tuple[Any, Any]] = {
    nn.Linear: (nni.LinearBn1d, nniqat.LinearBn1d),
    nn.Conv1d: (nni.ConvBn1d, nniqat.ConvBn1d),
    nn.Conv2d: (nni.ConvBn2d, nniqat.ConvBn2d),
    nn.Conv3d: (nni.ConvBn3d, nniqat.ConvBn3d),
}


@dataclass(frozen=True)
class Rounding:
    """How the layers of a model round.

    Attributes:
        bits: of a weight, 8 or 4; with 4, inputs stay as they are.
        observer: makes what measures an input's range; it takes ``dtype``, ``qscheme``, ``quant_min`` and ``quant_max``.
        learned: whether the steps of the grids are learned.
        per_channel: whether each row of a weight has a scale of its own, at 8 bits.
        group_size: weights along a row that share a scale, at 4 bits.
        exclude: patterns of names of layers that do not round.
    """

    bits: int = 8
    observer: Callable[..., Any] = MovingAverageMinMaxObserver
    learned: bool = False
    per_channel: bool = True
    group_size: int = 32
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rows:
    """A weight as rows that each have a grid.

    Attributes:
        groups: of a transposed convolution, whose weight has its outputs second; None: they are first.
        size: how many weights along a row share a grid; None: all.
    """

    groups: int | None = None
    size: int | None = None

    def of(self, weight: Tensor) -> Tensor:
        """Return the rows ``[R, *]``."""
        if self.groups is not None:
            parts = [self.groups, weight.shape[0] // self.groups, *weight.shape[1:]]
            weight = weight.reshape(parts).transpose(1, 2).flatten(0, 1)
        if self.size is None:
            return weight
        rows = weight.reshape(len(weight), -1)
        size = min(self.size, rows.shape[1])
        rows = nn.functional.pad(rows, (0, -rows.shape[1] % size))
        return rows.reshape(-1, size)

    def back(self, rows: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Return rows as the weight, of a shape, that they were."""
        outer, inner, *kernel = shape
        if self.groups is not None:
            outer, inner = inner * self.groups, outer // self.groups
        if self.size is not None:
            rows = rows.reshape(outer, -1)[:, : math.prod([inner, *kernel])]
        if self.groups is None:
            return rows.reshape(shape)
        return rows.reshape([self.groups, -1, inner, *kernel]).transpose(1, 2).reshape(shape)


class _InRows(nn.Module):
    """Rounds a weight by rows.

    Attributes:
        rows: what has a grid of its own; None: the weight as a whole has one.
    """

    rows: Rows | None

    def forward(self, X: Tensor) -> Tensor:
        """Return a weight with its elements on their grids."""
        if self.rows is None:
            whole: Tensor = super().forward(X)
            return whole
        return self.rows.back(super().forward(self.rows.of(X)), tuple(X.shape))


class WeightFakeQuantize(_InRows, FakeQuantize):
    """Rounds a weight on the grids of the ranges that it has at the moment."""


class LearnedWeightFakeQuantize(_InRows, _LearnableFakeQuantize):
    """Rounds a weight on grids whose steps are learned."""


def _rounds_weight(layer: Any, name: str, rounding: Rounding, by_rows: bool) -> Any:
    """What rounds a weight: at 8 bits to codes around 0, at 4 bits to codes from 0 with a zero point."""
    groups = layer.groups if isinstance(layer, _TRANSPOSED) else None
    rows: Rows | None = Rows(groups)
    kind, low, high, scheme = qint8, -127, 127, per_channel_symmetric
    if rounding.bits == 4:
        kind, low, high, scheme = quint8, 0, 15, per_channel_affine
        rows = Rows(groups, rounding.group_size)
    elif not (rounding.per_channel or by_rows):
        rows, scheme = None, per_tensor_symmetric
    observer = MovingAverageMinMaxObserver if rows is None else MovingAveragePerChannelMinMaxObserver
    made: Any
    options: dict[str, Any] = {"quant_min": low, "quant_max": high, "dtype": kind, "qscheme": scheme}
    options["averaging_constant"] = 1.0  # the range is that of the weight as it is
    if rounding.learned:
        count = -1 if rows is None else len(rows.of(layer._parameters[name]))
        made = LearnedWeightFakeQuantize(observer, channel_len=count, use_grad_scaling=True, **options)
    else:
        made = WeightFakeQuantize(observer, **options)
    made.rows = rows
    return made.to(layer._parameters[name].device)


def _rounds_input(rounding: Rounding) -> Any:
    options: dict[str, Any] = {"quant_min": 0, "quant_max": 255, "dtype": quint8, "qscheme": per_tensor_affine}
    if rounding.learned:
        return _LearnableFakeQuantize(rounding.observer, use_grad_scaling=True, **options)
    return FakeQuantize(rounding.observer, **options)


class AwareLayer(nn.Module):
    """What layers that round their weights share: for each such weight there is a module ``NAME_fake_quant``.

    The attribute ``NAME`` is the rounded weight, whoever reads it; the parameter is the float one.
    """


@cache
def _aware_class(kind: type[nn.Module], names: tuple[str, ...]) -> type[nn.Module]:
    """A class of layers that round the weights of these names."""
    words: dict[str, Any] = {name: _rounded(name) for name in names}
    words["__doc__"] = f"{kind.__name__} with rounded weights."
    return type(kind.__name__, (AwareLayer, kind), words)  # messages and patterns name it as ever


def _rounded(name: str) -> property:
    def read(layer: Any) -> Tensor:
        rounded: Tensor = layer._modules[name + GRID](layer._parameters[name])
        return rounded

    return property(read, doc=f"The parameter ``{name}``, rounded.")


def make_layer_aware(layer: Any, rounding: Rounding, rows: bool) -> None:
    """Have a layer round its weights from now on; it stays the same object, with the same parameters.

    Args:
        layer: the layer.
        rounding: how.
        rows: each row of a weight has a grid of its own whatever ``rounding`` says.
    """
    names = weight_names(layer)
    for name in names:
        layer.add_module(name + GRID, _rounds_weight(layer, name, rounding, rows))
    kind: Any = type(layer)
    layer.__class__ = _aware_class(kind, names)
    _see_weights(layer)
    if isinstance(layer, nn.MultiheadAttention):
        make_layer_aware(layer.out_proj, rounding, rows)  # whose weight it reads itself


def with_norm(layer: Any, norm: Any, rounding: Rounding) -> Any:
    """Return a layer with the batch norm after it inside, which rounds its weights times the norm's factor.

    Parameters and the norm itself are the same objects.
    """
    fused, kind = _WITH_NORM[type(layer)]
    pair = fused(layer, norm)
    pair.qconfig = QConfig(activation=None, weight=partial(_rounds_weight, layer, "weight", rounding, False))
    made = _norm_class(kind).from_float(pair)
    made.bn = norm
    _see_weights(made)
    return made


def _see_weights(layer: Any) -> None:
    """Give what rounds a layer's weights its first ranges, and with them buffers of the shapes that they are to have."""
    with no_grad():
        if isinstance(layer, NormInside):
            rounded_weight(layer)
        for name in weight_names(layer):
            getattr(layer, name)


@cache
def _norm_class(kind: type[nn.Module]) -> Any:
    """A class of layers with a norm inside whose factor is 1 for channels that the norm makes 0.

    A weight of 0, which a residual branch may begin with, would otherwise be divided by.
    """

    def scale(layer: Any) -> Tensor:
        factor = kind._scale(layer)  # type: ignore[attr-defined]  # those of flow's norms inside have it
        return where(factor == 0, ones_like(factor), factor)

    return type(kind.__name__, (kind,), {"_scale": scale, "__doc__": kind.__doc__})


def add_input_rounding(layer: Any, rounding: Rounding) -> None:
    """Have a layer round its first argument from now on."""
    layer.add_module(INPUT, _rounds_input(rounding).to(layer._parameters["weight"].device))
    layer.register_forward_pre_hook(_round_input, prepend=True, with_kwargs=True)


def _round_input(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    rounds = layer._modules[INPUT]
    if args:
        return (rounds(args[0]), *args[1:]), kwargs
    return args, {**kwargs, "input": rounds(kwargs["input"])}


def rounded_weight(layer: Any) -> Tensor:
    """Return the weight of a layer as it computes with it in evaluation, times the factor of a norm inside."""
    if not isinstance(layer, NormInside):
        return layer.weight
    along = [-1, *[1] * (layer.weight.ndim - 1)]
    rounded: Tensor = layer.weight_fake_quant(layer.weight * layer._scale().reshape(along))
    return rounded * (layer.bn.weight != 0).reshape(along)


def grid_of(rounds: Any) -> tuple[Any, Any]:
    """Return scale and zero point, arrays, of the grid on which something rounds."""
    learned = isinstance(rounds, _LearnableFakeQuantize)
    scale, zero_point = rounds.calculate_qparams() if learned else (rounds.scale, rounds.zero_point)
    return scale.cpu().numpy(), zero_point.cpu().numpy()


def as_float(layer: Any) -> Any:
    """Return an aware layer as the float one that it was, a norm inside left out; the layer itself is taken apart."""
    if isinstance(layer, NormInside):
        inside: Any = layer
        options = linear_options(inside) if isinstance(layer, nn.Linear) else conv_options(inside)
        kind: Any = next(each for each in _WITH_NORM if isinstance(layer, each))
        return take_parameters(kind(**options), layer).train(layer.training)
    for name in [each for each in layer._modules if each == INPUT or each.endswith(GRID)]:
        del layer._modules[name]
    for number, hook in list(layer._forward_pre_hooks.items()):
        if _round_input in (hook if isinstance(hook, tuple) else (hook,)):
            del layer._forward_pre_hooks[number]
    layer.__class__ = type(layer).__bases__[1]
    if isinstance(layer, nn.MultiheadAttention):
        as_float(layer.out_proj)
    return layer
