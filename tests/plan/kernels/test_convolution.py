"""Convolutions of images that lie channels last: by tiles where they pay, by columns elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from tests.plan.kernels.harness import check, run, uniform
from trainctl.autograd.ops.convolution_products import Convolution, ConvolutionInputGradient, ConvolutionWeightGradient
from trainctl.autograd.ops.reduction import Sum
from trainctl.autograd.ops.windows import output_size
from trainctl.backend import jit
from trainctl.plan.kernels import tile

LAST = (0, 2, 3, 1)
CASES = {  # batch, channels, out, height, width, kernel, stride, padding, dilation
    "3x3": (5, 16, 32, 9, 14, (3, 3), (1, 1), (1, 1), (1, 1)),
    "one channel": (3, 1, 8, 12, 12, (3, 3), (1, 1), (1, 1), (1, 1)),
    "narrow": (2, 7, 5, 6, 5, (2, 3), (1, 1), (0, 1), (1, 1)),
    "stride": (3, 16, 40, 9, 9, (3, 3), (2, 2), (1, 1), (1, 1)),
    "uneven stride": (2, 12, 33, 10, 8, (3, 2), (2, 1), (0, 1), (1, 1)),
    "dilated": (2, 9, 12, 11, 11, (3, 3), (1, 1), (2, 2), (2, 2)),
    "dilated rows": (2, 9, 12, 11, 11, (3, 3), (1, 1), (2, 1), (2, 1)),
    "one by one": (3, 24, 31, 8, 8, (1, 1), (1, 1), (0, 0), (1, 1)),
    "one place": (9, 16, 48, 3, 3, (3, 3), (1, 1), (0, 0), (1, 1)),
    "wide": (1, 40, 70, 5, 40, (5, 5), (1, 1), (2, 2), (1, 1)),
}


@pytest.fixture(params=["tiles", "columns"])
def form(request, monkeypatch):
    if request.param == "tiles" and not jit.available():
        pytest.skip("kernels are compiled by the extra fast")
    monkeypatch.setattr(tile, "pays", lambda: request.param == "tiles")


def images(*shape, seed=0):
    return uniform(*shape, seed=seed, order=LAST)


def room(*shape):
    return lambda: np.empty([shape[i] for i in LAST], np.float32).transpose(0, 3, 1, 2)


def parts(name):
    """Return shapes and options of a case."""
    n, c, o, h, w, kernel, stride, padding, dilation = CASES[name]
    places = tuple(map(output_size, (h, w), kernel, stride, padding, dilation))
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": 1}
    return (n, c, h, w), (o, c, *kernel), (n, o, *places), options


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_forward(form, name, bias):
    x, weight, y, options = parts(name)
    arrays = [images(*x), uniform(*weight, seed=1), *([uniform(weight[0], seed=2)] if bias else [])]
    check(Convolution, options, arrays, [room(*y)], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", CASES)
def test_gradient_of_the_kernels(form, name):
    x, weight, y, options = parts(name)
    arrays = [images(*x), images(*y, seed=1)]
    out = [lambda: np.empty(weight, np.float32)]
    check(ConvolutionWeightGradient, {**options, "kernel": weight}, arrays, out, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", CASES)
def test_gradient_of_the_input(form, name):
    x, weight, y, options = parts(name)
    arrays = [images(*y, seed=1), uniform(*weight, seed=2)]
    check(ConvolutionInputGradient, {**options, "shape": x}, arrays, [room(*x)], rtol=1e-4, atol=1e-4)


def test_what_is_not_finite_stays_so(form):
    x, weight, y, options = parts("3x3")
    image = images(*x)
    image[0, 0, 4, 4], image[1, 1, 2, 2] = np.nan, np.inf
    (found,) = run(Convolution, options, [image, uniform(*weight, seed=1)], [room(*y)], threads=1)
    assert np.isnan(found[0, :, 3:6, 3:6]).all()
    assert not np.isfinite(found[1, :, 1:4, 1:4]).any()
    assert np.isfinite(found[2:]).all()


@pytest.mark.parametrize("shape", [(2, 3, 5, 7), (9, 16, 30, 31), (1, 1, 1, 1)])
def test_sums_over_places(shape):
    params = {"dims": (0, 2, 3), "keepdim": False}
    check(Sum, params, [images(*shape)], [lambda: np.empty(shape[1], np.float32)], atol=1e-3)
