"""Layers in a row under one name."""

from __future__ import annotations

import pytest

import trainctl
from tests.scripts import Scripts
from trainctl import nn
from trainctl.nn import intrinsic as nni

scripts = Scripts()

LAYERS = {
    "Conv1d": (1, 2, 1), "Conv2d": (1, 2, 1), "Conv3d": (1, 2, 1), "Linear": (2, 2), "ReLU": (), "LeakyReLU": (),
    "Tanh": (), "BatchNorm1d": (2,), "BatchNorm2d": (2,), "BatchNorm3d": (2,),
}  # fmt: skip
FUSED = {
    **{f"ConvReLU{d}d": (f"Conv{d}d", "ReLU") for d in (1, 2, 3)},
    **{f"ConvBn{d}d": (f"Conv{d}d", f"BatchNorm{d}d") for d in (1, 2, 3)},
    **{f"ConvBnReLU{d}d": (f"Conv{d}d", f"BatchNorm{d}d", "ReLU") for d in (1, 2, 3)},
    **{f"BNReLU{d}d": (f"BatchNorm{d}d", "ReLU") for d in (2, 3)},
    "LinearReLU": ("Linear", "ReLU"),
    "LinearBn1d": ("Linear", "BatchNorm1d"),
    "LinearLeakyReLU": ("Linear", "LeakyReLU"),
    "LinearTanh": ("Linear", "Tanh"),
}


def intrinsic(lib):
    return lib.ao.nn.intrinsic if lib.__name__ == "torch" else nni


def layers(lib, names):
    return [getattr(lib.nn, name)(*LAYERS[name]) for name in names]


@pytest.mark.parametrize("name", FUSED)
def test_layers_are_called_one_after_the_other(name):
    parts = layers(trainctl, FUSED[name])
    x = (
        trainctl.randn(3, 2)
        if "Linear" in name
        else trainctl.randn(2, 1 if "Conv" in name else 2, *[2] * int(name[-2]))
    )
    wanted = x
    for each in [each.eval() for each in parts]:
        wanted = each(wanted)
    fused = getattr(nni, name)(*parts)
    assert trainctl.equal(fused(x), wanted)
    assert isinstance(fused, nni._FusedModule)
    assert type(fused[:1]) is nn.Sequential


@scripts.agrees()
def keys_and_text(lib):
    fused = [getattr(intrinsic(lib), name)(*layers(lib, parts)) for name, parts in FUSED.items()]
    return [(repr(each), list(each.state_dict())) for each in fused]


@scripts.raises(AssertionError, "^Incorrect types for input modules: Conv1d and ReLU")
def another_kind(lib):
    intrinsic(lib).ConvReLU2d(lib.nn.Conv1d(1, 2, 1), lib.nn.ReLU())


@scripts.raises(AssertionError, "^Incorrect types for input modules: Conv2d, ReLU, and BatchNorm2d")
def another_order(lib):
    intrinsic(lib).ConvBnReLU2d(lib.nn.Conv2d(1, 2, 1), lib.nn.ReLU(), lib.nn.BatchNorm2d(2))


@scripts.raises(AssertionError, "^Incorrect types for input modules: ReLU6 and Linear|Linear and ReLU6")
def a_subclass(lib):
    intrinsic(lib).LinearReLU(lib.nn.Linear(1, 2), lib.nn.ReLU6())


@scripts.gives([[[0.0, 6.0]], [[-1.0, 6.0]]])
def a_convolution_and_a_sum(lib):
    nni, conv = intrinsic(lib), lib.nn.Conv2d(1, 1, 1, bias=False)
    conv.weight.data.fill_(2)
    x, y = lib.tensor([[[-1.0, 2.0]]]), lib.tensor([[[1.0, 2.0]]])
    return [
        nni.ConvAddReLU2d(conv, lib.add, lib.nn.ReLU())(x, y)[0].tolist(),
        nni.ConvAdd2d(conv, lib.add)(x, y)[0].tolist(),
    ]


test_script = scripts.test()
