"""Convolutions of images that lie channels last are what the ops give: by columns, and on tiles."""

from __future__ import annotations

import numpy as np
import pytest

from tests.plan.kernels.harness import check, forward, run, uniform
from trainctl.autograd.ops.convolution_products import Convolution, ConvolutionInputGradient, ConvolutionWeightGradient
from trainctl.plan.kernels import shifted_convolution, tile
from trainctl.plan.kernels.columns import Columns

LAST = (0, 2, 3, 1)
# image, kernels, stride, padding, dilation
CASES = [
    ((5, 3, 9, 8), (16, 3, 3, 3), 1, 1, 1),
    ((3, 16, 20, 17), (32, 16, 3, 3), 1, 1, 1),
    ((3, 32, 8, 8), (70, 32, 3, 3), 2, 1, 1),
    ((2, 5, 7, 6), (32, 5, 1, 1), 1, 0, 1),
    ((2, 5, 7, 6), (64, 5, 1, 1), 2, 0, 1),
    ((2, 4, 12, 12), (6, 4, 5, 3), (2, 1), (0, 2), (2, 1)),
    ((2, 4, 12, 12), (16, 4, 3, 3), 1, 2, 2),
    ((70, 2, 30, 30), (4, 2, 3, 3), 1, 1, 1),
    ((1, 1, 3, 3), (1, 1, 3, 3), 1, 0, 1),
    ((5, 16, 12, 12), (32, 16, 3, 3), 1, 1, 1),
    ((3, 32, 9, 15), (64, 32, 3, 3), 1, 2, 1),
    ((33, 64, 7, 8), (16, 64, 3, 3), 1, 0, 1),
]
cases = pytest.mark.parametrize(("shape", "kernel", "stride", "padding", "dilation"), CASES)


@pytest.fixture(autouse=True)
def everywhere(monkeypatch):
    """Let tiles be used whatever this processor is faster with."""
    monkeypatch.setattr(tile, "pays", lambda: True)


def options(*given):
    names = ("stride", "padding", "dilation")
    pairs = {name: each if isinstance(each, tuple) else (each, each) for name, each in zip(names, given, strict=True)}
    return {**pairs, "groups": 1}


def last(*shape):
    """Return a maker of images that lie channels last."""
    return lambda: uniform(*shape, order=LAST)


@cases
@pytest.mark.parametrize("bias", [True, False])
def test_convolution(shape, kernel, stride, padding, dilation, bias):
    params = options(stride, padding, dilation)
    arrays = [uniform(*shape, order=LAST), uniform(*kernel, seed=1), *([uniform(kernel[0], seed=2)] if bias else [])]
    (y,) = forward(Convolution, params, arrays)
    check(Convolution, params, arrays, [last(*y.shape)], rtol=1e-4, atol=5e-5)


@pytest.mark.parametrize("shape", [(5, 3, 9, 8), (3, 1, 12, 40), (2, 2, 20, 5)])
@pytest.mark.parametrize("given", [(1, 1, 1), (2, 3, 1), (1, 2, (2, 1)), ((2, 1), (0, 1), (1, 3)), (1, 0, 1)])
def test_few_channels_as_they_are_read(shape, given):
    """Images of few channels lie channels first."""
    params, x, weight = (
        options(*given),
        uniform(*shape),
        uniform(16, shape[1], 3, 3 if given[2] != (1, 3) else 1, seed=1),
    )
    (y,) = forward(Convolution, params, [x, weight])
    check(Convolution, params, [x, weight, uniform(16, seed=2)], [last(*y.shape)], rtol=1e-4)
    gy = uniform(*y.shape, seed=2, order=LAST)
    made = [lambda: np.empty(weight.shape, np.float32)]
    check(ConvolutionWeightGradient, {**params, "kernel": weight.shape}, [x, gy], made, atol=1e-3)


def test_many_channels_that_lie_otherwise():
    x, weight = uniform(3, 16, 9, 10), uniform(32, 16, 3, 3, seed=1)
    for params in (options(1, 1, 1), options(2, 1, 1)):
        (y,) = forward(Convolution, params, [x, weight])
        check(Convolution, params, [x, weight], [last(*y.shape)], rtol=1e-4, atol=5e-5)


