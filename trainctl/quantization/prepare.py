"""Observers and fake quantization put into a model; follows ``torch.ao.quantization.quantize``."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Collection, Mapping
from typing import Any

from trainctl.nn.intrinsic import _FusedModule
from trainctl.nn.modules.container import Sequential
from trainctl.nn.modules.conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from trainctl.nn.modules.dropout import Dropout
from trainctl.nn.qat.modules.from_float import is_memoryless
from trainctl.nn.quantized import FloatFunctional, QFunctional
from trainctl.quantization import mappings
from trainctl.quantization.convert import convert
from trainctl.quantization.observing import attach, device_of, is_attached
from trainctl.quantization.stubs import DeQuantStub, QuantWrapper

__all__ = ["add_quant_dequant", "prepare", "prepare_qat", "propagate_qconfig_"]

_TRANSPOSED = (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)


def propagate_qconfig_(
    module: Any,
    qconfig_dict: Mapping[Any, Any] | None = None,
    prepare_custom_config_dict: Mapping[str, Any] | None = None,
) -> None:
    """Give a module, and each below it, a ``qconfig``: its own, else that of its path or type, else its parent's.

    Args:
        module: the module.
        qconfig_dict: qconfigs by path (``""``: the module itself) or type; None leaves what is below in float.
        prepare_custom_config_dict: ``"non_traceable_module_name"``, ``"non_traceable_module_class"``: what is passed
            over, with all that is below.

    Raises:
        AssertionError: a qconfig that does not fit its module.

    Example:
        >>> from trainctl import nn
        >>> from trainctl.quantization import default_qconfig
        >>> model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        >>> model[1].qconfig = None
        >>> propagate_qconfig_(model, {"": default_qconfig})
        >>> model[0].qconfig is default_qconfig, model[1].qconfig
        (True, None)
    """
    _propagate(module, qconfig_dict or {}, None, "", prepare_custom_config_dict or {})


def _propagate(module: Any, given: Mapping[Any, Any], parents: Any, path: str, custom: Mapping[str, Any]) -> None:
    qconfig = getattr(module, "qconfig", given.get(path, given.get(type(module), parents)))
    _check_qconfig(qconfig, module)
    module.qconfig = qconfig
    for name, child in module.named_children():
        passed_over = name in custom.get("non_traceable_module_name", ()) or type(child) in custom.get(
            "non_traceable_module_class", ()
        )
        if not passed_over:
            _propagate(child, given, qconfig, f"{path}.{name}" if path else name, custom)


def _check_qconfig(qconfig: Any, module: Any) -> None:
    """Raise AssertionError if a transposed convolution's weights would have a grid for each input channel."""
    if isinstance(module, _TRANSPOSED) and qconfig is not None and qconfig.weight is not None:
        weight = qconfig.weight()
        scheme = getattr(getattr(weight, "activation_post_process", weight), "qscheme", None)
        if scheme is not None and scheme.is_per_channel:
            raise AssertionError(
                f"Per channel weight observer is not supported yet for ConvTranspose{module.dims}d. Give it a qconfig "
                "with one range for all weights: module.qconfig = trainctl.quantization.default_qconfig"
            )


def add_quant_dequant(module: Any) -> Any:
    """Wrap each layer without layers of its own that has a ``qconfig`` in a :class:`QuantWrapper`, in place.

    Args:
        module: the module.

    Returns:
        The module; if it is such a layer itself, its wrapper.
    """
    if not module._modules and getattr(module, "qconfig", None):
        return QuantWrapper(module)
    for name, child in list(module.named_children()):
        module._modules[name] = add_quant_dequant(child)
    return module


