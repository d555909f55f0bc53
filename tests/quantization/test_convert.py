"""Observed modules exchanged for quantized ones, and whole models in one call."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

import trainctl
from tests.scripts import Scripts
from trainctl import nn, quantization
from trainctl.nn import quantized as nnq
from trainctl.nn import structure

scripts = Scripts()

pytestmark = pytest.mark.filterwarnings(
    "ignore:torch.ao.quantization is deprecated",
    "ignore:Please use quant_min and quant_max",
    "ignore:torch.quantize_per_tensor, torch.quantize_per_channel and other",
)


def of(lib):
    return importlib.import_module(f"{lib.__name__}.ao.quantization")


def pair(lib):
    quantization = of(lib)
    return lib.nn.Sequential(quantization.QuantStub(), lib.nn.Linear(2, 2), quantization.DeQuantStub())


@scripts.gives(["Quantize", "Linear", "DeQuantize"])
def a_model_calibrated_and_converted_in_one_call(lib):
    model = pair(lib)
    model.qconfig = of(lib).default_qconfig
    converted = of(lib).quantize(model, of(lib).default_eval_fn, [[(lib.ones(3, 2), 0), (lib.zeros(3, 2), 1)]])
    return [type(each).__name__ for each in converted]


@scripts.gives((True, False, ["Quantize", "Linear", "DeQuantize"]))
def a_model_trained_and_converted_in_one_call(lib):
    model = pair(lib).eval()
    model.qconfig = of(lib).get_default_qat_qconfig("fbgemm")
    modes = []

    def run(prepared, x):
        modes.append(prepared.training)
        prepared(x).sum().backward()

    converted = of(lib).quantize_qat(model, run, [lib.ones(3, 2)])
    return modes[0], model.training, [type(each).__name__ for each in converted]


@scripts.gives([False, False, True])
def qconfigs_and_observers_go(lib):
    model = pair(lib).eval()
    model.qconfig = of(lib).default_qconfig
    prepared = of(lib).prepare(model)
    prepared(lib.ones(1, 2))
    bare, kept = of(lib).convert(prepared), of(lib).convert(prepared, remove_qconfig=False)
    return [hasattr(bare, "qconfig"), any("post_process" in key for key in bare.state_dict()), hasattr(kept, "qconfig")]


@scripts.gives(["Half", "Linear"])
def an_own_mapping(lib):
    class Half(lib.nn.Module):
        @classmethod
        def from_float(cls, module):
            return cls()

    model = lib.nn.Sequential(lib.nn.ReLU(), lib.nn.Linear(1, 1))
    model.qconfig = of(lib).default_qconfig
    of(lib).propagate_qconfig_(model)
    return [type(each).__name__ for each in of(lib).convert(model, {lib.nn.ReLU: Half})]


@scripts.gives(["Linear", "nn", "Linear"])
def dynamic_by_path_and_by_type(lib):
    def kinds(spec):
        model = lib.nn.Sequential(lib.nn.Linear(1, 1), lib.nn.Sequential(lib.nn.Linear(1, 1)))
        return of(lib).quantize_dynamic(model, spec)

    by_path = kinds({"1.0": of(lib).default_dynamic_qconfig})
    without = kinds({lib.nn.Linear: of(lib).default_dynamic_qconfig, "0": None})
    is_float = type(by_path[0]) is lib.nn.Linear and type(without[0]) is lib.nn.Linear
    return [type(by_path[1][0]).__name__, "nn" if is_float else "", type(without[1][0]).__name__]


@scripts.raises(ValueError, "^Don't know how to quantize with default settings for .*int32")
def a_dtype_without_defaults(lib):
    of(lib).quantize_dynamic(lib.nn.Linear(1, 1), dtype=lib.int32)


@scripts.raises(RuntimeError, "Unknown dtype specified for quantize_dynamic")
def an_unknown_dtype_for_types(lib):
    of(lib).quantize_dynamic(lib.nn.Linear(1, 1), {lib.nn.Linear}, dtype=lib.int32)


@scripts.raises(AssertionError, "does not have a corresponding quantized module class")
def a_type_that_nothing_takes_the_place_of(lib):
    of(lib).get_static_quant_module_class(lib.nn.Module)


@scripts.gives(["Linear", "Linear", "LSTM"])
def what_takes_the_place_of_what(lib):
    q = of(lib)
    more = {lib.nn.Module: lib.nn.LSTM}
    found = q.get_static_quant_module_class(lib.nn.Linear), q.get_dynamic_quant_module_class(lib.nn.Linear)
    return [each.__name__ for each in (*found, q.get_dynamic_quant_module_class(lib.nn.Module, more))]


test_script = scripts.test()


@pytest.mark.parametrize("name", ["static", "qat", "dynamic"])
def test_the_mappings_are_pytorch_s_and_some_more(name):
    torch = pytest.importorskip("torch", reason="needs the extra `parity`")
    getter = {"qat": "get_default_qat_module_mappings"}.get(name, f"get_default_{name}_quant_module_mappings")
    ours, theirs = (
        {key.__name__: each.__name__ for key, each in getattr(of(lib), getter)().items()} for lib in (trainctl, torch)
    )
    theirs.pop("NonDynamicallyQuantizableLinear", None)  # no class of its own here
    for key in ("ConvAdd2d", "ConvAddReLU2d", "LinearLeakyReLU", "LinearTanh"):  # graph mode makes them
        theirs.pop(key, None)
    assert ours.items() >= theirs.items()


def test_a_path_that_is_not_there_is_named_with_those_that_are_near():
    model = nn.Sequential(nn.Linear(1, 1), nn.ReLU())
    with pytest.raises(ValueError, match=r"the model has no module 'fc'; there are 0, 1$"):
        quantization.quantize_dynamic(model, {"fc"})
    with pytest.raises(ValueError, match=r"no module 'linear2'; did you mean 'linear1'\?$"):
        quantization.quantize_dynamic(structure.Named({"linear1": nn.Linear(1, 1), "act": nn.ReLU()}), {"linear2"})


def test_attention_keeps_the_layer_whose_weights_it_reads():
    model = nn.Sequential(nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)).eval()
    x = trainctl.randn(2, 3, 4)
    converted = quantization.quantize_dynamic(model, {nn.Linear})
    assert type(converted[0].self_attn.out_proj) is nn.Linear
    assert type(converted[0].linear1) is nnq.dynamic.Linear
    np.testing.assert_allclose(converted(x).detach(), model(x).detach(), atol=0.1)


def test_a_model_is_not_changed_unless_in_place():
    model = nn.Sequential(nn.Linear(2, 2))
    quantization.quantize_dynamic(model)
    assert type(model[0]) is nn.Linear
    assert model.training
    assert quantization.quantize_dynamic(model, inplace=True) is model
    assert type(model[0]) is nnq.dynamic.Linear


def test_there_are_no_reference_modules():
    with pytest.raises(NotImplementedError, match="there are no reference modules here"):
        quantization.convert(nn.Sequential(), is_reference=True)
    with pytest.raises(NotImplementedError, match="there are no reference modules here"):
        quantization.get_static_quant_module_class(nn.Linear, is_reference=True)


@pytest.mark.parametrize("keep_range", [False, True])
def test_the_range_of_training_can_be_kept(keep_range):
    model = pair(trainctl).train()
    model.qconfig = quantization.default_qat_qconfig
    prepared = quantization.prepare_qat(model)
    prepared(trainctl.ones(1, 2))
    before = prepared[1].weight_fake_quant.calculate_qparams()[0].item()
    prepared[1].weight.data.mul_(100)
    converted = quantization.convert(prepared, use_precomputed_fake_quant=keep_range)
    assert (converted[1].weight().q_scale() == pytest.approx(before)) is keep_range