@pytest.mark.parametrize(("shape", "kernel", "stride", "padding", "dilation"), [*CASES[:3], *CASES[5:]])
def test_images_with_their_channels_first(shape, kernel, stride, padding, dilation):
    params, x, weight = options(stride, padding, dilation), uniform(*shape), uniform(*kernel, seed=1)
    (y,) = forward(Convolution, params, [x, weight])
    check(Convolution, params, [x, weight], [last(*y.shape)], rtol=1e-4, atol=5e-5)
    gy = uniform(*y.shape, seed=2, order=LAST)
    makers = [lambda: np.empty(kernel, np.float32)]
    check(ConvolutionWeightGradient, {**params, "kernel": kernel}, [x, gy], makers, atol=1e-3)


@cases
def test_gradients(shape, kernel, stride, padding, dilation):
    params = options(stride, padding, dilation)
    x, weight = uniform(*shape, order=LAST), uniform(*kernel, seed=1)
    (y,) = forward(Convolution, params, [x, weight])
    gy = uniform(*y.shape, seed=2, order=LAST)
    check(
        ConvolutionWeightGradient,
        {**params, "kernel": kernel},
        [x, gy],
        [lambda: np.empty(kernel, np.float32)],
        atol=1e-3,
    )
    check(ConvolutionInputGradient, {**params, "shape": shape}, [gy, weight], [last(*shape)], rtol=1e-4, atol=5e-5)


SHIFTED = [
    ((7, 8, 33, 31), (4, 8, 3, 3), 1, 1),
    ((3, 8, 40, 30), (2, 8, 5, 1), 1, (2, 0)),
    ((3, 9, 30, 40), (3, 9, 1, 4), 1, (0, 1)),
    ((70, 16, 32, 32), (16, 16, 3, 3), 1, 1),
    ((2, 8, 40, 40), (5, 8, 3, 2), 1, 0),
]


@pytest.mark.parametrize(("shape", "kernel", "stride", "padding"), SHIFTED)
@pytest.mark.parametrize("bias", [True, False])
def test_products_without_columns(shape, kernel, stride, padding, bias):
    params = options(stride, padding, 1)
    columns = Columns(shape, kernel[2:], params, np.dtype(np.float32))
    assert shifted_convolution.pays(columns, kernel[0])
    arrays = [uniform(*shape, order=LAST), uniform(*kernel, seed=1), *([uniform(kernel[0], seed=2)] if bias else [])]
    (y,) = forward(Convolution, params, arrays)
    check(Convolution, params, arrays, [last(*y.shape)], rtol=1e-4, atol=4e-5)  # Winograd's rounding
    arrays = [arrays[0], uniform(*y.shape, seed=2, order=LAST)]
    makers = [lambda: np.empty(kernel, np.float32)]
    check(ConvolutionWeightGradient, {**params, "kernel": kernel}, arrays, makers, rtol=1e-3, atol=2e-3)


STRIDED = [
    ((3, 5, 12, 13), (4, 5, 3, 3), 2, 1),
    ((3, 5, 12, 13), (4, 5, 4, 5), (3, 2), (2, 0)),
    ((2, 3, 9, 9), (4, 3, 1, 1), 2, 0),
    ((2, 3, 9, 9), (4, 3, 2, 3), (3, 4), (0, 1)),
    ((70, 16, 32, 32), (32, 16, 3, 3), 2, 1),
    ((1, 1, 1, 2), (1, 1, 3, 3), 2, 1),
    ((2, 2, 11, 6), (3, 2, 3, 1), (1, 2), (3, 0)),
]


@pytest.mark.parametrize(("shape", "kernel", "stride", "padding"), STRIDED)
def test_input_gradients_of_strided_convolutions(shape, kernel, stride, padding):
    params = options(stride, padding, 1)
    (y,) = forward(Convolution, params, [uniform(*shape), uniform(*kernel)])
    arrays = [uniform(*y.shape, seed=2, order=LAST), uniform(*kernel, seed=1)]
    check(ConvolutionInputGradient, {**params, "shape": shape}, arrays, [last(*shape)], rtol=1e-4, atol=5e-5)


def test_no_tap_that_sees_any_pixel_is_left_to_the_op():
    params, kernel = {**options(4, 1, 1), "shape": (2, 2, 1, 1)}, uniform(3, 2, 1, 1)
    assert run(ConvolutionInputGradient, params, [uniform(2, 3, 1, 1), kernel], [last(2, 2, 1, 1)], 1, False) is None
