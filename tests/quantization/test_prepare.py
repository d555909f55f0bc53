"""Observers and fake quantization put into a model."""

from __future__ import annotations

import copy
import importlib
import pickle

import pytest

import trainctl
from tests.scripts import Scripts
from trainctl import nn, quantization
from trainctl.nn import qat, quantizable, structure
from trainctl.nn import quantized as nnq

scripts = Scripts()

pytestmark = pytest.mark.filterwarnings(
    "ignore:torch.ao.quantization is deprecated",
    "ignore:Please use quant_min and quant_max",
    "ignore:must run observer before calling calculate_qparams",
    "ignore:torch.quantize_per_tensor, torch.quantize_per_channel and other",
)


def of(lib):
    return importlib.import_module(f"{lib.__name__}.ao.quantization")


def net(lib):
    layers = lib.nn
    inner = layers.Sequential(layers.Linear(4, 4), layers.ReLU(), layers.Dropout(0.5), layers.Hardswish())
    return layers.Sequential(of(lib).QuantStub(), inner, layers.Sigmoid(), layers.Linear(4, 2), of(lib).DeQuantStub())


def observed(model):
    """Return what was put where."""
    return {
        name: type(module.activation_post_process).__name__
        for name, module in model.named_modules()
        if "activation_post_process" in module._modules
    }


@scripts.agrees()
def observers_for_calibration(lib):
    model = net(lib).eval()
    model.qconfig = of(lib).default_qconfig
    prepared = of(lib).prepare(model)
    return (
        observed(prepared),
        list(prepared.state_dict()),
        [hasattr(model[1], "qconfig"), hasattr(prepared[1], "qconfig")],
    )


@scripts.agrees()
def fake_quantization_for_training(lib):
    model = net(lib).train()
    model.qconfig = of(lib).get_default_qat_qconfig("fbgemm")
    prepared = of(lib).prepare_qat(model)
    return (
        observed(prepared),
        list(prepared.state_dict()),
        [type(each).__module__.split(".")[-2:] for each in prepared[1]],
    )


@scripts.agrees()
def layers_that_stay_in_float(lib):
    model = net(lib).eval()
    model.qconfig, model[3].qconfig, model[1][0].qconfig = of(lib).default_qconfig, None, None
    prepared = of(lib).prepare(model)
    return (
        observed(prepared),
        observed(of(lib).convert(prepared)),
        [type(each).__name__ for each in of(lib).convert(prepared)],
    )


@scripts.agrees()
def an_allow_list(lib):
    model = net(lib).eval()
    model.qconfig = of(lib).default_qconfig
    return observed(of(lib).prepare(model, allow_list={lib.nn.Hardswish, lib.nn.ReLU}))


@scripts.agrees()
def modules_that_are_observed_as_one(lib):
    model = net(lib).eval()
    model.qconfig = of(lib).default_qconfig
    return observed(of(lib).prepare(model, observer_non_leaf_module_list=[lib.nn.Sequential]))


@scripts.agrees()
def qconfigs_by_path_and_type(lib):
    default, other = of(lib).default_qconfig, of(lib).default_per_channel_qconfig
    model = net(lib)
    model[3].qconfig = None
    of(lib).propagate_qconfig_(model, {"": default, "1": other, lib.nn.ReLU: None, "1.3": default})
    found = [(name, getattr(each, "qconfig", 0)) for name, each in model.named_modules()]
    kinds = [None if each is None else str(each.weight().qscheme) for _, each in found]
    return [name for name, _ in found], [None if each is None else each.partition(".")[2] for each in kinds]


