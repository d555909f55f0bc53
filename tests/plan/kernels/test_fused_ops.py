"""The loops of ops that only plans have are what their definitions give."""

from __future__ import annotations

import numpy as np
import pytest

from tests.plan.kernels.harness import check, forward, like, run, uniform
from tests.plan.kernels.test_normalization import BATCH, given
from trainctl.autograd.ops.activation import ReLU
from trainctl.autograd.ops.pooling_along import MaxAlong
from trainctl.backend import jit
from trainctl.plan.fused_ops import Follow, MaxOver, NormGradient, ReturnFrom, StandardizeReLU

pytestmark = pytest.mark.skipif(not jit.available(), reason="kernels are compiled by the extra fast")

LAST = (0, 2, 3, 1)
norms = pytest.mark.parametrize(("shape", "dims", "order", "weight"), BATCH)
IMAGES = [((3, 16, 6, 8), (2, 2)), ((2, 32, 7, 9), (2, 3)), ((5, 48, 5, 5), (1, 4)), ((1, 16, 3, 3), (3, 3))]
images = pytest.mark.parametrize(("shape", "kernel"), IMAGES)


def last(shape, seed=0):
    return uniform(*shape, seed=seed, order=LAST)


@norms
@pytest.mark.parametrize("plus", [True, False])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("own", [True, False])
def test_norm_sum_and_relu(shape, dims, order, weight, plus, affine, own):
    x, center, var, w, b = given(shape, dims, order, weight)
    if not own:
        center, var = b, w * w  # running statistics, in the weight's shape
    arrays = [
        x,
        center,
        var,
        *((w, b) if affine else (None, None)),
        uniform(*shape, seed=4, order=order) if plus else None,
    ]
    check(StandardizeReLU, {"eps": 1e-5, "dims": dims if own else None}, arrays, [like(x)], rtol=1e-4)


@norms
@pytest.mark.parametrize("without", [(), ("more",), ("more", "y"), ("w",), ("given", "more"), ("gb", "center")])
def test_gradient_of_sum_relu_and_norm(shape, dims, order, weight, without):
    x, center, var, w, _ = given(shape, dims, order, weight)
    gy, more, y = (uniform(*shape, seed=seed, order=order) for seed in (3, 4, 5))
    (y,) = forward(ReLU, {}, [y])
    named = {"gy": gy, "more": more, "y": y, "x": x, "center": center, "var": var, "w": w}
    arrays = [None if name in without else each for name, each in named.items()]
    gives = [name for name in ("gx", "gw", "gb", "given") if name not in without]
    if "w" in without:
        gives.remove("gw")
    if "y" in without:
        gives.remove("given")
    params = {"eps": 1e-5, "dims": dims, "shape": weight, "gives": tuple(gives)}
    outs = [like(each) for each in forward(NormGradient, params, arrays)]
    check(NormGradient, params, arrays, outs, rtol=1e-3, atol=5e-4)


@images
@pytest.mark.parametrize("rectifies", [True, False])
def test_largest_of_windows(shape, kernel, rectifies):
    x = last(shape)
    x[0, 1, :2, :2] = 0.5  # equal ones: the first
    x[0, 2, 1, 1] = np.nan
    x[-1, 3, :, :2] = -np.inf
    params = {"kernel": kernel, "places": (shape[2] // kernel[0], shape[3] // kernel[1]), "rectifies": rectifies}
    best, choice = forward(MaxOver, {**params, "chooses": True}, [x])
    made = [lambda: np.empty_like(last(best.shape)), lambda: np.empty_like(last(choice.shape), np.uint8)]
    check(MaxOver, {**params, "chooses": True}, [x], made, rtol=0, atol=0)
    check(MaxOver, {**params, "chooses": False}, [x], made[:1], rtol=0, atol=0)


@images
def test_the_definition_is_one_dim_after_the_other(shape, kernel):
    """And its choice is where the largest element is."""
    x, places = last(shape), (shape[2] // kernel[0], shape[3] // kernel[1])
    best, choice = forward(MaxOver, {"kernel": kernel, "places": places, "rectifies": False, "chooses": True}, [x])
    other = x
    for dim in (-1, -2):
        options = {"kernel": kernel[dim], "stride": kernel[dim], "places": places[dim], "padding": 0, "dilation": 1}
        other, _ = forward(MaxAlong, {"dim": dim, "chooses": True, **options}, [other])
    np.testing.assert_array_equal(best, other)
    rows, columns = np.divmod(choice, kernel[1])
    n, c, i, j = np.indices(best.shape)
    np.testing.assert_array_equal(x[n, c, i * kernel[0] + rows, j * kernel[1] + columns], best)


@images
@pytest.mark.parametrize("rectified", [True, False])
@pytest.mark.parametrize("order", [LAST, None])
def test_gradient_of_largest_of_windows(shape, kernel, rectified, order):
    x, places = last(shape), (shape[2] // kernel[0], shape[3] // kernel[1])
    params = {"kernel": kernel, "places": places, "rectifies": rectified, "chooses": True}
    y, choice = (np.asarray(each) for each in forward(MaxOver, params, [x]))
    y, choice = (np.ascontiguousarray(each.transpose(LAST)).transpose(0, 3, 1, 2) for each in (y, choice))
    gy = uniform(*y.shape, seed=2, order=order)
    gy[0, 0, 0, 0] = np.inf
    arrays = [gy, choice, y if rectified else None]
    check(ReturnFrom, {"kernel": kernel, "size": shape[2:]}, arrays, [like(x)], rtol=0, atol=0)


def test_running_statistics_have_the_bits_of_the_ops():
    x, value, params = uniform(64), uniform(1, 64, 1, 1, seed=1), {"keep": 0.9, "scale": 1.00006, "share": 0.1}
    (expected,) = forward(Follow, params, [x, value])
    one = np.float32
    np.testing.assert_array_equal(expected, x * one(0.9) + value.reshape(-1) * one(1.00006) * one(0.1))
    mine = x.copy()
    run(Follow, params, [mine, value], [], 1, True)  # twice
    (expected,) = forward(Follow, params, [expected, value])
    np.testing.assert_array_equal(mine, expected)
