"""Biases corrected from data (Nagel et al., 2019, section 4.2), in the words of ``torch.ao.quantization._correct_bias``."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

import numpy

from trainctl import nn
from trainctl.autograd.ops.creation import from_numpy
from trainctl.autograd.tensor import Tensor
from trainctl.nn.modules.conv import _Conv
from trainctl.nn.modules.module import Module
from trainctl.quantization.layer_inputs import batches, call, call_order, evaluating

Array = numpy.ndarray[Any, Any]


def bias_correction(
    float_model: Module,
    quantized_model: Module,
    img_data: Iterable[Any],
    target_modules: Iterable[type] | None = None,
    neval_batches: int | None = None,
) -> dict[str, Array]:
    """Take each layer's mean error on data off its bias, so that a channel's mean is again the float model's.

    Layers come in the order in which data reaches them, and what a layer takes is what those before it, corrected, put
    out. An error is that of the whole model up to the layer; PyTorch's is that of the layer alone.

    Args:
        float_model: what the quantized model is to be like, layer by layer: of an equalized model, that one.
        quantized_model: its layers have the same names; their biases are changed.
        img_data: batches: a tensor; a tuple or list whose first element is the model's input; a dict of inputs by name.
        target_modules: types of the quantized model's layers that are corrected; default: those with a bias, without an
            activation inside, that are dense layers and convolutions in the float model.
        neval_batches: how many batches to use; default: all.

    Returns:
        What was taken off each bias, ``[O]``, by the layer's path.

    Raises:
        ValueError: no data, or an output is not finite; the layer is named.

    Example:
        >>> import trainctl
        >>> from trainctl.quantization.groups import quantize_weights
        >>> model = nn.Sequential(nn.Linear(8, 2))
        >>> quantized, x = quantize_weights(model), trainctl.rand(64, 8)
        >>> list(bias_correction(model, quantized, [x]))
        ['0']
        >>> trainctl.allclose(quantized(x).mean(0), model(x).mean(0), atol=1e-6)
        True
    """
    data = [each[0] if isinstance(each, (tuple, list)) else each for each in batches(islice(img_data, neval_batches))]
    float_layers = dict(float_model.named_modules())
    targets = {
        path: module
        for path, module in quantized_model.named_modules()
        if isinstance(float_layers.get(path), (nn.Linear, _Conv)) and _is_target(module, target_modules)
    }
    taken_off = {}
    with evaluating(float_model, quantized_model):
        expected = _means(float_model, {path: float_layers[path] for path in targets}, data)
        for path in call_order(quantized_model, targets, data[0]):
            layer = targets[path]
            found = _means(quantized_model, {path: layer}, data, float_layers[path])
            if path not in found or path not in expected:
                continue  # no data reaches it
            taken_off[path] = found[path] - expected[path]
            if not numpy.isfinite(taken_off[path]).all():
                raise ValueError(f"{path or type(layer).__name__}: what it puts out on the data is not finite")
            _take_off(layer, taken_off[path])
    return taken_off


def _is_target(module: Any, types: Iterable[type] | None) -> bool:
    if types is not None and not isinstance(module, tuple(types)):
        return False
    return _bias(module) is not None and not getattr(module, "relu", False)


def _bias(module: Any) -> Tensor | None:
    bias = getattr(module, "bias", None)
    found: Tensor | None = bias() if callable(bias) and not isinstance(bias, Tensor) else bias
    return found


def _take_off(module: Any, error: Array) -> None:
    bias: Any = _bias(module)
    corrected = from_numpy((bias.detach().double().cpu().numpy() - error).astype(numpy.float32)).to(
        bias.device, bias.dtype
    )
    if isinstance(module.bias, Tensor):
        bias.data.copy_(corrected)
    else:
        module.bias_float = corrected


def _means(model: Module, layers: dict[str, Any], data: list[Any], float_layer: Any = None) -> dict[str, Array]:
    """Return the mean of each output channel of layers over data, in float64."""
    sums: dict[str, list[Any]] = {}

    def look(path: str, shaped_as: Any, output: Any) -> None:
        values = _by_channel(shaped_as, output)
        total = sums.setdefault(path, [0.0, 0])
        total[0] = total[0] + values.sum(0, dtype=numpy.float64)
        total[1] += len(values)

    hooks = [
        layer.register_forward_hook(
            lambda _, args, output, path=path, as_=float_layer or layer: look(path, as_, output)
        )
        for path, layer in layers.items()
    ]
    try:
        for inputs in data:
            call(model, inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return {path: total / count for path, (total, count) in sums.items() if count}


def _by_channel(layer: Any, output: Any) -> Array:
    """Return ``[n, O]`` of what a layer, or its quantized form, puts out."""
    output = output.dequantize() if getattr(output, "is_quantized", False) else output
    array: Array = output.detach().float().cpu().numpy()
    if isinstance(layer, _Conv):
        array = numpy.moveaxis(array, array.ndim - layer.dims - 1, -1)
    return array.reshape(int(numpy.prod(array.shape[:-1])), array.shape[-1])
