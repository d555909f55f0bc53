"""Batch normalisation: parameters, running statistics, modes."""

from __future__ import annotations

import pytest

import trainctl
from tests.nn.modules.parity import drawn, filled, outcome
from tests.scripts import Scripts
from trainctl import nn

scripts = Scripts()

SHAPES = {"BatchNorm1d": [(4, 3), (4, 3, 2)], "BatchNorm2d": [(2, 3, 2, 4)], "BatchNorm3d": [(2, 3, 1, 2, 2)]}
OPTIONS = [
    {}, {"affine": False}, {"track_running_stats": False}, {"momentum": None}, {"momentum": 0.5, "eps": 0.01}, {"bias": False},
    {"affine": False, "track_running_stats": False},
]  # fmt: skip

for _name, _shapes in SHAPES.items():
    for _shape in _shapes:
        for _options in OPTIONS:

            @scripts.agrees(rtol=1e-9, atol=1e-12)
            def a_batch_in_training(lib, name=_name, shape=_shape, options=_options):
                return outcome(filled(getattr(lib.nn, name)(3, **options), lib), [drawn(lib, *shape)])

            @scripts.agrees(rtol=1e-9, atol=1e-12)
            def evaluation_after_batches(lib, name=_name, shape=_shape, options=_options):
                norm = filled(getattr(lib.nn, name)(3, **options), lib)
                for seed in (2, 3, 4):
                    norm(drawn(lib, *shape, seed=seed) + seed)
                return outcome(norm.eval(), [drawn(lib, *shape)])


@scripts.gives(([1.5, 1.5], [1.0, 1.0], 2))
def the_plain_average_of_batches(lib):
    norm = lib.nn.BatchNorm1d(2, momentum=None)
    for mean in (1.0, 2.0):
        norm(lib.tensor([[mean - 0.5**0.5] * 2, [mean + 0.5**0.5] * 2]))
    return norm.running_mean, [round(each, 5) for each in norm.running_var.tolist()], norm.num_batches_tracked.item()


@scripts.gives(
    [["weight", "bias", "running_mean", "running_var", "num_batches_tracked"], [], ["weight", "bias"], "lib.int64", []]
)
def state_keys(lib):
    norm = lib.nn.BatchNorm2d
    plain = norm(2, affine=False, track_running_stats=False)
    return [
        list(norm(2).state_dict()), list(plain.state_dict()), list(norm(2, track_running_stats=False).state_dict()),
        norm(2).num_batches_tracked.dtype, [name for name, each in norm(2).named_buffers() if each.requires_grad],
    ]  # fmt: skip


@scripts.gives(([1.0, 1.0], [0.0, 0.0], [0.0, 0.0], [1.0, 1.0], 0))
def what_it_begins_with_and_what_reset_returns_to(lib):
    norm = lib.nn.BatchNorm1d(2)
    norm(lib.tensor([[1.0, 2.0], [3.0, 7.0]]))
    norm.reset_parameters()
    return norm.weight, norm.bias, norm.running_mean, norm.running_var, norm.num_batches_tracked.item()


@scripts.gives([0, 1, 1])
def only_training_counts_batches(lib):
    norm, counts = lib.nn.BatchNorm1d(2), []
    for mode in (False, True, False):
        norm.train(mode)(lib.rand(4, 2))
        counts.append(norm.num_batches_tracked.item())
    return counts


@scripts.raises(ValueError, r"expected 2D or 3D input \(got 4D input")
def an_image_for_a_1d_norm(lib):
    lib.nn.BatchNorm1d(2)(lib.rand(1, 2, 3, 3))


@scripts.raises(ValueError, r"expected 4D input \(got 3D input")
def a_single_image(lib):
    lib.nn.BatchNorm2d(2)(lib.rand(2, 3, 3))


@scripts.raises(ValueError, "Expected more than 1 value per channel")
def a_batch_of_one(lib):
    lib.nn.BatchNorm1d(2)(lib.rand(1, 2))


@scripts.raises(RuntimeError, "running_mean should contain 3 elements not 2")
def other_channels(lib):
    lib.nn.BatchNorm1d(2)(lib.rand(4, 3))


test_script = scripts.test()


def test_half_precision_inputs_keep_float32_statistics():
    norm = nn.BatchNorm1d(2)
    y = norm(trainctl.rand(8, 2).half())
    assert y.dtype is trainctl.float16
    assert norm.running_mean.dtype is trainctl.float32


@pytest.mark.parametrize("kind", ["float64", "bfloat16"])
def test_dtype_is_that_of_parameters_and_statistics(kind):
    kind = getattr(trainctl, kind)
    norm = nn.BatchNorm1d(2, dtype=kind)
    assert {each.dtype for each in (norm.weight, norm.bias, norm.running_mean, norm.running_var)} == {kind}
    assert norm(trainctl.rand(8, 2).to(kind)).dtype is kind
    assert norm.running_mean.dtype is kind
    assert norm.running_mean.float().abs().sum() > 0


def test_two_passes_through_one_norm_before_backward():
    norm = nn.BatchNorm1d(2)
    (norm(trainctl.rand(4, 2)) + norm(trainctl.rand(4, 2))).sum().backward()
    assert norm.bias.grad.tolist() == [8, 8]
