"""Muon takes PyTorch's steps, and they are orthogonal."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from tests.scripts import load
from trainctl.backend.arrays import NUMPY
from trainctl.optim import Muon
from trainctl.optim.muon import _bfloat16, orthogonal

OPTIONS = [{}, {"nesterov": False, "adjust_lr_fn": "match_rms_adamw"}, {"ns_steps": 2, "momentum": 0.5, "weight_decay": 0}, {"adjust_lr_fn": "original", "ns_coefficients": (2, -1.5, 0.5), "eps": 1e-3}]  # fmt: skip


def path(lib, shape, dtype, options):
    draw = np.random.RandomState(1)
    w = lib.from_numpy(draw.randn(*shape).astype(dtype)).requires_grad_()
    slope = lib.from_numpy(draw.randn(shape[0], shape[0]).astype(dtype))
    optimizer, found = lib.optim.Muon([w], lr=0.02, **options), []
    for _ in range(10):
        optimizer.zero_grad()
        (slope @ w).square().sum().backward()
        optimizer.step()
        found.append(w.detach().numpy().copy())
    return np.stack(found)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (1, 6), (6, 1)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_steps_are_torch_s(shape, dtype, options):
    ours, theirs = (path(lib, shape, dtype, options) for lib in (trainctl, load("torch")))
    np.testing.assert_allclose(ours, theirs, atol=2e-5)  # a sum in another order may be rounded to the other bfloat16


@pytest.mark.parametrize("shape", [(8, 3), (3, 8), (5, 5)])
def test_the_iteration_brings_singular_values_near_1(shape):
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32) * 100
    step = orthogonal(NUMPY, x, (3.4445, -4.7750, 2.0315), 5, 1e-7)
    values = np.linalg.svd(step, compute_uv=False)
    assert values.min() > 0.5
    assert values.max() < 1.3
    u, _, vt = np.linalg.svd(x, full_matrices=False)
    cosine = np.sum(step * (u @ vt)) / np.linalg.norm(step) / np.linalg.norm(u @ vt)
    assert cosine > 0.97


def test_values_are_rounded_as_the_dtype_bfloat16_rounds_them():
    x = np.concatenate([np.random.default_rng(0).standard_normal(1000) * 10.0 ** np.arange(-20, 20).repeat(25), [0, -0.0, np.inf, -np.inf, 1 + 2**-8, 1 + 3 * 2**-8]]).astype(np.float32)  # fmt: skip
    expected = trainctl.from_numpy(x).to(trainctl.bfloat16).to(trainctl.float32)
    np.testing.assert_array_equal(_bfloat16(NUMPY, x), expected.numpy())


def test_only_matrices():
    with pytest.raises(
        ValueError, match=r"Muon only supports 2D parameters whereas we found a parameter with size: .*\[3\]"
    ):
        Muon([trainctl.ones(2, 2), trainctl.ones(3)])


@pytest.mark.parametrize(
    ("options", "match"), [({"ns_steps": 100}, "less than 100"), ({"ns_coefficients": (1, 2)}, "exactly 3 values")]
)
def test_options_of_the_iteration_are_checked_at_the_step(options, match):
    w = trainctl.ones(2, 2, requires_grad=True)
    w.grad = trainctl.ones(2, 2)
    with pytest.raises(ValueError, match=match):
        Muon([w], **options).step()


def test_complex_matrices_are_refused():
    w = trainctl.ones(2, 2, dtype=trainctl.complex64, requires_grad=True)
    w.grad = w.detach()
    with pytest.raises(RuntimeError, match="Muon does not support complex parameters"):
        Muon([w]).step()
