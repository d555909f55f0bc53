"""PyTorch's names for quantization are where PyTorch has them."""

from __future__ import annotations

import importlib
import inspect

import pytest

import trainctl

NAMES = """
DeQuantStub FakeQuantize FakeQuantizeBase FixedQParamsFakeQuantize FixedQParamsObserver
FusedMovingAvgObsFakeQuantize HistogramObserver MinMaxObserver MovingAverageMinMaxObserver
MovingAveragePerChannelMinMaxObserver NoopObserver ObserverBase PerChannelMinMaxObserver PlaceholderObserver
QConfig QConfigAny QConfigDynamic QuantStub QuantWrapper RecordingObserver ReuseInputObserver
UniformQuantizationObserverBase add_quant_dequant convert default_affine_fixed_qparams_fake_quant
default_affine_fixed_qparams_observer default_debug_observer default_dynamic_fake_quant
default_dynamic_quant_observer default_embedding_fake_quant default_embedding_fake_quant_4bit default_eval_fn
default_fake_quant default_fixed_qparams_range_0to1_fake_quant default_fixed_qparams_range_0to1_observer
default_fixed_qparams_range_neg1to1_fake_quant default_fixed_qparams_range_neg1to1_observer
default_float_qparams_observer default_float_qparams_observer_4bit default_fused_act_fake_quant
default_fused_per_channel_wt_fake_quant default_fused_wt_fake_quant default_histogram_fake_quant
default_histogram_observer default_observer default_per_channel_weight_fake_quant
default_per_channel_weight_observer default_placeholder_observer default_reuse_input_observer
default_symmetric_fixed_qparams_fake_quant default_symmetric_fixed_qparams_observer default_weight_fake_quant
default_weight_observer disable_fake_quant disable_observer enable_fake_quant enable_observer fuse_conv_bn
fuse_conv_bn_relu fuse_convtranspose_bn fuse_linear_bn fuse_modules fuse_modules_qat
fused_per_channel_wt_fake_quant_range_neg_127_to_127 fused_wt_fake_quant_range_neg_127_to_127
get_default_compare_output_module_list get_default_custom_config_dict get_default_dynamic_quant_module_mappings
get_default_qat_module_mappings get_default_qat_qconfig get_default_qconfig get_default_qconfig_propagation_list
get_default_static_quant_module_mappings get_dynamic_quant_module_class get_embedding_qat_module_mappings
get_embedding_static_quant_module_mappings get_fuser_method get_observer_state_dict
get_static_quant_module_class load_observer_state_dict no_observer_set
per_channel_weight_observer_range_neg_127_to_127 prepare prepare_qat propagate_qconfig_ qconfig_equals quantize
quantize_dynamic quantize_qat swap_module weight_observer_range_neg_127_to_127
"""
OURS = "quantize_inference quantize_weight exclusive_pairs fusable"
PLACES = {
    "quantization": NAMES,
    "nn.intrinsic": "BNReLU2d BNReLU3d ConvAdd2d ConvAddReLU2d ConvBn1d ConvBn2d ConvBn3d ConvBnReLU1d ConvBnReLU2d "
    "ConvBnReLU3d ConvReLU1d ConvReLU2d ConvReLU3d LinearBn1d LinearLeakyReLU LinearReLU LinearTanh",
    "nn.intrinsic.qat": "ConvBn1d ConvBn2d ConvBn3d ConvBnReLU1d ConvBnReLU2d ConvBnReLU3d ConvReLU1d ConvReLU2d "
    "ConvReLU3d LinearBn1d LinearReLU freeze_bn_stats update_bn_stats",
    "nn.intrinsic.quantized": "BNReLU2d BNReLU3d ConvReLU1d ConvReLU2d ConvReLU3d LinearReLU",
    "nn.intrinsic.quantized.dynamic": "LinearReLU",
    "nn.qat": "Conv1d Conv2d Conv3d Embedding EmbeddingBag Linear",
    "nn.qat.dynamic": "Linear",
    "nn.utils.fusion": "fuse_conv_bn_eval fuse_conv_bn_weights fuse_linear_bn_eval fuse_linear_bn_weights",
}


def module(library, place):
    path = place if place == "nn.utils.fusion" else f"ao.{place}"
    return importlib.import_module(f"{library.__name__}.{path}")


def arguments(function):
    named = inspect.signature(function).parameters.values()
    return [each.name for each in named if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]


@pytest.mark.parametrize("place", PLACES)
def test_a_name_is_there_with_pytorch_s_arguments(place):
    here = module(trainctl, place)
    for name in PLACES[place].split():
        assert hasattr(here, name), name
    torch = pytest.importorskip("torch", reason="needs the extra `parity`")
    for name in PLACES[place].split():
        theirs = getattr(module(torch, place), name)
        if inspect.isfunction(theirs) or (
            inspect.isclass(theirs) and place != "quantization" and ".quantized" not in place
        ):
            assert arguments(getattr(here, name))[: len(arguments(theirs))] == arguments(theirs), name


def test_names_of_our_own():
    assert all(callable(getattr(trainctl.quantization, name)) for name in OURS.split())
