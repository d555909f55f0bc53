"""Quantized layers made of float layers that were observed."""

from __future__ import annotations

import pytest

import trainctl
from tests.nn.quantized.observed import Observer, observed
from trainctl import nn

nnq = nn.quantized
LAYERS = {
    "Linear": (lambda: nn.Linear(8, 6), (5, 8)),
    "Conv1d": (lambda: nn.Conv1d(4, 6, 3, padding=1), (2, 4, 8)),
    "Conv2d": (lambda: nn.Conv2d(4, 6, 3, bias=False), (2, 4, 8, 8)),
    "Conv3d": (lambda: nn.Conv3d(4, 6, 3, groups=2), (2, 4, 5, 5, 5)),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(4, 6, 3, stride=2), (2, 4, 8)),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(4, 6, 3, output_padding=1, stride=2), (2, 4, 8, 8)),
    "ConvTranspose3d": (lambda: nn.ConvTranspose3d(4, 6, 3), (2, 4, 5, 5, 5)),
    "Hardswish": (nn.Hardswish, (2, 4, 8, 8)),
    "ELU": (lambda: nn.ELU(1.3), (2, 4, 8, 8)),
    "LeakyReLU": (lambda: nn.LeakyReLU(0.2), (2, 4, 8, 8)),
    "Sigmoid": (nn.Sigmoid, (2, 4, 8, 8)),
    "Softmax": (lambda: nn.Softmax(1), (2, 4, 8, 8)),
    "PReLU": (lambda: nn.PReLU(4), (2, 4, 8, 8)),
    "LayerNorm": (lambda: nn.LayerNorm(8), (2, 4, 8, 8)),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), (2, 4, 8, 8)),
    "InstanceNorm1d": (lambda: nn.InstanceNorm1d(4, affine=True), (2, 4, 8)),
    "InstanceNorm2d": (lambda: nn.InstanceNorm2d(4), (2, 4, 8, 8)),
    "InstanceNorm3d": (lambda: nn.InstanceNorm3d(4), (2, 4, 4, 4, 4)),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(4).eval(), (2, 4, 8, 8)),
    "BatchNorm3d": (lambda: nn.BatchNorm3d(4).eval(), (2, 4, 4, 4, 4)),
    "Dropout": (lambda: nn.Dropout().eval(), (2, 4, 8, 8)),
    "ReLU6": (nn.ReLU6, (2, 4, 8, 8)),
}


def made(name):
    """Return a float layer, its quantized form, and an input of which it is observed."""
    trainctl.manual_seed(0)
    make, shape = LAYERS[name]
    layer = observed(make(), per_channel=not name.startswith("ConvT"))
    return (
        layer,
        getattr(nnq, name).from_float(layer),
        trainctl.quantize_per_tensor(trainctl.randn(*shape), 0.05, 100, trainctl.quint8),
    )


@pytest.mark.parametrize("name", LAYERS)
def test_a_quantized_layer_gives_what_the_float_one_does(name):
    layer, quantized, x = made(name)
    y, wanted = quantized(x), layer(x.dequantize()).detach()
    assert y.is_quantized
    assert y.dtype is trainctl.quint8
    assert (y.dequantize() - wanted.clamp(-5, 7.75)).abs().max() < 0.05  # 0.025, and the weights' rounding
    assert (y.q_scale(), y.q_zero_point()) == pytest.approx((0.05, 100))


@pytest.mark.parametrize("name", LAYERS)
def test_float_numbers_give_float_numbers(name):
    _, quantized, x = made(name)
    if "Conv" in name or name == "Linear":
        quantized.input_scale, quantized.input_zero_point = x.q_scale(), x.q_zero_point()
    y = quantized(x.dequantize())
    assert not y.is_quantized
    assert (y - quantized(x).dequantize()).abs().max() < 0.0501  # ONNX's rule and PyTorch's differ on ties


@pytest.mark.parametrize("name", LAYERS)
def test_a_state_dict_goes_round(name):
    _, quantized, x = made(name)
    other = getattr(nnq, name).from_float(observed(LAYERS[name][0](), 0.1, 3, per_channel=not name.startswith("ConvT")))
    other.load_state_dict(quantized.state_dict())
    assert trainctl.equal(other(x), quantized(x))


