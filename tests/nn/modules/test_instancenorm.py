"""Instance normalisation."""

from __future__ import annotations

import pytest

import trainctl
from tests.nn.modules.parity import drawn, filled, outcome
from tests.scripts import Scripts
from trainctl import nn

scripts = Scripts()

SHAPES = {"InstanceNorm1d": (2, 3, 4), "InstanceNorm2d": (2, 3, 2, 4), "InstanceNorm3d": (2, 3, 1, 2, 2)}
OPTIONS = [{}, {"affine": True}, {"affine": True, "bias": False}, {"track_running_stats": True}, {"affine": True, "track_running_stats": True, "momentum": 0.4, "eps": 0.01}]  # fmt: skip

for _name, _shape in SHAPES.items():
    for _options in OPTIONS:
        for _given in (_shape, _shape[1:]):

            @scripts.agrees(rtol=1e-9, atol=1e-12)
            def in_training(lib, name=_name, shape=_given, options=_options):
                return outcome(filled(getattr(lib.nn, name)(3, **options), lib), [drawn(lib, *shape)])

            @scripts.agrees(rtol=1e-9, atol=1e-12)
            def evaluation_after_a_batch(lib, name=_name, shape=_given, options=_options):
                norm = filled(getattr(lib.nn, name)(3, **options), lib)
                norm(drawn(lib, *shape, seed=2) + 1)
                return outcome(norm.eval(), [drawn(lib, *shape)])


@scripts.gives([[], ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]])
def state_keys(lib):
    norm = lib.nn.InstanceNorm1d
    return [list(norm(2).state_dict()), list(norm(2, affine=True, track_running_stats=True).state_dict())]


@scripts.raises(ValueError, r"expected 3D or 4D input \(got 2D input")
def a_matrix_for_images(lib):
    lib.nn.InstanceNorm2d(2)(lib.rand(2, 3))


@scripts.raises(ValueError, r"size at dim=1 to match num_features \(2\), but got: 3")
def other_channels_than_there_are_parameters_for(lib):
    lib.nn.InstanceNorm1d(2, affine=True)(lib.rand(4, 3, 5))


@scripts.raises(ValueError, "more than 1 spatial element")
def single_elements(lib):
    lib.nn.InstanceNorm1d(2)(lib.rand(4, 2, 1))


test_script = scripts.test()


def test_without_parameters_other_channels_get_a_warning():
    with pytest.warns(UserWarning, match="dim=0 to match num_features \\(2\\), but got: 3"):
        y = nn.InstanceNorm1d(2)(trainctl.rand(3, 5))
    assert y.shape == (3, 5)
