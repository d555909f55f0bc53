"""Batch norms folded into the layer before them."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from tests.nn.modules.parity import drawn, filled
from tests.scripts import Scripts
from trainctl import nn
from trainctl.nn.utils import fusion

scripts = Scripts()


def with_statistics(lib, bn):
    bn = filled(bn, lib)
    bn.running_mean.copy_(lib.from_numpy(np.linspace(-1, 1, bn.num_features)))
    bn.running_var.copy_(lib.from_numpy(np.linspace(0.5, 2, bn.num_features)))
    return bn.eval()


def pairs(lib):
    """Return each layer with the norm after it, an input, and what folds one into the other."""
    nn, fold = lib.nn, lib.nn.utils.fusion
    for dims in (1, 2, 3):
        size = (2, 4, 3, 4, 3)[: dims + 2]
        bn = with_statistics(lib, getattr(nn, f"BatchNorm{dims}d")(6))
        for bias in (True, False):
            conv = getattr(nn, f"Conv{dims}d")(4, 6, 2, stride=2, padding=1, groups=2, bias=bias)
            yield filled(conv, lib).eval(), bn, drawn(lib, *size), fold.fuse_conv_bn_eval
        conv = filled(getattr(nn, f"ConvTranspose{dims}d")(4, 6, 2), lib).eval()
        yield conv, bn, drawn(lib, *size), lambda conv, bn: fold.fuse_conv_bn_eval(conv, bn, transpose=True)
    yield (
        filled(nn.Linear(4, 3), lib).eval(),
        with_statistics(lib, nn.BatchNorm1d(3)),
        drawn(lib, 5, 4),
        fold.fuse_linear_bn_eval,
    )


@scripts.agrees(1e-9)
def weights_and_biases(lib):
    folded = [fuse(layer, bn) for layer, bn, _, fuse in pairs(lib)]
    return [
        (each.weight, each.bias, each.weight.requires_grad, each.bias.requires_grad, each.training) for each in folded
    ]


@scripts.agrees(1e-9)
def a_norm_without_weights_and_a_frozen_layer(lib):
    bn = with_statistics(lib, lib.nn.BatchNorm2d(2, affine=False))
    conv = filled(lib.nn.Conv2d(1, 2, 2), lib).eval().requires_grad_(False)
    fused = lib.nn.utils.fusion.fuse_conv_bn_eval(conv, bn)
    return fused.weight, fused.bias, fused.weight.requires_grad, fused.bias.requires_grad


@scripts.raises(AssertionError, "^Fusion only for eval!$")
def a_layer_in_training(lib):
    lib.nn.utils.fusion.fuse_conv_bn_eval(lib.nn.Conv1d(1, 2, 1), lib.nn.BatchNorm1d(2).eval())


@scripts.raises(AssertionError, "running_mean and bn.running_var must not be None")
def a_norm_without_statistics(lib):
    bn = lib.nn.BatchNorm1d(2, track_running_stats=False).eval()
    lib.nn.utils.fusion.fuse_linear_bn_eval(lib.nn.Linear(1, 2).eval(), bn)


@scripts.raises(AssertionError, "got linear.out_features=2 and bn.num_features=3")
def a_norm_of_other_features(lib):
    lib.nn.utils.fusion.fuse_linear_bn_eval(lib.nn.Linear(1, 2).eval(), lib.nn.BatchNorm1d(3).eval())


test_script = scripts.test()


@pytest.mark.parametrize("number", range(10))
def test_the_fused_layer_computes_what_the_two_did_and_leaves_them_alone(number):
    layer, bn, x, fuse = list(pairs(trainctl))[number]
    weight, wanted = layer.weight.clone(), bn(layer(x))
    fused = fuse(layer, bn)
    np.testing.assert_allclose(fused(x).detach().numpy(), wanted.detach().numpy(), rtol=1e-9, atol=1e-12)
    assert trainctl.equal(layer.weight, weight)
    assert isinstance(fused.weight, nn.Parameter)
    assert fused.weight.is_leaf


def test_a_half_precision_layer_stays_one():
    weight, bias = fusion.fuse_conv_bn_weights(
        trainctl.ones(2, 1, 1, dtype=trainctl.float16), None, trainctl.zeros(2), trainctl.ones(2), 0.0, None, None
    )
    assert (weight.dtype, bias.dtype) == (trainctl.float16, trainctl.float16)
    assert weight.flatten().tolist() == [1.0, 1.0]
