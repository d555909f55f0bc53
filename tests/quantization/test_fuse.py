"""Layers in a row put together."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from tests.scripts import Scripts
from trainctl import nn
from trainctl.nn.structure import Named
from trainctl.quantization import fuse
from trainctl.quantization.fuser_methods import get_fuser_method

scripts = Scripts()


def fusing(lib):
    return lib.ao.quantization if lib.__name__ == "torch" else fuse


def net(lib):
    layers = lib.nn
    return layers.Sequential(
        layers.Conv2d(1, 2, 2),
        layers.BatchNorm2d(2),
        layers.ReLU(),
        layers.Flatten(),
        layers.Linear(8, 3),
        layers.ReLU(),
    )


GROUPS = [["0", "1", "2"], ["4", "5"]]


@scripts.agrees()
def a_model_for_evaluation(lib):
    fused = fusing(lib).fuse_modules(net(lib).eval(), GROUPS)
    return repr(fused), list(fused.state_dict()), [each.training for each in fused.modules()]


@scripts.agrees()
def a_model_for_training(lib):
    fused = fusing(lib).fuse_modules_qat(net(lib), GROUPS)
    return repr(fused), list(fused.state_dict()), [each.training for each in fused.modules()]


@scripts.gives(["linear", "linear"])
def a_method_of_one_s_own(lib):
    custom = {"additional_fuser_method_mapping": {(lib.nn.Linear, lib.nn.ReLU): lambda is_qat, linear, relu: linear}}
    model = net(lib).eval()
    fused = fusing(lib).fuse_modules(model, [["4", "5"]], True, fuse_custom_config_dict=custom)
    return ["linear" if each is model and type(each[4]) is lib.nn.Linear else "" for each in (fused, model)]


@scripts.raises(AttributeError, "has no attribute 'conv9'")
def a_module_that_is_not_there(lib):
    fusing(lib).fuse_modules(net(lib).eval(), ["conv9", "1"])


@scripts.raises(AssertionError, "^did not find fuser method for: .*Linear.*Tanh")
def kinds_that_are_not_fused(lib):
    fusing(lib).fuse_modules(lib.nn.Sequential(lib.nn.Linear(1, 1), lib.nn.Tanh()), ["0", "1"])


@scripts.raises(AssertionError, "must be in the same mode")
def layers_in_two_modes(lib):
    model = net(lib).eval()
    model[1].train()
    fusing(lib).fuse_modules(model, ["0", "1"])


@scripts.raises(AssertionError, "^Fusion only for eval!$")
def folding_in_training(lib):
    fusing(lib).fuse_modules(net(lib), ["0", "1"])


@scripts.raises(AssertionError, "with affine set to True")
def a_norm_without_weights_for_training(lib):
    model = lib.nn.Sequential(lib.nn.Conv1d(1, 2, 1), lib.nn.BatchNorm1d(2, affine=False))
    fusing(lib).fuse_modules_qat(model, ["0", "1"])


@scripts.raises(AssertionError, "Output features of Linear must match num_features")
def a_norm_of_other_features_for_training(lib):
    fusing(lib).fuse_modules_qat(lib.nn.Sequential(lib.nn.Linear(1, 2), lib.nn.BatchNorm1d(3)), ["0", "1"])


test_script = scripts.test()


def test_a_fused_model_computes_the_same_and_the_first_is_left_alone():
    model, x = net(trainctl).eval(), trainctl.randn(4, 1, 3, 3)
    wanted, text = model(x), repr(model)
    np.testing.assert_allclose(fuse.fuse_modules(model, GROUPS)(x).detach(), wanted.detach(), atol=1e-6)
    assert repr(model) == text
    assert fuse.fuse_modules(model, GROUPS, inplace=True) is model
    np.testing.assert_allclose(model(x).detach(), wanted.detach(), atol=1e-6)


def test_a_linear_layer_a_norm_and_an_activation_become_one():
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.ReLU())
    model(trainctl.randn(8, 3))
    x = trainctl.randn(4, 3)
    fused = fuse.fuse_modules(model.eval(), ["0", "1", "2"])
    assert [type(each).__name__ for each in fused] == ["LinearReLU", "Identity", "Identity"]
    np.testing.assert_allclose(fused(x).detach(), model(x).detach(), atol=1e-6)
    with pytest.raises(NotImplementedError, match="fuse the linear layer and the batch norm alone"):
        fuse.fuse_modules_qat(model.train(), ["0", "1", "2"])


@pytest.mark.parametrize(("how", "names"), [("fuse_modules", ["0", "1", "2"]), ("fuse_modules_qat", ["0", "1"])])
def test_each_hook_is_called_once(how, names):
    model, calls = net(trainctl).train(how == "fuse_modules_qat"), []
    model[0].register_forward_pre_hook(lambda *_: calls.append("before"))
    model[len(names) - 1].register_forward_hook(lambda *_: calls.append("after"))
    getattr(fuse, how)(model, names)(trainctl.ones(2, 1, 3, 3))
    assert calls == ["before", "after"]


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_a_transposed_convolution_is_folded_for_evaluation_alone(dims):
    conv, bn = getattr(nn, f"ConvTranspose{dims}d")(2, 3, 2), getattr(nn, f"BatchNorm{dims}d")(3)
    model = nn.Sequential(conv, bn)
    x = trainctl.randn(2, 2, *[3] * dims)
    model(x)
    fused = fuse.fuse_modules(model.eval(), ["0", "1"])
    np.testing.assert_allclose(fused(x).detach(), model(x).detach(), atol=1e-5)
    with pytest.raises(NotImplementedError, match="not yet supported in QAT"):
        fuse.fuse_modules_qat(model.train(), ["0", "1"])


def test_training_keeps_the_parameters_that_an_optimizer_has():
    model = net(trainctl)
    before = {id(each) for each in model.parameters()}
    assert {id(each) for each in fuse.fuse_modules_qat(model, GROUPS, inplace=True).parameters()} == before


def test_a_layer_that_stays_in_float_does_when_it_is_fused():
    model = net(trainctl).eval()
    model[4].qconfig = None
    fused = fuse.fuse_modules(model, GROUPS)
    assert fused[4].qconfig is None
    assert not hasattr(fused[0], "qconfig")


def test_a_module_named_as_a_method_of_its_parent_is_found():
    named = Named({"items": nn.Sequential(nn.Linear(1, 1), nn.ReLU())}).eval()
    assert type(fuse.fuse_modules(named, ["items.0", "items.1"])["items"][0]).__name__ == "LinearReLU"


def test_nothing_to_fuse_is_no_error():
    model = net(trainctl)
    assert fuse.fuse_modules(model, [], inplace=True) is model


def test_the_error_says_what_a_layer_is_fused_with():
    with pytest.raises(
        AssertionError, match=r"a Linear is fused with the BatchNorm1d or BatchNorm1d, ReLU or ReLU after it$"
    ):
        get_fuser_method((nn.Linear, nn.Tanh))
