"""Winograd's convolution: the maps are exact on whole numbers, and its rounding is bounded."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from tests.plan.kernels.harness import run
from trainctl.autograd.ops.convolution_products import Convolution, ConvolutionWeightGradient
from trainctl.backend import jit
from trainctl.plan.kernels import tile, winograd
from trainctl.plan.kernels import winograd_transforms as maps
from trainctl.plan.kernels.direct_convolution import Windows

LAST = (0, 2, 3, 1)
OPTIONS = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}


@pytest.fixture(autouse=True)
def everywhere(monkeypatch):
    """Let tiles be used whatever this processor is faster with."""
    monkeypatch.setattr(tile, "pays", lambda: True)


def test_one_dim():
    """Four places of three numbers, as their definition has it."""
    x, g = np.random.default_rng(0).standard_normal((2, 6))
    products = np.multiply(maps.of_input(x), maps.of_kernel(g[:3]))
    np.testing.assert_allclose(maps.to_output(products), np.correlate(x, g[:3]), rtol=1e-12)
    sums = np.multiply(maps.of_input(x), maps.of_gradient(g[:4]))
    np.testing.assert_allclose(maps.to_kernel(sums), np.correlate(x, g[:4]), rtol=1e-12)


def test_the_factors_of_images_and_places_are_exact_in_float32():
    """So only sums and the kernels' factors round."""
    for change, size in ((maps.of_input, 6), (maps.to_output, 6), (maps.of_gradient, 4)):
        for place in range(size):
            for number in change([Fraction(int(i == place)) for i in range(size)]):
                assert float(np.float32(number)) == number


def test_over_both():
    square = np.random.default_rng(0).standard_normal((6, 6))
    along = np.array(maps.of_input(np.eye(6)))
    np.testing.assert_allclose(maps.over_both(maps.of_input, square), along @ square @ along.T, rtol=1e-9, atol=1e-12)


@pytest.mark.skipif(not jit.available(), reason="it is compiled, by the extra fast")
@pytest.mark.parametrize("channels", [16, 64])
def test_rounding(channels):
    """Relative to the size of a typical result, twice to three times that of sums in any order."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((8, 12, 16, channels)).astype(np.float32).transpose(0, 3, 1, 2)
    weight = (rng.standard_normal((32, channels, 3, 3)) / np.sqrt(9 * channels)).astype(np.float32)
    gy = rng.standard_normal((8, 12, 16, 32)).astype(np.float32).transpose(0, 3, 1, 2)
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (1, 1), (1, 1)))
    seen = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))
    exact = np.tensordot(seen, weight.astype(np.float64), ((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2)
    slopes = np.tensordot(gy.astype(np.float64), seen, ((0, 2, 3), (0, 2, 3)))
    (y,) = run(
        Convolution, OPTIONS, [x, weight], [lambda: np.empty((8, 12, 16, 32), np.float32).transpose(0, 3, 1, 2)], 1
    )
    params, made = {**OPTIONS, "kernel": weight.shape}, [lambda: np.empty(weight.shape, np.float32)]
    (gw,) = run(ConvolutionWeightGradient, params, [x, gy], made, 1)
    for found, right in ((y, exact), (gw, slopes)):
        error = np.abs(found - right) / right.std()
        assert 1e-8 < np.sqrt(np.mean(error**2)) < 2e-6, "not what rounding does"
        assert error.max() < 2e-5


@pytest.mark.parametrize(
    ("places", "kernel", "step", "channels", "outputs", "pays"),
    [
        ((8, 8), (3, 3), (1, 1), 16, 32, True),
        ((14, 14), (3, 3), (1, 1), 64, 16, True),
        ((5, 5), (3, 3), (1, 1), 16, 32, False),  # 64 places would be computed for 25
        ((8, 8), (3, 3), (2, 2), 16, 32, False),
        ((8, 8), (5, 5), (1, 1), 16, 32, False),
        ((8, 8), (3, 3), (1, 1), 3, 32, False),
        ((8, 8), (3, 3), (1, 1), 16, 20, False),
    ],
)
def test_where_it_pays(places, kernel, step, channels, outputs, pays, monkeypatch):
    monkeypatch.setattr(tile, "lanes", lambda: 16)
    assert winograd.pays(Windows((-1, -1), places, kernel, step), channels, outputs) is pays


@pytest.mark.skipif(not jit.available(), reason="it is compiled, by the extra fast")
def test_a_nan_stays():
    x = np.ones((2, 8, 8, 16), np.float32).transpose(0, 3, 1, 2)
    x[1, 3, 2, 5] = np.nan
    weight = np.ones((32, 16, 3, 3), np.float32)
    (y,) = run(
        Convolution, OPTIONS, [x, weight], [lambda: np.empty((2, 8, 8, 32), np.float32).transpose(0, 3, 1, 2)], 1
    )
    assert np.isnan(y[1, :, 1:4, 4:7]).all()
    assert np.isfinite(y[0]).all()