def test_the_observer_s_limits_hold():
    layer = nn.Linear(4, 3)
    weight = nnq.Linear.from_float(observed(layer, quant_max=63)).weight()
    assert weight.int_repr().abs().max() == 63
    layer.qconfig.weight = lambda: Observer(trainctl.qint8, 0.001, 0, -8, 7)
    assert nnq.Linear.from_float(layer).weight_codes.unique().tolist()[::14] == [-8, 6] or (
        nnq.Linear.from_float(layer).weight_codes.abs().max() <= 8
    )


def test_weights_that_were_rounded_in_training_are_taken_as_they_are():
    layer = observed(nn.Linear(4, 3))
    layer.weight_fake_quant = Observer(trainctl.qint8, 0.5, 0, -128, 127)
    assert nnq.Linear.from_float(layer).weight_scale.item() == 0.5


def test_an_output_that_nobody_looks_at_as_codes_stays_float():
    layer = observed(nn.Linear(4, 3))
    layer.activation_post_process = Observer(trainctl.float32)
    assert nnq.Linear.from_float(layer).scale is None
    del layer.activation_post_process
    assert nnq.Linear.from_float(layer).zero_point is None


@pytest.mark.parametrize("name", [name for name in LAYERS if name not in ("Dropout", "ReLU6")])
def test_another_kind_of_layer_is_refused(name):
    with pytest.raises(TypeError, match=rf"nn.quantized.{name}.from_float takes a {name}, .*got: Flatten"):
        getattr(nnq, name).from_float(nn.Flatten())


def test_a_layer_without_a_qconfig_is_refused():
    with pytest.raises(ValueError, match=r"the Linear has no qconfig; set model.qconfig and call prepare"):
        nnq.Linear.from_float(nn.Linear(2, 3))
    layer = observed(nn.Linear(2, 3))
    layer.qconfig.weight = lambda: Observer(trainctl.quint8)
    with pytest.raises(ValueError, match=r"weights must be observed as qint8, got trainctl.quint8"):
        nnq.Linear.from_float(layer)


@pytest.mark.parametrize(
    ("text", "layer"),
    [
        ("QuantizedHardswish()", nnq.Hardswish(1.0, 0)),
        ("QuantizedELU(alpha=1.5)", nnq.ELU(1.0, 0, 1.5)),
        ("QuantizedLayerNorm((8,), eps=1e-05, elementwise_affine=True, bias=True)", made("LayerNorm")[1]),
        ("QuantizedReLU6()", nnq.ReLU6()),
        ("QuantizedDropout(p=0.5, inplace=False)", nnq.Dropout()),
        ("Quantize(scale=tensor([0.5000]), zero_point=tensor([3]), dtype=trainctl.qint8)", nnq.Quantize(0.5, 3, trainctl.qint8)),
        ("DeQuantize()", nnq.DeQuantize()),
        ("QFunctional(\n  scale=1.0, zero_point=0\n  (activation_post_process): Identity()\n)", nnq.QFunctional()),
    ],
)  # fmt: skip
def test_printing(text, layer):
    assert repr(layer) == text


def test_stubs():
    stub = observed(nn.Identity(), 0.5, 3)
    quantize = nnq.Quantize.from_float(stub)
    x = trainctl.tensor([0.6, -9.0])
    assert nnq.DeQuantize.from_float(stub)(quantize(x)).tolist() == [0.5, -1.5]
    other = nnq.Quantize(1.0, 0, trainctl.quint8)
    other.load_state_dict(quantize.state_dict())
    assert trainctl.equal(other(x), quantize(x))


def test_slopes_are_checked():
    layer = nnq.PReLU(0.1, 3, 2)
    with pytest.raises(ValueError, match="a quantized tensor of quint8"):
        layer.set_weight(trainctl.ones(2))
    with pytest.raises(ValueError, match=r"expected 2 slopes, got \[3\]"):
        layer.set_weight(trainctl.quantize_per_tensor(trainctl.ones(3), 0.1, 0, trainctl.quint8))