@scripts.agrees()
def an_own_class_for_a_float_one(lib):
    class Observed(lib.nn.Module):
        @classmethod
        def from_float(cls, module):
            made = cls()
            made.qconfig = module.qconfig
            return made

        def forward(self, x):
            return x * 2

    class Quantized(lib.nn.Module):
        @classmethod
        def from_observed(cls, module):
            made = cls()
            made.scale = float(module.activation_post_process.calculate_qparams()[0])
            return made

    model = lib.nn.Sequential(lib.nn.Tanh(), lib.nn.ReLU()).eval()
    model.qconfig = of(lib).default_qconfig
    prepared = of(lib).prepare(
        model, prepare_custom_config_dict={"float_to_observed_custom_module_class": {lib.nn.Tanh: Observed}}
    )
    prepared(lib.tensor([0.0, 63.5]))
    custom = {"observed_to_quantized_custom_module_class": {Observed: Quantized}}
    return observed(prepared), of(lib).convert(prepared, convert_custom_config_dict=custom)[0].scale


@scripts.agrees()
def leaves_wrapped_in_stubs(lib):
    model = lib.nn.Sequential(lib.nn.Linear(2, 2), lib.nn.Sequential(lib.nn.ReLU()))
    model[0].qconfig = of(lib).default_qconfig
    wrapped = of(lib).add_quant_dequant(model)
    return repr(wrapped), wrapped is model, type(of(lib).add_quant_dequant(wrapped[0].module)).__name__


@scripts.gives((True, True, False, False))
def a_wrapper_keeps_mode_and_qconfig(lib):
    layer = lib.nn.Linear(2, 2).eval()
    layer.qconfig = of(lib).default_qconfig
    wrapper = of(lib).QuantWrapper(layer)
    plain = of(lib).QuantStub()
    return (
        wrapper.quant.qconfig is layer.qconfig,
        wrapper.module is layer,
        wrapper.dequant.training,
        hasattr(plain, "qconfig"),
    )


@scripts.raises(AssertionError, "^prepare_qat only works on models in training mode$")
def training_in_evaluation_mode(lib):
    of(lib).prepare_qat(net(lib).eval())


@scripts.raises(
    AssertionError, "^Per channel weight observer is not supported yet for ConvTranspose(2d|{n}d)"
)  # PyTorch forgot an f
def a_transposed_convolution_by_channels(lib):
    model = lib.nn.Sequential(lib.nn.ConvTranspose2d(1, 1, 1))
    model.qconfig = of(lib).default_per_channel_qconfig
    of(lib).prepare(model)


test_script = scripts.test()


def test_a_model_without_a_qconfig_gets_a_warning():
    with pytest.warns(UserWarning, match="None of the submodule got qconfig applied"):
        quantization.prepare(net(trainctl))


def test_in_place_or_in_a_copy():
    model = net(trainctl).eval()
    model.qconfig = quantization.default_qconfig
    parameters = {id(each) for each in model.parameters()}
    assert not parameters & {id(each) for each in quantization.prepare(model).parameters()}
    assert quantization.prepare(model, inplace=True) is model
    assert {id(each) for each in model.parameters()} == parameters
    assert quantization.convert(model, inplace=True) is model
    assert isinstance(model[3], nnq.Linear)


def test_training_keeps_the_parameters_that_an_optimizer_has():
    model = net(trainctl).train()
    model.qconfig = quantization.get_default_qat_qconfig()
    parameters = [id(each) for each in model.parameters()]
    prepared = quantization.prepare_qat(model, inplace=True)
    assert [id(each) for each in prepared.parameters()] == parameters


def test_preparing_twice_observes_once():
    model = net(trainctl).eval()
    model.qconfig = quantization.default_qconfig
    prepared = quantization.prepare(quantization.prepare(model))
    assert all(len(each._forward_hooks) <= 1 for each in prepared.modules())


def test_a_prepared_model_can_be_copied_and_pickled():
    model = net(trainctl).eval()
    model.qconfig = quantization.default_qconfig
    prepared = quantization.prepare(model)
    x = trainctl.randn(3, 4)
    prepared(x)
    for other in (copy.deepcopy(prepared), pickle.loads(pickle.dumps(prepared))):
        assert trainctl.equal(quantization.convert(other)(x), quantization.convert(prepared)(x))
        other(10 * x)
    assert prepared[3].activation_post_process.max_val < 10


