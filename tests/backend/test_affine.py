"""Numbers on grids: against a rounding of their own, at the ends of every range, compiled and not."""

from __future__ import annotations

import numpy as np
import pytest

from tests.backend.integer_reference import RANGES, half_even, same, with_numpy_alone
from trainctl.backend.affine import QParams, dequantize, quantize, requantize

ODD = np.float32([np.nan, np.inf, -np.inf, 0.0, -0.0, 0.5, 1.5, 2.5, -0.5, -1.5, 3e38, -3e38, 1e-45])


def expected(x, grid):
    """Codes by float64 and floor; ``x / scale`` is rounded to float32 first."""
    scale, zero_point = (np.float64(grid.along(each, x.ndim)) for each in (grid.scale, grid.zero_point))
    with np.errstate(all="ignore"):
        whole = half_even(np.float64((np.float64(x) / scale).astype(np.float32))) + zero_point
    whole = np.where(np.isnan(whole), grid.quant_min, np.clip(whole, grid.quant_min, grid.quant_max))
    return whole.astype(grid.dtype)


def drawn(random):
    shape = tuple(random.integers(0, 7, random.integers(0, 5)))
    x = np.asarray(random.normal(size=shape) * 10 ** random.uniform(-3, 3), np.float32)
    x = np.where(random.random(shape) < 0.3, random.choice(ODD, shape), x).astype(np.float32)
    dtype = str(random.choice(["uint8", "int8"]))
    low, high = RANGES[dtype]
    if x.ndim and random.random() < 0.5:
        axis = int(random.integers(-x.ndim, x.ndim))
        scale, zero_point = 10 ** random.uniform(-3, 1, shape[axis]), random.integers(low, high + 1, shape[axis])
        return x, QParams(scale, zero_point, dtype, axis=axis)
    limits = (low + 3, high - 3) if random.random() < 0.3 else (None, None)
    x = np.asfortranarray(x) if random.random() < 0.3 else x[..., ::-1] if x.ndim and random.random() < 0.3 else x
    return x, QParams(random.choice([0.5, 0.1, 1e-30, 1e30]), int(random.integers(low, high + 1)), dtype, *limits)


def test_codes_are_what_the_definition_says():
    random = np.random.default_rng(0)
    for _ in range(1500):
        x, grid = drawn(random)
        codes = quantize(x, grid)
        assert same(codes, expected(x, grid)), (x, grid)
        numbers = dequantize(codes, grid)
        zero_point = np.int64(grid.along(grid.zero_point, x.ndim))
        wanted = np.float64(codes.astype(np.int64) - zero_point) * np.float64(grid.along(grid.scale, x.ndim))
        assert same(numbers, wanted.astype(np.float32))
        with with_numpy_alone():
            assert same(quantize(x, grid), codes)
            assert same(dequantize(codes, grid), numbers)


def test_large_arrays_in_parts():
    x = np.random.default_rng(0).normal(size=(3, 7, 29_989)).astype(np.float32)
    for grid in (QParams(0.01, 130), QParams([0.01, 0.02, 0.5], [0, 5, 255], axis=0), QParams(0.1, -3, "int8")):
        assert same(quantize(x, grid), expected(x, grid))


def test_what_is_not_finite():
    x = np.float32([np.nan, np.inf, -np.inf, 1e30, -1e30])
    assert quantize(x, QParams(0.5, 10)).tolist() == [0, 255, 0, 255, 0]
    assert quantize(x, QParams(0.5, -10, "int8", -100, 100)).tolist() == [-100, 100, -100, 100, -100]
    assert quantize(x, QParams(0.5, 10, "int32")).tolist() == [-(2**31), 2**31 - 1, -(2**31), 2**31 - 1, -(2**31)]


def test_codes_and_numbers_that_are_given_room():
    x, grid = np.float32([[0.1, 0.2], [0.3, 0.4]]), QParams(0.1, 7)
    room = np.zeros((2, 4), np.uint8)[:, ::2]
    assert quantize(x, grid, room) is room
    assert room.tolist() == [[8, 9], [10, 11]]
    numbers = np.zeros((2, 4), np.float32)[:, ::2]
    assert dequantize(room, grid, numbers) is numbers
    assert np.array_equal(numbers, dequantize(room.copy(), grid))


def test_other_floats_are_rounded_to_float32_first():
    grid = QParams(0.1)
    for dtype in (np.float64, np.float16, np.int64):
        x = np.arange(9).astype(dtype)
        assert same(quantize(x, grid), quantize(x.astype(np.float32), grid))


def test_sums_to_codes():
    sums = np.int32([0, 1, 3, 5, -1, 2**31 - 1, -(2**31)])
    assert requantize(sums, np.float32(0.5), QParams(1.0, 10)).tolist() == [10, 10, 12, 12, 10, 255, 0]


def test_int32_codes_keep_all_their_bits():
    grid = QParams(1.0, 0, "int32")
    assert quantize(np.float32([16_777_216, 2.0**31]), grid).tolist() == [16_777_216, 2**31 - 1]
    assert dequantize(np.int32([2**31 - 1]), QParams(1.0, -5, "int32")).tolist() == [2.0**31 + 0]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((1.0, 0, "int16"), "kept as one of uint8, int8, int32, not as int16"),
        ((1.0, 256), "zero points of uint8 are in 0 .. 255, got 256"),
        ((1.0, 0, "int8", -200), "codes of int8 are in -128 .. 127, got -200 .. 127"),
        ((1.0, 0, "int8", 5, 4), "got 5 .. 4"),
        (([1.0, 2.0], 0), "2 scales or zero points needs the axis"),
    ],
)
def test_grids_that_are_none(given, words):
    with pytest.raises(ValueError, match=words):
        QParams(*given)


def test_grids_are_equal_if_they_have_the_same_codes():
    assert QParams(0.5, 3) == QParams(np.float32(0.5), np.int64(3))
    assert hash(QParams(0.5, 3)) == hash(QParams(0.5, 3))
    assert QParams(0.5, 3) not in (QParams(0.5, 4), QParams(0.25, 3), QParams(0.5, 3, "int8"), "grid")
    assert QParams([0.5], 3, axis=0) == QParams([0.5], [3], axis=0) != QParams([0.5], 3, axis=1)
