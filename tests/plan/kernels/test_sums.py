"""Sums over the places of images that lie channels last."""

from __future__ import annotations

import numpy as np
import pytest

from tests.plan.kernels.harness import check, uniform
from trainctl.autograd.ops.reduction import Sum


@pytest.mark.parametrize("shape", [(2, 3, 5, 7), (9, 16, 30, 31), (1, 1, 1, 1)])
def test_sums_over_places(shape):
    image = uniform(*shape, order=(0, 2, 3, 1))
    params = {"dims": (0, 2, 3), "keepdim": False}
    check(Sum, params, [image], [lambda: np.empty(shape[1], np.float32)], atol=1e-3)
