"""Quantized layers in the places of float ones: empty, to be loaded, or with a float layer's weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy

from trainctl import nn
from trainctl.autograd.ops.creation import from_numpy
from trainctl.backend.affine import QParams, quantize
from trainctl.backend.weight_groups import ROWS_OF_8_BITS, GroupFormat
from trainctl.nn import quantized as nnq
from trainctl.nn.modules.module import Module
from trainctl.nn.quantized.weight_only import class_of
from trainctl.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval
from trainctl.storage.quantization_record import Grid, QuantizedLayer, Scheme

_INTEGER: dict[tuple[str, bool], Any] = {
    ("Linear", False): nnq.Linear,
    ("Linear", True): nnq.LinearReLU,
    ("Conv1d", False): nnq.Conv1d,
    ("Conv1d", True): nnq.ConvReLU1d,
    ("Conv2d", False): nnq.Conv2d,
    ("Conv2d", True): nnq.ConvReLU2d,
    ("Conv3d", False): nnq.Conv3d,
    ("Conv3d", True): nnq.ConvReLU3d,
}
_SMALLEST = numpy.float32(numpy.finfo(numpy.float32).tiny)


def is_integer(kind: str, scheme: Scheme) -> bool:
    """Return whether there is a layer of a class's name that has integer products, with activations as ``scheme`` says."""
    return (kind, False) in _INTEGER if scheme == "static" else kind == "Linear"


def folded(module: Any, norm: Any) -> Any:
    """Return a layer that gives what it and the batch norm after it give; the layer itself where there is no norm."""
    if norm is None:
        return module
    modes = module.training, norm.training
    module.eval(), norm.eval()
    try:
        fuse = fuse_linear_bn_eval if isinstance(module, nn.Linear) else fuse_conv_bn_eval
        return fuse(module, norm)
    finally:
        module.train(modes[0]), norm.train(modes[1])


def filled(module: Any, layer: QuantizedLayer, given: Mapping[str, Any] | None = None) -> Any:
    """Return the quantized form of a float layer, with its weights.

    Args:
        module: the float layer, the norm that becomes part of it already in it (:func:`folded`).
        layer: what form.
        given: learnt codes of layers that are computed in float: by the layer's path, and by the weight's name
            (:class:`trainctl.backend.weight_groups.GroupedWeight`).
    """
    if layer.scheme == "weights":
        given, form = given or {}, form_of(layer)
        made = class_of(type(module)).from_float(module, form, given.get(layer.name))
        if isinstance(module, nn.MultiheadAttention):
            inner = module.out_proj
            made.out_proj = class_of(type(inner)).from_float(inner, form, given.get(inner_path(layer.name)))
        return made
    made = empty(module, layer)
    codes, scale = weight_codes(module.weight.detach().numpy(), layer.per_channel)
    made.weight_codes, made.weight_scale = from_numpy(codes), from_numpy(numpy.asarray(scale))
    if module.bias is not None:
        made.bias_float = module.bias.detach().clone()
    return made


def empty(module: Any, layer: QuantizedLayer) -> Any:
    """Return the quantized form of a float layer, with room for its weights, which are to be loaded."""
    if layer.scheme == "weights":
        made = class_of(type(module)).empty(module, form_of(layer))
        if isinstance(module, nn.MultiheadAttention):
            made.out_proj = class_of(type(module.out_proj)).empty(module.out_proj, form_of(layer))
        return made
    made = _with_sizes(module, layer)
    channels = (len(module.weight),) if layer.per_channel else ()
    made.weight_scale = from_numpy(numpy.ones(channels, numpy.float32))
    made.weight_zero_point = from_numpy(numpy.zeros(channels, numpy.int32))
    if layer.scheme == "static":
        made.scale, made.zero_point = _numbers(layer.output_grid)
        made.input_scale, made.input_zero_point = _numbers(layer.input_grid)
    return made.train(module.training)


def inner_path(attention: str) -> str:
    """Return the path of an attention's output projection, whose weights the attention reads itself."""
    return f"{attention}.out_proj" if attention else "out_proj"


def _with_sizes(module: Any, layer: QuantizedLayer) -> Any:
    kind = _INTEGER[layer.kind, layer.relu is not None]
    if layer.scheme == "dynamic":
        kind = nnq.dynamic.Linear if layer.relu is None else nnq.dynamic.LinearReLU
        return kind(module.in_features, module.out_features, layer.has_bias, per_row=True)
    if layer.kind == "Linear":
        return kind(module.in_features, module.out_features, layer.has_bias)
    return kind(
        module.in_channels, module.out_channels, module.kernel_size, module.stride, module.padding, module.dilation,
        module.groups, layer.has_bias, module.padding_mode,
    )  # fmt: skip


def _numbers(grid: Grid | None) -> tuple[float | None, int | None]:
    return (None, None) if grid is None else (grid.scale, grid.zero_point)


def form_of(layer: QuantizedLayer) -> GroupFormat:
    """Return how a layer that is computed in float keeps its weights."""
    if layer.bits == 8:
        return ROWS_OF_8_BITS
    return GroupFormat(layer.bits, layer.group_size, scale_dtype=layer.scale_dtype)


def weight_codes(weight: Any, per_channel: bool) -> tuple[Any, Any]:
    """Return weights as int8 codes around 0, and their scale, or that of each output.

    Example:
        >>> codes, scale = weight_codes(numpy.float32([[1, -2], [0.5, 0]]), per_channel=True)
        >>> codes.tolist(), (scale * 127).tolist()
        ([[64, -127], [127, 0]], [2.0, 0.5])
    """
    rows = numpy.abs(weight.reshape(len(weight), -1))
    largest = rows.max(axis=1) if per_channel else rows.max()
    scale = numpy.maximum(largest.astype(numpy.float32) / numpy.float32(127), _SMALLEST)
    grid = QParams(scale, 0, "int8", -127, 127, axis=0 if per_channel else None)
    return quantize(weight, grid), scale


def replace(model: Module, name: str, new: Module) -> None:
    """Put a module in the place of another one, in all its places."""
    old = model.get_submodule(name)
    for parent in model.modules():
        for own, child in list(parent._modules.items()):
            if child is old:
                parent._modules[own] = new
