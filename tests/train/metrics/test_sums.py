from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainctl.train.metrics.sums import ExactSum, Sums

NUMBERS = st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=40)


@given(NUMBERS, st.integers(0, 40))
def test_the_sum_is_the_nearest_to_the_true_one_however_it_is_batched(numbers: list[float], cut: int):
    total = ExactSum()
    for part in (numbers[cut:], numbers[:cut]):
        total.add(np.array(part, np.float64))
    exact = sum(map(Fraction, numbers), Fraction(0))
    try:
        assert total.value() == float(exact)
    except OverflowError:
        assert total.value() == (math.inf if exact > 0 else -math.inf)


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([math.inf, 1.0], math.inf),
        ([-math.inf, 1.0], -math.inf),
        ([math.inf, -math.inf], math.nan),
        ([math.nan, 1.0], math.nan),
        ([], 0.0),
        ([5e-324, -5e-324, 5e-324], 5e-324),
        ([1.7e308, 1.7e308, -1.7e308], 1.7e308),
    ],
)
def test_numbers_at_the_edge(numbers: list[float], expected: float):
    for order in (numbers, numbers[::-1]):
        total = ExactSum()
        for number in order:
            total.add(np.array([number]))
        assert total.value() == pytest.approx(expected, nan_ok=True, rel=0, abs=0)


def test_whole_numbers_add_up_as_such():
    sums = Sums()
    assert sums.values() is None
    sums.add(np.array([[2**40, True], [3, False]]))
    sums.add(np.zeros((0, 2), np.int64))
    assert sums.values().tolist() == [2**40 + 3, 1]
