"""Observed modules exchanged for quantized ones."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from typing import Any

from trainctl.autograd.grad_mode import no_grad
from trainctl.backend.dtypes import finfo, float16
from trainctl.nn import qat as nnqat
from trainctl.nn.intrinsic import _FusedModule
from trainctl.nn.modules.container import Sequential
from trainctl.nn.modules.module import Module
from trainctl.quantization import mappings
from trainctl.quantization.observing import detach, device_of, hand_hooks_on, is_activation_post_process

__all__ = ["convert", "swap_module"]

Mapped = Mapping[Any, Any]
_MOST = finfo(float16).max


def convert(
    module: Module,
    mapping: Mapped | None = None,
    inplace: bool = False,
    remove_qconfig: bool = True,
    is_reference: bool = False,
    convert_custom_config_dict: Mapping[str, Any] | None = None,
    use_precomputed_fake_quant: bool = False,
) -> Any:
    """Exchange the modules below ``module`` that have a ``qconfig`` by ``mapping``, each by the ``from_float`` of the other.

    Args:
        module: prepared, and calibrated or trained.
        mapping: from a module's type to that of its place's next holder; default: the quantized layers of
            :func:`trainctl.quantization.get_default_static_quant_module_mappings`.
        inplace: change ``module`` itself, not a copy.
        remove_qconfig: take ``qconfig`` and observers away from what is left.
        is_reference: not supported; see below.
        convert_custom_config_dict: ``"observed_to_quantized_custom_module_class"``: types that are exchanged by their
            ``from_observed`` instead.
        use_precomputed_fake_quant: take the weights' ranges as training left them.

    Returns:
        The module, or the copy.

    Raises:
        NotImplementedError: ``is_reference``.

    Example:
        >>> import trainctl
        >>> from trainctl import nn, quantization
        >>> model = quantization.QuantWrapper(nn.Linear(2, 2)).eval()
        >>> model.qconfig = quantization.default_qconfig
        >>> observed = quantization.prepare(model)
        >>> _ = observed(trainctl.randn(8, 2))
        >>> type(convert(observed).module).__module__
        'trainctl.nn.quantized.linear'
    """
    if is_reference:
        raise NotImplementedError(
            "is_reference: there are no reference modules here; the quantized layers, given a float tensor and an "
            "input_scale, compute what those would"
        )
    if not inplace:
        module = copy.deepcopy(module)
    if convert_custom_config_dict is None:
        convert_custom_config_dict = mappings.get_default_custom_config_dict()
    custom = convert_custom_config_dict.get("observed_to_quantized_custom_module_class", {})
    wanted = mappings.get_default_static_quant_module_mappings() if mapping is None else mapping
    _convert(module, wanted, custom, use_precomputed_fake_quant, {})
    if remove_qconfig:
        _remove_qconfig(module)
    return module


def _convert(module: Module, mapping: Mapped, custom: Mapped, keep_range: bool, swapped: dict[Module, Any]) -> None:
    """Exchange what is below a module, a module of several places for the same one in all."""
    for name, child in list(module._modules.items()):
        if child is None or mappings.reads_its_layers(child):
            continue
        if child not in swapped:
            if not isinstance(child, _FusedModule) and type(child) not in custom:
                _convert(child, mapping, custom, keep_range, swapped)
            swapped[child] = swap_module(child, mapping, custom, keep_range)
        module._modules[name] = swapped[child]


def swap_module(
    mod: Any, mapping: Mapped, custom_module_class_mapping: Mapped, use_precomputed_fake_quant: bool = False
) -> Any:
    """Return what takes the place of a module: itself, if it has no ``qconfig`` or there is nothing for its type.

    Hooks other than the observers' go along.

    Args:
        mod: the module.
        mapping: from types to types with ``from_float``.
        custom_module_class_mapping: from types to types with ``from_observed``.
        use_precomputed_fake_quant: take the weights' range as training left it.
    """
    kind = type(mod)
    if getattr(mod, "qconfig", None) is None or (kind not in custom_module_class_mapping and kind not in mapping):
        return mod
    if kind in custom_module_class_mapping:
        new = custom_module_class_mapping[kind].from_observed(mod)
    elif _rounds_weights_alone(mod):
        new = _with_rounded_weight(mod)
    elif getattr(mod.qconfig.weight(), "dtype", None) is float16:
        new = _with_half_weights(mod)
    else:
        make = mapping[kind].from_float
        options = {"use_precomputed_fake_quant": use_precomputed_fake_quant}
        new = make(mod, **options if "use_precomputed_fake_quant" in inspect.signature(make).parameters else {})
        _give_input_grid(mod, new)
    hand_hooks_on(mod, new)
    device = device_of(mod)
    return new if device is None or device.type == "cpu" else new.to(device)


def _rounds_weights_alone(mod: Any) -> bool:
    """Return whether nobody looks at what goes through a layer that rounds its weight: it can only compute in float."""
    observed = hasattr(mod, "activation_post_process") or hasattr(mod, "input_fake_quant")
    return isinstance(mod, (nnqat.Linear, nnqat.Conv1d, nnqat.Conv2d, nnqat.Conv3d)) and not observed


def _with_rounded_weight(mod: Any) -> Any:
    """Return a float layer, or a fused run of them, whose weight is on its grid."""
    new = mod.to_float()
    layer: Any = next(iter(new)) if isinstance(new, Sequential) else new
    with no_grad():
        layer.weight.copy_(mod.weight_fake_quant(mod.weight))
    return new


def _with_half_weights(mod: Any) -> Any:
    """Return a float layer of weights that float16 has; what it computes is float32, as in PyTorch's kernels."""
    new = copy.deepcopy(mod)
    with no_grad():
        for weight in new.parameters():
            if weight.ndim > 1:
                weight.copy_(weight.clamp(-_MOST, _MOST).half())
    return new


def _give_input_grid(mod: Any, new: Any) -> None:
    """Tell a layer how to quantize a float input, if its inputs were looked at: it is called without stubs then."""
    seen = getattr(mod, "input_fake_quant", None)
    if seen is not None and hasattr(new, "input_scale"):
        scale, zero_point = seen.calculate_qparams()
        new.input_scale, new.input_zero_point = float(scale), int(zero_point)


def _remove_qconfig(module: Any) -> None:
    for child in module.children():
        if not is_activation_post_process(child):  # what rounds a weight that stays needs its own observer
            _remove_qconfig(child)
    if hasattr(module, "qconfig"):
        del module.qconfig
    detach(module)
