"""Layers whose weights are rounded while they train, with the batch norm after them inside."""

from __future__ import annotations

from collections import namedtuple

import numpy as np
import pytest

import trainctl
from tests.nn.modules.parity import drawn, filled
from tests.scripts import Scripts
from trainctl import nn
from trainctl.nn import intrinsic as nni
from trainctl.nn import qat as nnqat
from trainctl.nn.intrinsic import qat as nniqat

scripts = Scripts()

QConfig = namedtuple("QConfig", ["activation", "weight"])

FUSED = {
    **{f"ConvBn{d}d": (f"Conv{d}d", f"BatchNorm{d}d") for d in (1, 2, 3)},
    **{f"ConvBnReLU{d}d": (f"Conv{d}d", f"BatchNorm{d}d", "ReLU") for d in (1, 2, 3)},
    "LinearBn1d": ("Linear", "BatchNorm1d"),
}
PLAIN = {
    **{f"ConvReLU{d}d": (f"Conv{d}d", "ReLU") for d in (1, 2, 3)},
    "LinearReLU": ("Linear", "ReLU"),
}


def places(lib):
    """Return where a library has fused layers, and those that round."""
    if lib is trainctl:
        return nni, nniqat, nnqat
    from torch.ao.nn import intrinsic, qat  # not loaded with torch itself

    return intrinsic, __import__("torch.ao.nn.intrinsic.qat", fromlist=["qat"]), qat


def bent(lib):
    """Return a qconfig whose weights come out a little changed, as rounding would, but smoothly."""

    class Bent(lib.nn.Module):
        def __init__(self, **options):
            super().__init__()

        def forward(self, x):
            return x + 0.01 * x * x

    return QConfig(None, Bent)


def float_layers(lib, names, bias):
    layers = []
    for name in names:
        sizes = {"Conv": (2, 3, 2), "Line": (4, 3), "Batc": (3,)}.get(name[:4], ())
        layer = getattr(lib.nn, name)(*sizes, **({"bias": bias} if name[:4] in ("Conv", "Line") else {}))
        layer = filled(layer, lib)
        if name.startswith("Batch"):
            layer.weight.data += 1
            layer.running_var.copy_(lib.from_numpy(np.linspace(0.5, 2, 3)))
        layers.append(layer)
    return layers


def trained(lib, name, bias=True, slow=False, frozen=False):
    """Return outputs, gradients and state of three steps, and of the float layer afterwards."""
    intrinsic, qat, _ = places(lib)
    source = getattr(intrinsic, name)(*float_layers(lib, {**FUSED, **PLAIN}[name], bias))
    source.qconfig = source[0].qconfig = bent(lib)
    layer = getattr(qat, name).from_float(source).to(lib.float64)
    if name.startswith("ConvBn"):
        layer._enable_slow_path_for_better_numerical_stability = slow
    if frozen:
        layer.freeze_bn_stats()
    size = (5, 4) if "Linear" in name else (5, 2, *[4] * int(name[-2]))
    optimizer, seen = lib.optim.SGD(layer.parameters(), lr=0.01, weight_decay=0.1), []
    for step in range(3):
        output = layer.train()(drawn(lib, *size, seed=step))
        optimizer.zero_grad()
        (output**3).sum().backward()
        optimizer.step()
        seen += [output, *(each.grad for each in layer.parameters())]
    folded = layer.eval().to_float()
    x = drawn(lib, *size)
    return (
        seen,
        dict(layer.state_dict()),
        layer(x),
        folded(x),
        repr(folded),
        [each.training for each in layer.modules()],
    )


for _name in FUSED:
    for _options in ({}, {"bias": False}, {"frozen": True}, {"slow": True}, {"slow": True, "frozen": True}):
        if not {"slow", "bias"} & set(_options) or _name.startswith("ConvBn"):

            def three_steps(lib, name=_name, options=_options):
                return trained(lib, name, **options)

            scripts.agrees(1e-6, 1e-7)(three_steps)
for _name in PLAIN:

    def three_steps_without_a_norm(lib, name=_name):
        return trained(lib, name)

    scripts.agrees(1e-6, 1e-9)(three_steps_without_a_norm)


