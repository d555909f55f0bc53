"""Sums over what comes first in memory are what the ops give."""

from __future__ import annotations

import numpy as np
import pytest

from tests.plan.kernels.harness import check, forward, like, run, uniform
from trainctl.autograd.ops.broadcasting import SumTo
from trainctl.autograd.ops.reduction import Mean, Sum
from trainctl.backend import jit

pytestmark = pytest.mark.skipif(not jit.available(), reason="kernels are compiled by the extra fast")

LAST = (0, 2, 3, 1)
# shape, summed dims, order in memory
CASES = [
    ((300, 130), (0,), None),
    ((4, 64, 100), (0, 1), None),
    ((8, 17, 12, 13), (0, 2, 3), LAST),
    ((8, 16, 12, 13), (0,), LAST),
    ((30, 4, 5, 33), (0,), (0, 2, 1, 3)),
    ((1, 20000, 1, 2), (0, 1), None),
]
cases = pytest.mark.parametrize(("shape", "dims", "order"), CASES)


@cases
@pytest.mark.parametrize("keepdim", [True, False])
@pytest.mark.parametrize("op", [Sum, Mean])
def test_sums(shape, dims, order, keepdim, op):
    x, params = uniform(*shape, order=order), {"dims": dims, "keepdim": keepdim}
    (y,) = forward(op, params, [x])
    check(op, params, [x], [lambda: np.empty(y.shape, np.float32)], rtol=1e-4, atol=1e-4)


@cases
@pytest.mark.parametrize("short", [True, False])
def test_undoing_a_broadcast(shape, dims, order, short):
    sizes = tuple(1 if dim in dims else size for dim, size in enumerate(shape))
    lead = 0
    while short and lead < len(sizes) and lead in dims:
        lead += 1
    x, params = uniform(*shape, order=order), {"shape": sizes[lead:]}
    check(SumTo, params, [x], [lambda: np.empty(sizes[lead:], np.float32)], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("op", [Sum, Mean])
@pytest.mark.parametrize("keepdim", [True, False])
@pytest.mark.parametrize(
    ("shape", "order", "dims"),
    [
        ((40, 30, 40), (0, 1, 2), (1,)),
        ((20, 3), (0, 1), (0,)),
        ((6, 5, 4, 7), (0, 2, 3, 1), (2, 3)),
        ((2, 3, 4, 5, 6), (0, 1, 2, 3, 4), (2, 1)),
    ],
)
def test_sums_over_what_lies_in_the_middle(op, shape, order, dims, keepdim):
    x, params = uniform(*shape, order=order), {"dims": dims, "keepdim": keepdim}
    (y,) = forward(op, params, [x])
    check(op, params, [x], [lambda: np.empty(y.shape, np.float32)])


@pytest.mark.parametrize(("shape", "dims"), [((300, 130), (1,)), ((200, 200), (0, 1))])
def test_what_is_left_to_the_op(shape, dims):
    """What comes last in memory, and everything."""
    x, params = uniform(*shape), {"dims": dims, "keepdim": False}
    (y,) = forward(Sum, params, [x])
    assert run(Sum, params, [x], [like(np.asarray(y))], 1) is None


def test_a_nan_stays_in_its_column():
    x = uniform(3000, 20)
    x[1234, 5] = np.nan
    (y,) = run(Sum, {"dims": (0,), "keepdim": False}, [x], [lambda: np.empty(20, np.float32)], 2)
    assert np.flatnonzero(np.isnan(y)).tolist() == [5]
