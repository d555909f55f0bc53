"""Products of codes against plain sums over Python's integers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from trainctl.backend.affine import QParams
from trainctl.backend.integer_products import Finish, IntegerWeights, bias_codes, convolution, linear


def weights_of(random: np.random.Generator, shape: tuple[int, ...]) -> IntegerWeights:
    codes = random.integers(-127, 128, shape).astype(np.int8)
    return IntegerWeights(codes, QParams(random.uniform(0.01, 0.02, shape[0]), np.zeros(shape[0], int), "int8", axis=0))


@pytest.mark.parametrize("seed", range(5))
def test_linear_is_the_sum_of_products(seed):
    random = np.random.default_rng(seed)
    weights, x = weights_of(random, (3, 7)), random.integers(0, 256, (2, 7)).astype(np.uint8)
    grid, y = QParams(0.02, 120), QParams(0.5, 3)
    bias = bias_codes(random.normal(size=3), grid, weights)
    got = linear(x, Finish(grid, weights, bias, y, relu=True))
    for row, output in itertools.product(range(2), range(3)):
        total = int(bias[output]) + sum(
            (int(a) - 120) * int(b) for a, b in zip(x[row], weights.codes[output], strict=True)
        )
        factor = np.float32(np.float32(0.02) * weights.scale[output]) / np.float32(0.5)
        assert got[row, output] == max(3, min(255, 3 + round(float(np.float32(total) * factor))))


@pytest.mark.parametrize("groups", [1, 2])
def test_convolution_is_a_linear_layer_on_windows(groups):
    random = np.random.default_rng(groups)
    weights, x = weights_of(random, (4, 4 // groups, 3, 2)), random.integers(0, 256, (2, 4, 6, 7)).astype(np.uint8)
    grid = QParams(0.02, 120)
    got = convolution(x, Finish(grid, weights), (2, 1), (1, 2), (1, 2), groups)
    padded = np.full((2, 4, 8, 11), 120, np.uint8)
    padded[:, :, 1:-1, 2:-2] = x
    assert got.shape == (2, 4, 3, 9)
    each = 4 // groups
    for image, output, row, column in itertools.product(range(2), range(4), range(3), range(9)):
        first = output // each * each
        window = padded[image, first : first + each, 2 * row : 2 * row + 3, column : column + 3 : 2]
        one = linear(window.reshape(1, -1), Finish(grid, weights.part(slice(output, output + 1))))
        assert got[image, output, row, column] == one[0, 0]