@scripts.agrees(1e-6)
def plain_layers_and_back(lib):
    qat, found = places(lib)[2], []
    for name, sizes in {"Linear": (4, 3), "Conv1d": (2, 3, 2), "Conv2d": (2, 3, 2), "Conv3d": (2, 3, 2)}.items():
        source = filled(getattr(lib.nn, name)(*sizes), lib)
        source.qconfig = bent(lib)
        layer = getattr(qat, name).from_float(source)
        x = drawn(lib, *((5, 4) if name == "Linear" else (2, 2, *[3] * int(name[-2]))))
        found.append([layer(x), list(layer.state_dict()), repr(layer.to_float()), layer.to_float()(x)])
    return found


@scripts.raises(AssertionError, "^qconfig must be provided for QAT module$")
def a_layer_without_a_qconfig(lib):
    places(lib)[2].Linear(1, 1)


@scripts.raises(AssertionError, r"^qat.ConvBn2d.from_float only works for ConvBn2d")
def a_layer_of_another_kind(lib):
    places(lib)[1].ConvBn2d.from_float(lib.nn.Conv2d(1, 1, 1))


@scripts.raises(AssertionError, "^Input float module must have qconfig defined$")
def a_float_layer_without_a_qconfig(lib):
    places(lib)[2].Conv2d.from_float(lib.nn.Conv2d(1, 1, 1))


@scripts.raises(AssertionError, "^Input float module must have a valid qconfig$")
def a_float_layer_that_stays_one(lib):
    layer = lib.nn.Linear(1, 1)
    layer.qconfig = None
    places(lib)[2].Linear.from_float(layer)


test_script = scripts.test()


@pytest.mark.parametrize("name", [*FUSED, *PLAIN])
def test_parameters_and_statistics_are_the_float_layer_s_own(name):
    source = getattr(nni, name)(*float_layers(trainctl, {**FUSED, **PLAIN}[name], True))
    source.qconfig = bent(trainctl)
    layer = getattr(nniqat, name).from_float(source)
    assert {id(each) for each in layer.parameters()} == {id(each) for each in source.parameters()}
    if name in FUSED:
        assert layer.bn.running_mean is source[1].running_mean


def test_in_evaluation_the_layer_and_what_it_is_folded_into_agree():
    """Without rounding nothing is left between them but the order of sums."""
    source = nni.ConvBnReLU2d(*float_layers(trainctl, FUSED["ConvBnReLU2d"], True))
    source.qconfig = QConfig(None, nn.Identity)
    layer = nniqat.ConvBnReLU2d.from_float(source).eval()
    x = drawn(trainctl, 2, 2, 4, 4)
    for other in (layer.to_float()(x), source.eval()(x)):
        np.testing.assert_allclose(layer(x).detach(), other.detach(), atol=1e-6)


@pytest.mark.parametrize("frozen", [False, True])
def test_a_norm_of_weight_zero_needs_the_slow_path(frozen):
    source = nni.ConvBn2d(*float_layers(trainctl, FUSED["ConvBn2d"], True))
    source.qconfig = bent(trainctl)
    layer = nniqat.ConvBn2d.from_float(source)
    layer._enable_slow_path_for_better_numerical_stability = True
    layer.bn.weight.data.zero_()
    if frozen:
        layer.freeze_bn_stats()
    output = layer(drawn(trainctl, 2, 2, 4, 4))
    np.testing.assert_allclose(output.detach(), np.broadcast_to(layer.bn.bias.detach().reshape(3, 1, 1), output.shape))


def test_statistics_are_frozen_and_counted_again_in_the_whole_model():
    source = nni.LinearBn1d(*float_layers(trainctl, FUSED["LinearBn1d"], True))
    source.qconfig = bent(trainctl)
    model = nn.Sequential(nniqat.LinearBn1d.from_float(source), nn.BatchNorm1d(3).to(trainctl.float64))
    model.apply(nniqat.freeze_bn_stats)
    model.eval().train()
    assert [each.training for each in (model[0], model[0].bn, model[1])] == [True, False, True]
    before = model[0].bn.running_mean.clone()
    model(drawn(trainctl, 5, 4))
    assert trainctl.equal(model[0].bn.running_mean, before)
    model.apply(nniqat.update_bn_stats)
    model(drawn(trainctl, 5, 4))
    assert not trainctl.equal(model[0].bn.running_mean, before)
