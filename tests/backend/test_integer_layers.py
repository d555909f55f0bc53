"""Layers on codes against int64 sums and a rounding of their own, over random cases (a million: `make torture`)."""

from __future__ import annotations

import numpy as np
import pytest

from tests.backend.integer_reference import Case, drawn, same, with_numpy_alone
from trainctl.backend.affine import QParams
from trainctl.backend.integer_products import Finish, IntegerWeights, bias_codes, convolution, dynamic_linear, linear
from trainctl.backend.threads import blas

GRID, OUT = QParams(0.02, 120), QParams(0.5, 3)


def weights(codes, scale=0.01, zero_point=0):
    codes = np.asarray(codes)
    return IntegerWeights(codes, QParams(scale, zero_point, codes.dtype.name))


@pytest.mark.parametrize("first", range(0, 2400, 600))
def test_a_layer_gives_what_the_definition_says(first):
    for seed in range(first, first + 600):
        case = drawn(np.random.default_rng(seed))
        wanted = case.expected()
        assert same(case.computed(), wanted), f"seed {seed}"
        if seed % 3 == 0:
            with with_numpy_alone():
                assert same(case.computed(), wanted), f"seed {seed}"


def test_sums_wrap_as_onnx_says():
    x = np.full((3, 70_000), 255, np.uint8)
    case = Case(x, Finish(QParams(1e-9, 0), weights(np.full((2, 70_000), 127, np.int8), 1.0)), None)
    assert (case.expected() < 0).all()
    for _ in range(2):
        assert same(case.computed(), case.expected())
        with with_numpy_alone():
            assert same(case.computed(), case.expected())


@pytest.mark.parametrize("bias", [2**31 - 1, -(2**31), 2**24 + 1, -(2**24) - 1])
def test_a_bias_at_the_end_of_its_range(bias):
    random = np.random.default_rng(0)
    finish = Finish(GRID, weights(random.integers(-127, 128, (5, 9)).astype(np.int8)), np.full(5, bias, np.int32))
    case = Case(random.integers(0, 256, (4, 9)).astype(np.uint8), finish, None)
    assert same(case.computed(), case.expected())
    with with_numpy_alone():
        assert same(case.computed(), case.expected())


def test_bias_codes_saturate():
    found = bias_codes([1e30, -1e30, np.nan, 0.1, 0.3], QParams(0.5), weights(np.ones((5, 1), np.int8), 0.4))
    assert found.dtype == np.int32
    assert found.tolist() == [2**31 - 1, -(2**31), -(2**31), 0, 2]
    assert bias_codes(None, GRID, weights(np.ones((5, 1), np.int8))) is None


def test_scales_that_leave_float32_saturate_alike():
    x, codes = np.uint8([[0, 120, 255]]), np.int8([[1, 0, 0], [0, 0, 1], [0, 1, 0]])
    for scale in (1e38, 1e-38, np.inf, np.nan):
        finish = Finish(QParams(1e10, 120), weights(codes, scale), None, OUT)
        compiled = linear(x, finish)
        with with_numpy_alone():
            assert same(linear(x, finish), compiled), scale


def test_any_number_of_threads_gives_the_same_bits():
    random = np.random.default_rng(1)
    codes = random.integers(-127, 128, (64, 32, 3, 3)).astype(np.int8)
    x = random.integers(0, 256, (9, 32, 14, 14)).astype(np.uint8)
    found, before = [], blas().threads()
    try:
        for threads in (1, 2, 5):
            blas().use(threads)
            found.append(convolution(x, Finish(GRID, weights(codes), None, OUT), (1, 1), (1, 1), (1, 1), 1))
    finally:
        blas().use(before)
    assert same(found[0], found[1])
    assert same(found[0], found[2])


