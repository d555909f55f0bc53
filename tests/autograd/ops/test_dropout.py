"""Dropout of channels, and dropout that keeps mean and variance."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
import trainctl.nn.functional as F
from tests.scripts import Scripts

scripts = Scripts()

CHANNELS = {"dropout1d": (2, 3), "dropout2d": (4,), "dropout3d": (4, 5), "feature_alpha_dropout": (2, 3, 4, 5)}
BY_CHANNEL = [(name, ndim) for name, dims in CHANNELS.items() for ndim in dims]
NAMES = [*CHANNELS, "alpha_dropout"]
SHAPES = dict.fromkeys(NAMES, (3, 4, 2, 2)) | {"dropout1d": (3, 4, 2), "dropout3d": (3, 4, 2, 1, 2)}


@scripts.gives([1.0, 1.0, [1.0, 1.0], [0.0, 0.0]])
def dims_count_only_where_channels_are_drawn(lib):
    drop, vector = lib.nn.functional.feature_alpha_dropout, lib.ones(2)
    return [
        drop(lib.tensor(1.0), 0.5, False).item(), drop(lib.tensor(1.0), 0.0, True).item(), drop(vector, 0.5, False),
        drop(vector, 1.0, True),
    ]  # fmt: skip


@scripts.gives([[], [0, 3, 1, 1]])
def nothing_is_dropped_from_nothing(lib):
    return [
        lib.nn.functional.feature_alpha_dropout(lib.ones(0), 0.5, True),
        lib.nn.functional.dropout2d(lib.ones(0, 3, 1, 1)).shape,
    ]


@scripts.gives([True, [0.0, 0.0]])
def all_is_dropped_in_place(lib):
    x = lib.ones(2)
    return [lib.nn.functional.dropout(x, 1.0, inplace=True) is x, x]


@pytest.mark.parametrize(("name", "ndim"), BY_CHANNEL)
def test_a_channel_is_dropped_as_a_whole(name, ndim):
    trainctl.manual_seed(0)
    single = name in ("dropout1d", "dropout3d") and ndim == CHANNELS[name][0]
    shape = (40, *(5,) * (ndim - 1)) if single else (8, 6, *(3,) * (ndim - 2))
    y = getattr(F, name)(trainctl.ones(shape), 0.5, True).numpy()
    channels = y.reshape((40 if single else 48, -1))
    assert (channels == channels[:, :1]).all()
    assert len(np.unique(channels)) == 2
    assert 0.2 < np.mean(channels[:, 0] == channels.min()) < 0.8


@pytest.mark.parametrize("name", ["dropout1d", "dropout2d", "dropout3d"])
def test_what_stays_is_scaled_so_that_the_mean_stays(name):
    trainctl.manual_seed(0)
    shape = {"dropout1d": (100, 300, 2), "dropout2d": (100, 300, 1, 2), "dropout3d": (100, 300, 1, 1, 2)}[name]
    y = getattr(F, name)(trainctl.ones(shape), 0.2)
    assert set(np.unique(y.numpy())) == {0.0, np.float32(1.25)}
    assert y.mean().item() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("name", ["alpha_dropout", "feature_alpha_dropout"])
def test_alpha_dropout_keeps_mean_and_variance(name, p):
    trainctl.manual_seed(0)
    y = getattr(F, name)(trainctl.randn(300, 300), p, True)
    assert y.mean().item() == pytest.approx(0, abs=0.03)
    assert y.std().item() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_is_that_of_the_mask(name):
    trainctl.manual_seed(0)
    x = trainctl.zeros(SHAPES[name], requires_grad=True)
    y = getattr(F, name)(x, 0.5, True)
    y.sum().backward()
    kept = x.grad.numpy() != 0
    assert 0 < kept.mean() < 1
    assert len(np.unique(x.grad.numpy())) == 2
    assert len(np.unique(y.detach().numpy())) == (2 if "alpha" in name else 1)


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_the_dtype_stays(name, kind):
    x = trainctl.ones(SHAPES[name], dtype=getattr(trainctl, kind))
    assert getattr(F, name)(x, 0.5, True).dtype is x.dtype


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_decides_what_is_dropped(name):
    def dropped():
        trainctl.manual_seed(3)
        return getattr(F, name)(trainctl.ones(SHAPES[name]), 0.5, True)

    assert trainctl.equal(dropped(), dropped())


for _name in NAMES:

    @scripts.gives([True, [0.0], True, True])
    def what_is_certain(lib, name=_name):
        x = lib.ones(*SHAPES[name])
        drop = getattr(lib.nn.functional, name)
        return [
            drop(x, 0.5, False) is x,
            drop(x, 1.0, True).unique().tolist(),
            lib.equal(drop(x, 0.0, True), x),
            x.unique().tolist() == [1.0],
        ]

    @scripts.gives([True, True])
    def in_place(lib, name=_name):
        x = lib.ones(*SHAPES[name])
        return [getattr(lib.nn.functional, name)(x, 0.5, True, True) is x, bool((x != 1).any())]

    @scripts.raises(ValueError, "between 0 and 1, but got 1.5")
    def no_probability(lib, name=_name):
        getattr(lib.nn.functional, name)(lib.ones(2, 2, 2, 2), 1.5)

    @scripts.raises(RuntimeError, "can't be cast to the desired output type")
    def integers(lib, name=_name):
        x = lib.ones(*SHAPES[name]).long()
        getattr(lib.nn.functional, name)(x, 0.5, True)

    @scripts.raises(NotImplementedError, "(?i)complex")
    def complex_numbers(lib, name=_name):
        x = lib.ones(*SHAPES[name]).to(lib.complex64)
        getattr(lib.nn.functional, name)(x, 0.5, True)


@scripts.raises(RuntimeError, "dropout1d: Expected 2D or 3D input, but received a 4D input")
def dropout1d_of_images(lib):
    lib.nn.functional.dropout1d(lib.ones(2, 2, 2, 2))


@scripts.raises(RuntimeError, "at least 2 dimensions in the input")
def channels_of_a_vector(lib):
    lib.nn.functional.feature_alpha_dropout(lib.ones(2), 0.5, True)


test_script = scripts.test()


def test_dims_that_may_be_meant_otherwise_get_a_warning():
    with pytest.warns(UserWarning, match=r"3D input, taken as \[N, C, L\]"):
        F.dropout2d(trainctl.ones(2, 3, 4))
    with pytest.warns(UserWarning, match=r"dropout2d: expected input \[N, C, H, W\], got shape \[2, 3\]"):
        F.dropout2d(trainctl.ones(2, 3))
    with pytest.warns(UserWarning, match=r"dropout3d: expected input .* got shape \[2, 3\]"):
        F.dropout3d(trainctl.ones(2, 3))


def test_one_sample_in_place_is_the_sample_itself():
    x = trainctl.ones(50, 4)
    assert F.dropout1d(x, 0.5, True, True) is x
    assert 0 < x.mean().item() < 2