def test_hooks_stay_and_see_what_goes_through():
    model, seen = net(trainctl).eval(), []
    model.qconfig = quantization.default_qconfig
    model[3].register_forward_pre_hook(lambda module, args: seen.append(args[0].is_quantized))
    model[3].register_forward_hook(lambda module, args, output: seen.append(type(module).__module__.split(".")[2]))
    prepared = quantization.prepare(model)
    prepared(trainctl.randn(3, 4))
    converted = quantization.convert(prepared)
    assert len(converted[3]._forward_hooks) == 1
    converted(trainctl.randn(3, 4))
    assert seen == [False, "modules", True, "quantized"]


def test_a_layer_in_two_places_is_observed_and_exchanged_once():
    shared = nn.Linear(4, 4)
    model = nn.Sequential(
        quantization.QuantStub(), shared, nn.Sequential(shared), shared, quantization.DeQuantStub()
    ).eval()
    model.qconfig = quantization.default_qconfig
    prepared = quantization.prepare(model)
    assert len(prepared[1]._forward_hooks) == 1
    prepared(trainctl.randn(3, 4))
    converted = quantization.convert(prepared)
    assert isinstance(converted[1], nnq.Linear)
    assert converted[1] is converted[2][0] is converted[3]
    assert converted(trainctl.randn(3, 4)).shape == (3, 4)


def test_a_config_s_model_is_prepared_through_all_its_structures():
    layers = [structure.Residual([nn.Linear(4, 4), nn.ReLU()]), structure.Parallel([[nn.Linear(4, 2)], []])]
    model = structure.Sequential(layers).eval()
    model.qconfig = quantization.default_qconfig
    assert list(observed(quantization.prepare(model))) == ["0.layers.0", "1.branches.0.0"]


def test_attention_is_taken_apart_and_a_module_that_returns_several_tensors_is_not_observed():
    model = nn.ModuleDict({"attention": nn.MultiheadAttention(4, 2), "lstm": nn.LSTM(4, 4)}).eval()
    model.qconfig = quantization.default_qconfig
    prepared = quantization.prepare(model)
    assert isinstance(prepared["attention"], quantizable.MultiheadAttention)
    parts = {name.rpartition(".")[2] for name in observed(prepared) if "attention" in name}
    assert parts == {"out_proj", "linear_Q", "linear_K", "linear_V", "quant_attn_output"}
    x = trainctl.randn(3, 1, 4)
    prepared["attention"](x, x, x)
    output, _ = prepared["lstm"](x)
    assert output.shape == (3, 1, 4)
    untouched = quantization.prepare(model, prepare_custom_config_dict={})
    assert type(untouched["attention"]) is nn.MultiheadAttention
    assert not any("attention." in name for name in observed(untouched))


def test_attention_in_integers_is_what_it_was_to_a_few_steps():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.quant, self.dequant = quantization.QuantStub(), quantization.DeQuantStub()
            self.attention = nn.MultiheadAttention(8, 2)

        def forward(self, x):
            x = self.quant(x)
            return self.dequant(self.attention(x, x, x)[0])

    model, x = Net().eval(), trainctl.randn(5, 3, 8)
    model.qconfig = quantization.default_qconfig
    prepared = quantization.prepare(model)
    wanted = prepared(x)
    converted = quantization.convert(prepared)
    assert isinstance(converted.attention.out_proj, nnq.Linear)
    step = converted.attention.out_proj.scale
    assert (converted(x) - wanted).abs().max() < 5 * step


def test_a_fused_layer_of_one_dim_can_be_trained_with_an_own_mapping():
    model = nn.Sequential(nn.Conv1d(1, 2, 1)).train()
    model.qconfig = quantization.get_default_qat_qconfig()
    mapping = {**quantization.get_default_qat_module_mappings(), nn.Conv1d: qat.Conv1d}
    prepared = quantization.prepare_qat(model, mapping)
    assert type(prepared[0]) is qat.Conv1d
    prepared(trainctl.randn(2, 1, 3))
    assert isinstance(quantization.convert(prepared.eval())[0], nnq.Conv1d)
