"""Copies in compiled loops put every element where NumPy puts it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.plan.kernels.harness import uniform
from trainctl.backend import jit
from trainctl.plan.kernels.copying import laid_out

pytestmark = pytest.mark.skipif(not jit.available(), reason="kernels are compiled by the extra fast")
ORDERS = [(0, 1, 2, 3), (0, 2, 3, 1), (3, 0, 1, 2), (1, 0, 3, 2), (2, 1, 0, 3)]


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (3, 5, 7, 2), (2, 33, 16, 17), (64, 64, 7, 7), (1, 40, 1, 50)])
@pytest.mark.parametrize("target", ORDERS)
@pytest.mark.parametrize("source", ORDERS)
def test_every_element_arrives(shape, source, target):
    x, y = uniform(*shape, order=source), uniform(*shape, seed=1, order=target)
    calls = laid_out(x, y)
    if calls is None:
        assert x.strides != y.strides
        return
    for call in calls:
        call()
    np.testing.assert_array_equal(y, x)


def test_other_images_are_not_left_to_numpy():
    """Channels last to channels first, and back."""
    for orders in (((0, 2, 3, 1), (0, 1, 2, 3)), ((0, 1, 2, 3), (0, 2, 3, 1))):
        x, y = (uniform(4, 20, 9, 9, order=order) for order in orders)
        assert laid_out(x, y) is not None


def test_what_is_stretched_is_copied_out():
    x = np.lib.stride_tricks.as_strided(uniform(6, 9), (6, 5, 9), (36, 0, 4), writeable=True)
    y = np.empty(x.shape, np.float32)
    for call in laid_out(x, y):
        call()
    np.testing.assert_array_equal(y, x)
