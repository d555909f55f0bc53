"""Dropout."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from tests.scripts import Scripts
from trainctl import nn

scripts = Scripts()


@scripts.gives([[1.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
def what_is_certain(lib):
    x = lib.ones(2)
    return [lib.nn.Dropout().eval()(x).tolist(), lib.nn.Dropout(0.0)(x).tolist(), lib.nn.Dropout(1.0)(x).tolist()]


@scripts.gives(["Dropout(p=0.5, inplace=False)", "Dropout(p=0.1, inplace=True)"])
def texts(lib):
    return [repr(lib.nn.Dropout()), repr(lib.nn.Dropout(0.1, inplace=True))]


@scripts.raises(ValueError, "dropout probability has to be between 0 and 1, but got 1.5")
def a_probability_above_one(lib):
    lib.nn.Dropout(1.5)


@scripts.raises(ValueError, "dropout probability has to be between 0 and 1, but got -0.1")
def a_negative_probability(lib):
    lib.nn.Dropout(-0.1)


@scripts.gives([True, True, True])
def the_gradient_has_the_output_s_mask_and_scale(lib):
    x = lib.ones(1000, requires_grad=True)
    y = lib.nn.Dropout(0.25)(x)
    y.sum().backward()
    scale = 1 / 0.75
    kept = y.detach() != 0
    return [lib.equal(x.grad, y.detach()), abs(y.max().item() - scale) < 1e-6, 600 < int(kept.sum()) < 900]


@scripts.gives([True, True])
def a_seed_decides_what_is_dropped(lib):
    def dropped(seed):
        lib.manual_seed(seed)
        return lib.nn.Dropout()(lib.ones(100))

    return [lib.equal(dropped(0), dropped(0)), not lib.equal(dropped(0), dropped(1))]


@scripts.gives([True, True])
def in_place(lib):
    x = lib.ones(100)
    y = lib.nn.Dropout(inplace=True)(x)
    return [y is x, 0 < int((x == 0).sum()) < 100]


SHAPES = {
    "Dropout1d": (2, 3, 4), "Dropout2d": (2, 3, 2, 2), "Dropout3d": (2, 3, 1, 2, 2), "AlphaDropout": (2, 3),
    "FeatureAlphaDropout": (2, 3, 4),
}  # fmt: skip
for _name, _shape in SHAPES.items():

    @scripts.gives([True, True, True])
    def forms_of_dropout_when_it_is_certain_what_they_do(lib, name=_name, shape=_shape):
        x, made = lib.ones(*shape), getattr(lib.nn, name)
        return [made().eval()(x) is x, lib.equal(made(0.0)(x), x), not made(1.0)(x).any()]

    @scripts.agrees()
    def texts_of_forms(lib, name=_name):
        return [repr(getattr(lib.nn, name)()), repr(getattr(lib.nn, name)(0.2, inplace=True))]

    @scripts.raises(ValueError, "between 0 and 1, but got 2")
    def no_probability(lib, name=_name):
        getattr(lib.nn, name)(2)


test_script = scripts.test()


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_a_share_of_p_is_dropped_and_the_mean_stays(p):
    trainctl.manual_seed(0)
    y = nn.Dropout(p)(trainctl.ones(100_000)).numpy()
    assert np.mean(y == 0) == pytest.approx(p, abs=0.006)
    assert np.mean(y) == pytest.approx(1, rel=0.04)


def test_infinities_are_dropped_to_zero_only_where_pytorch_s_mask_says():
    trainctl.manual_seed(0)
    y = nn.Dropout(0.5)(trainctl.full((100,), 2.0))
    assert set(y.tolist()) == {0.0, 4.0}


@pytest.mark.parametrize("name", ["Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"])
def test_channels_are_dropped_as_a_whole(name):
    trainctl.manual_seed(0)
    y = getattr(nn, name)()(trainctl.ones(40, 30, *SHAPES[name][2:])).numpy().reshape(1200, -1)
    assert (y == y[:, :1]).all()
    assert np.mean(y[:, 0] == y.min()) == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("name", SHAPES)
def test_forms_in_place(name):  # PyTorch's AlphaDropout and FeatureAlphaDropout do not do what they say
    x = trainctl.ones(*SHAPES[name])
    assert getattr(nn, name)(1.0, inplace=True)(x) is x
    assert not x.any()