def test_arrays_that_cannot_be_written_to_and_results_that_go_elsewhere():
    random = np.random.default_rng(2)
    x = random.integers(0, 256, (2, 3, 6, 5)).astype(np.uint8)
    x.flags.writeable = False
    finish = Finish(GRID, weights(random.integers(-127, 128, (4, 3, 3, 3)).astype(np.int8)), None, OUT)
    wanted = convolution(x, finish, (1, 1), (0, 0), (1, 1), 1)
    out = np.zeros((2, 4, 3, 4), np.uint8).transpose(0, 1, 3, 2)
    assert convolution(x, finish, (1, 1), (0, 0), (1, 1), 1, out) is out
    assert np.array_equal(out, wanted)
    rows, dense = x.reshape(-1, 5), Finish(GRID, weights(random.integers(-127, 128, (4, 5)).astype(np.int8)), None, OUT)
    target = np.zeros((4, 36), np.uint8).T
    assert linear(rows, dense, target) is target
    assert np.array_equal(target, linear(rows, dense))


def test_a_window_that_does_not_fit_is_refused():
    finish = Finish(GRID, weights(np.ones((1, 1, 3, 3), np.int8)))
    with pytest.raises(ValueError, match=r"a window of \[3, 5\] is larger than an image of \[5, 4\]"):
        convolution(np.zeros((1, 1, 3, 2), np.uint8), finish, (1, 1), (1, 1), (1, 2), 1)


def test_rows_on_grids_of_their_own_do_not_depend_on_each_other():
    random = np.random.default_rng(3)
    x = random.normal(size=(7, 40)).astype(np.float32) * np.float32(10.0) ** np.arange(-3, 4)[:, None]
    x[2] = 0
    prepared, bias = weights(random.integers(-127, 128, (6, 40)).astype(np.int8)), random.normal(size=6)
    together = dynamic_linear(x, prepared, bias.astype(np.float32))
    alone = np.concatenate([dynamic_linear(row[None], prepared, bias.astype(np.float32)) for row in x])
    assert same(together, alone)
    exact = x @ (prepared.codes * np.float32(0.01)).T + bias
    limit = np.abs(x).max(1, keepdims=True) / 255 * np.abs(prepared.codes * 0.01).sum(1) + 1e-6
    assert (np.abs(together - exact) <= limit).all()
    assert np.array_equal(together[2], bias.astype(np.float32))
    with with_numpy_alone():
        assert same(dynamic_linear(x, prepared, bias.astype(np.float32)), together)


@pytest.mark.parametrize("seed", range(20))
def test_rows_on_grids_of_their_own_have_numpy_s_bits(seed: int):
    """Of any length and size, with what is odd among numbers, and where weights have a bias or not."""
    random = np.random.default_rng(seed)
    rows, depth, outputs = int(random.integers(1, 40)), int(random.integers(1, 70)), int(random.integers(1, 20))
    x = (random.normal(size=(rows, depth)) * 10.0 ** random.integers(-44, 38, (rows, 1))).astype(np.float32)
    odd = np.float32([0, -0.0, np.nan, np.inf, -np.inf, 1e-45, -3.4e38, 3.4e38])
    x = np.where(random.random(x.shape) < 0.05, random.choice(odd, x.shape), x)
    prepared = weights(random.integers(-127, 128, (outputs, depth)).astype(np.int8))
    bias = random.normal(size=outputs).astype(np.float32) if seed % 2 else None
    found = dynamic_linear(x, prepared, bias)
    with with_numpy_alone():
        assert same(dynamic_linear(x, prepared, bias), found)


def test_rows_with_what_is_not_finite_and_none_at_all():
    prepared = weights(np.ones((2, 3), np.int8), 1.0)
    assert dynamic_linear(np.zeros((0, 3), np.float32), prepared).shape == (0, 2)
    assert dynamic_linear(np.zeros((2, 0), np.float32), weights(np.ones((2, 0), np.int8))).tolist() == [[0, 0]] * 2
    found = dynamic_linear(np.float32([[np.nan, 1, 2], [np.inf, 0, 0], [3e38, -3e38, 0]]), prepared)
    assert np.abs(found[0] - 3).max() < 2 / 255  # NaN is the lowest code: 0 here
    assert np.isfinite(found).all()
