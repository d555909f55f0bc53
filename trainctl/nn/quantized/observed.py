"""What a float layer with observers says: the layer itself, its weights as codes, the grid of its output."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.grad_mode import no_grad
from trainctl.autograd.ops.creation import zeros
from trainctl.autograd.ops.quantization import (
    make_per_channel,
    make_per_tensor,
    quantize_per_channel,
    quantize_per_tensor,
)
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes
from trainctl.backend.quantized_dtypes import qint8
from trainctl.nn.intrinsic.qat.modules.folding import NormInside
from trainctl.nn.modules.container import Sequential

_LEAST_SCALE = 2.0**-23  # as PyTorch's observers have it


def observed_layer(cls: type, mod: Any) -> Any:
    """Return the layer with the weights: the first of a fused run of layers, else ``mod`` itself; a norm is folded in.

    Raises:
        TypeError: it is not the float layer that ``cls`` is the quantized form of.
    """
    if isinstance(mod, NormInside):
        mod = mod.to_float()
    layer = mod[0] if isinstance(mod, Sequential) and len(mod) else mod
    wanted = cls._FLOAT_MODULE  # type: ignore[attr-defined]  # each class that is made from a float layer has it
    if not isinstance(layer, wanted):
        raise TypeError(
            f"nn.quantized.{cls.__name__}.from_float takes a {wanted.__name__}, but got: {type(layer).__name__}"
        )
    return layer


def quantized_weight(cls: type, mod: Any, layer: Any, keep_range: bool) -> Tensor:
    """Return the layer's weights as codes, by the observer that its qconfig, or its training, has for them.

    Raises:
        ValueError: there is no such observer, or it is for another type than qint8.
    """
    observer = weight_observer(mod)
    if observer is None:
        raise ValueError(
            f"nn.quantized.{cls.__name__}.from_float: the {type(mod).__name__} has no qconfig; set model.qconfig "
            "and call prepare(model) first"
        )
    weight = layer.weight.detach().float()
    if not keep_range:
        with no_grad():
            observer(weight)
    if observer.dtype is not qint8:
        raise ValueError(f"nn.quantized.{cls.__name__}: weights must be observed as qint8, got {observer.dtype}")
    return on_grid_of(observer, weight)


def weight_observer(mod: Any) -> Any:
    """Return what observes a layer's weights: what it was trained with, or a new one of its ``qconfig``; None: nothing."""
    trained = getattr(mod, "weight_fake_quant", None)
    if trained is not None:
        return trained
    qconfig = getattr(mod, "qconfig", None)
    return None if qconfig is None else qconfig.weight()


def by_rows(weight: Tensor, highest: int = 127) -> Tensor:
    """Return weights as int8 codes from ``-highest`` to ``highest``, each row ``[rows, ...]`` in steps of its own.

    Example:
        >>> import trainctl
        >>> by_rows(trainctl.tensor([[1.0, -0.5], [0.0, 0.0]])).int_repr()
        tensor([[127, -64],
                [  0,   0]], dtype=trainctl.int8)
    """
    largest = weight.abs().reshape(len(weight), -1).amax(1) if weight.numel() else weight.new_ones(len(weight))
    scales = (largest / highest).clamp(min=_LEAST_SCALE)
    return quantize_per_channel(weight, scales, zeros(len(weight), dtype=dtypes.int32), 0, qint8)


def whole(weight: Tensor) -> Tensor:
    """Return weights as int8 codes in steps of one size, as PyTorch's default observer of weights has it.

    Example:
        >>> import trainctl
        >>> whole(trainctl.tensor([[1.0, -0.5], [0.0, 0.0]])).int_repr()
        tensor([[127, -64],
                [  0,   0]], dtype=trainctl.int8)
    """
    largest = weight.abs().max().item() if weight.numel() else 1.0
    return quantize_per_tensor(weight, max(largest / 127.5, _LEAST_SCALE), 0, qint8)


def on_grid_of(observer: Any, x: Tensor) -> Tensor:
    """Return a float tensor on the grid that an observer found, within its own limits."""
    scale, zero_point = observer.calculate_qparams()
    inner = getattr(observer, "activation_post_process", observer)  # that of a FakeQuantize
    low, high = inner.quant_min, inner.quant_max
    if inner.qscheme.is_per_channel:
        codes = quantize_per_channel(x, scale, zero_point, inner.ch_axis, observer.dtype).int_repr()
        return make_per_channel(codes.clamp(low, high), scale, zero_point, inner.ch_axis)
    codes = quantize_per_tensor(x, scale, zero_point, observer.dtype).int_repr()
    return make_per_tensor(codes.clamp(low, high), float(scale), int(zero_point))


def activation_grid(mod: Any) -> tuple[float | None, int | None]:
    """Return scale and zero point of a layer's output, (None, None) where nobody looked at it as codes."""
    observer = getattr(mod, "activation_post_process", None)
    if observer is None or getattr(observer, "dtype", dtypes.float32) in (dtypes.float32, dtypes.float16):
        return None, None
    scale, zero_point = observer.calculate_qparams()
    return float(scale), int(zero_point)
