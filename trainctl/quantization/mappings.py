"""Which module takes the place of which; follows ``torch.ao.quantization.quantization_mappings``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from trainctl import nn
from trainctl.nn import intrinsic as nni
from trainctl.nn import qat as nnqat
from trainctl.nn import quantizable
from trainctl.nn import quantized as nnq
from trainctl.nn.intrinsic import qat as nniqat
from trainctl.nn.intrinsic import quantized as nniq
from trainctl.nn.intrinsic.quantized import dynamic as nniqd
from trainctl.nn.modules.module import Module
from trainctl.nn.qat import dynamic as nnqatd
from trainctl.nn.quantized import dynamic as nnqd
from trainctl.quantization.fake_quantize import (
    default_fixed_qparams_range_0to1_fake_quant,
    default_fixed_qparams_range_neg1to1_fake_quant,
)
from trainctl.quantization.stubs import DeQuantStub, QuantStub

__all__ = [
    "get_default_compare_output_module_list", "get_default_custom_config_dict",
    "get_default_dynamic_quant_module_mappings", "get_default_qat_module_mappings",
    "get_default_qconfig_propagation_list", "get_default_static_quant_module_mappings",
    "get_dynamic_quant_module_class", "get_embedding_qat_module_mappings",
    "get_embedding_static_quant_module_mappings", "get_static_quant_module_class", "no_observer_set",
]  # fmt: skip

Kinds = dict[Any, Any]

DEFAULT_STATIC_QUANT_MODULE_MAPPINGS: Kinds = {
    QuantStub: nnq.Quantize,
    DeQuantStub: nnq.DeQuantize,
    nn.BatchNorm2d: nnq.BatchNorm2d,
    nn.BatchNorm3d: nnq.BatchNorm3d,
    nn.Dropout: nnq.Dropout,
    nn.Conv1d: nnq.Conv1d,
    nn.Conv2d: nnq.Conv2d,
    nn.Conv3d: nnq.Conv3d,
    nn.ConvTranspose1d: nnq.ConvTranspose1d,
    nn.ConvTranspose2d: nnq.ConvTranspose2d,
    nn.ConvTranspose3d: nnq.ConvTranspose3d,
    nn.ELU: nnq.ELU,
    nn.Embedding: nnq.Embedding,
    nn.EmbeddingBag: nnq.EmbeddingBag,
    nn.GroupNorm: nnq.GroupNorm,
    nn.Hardswish: nnq.Hardswish,
    nn.InstanceNorm1d: nnq.InstanceNorm1d,
    nn.InstanceNorm2d: nnq.InstanceNorm2d,
    nn.InstanceNorm3d: nnq.InstanceNorm3d,
    nn.LayerNorm: nnq.LayerNorm,
    nn.LeakyReLU: nnq.LeakyReLU,
    nn.Linear: nnq.Linear,
    nn.ReLU6: nnq.ReLU6,
    nn.PReLU: nnq.PReLU,
    nnq.FloatFunctional: nnq.QFunctional,
    nni.BNReLU2d: nniq.BNReLU2d,
    nni.BNReLU3d: nniq.BNReLU3d,
    nni.ConvReLU1d: nniq.ConvReLU1d,
    nni.ConvReLU2d: nniq.ConvReLU2d,
    nni.ConvReLU3d: nniq.ConvReLU3d,
    nni.LinearReLU: nniq.LinearReLU,
    nniqat.ConvBn1d: nnq.Conv1d,
    nniqat.ConvBn2d: nnq.Conv2d,
    nniqat.ConvBn3d: nnq.Conv3d,
    nniqat.ConvBnReLU1d: nniq.ConvReLU1d,
    nniqat.ConvBnReLU2d: nniq.ConvReLU2d,
    nniqat.ConvBnReLU3d: nniq.ConvReLU3d,
    nniqat.ConvReLU1d: nniq.ConvReLU1d,
    nniqat.ConvReLU2d: nniq.ConvReLU2d,
    nniqat.ConvReLU3d: nniq.ConvReLU3d,
    nniqat.LinearReLU: nniq.LinearReLU,
    nniqat.LinearBn1d: nnq.Linear,
    nnqat.Linear: nnq.Linear,
    nnqat.Conv1d: nnq.Conv1d,
    nnqat.Conv2d: nnq.Conv2d,
    nnqat.Conv3d: nnq.Conv3d,
    nnqat.Embedding: nnq.Embedding,
    nnqat.EmbeddingBag: nnq.EmbeddingBag,
}
"""From observed modules, and those that round their weights, to quantized ones."""

DEFAULT_QAT_MODULE_MAPPINGS: Kinds = {
    nn.Conv2d: nnqat.Conv2d,
    nn.Conv3d: nnqat.Conv3d,
    nn.Linear: nnqat.Linear,
    nni.ConvBn1d: nniqat.ConvBn1d,
    nni.ConvBn2d: nniqat.ConvBn2d,
    nni.ConvBn3d: nniqat.ConvBn3d,
    nni.ConvBnReLU1d: nniqat.ConvBnReLU1d,
    nni.ConvBnReLU2d: nniqat.ConvBnReLU2d,
    nni.ConvBnReLU3d: nniqat.ConvBnReLU3d,
    nni.ConvReLU2d: nniqat.ConvReLU2d,
    nni.ConvReLU3d: nniqat.ConvReLU3d,
    nni.LinearReLU: nniqat.LinearReLU,
    nni.LinearBn1d: nniqat.LinearBn1d,
}
"""From float modules to those that round their weights; as in PyTorch without Conv1d, for which there is nnqat.Conv1d."""

DEFAULT_DYNAMIC_QUANT_MODULE_MAPPINGS: Kinds = {
    nn.GRUCell: nnqd.GRUCell,
    nn.Linear: nnqd.Linear,
    nnqatd.Linear: nnqd.Linear,
    nn.LSTM: nnqd.LSTM,
    nn.GRU: nnqd.GRU,
    nn.LSTMCell: nnqd.LSTMCell,
    nn.RNNCell: nnqd.RNNCell,
    nni.LinearReLU: nniqd.LinearReLU,
    nn.EmbeddingBag: nnq.EmbeddingBag,
    nn.Embedding: nnq.Embedding,
}
"""From float modules to those that quantize what goes through them each time they run."""

DEFAULT_MODULE_TO_ACT_POST_PROCESS: Kinds = {
    nn.Hardsigmoid: default_fixed_qparams_range_0to1_fake_quant,
    nn.Sigmoid: default_fixed_qparams_range_0to1_fake_quant,
    nn.Softmax: default_fixed_qparams_range_0to1_fake_quant,
    nn.Tanh: default_fixed_qparams_range_neg1to1_fake_quant,
}
"""What rounds, in training, the output of functions whose range is known."""


def get_default_static_quant_module_mappings() -> Kinds:
    """Return a copy of the mapping that :func:`trainctl.quantization.convert` goes by."""
    return dict(DEFAULT_STATIC_QUANT_MODULE_MAPPINGS)


def get_embedding_static_quant_module_mappings() -> Kinds:
    """Return the same: tables of vectors that were rounded while they trained are in it."""
    return get_default_static_quant_module_mappings()


def get_default_qat_module_mappings() -> Kinds:
    """Return a copy of the mapping that :func:`trainctl.quantization.prepare_qat` goes by."""
    return dict(DEFAULT_QAT_MODULE_MAPPINGS)


def get_embedding_qat_module_mappings() -> Kinds:
    """Return the same with tables of vectors."""
    return {**DEFAULT_QAT_MODULE_MAPPINGS, nn.EmbeddingBag: nnqat.EmbeddingBag, nn.Embedding: nnqat.Embedding}


def get_default_dynamic_quant_module_mappings() -> Kinds:
    """Return a copy of the mapping that :func:`trainctl.quantization.quantize_dynamic` goes by."""
    return dict(DEFAULT_DYNAMIC_QUANT_MODULE_MAPPINGS)


def get_default_qconfig_propagation_list() -> set[Any]:
    """Return the types that :func:`trainctl.quantization.prepare` observes."""
    tables = (DEFAULT_STATIC_QUANT_MODULE_MAPPINGS, DEFAULT_QAT_MODULE_MAPPINGS, DEFAULT_DYNAMIC_QUANT_MODULE_MAPPINGS)
    return {nn.Sequential, *(kind for table in tables for kind in table)}


def get_default_compare_output_module_list() -> set[Any]:
    """Return the types, float and quantized, whose outputs are worth comparing."""
    tables = (DEFAULT_STATIC_QUANT_MODULE_MAPPINGS, DEFAULT_QAT_MODULE_MAPPINGS, DEFAULT_DYNAMIC_QUANT_MODULE_MAPPINGS)
    return {nn.Sequential, *(kind for table in tables for pair in table.items() for kind in pair)}


def get_static_quant_module_class(
    float_module_class: Any,
    additional_static_quant_mapping: Mapping[Any, Any] | None = None,
    is_reference: bool = False,
) -> Any:
    """Return the type that takes the place of another in :func:`trainctl.quantization.convert`.

    Args:
        float_module_class: the type.
        additional_static_quant_mapping: goes before the default mapping.
        is_reference: not supported.

    Raises:
        AssertionError: there is none.
        NotImplementedError: ``is_reference``.

    Example:
        >>> from trainctl import nn
        >>> get_static_quant_module_class(nn.Linear).__module__
        'trainctl.nn.quantized.linear'
    """
    if is_reference:
        raise NotImplementedError("is_reference: there are no reference modules here")
    return _taken_from(DEFAULT_STATIC_QUANT_MODULE_MAPPINGS, additional_static_quant_mapping, float_module_class)


def get_dynamic_quant_module_class(
    float_module_class: Any, additional_dynamic_quant_mapping: Mapping[Any, Any] | None = None
) -> Any:
    """Return the type that takes the place of another in :func:`trainctl.quantization.quantize_dynamic`.

    Args:
        float_module_class: the type.
        additional_dynamic_quant_mapping: goes before the default mapping.

    Raises:
        AssertionError: there is none.
    """
    return _taken_from(DEFAULT_DYNAMIC_QUANT_MODULE_MAPPINGS, additional_dynamic_quant_mapping, float_module_class)


def _taken_from(table: Kinds, more: Mapping[Any, Any] | None, kind: Any) -> Any:
    found = {**table, **(more or {})}.get(kind)
    if found is None:
        raise AssertionError(f"Floating point module class {kind} does not have a corresponding quantized module class")
    return found


def get_special_act_post_process(module: Module) -> Callable[[], Any] | None:
    """Return what rounds a module's output, whatever its ``qconfig`` says, in training; None where that is the one."""
    return DEFAULT_MODULE_TO_ACT_POST_PROCESS.get(type(module))


def no_observer_set() -> set[Any]:
    """Return the types that are not observed as one when they take another's place."""
    return {quantizable.MultiheadAttention}


def reads_its_layers(module: Module) -> bool:
    """Return whether a module computes with the weights of the layers in it, which have to stay what they are."""
    return isinstance(module, nn.MultiheadAttention) and not isinstance(module, quantizable.MultiheadAttention)


def get_default_custom_config_dict() -> dict[str, Kinds]:
    """Return which types :func:`trainctl.quantization.prepare` takes apart by default.

    Example:
        >>> from trainctl import nn
        >>> get_default_custom_config_dict()["float_to_observed_custom_module_class"][nn.MultiheadAttention]
        <class 'trainctl.nn.quantizable.MultiheadAttention'>
    """
    return {
        "float_to_observed_custom_module_class": {nn.MultiheadAttention: quantizable.MultiheadAttention},
        "observed_to_quantized_custom_module_class": {},
    }