def prepare(
    model: Any,
    inplace: bool = False,
    allow_list: Collection[Any] | None = None,
    observer_non_leaf_module_list: Collection[Any] | None = None,
    prepare_custom_config_dict: Mapping[str, Any] | None = None,
) -> Any:
    """Put an observer after each layer that is to be quantized, as its ``qconfig`` says.

    Args:
        model: has ``qconfig`` on itself or on modules below it; in evaluation mode, for calibration.
        inplace: change ``model`` itself, not a copy.
        allow_list: types of the layers that are observed; default: those that can be quantized.
        observer_non_leaf_module_list: types that are observed as one although they have layers of their own.
        prepare_custom_config_dict: ``"float_to_observed_custom_module_class"``: types that are exchanged by their
            ``from_float`` instead.

    Returns:
        The model, or the copy.

    Raises:
        AssertionError: a qconfig that does not fit its module.

    Example:
        >>> import trainctl
        >>> from trainctl import nn, quantization
        >>> model = nn.Sequential(quantization.QuantStub(), nn.Linear(2, 2)).eval()
        >>> model.qconfig = quantization.default_qconfig
        >>> observed = prepare(model)
        >>> _ = observed(trainctl.tensor([[0.0, 127.0]]))
        >>> observed[0].activation_post_process.calculate_qparams()
        (tensor([1.]), tensor([0], dtype=trainctl.int32))
    """
    if not inplace:
        model = copy.deepcopy(model)
    propagate_qconfig_(model)
    if not any(getattr(module, "qconfig", None) for module in model.modules()):
        warnings.warn(
            "None of the submodule got qconfig applied. Make sure you passed correct configuration through "
            "`qconfig_dict` or by assigning the `.qconfig` attribute directly on submodules",
            stacklevel=2,
        )
    kinds = mappings.get_default_qconfig_propagation_list() if allow_list is None else allow_list
    if prepare_custom_config_dict is None:
        prepare_custom_config_dict = mappings.get_default_custom_config_dict()
    custom = prepare_custom_config_dict.get("float_to_observed_custom_module_class", {})
    _Observers(kinds, observer_non_leaf_module_list or (), custom, device_of(model)).add(model)
    return model


def prepare_qat(model: Any, mapping: Mapping[Any, Any] | None = None, inplace: bool = False) -> Any:
    """Exchange layers for those that round their weights, and put fake quantization after them.

    Args:
        model: has ``qconfig`` on itself or on modules below it; in training mode.
        mapping: from types of layers to types with ``from_float``; default: the layers of
            :func:`trainctl.quantization.get_default_qat_module_mappings`.
        inplace: change ``model`` itself, not a copy; parameters stay the same objects.

    Returns:
        The model, or the copy.

    Raises:
        AssertionError: the model is in evaluation mode, or a qconfig does not fit its module.

    Example:
        >>> from trainctl import nn, quantization
        >>> model = nn.Sequential(nn.Linear(2, 2))
        >>> model.qconfig = quantization.get_default_qat_qconfig("x86")
        >>> type(prepare_qat(model)[0]).__module__
        'trainctl.nn.qat.modules.linear'
    """
    if not model.training:
        raise AssertionError("prepare_qat only works on models in training mode")
    mapping = mappings.get_default_qat_module_mappings() if mapping is None else mapping
    if not inplace:
        model = copy.deepcopy(model)
    propagate_qconfig_(model)
    convert(model, mapping, inplace=True, remove_qconfig=False)
    return prepare(model, inplace=True, observer_non_leaf_module_list=set(mapping.values()))


class _Observers:
    """Puts observers into a model.

    Args:
        kinds: types that are observed where they have no layers of their own.
        whole: types that are observed as one in any case.
        custom: from types to what they are exchanged for.
        device: where observers live.
    """

    def __init__(self, kinds: Collection[Any], whole: Collection[Any], custom: Mapping[Any, Any], device: Any) -> None:
        self.kinds, self.whole, self.custom, self.device = kinds, whole, custom, device

    def add(self, module: Any) -> None:
        """Observe a module, or what is below it."""
        for name, child in list(module._modules.items()):
            if child is not None and type(child) is not Dropout:
                self._add_below(module, name, child)
        if isinstance(module, Sequential) or type(module) not in self.kinds:
            return
        if not module._modules or hasattr(module, "weight_fake_quant"):
            self._observe(module)

    def _add_below(self, module: Any, name: str, child: Any) -> None:
        special = mappings.get_special_act_post_process(child)
        if isinstance(child, (FloatFunctional, QFunctional)):
            if _is_wanted(child):
                child.activation_post_process = self._made(child.qconfig.activation)
        elif isinstance(child, _FusedModule) or type(child) in self.whole:
            self._observe(child)
        elif special is not None and child.training:
            self._observe(child, special)
        elif _is_wanted(child) and type(child) in self.custom:
            module._modules[name] = observed = self.custom[type(child)].from_float(child)
            if not isinstance(observed, tuple(mappings.no_observer_set())):
                self._observe(observed)
            else:
                propagate_qconfig_(observed)
                self.add(observed)
        elif not mappings.reads_its_layers(child):
            self.add(child)

    def _observe(self, module: Any, special: Any = None) -> None:
        if _is_wanted(module) and not isinstance(module, DeQuantStub) and not is_attached(module):
            observer = self._made(module.qconfig.activation if special is None else special)
            attach(module, observer, before=is_memoryless(module.qconfig))

    def _made(self, factory: Any) -> Any:
        observer = factory()
        return observer if self.device is None else observer.to(self.device)


def _is_wanted(module: Any) -> bool:
    return getattr(module, "qconfig", None) is not None
