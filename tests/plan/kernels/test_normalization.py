"""Norms over rows and over columns are what the ops give."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from tests.plan.kernels import harness
from tests.plan.kernels.harness import forward, like, run, uniform
from trainctl.autograd.ops.standardization import Moments, Standardize, StandardizeGradient

check = partial(harness.check, always=True)

LAST = (0, 2, 3, 1)
# shape, dims of the statistics, order in memory, shape of the weight
BATCH = [
    ((8, 16, 12, 12), (0, 2, 3), LAST, (16, 1, 1)),
    ((5, 3, 7, 9), (0, 2, 3), LAST, (3, 1, 1)),
    ((70, 130), (0,), None, (130,)),
    ((50, 40, 5, 8), (0, 1, 2), None, (8,)),
]
LAYER = [
    ((6, 5, 128), (2,), None, (128,)),
    ((700, 130), (1,), None, (130,)),
    ((4, 6, 3), (1, 2), None, (6, 3)),
    ((3, 1, 2), (2,), None, (2,)),
]
lowered_cases = pytest.mark.parametrize(("shape", "dims", "order", "weight"), BATCH + LAYER)


def given(shape, dims, order, weight):
    """Return x, its statistics, weight and bias."""
    x = uniform(*shape, order=order) * 3 + 5
    center, var = forward(Moments, {"dims": dims}, [x])
    return x, center, var, uniform(*weight, seed=1), uniform(*weight, seed=2)


@lowered_cases
def test_moments(shape, dims, order, weight):
    x, center, var, *_ = given(shape, dims, order, weight)
    check(Moments, {"dims": dims}, [x], [like(center), like(var)])


def test_moments_of_numbers_far_from_0():
    """Their squares would cancel."""
    x = uniform(3000, 8) + np.float32(1e4)
    center, var = forward(Moments, {"dims": (0,)}, [x])
    check(Moments, {"dims": (0,)}, [x], [like(center), like(var)], rtol=1e-4)


@lowered_cases
@pytest.mark.parametrize("without", [(), (1,), (3, 4), (4,)])
def test_standardize(shape, dims, order, weight, without):
    arrays = [None if number in without else each for number, each in enumerate(given(shape, dims, order, weight))]
    check(Standardize, {"eps": 1e-5, "dims": dims}, arrays, [like(arrays[0])], rtol=1e-4)


@pytest.mark.parametrize(("shape", "dims", "order", "weight"), BATCH[:3])
def test_standardize_by_constants(shape, dims, order, weight):
    """Running statistics, in the weight's shape."""
    x, _, _, w, b = given(shape, dims, order, weight)
    check(Standardize, {"eps": 1e-5, "dims": None}, [x, b, w * w, w, b], [like(x)], rtol=1e-4)


@lowered_cases
@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_gradient(shape, dims, order, weight, centered, weighted):
    x, center, var, w, _ = given(shape, dims, order, weight)
    gy = uniform(*shape, seed=3, order=order)
    arrays = [gy, x, center if centered else None, var, w if weighted else None]
    _, gw = forward(StandardizeGradient, {"eps": 1e-5, "dims": dims}, arrays)
    outs = [like(x), like(gw) if weighted else None]
    check(StandardizeGradient, {"eps": 1e-5, "dims": dims}, arrays, outs, rtol=1e-3, atol=2e-4)


def test_a_nan_stays_in_its_channel():
    x = uniform(4, 3, 5, 5, order=LAST)
    x[1, 2, 3, 4] = np.nan
    center, var = run(Moments, {"dims": (0, 2, 3)}, [x], [lambda: np.empty((1, 3, 1, 1), np.float32)] * 2, 1)
    assert np.isnan(center.reshape(-1)).tolist() == np.isnan(var.reshape(-1)).tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("shape", "dims", "weight"),
    [
        ((4, 3, 5, 5), (0, 2, 3), (3, 1, 1)),
        ((2, 25, 5, 5), (2, 3), (25, 1, 1)),
        ((0, 4), (1,), (4,)),
        ((1, 1), (0,), (1,)),
    ],
)
def test_what_is_left_to_the_op(shape, dims, weight):
    """Channels first, a weight that changes where the statistics do, nothing, and one number."""
    x = uniform(*shape)
    small = np.ones([1 if dim in dims else size for dim, size in enumerate(shape)], np.float32)
    arrays = [x, small, small, np.ones(weight, np.float32), None]
    assert run(Standardize, {"eps": 1e-5, "dims": dims}, arrays, [like(x)], 1) is None


def test_what_lies_in_another_order_than_the_images_is_left_to_the_op():
    """A copy of it, made once, would keep the weight of the first step."""
    x = uniform(4, 3, 5, 6, order=LAST)
    center, var = forward(Moments, {"dims": (1, 2, 3)}, [x])
    arrays = [x, center, var, uniform(3, 5, 6), None]
    assert run(Standardize, {"eps": 1e-5, "dims": (1, 2, 3)}, arrays, [like(x)], 1) is None
    outs = [lambda: np.empty((1, 3, 5, 6), np.float32)] * 2
    assert run(Moments, {"dims": (0,)}, [x], outs, 1) is None
