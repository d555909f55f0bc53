"""Pooling along one dim is what the ops give, in both forms."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from tests.plan.kernels import harness
from tests.plan.kernels.harness import forward, like, run, uniform
from trainctl.autograd.ops.pooling_along import MaxAlong, ReturnAlong
from trainctl.autograd.ops.windows import output_size

check = partial(harness.check, always=True)

LAST = (0, 2, 3, 1)
# shape, order in memory, dim, kernel, stride, padding, dilation
CASES = [
    ((3, 16, 12, 10), LAST, -1, 2, 2, 0, 1),
    ((3, 16, 12, 10), LAST, -2, 2, 2, 0, 1),
    ((2, 5, 9, 11), LAST, -1, 3, 2, 1, 1),
    ((2, 5, 9, 11), None, -2, 3, 2, 1, 1),
    ((2, 5, 9, 11), None, -1, 3, 1, 1, 2),
    ((70, 32, 30, 31), LAST, -1, 2, 2, 0, 1),
    ((4, 3, 7, 7), LAST, -2, 2, 3, 0, 1),
    ((1, 1, 1, 1), None, -1, 1, 1, 0, 1),
]
cases = pytest.mark.parametrize(("shape", "order", "dim", "kernel", "stride", "padding", "dilation"), CASES)


def params(shape, dim, kernel, stride, padding, dilation):
    names = {"dim": dim, "kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    return {**names, "places": output_size(shape[dim], kernel, stride, padding, dilation)}


def pooled(x, order, options):
    """Return the results of the op, laid out as its input is."""
    order = order or tuple(range(x.ndim))
    results = forward(MaxAlong, {**options, "chooses": True}, [x])
    return [np.ascontiguousarray(each.transpose(order)).transpose(np.argsort(order)) for each in results]


@cases
@pytest.mark.parametrize("values", ["random", "ties", "infinite", "nan"])
def test_maximum(shape, order, dim, kernel, stride, padding, dilation, values):
    x, options = uniform(*shape, order=order), params(shape, dim, kernel, stride, padding, dilation)
    if values == "ties":
        np.round(x, out=x)
    elif values == "infinite":
        x[x < 0] = -np.inf
        x[x > 0.9] = np.inf
    elif values == "nan":
        x[(x > 0) & (x < 0.2)] = np.nan
    makers = [like(each) for each in pooled(x, order, options)]
    check(MaxAlong, {**options, "chooses": True}, [x], makers, rtol=0, atol=0)


@cases
@pytest.mark.parametrize("turned", [False, True])
def test_gradient(shape, order, dim, kernel, stride, padding, dilation, turned):
    x, options = uniform(*shape, order=order), params(shape, dim, kernel, stride, padding, dilation)
    y, choice = pooled(x, order, options)
    gy = uniform(*y.shape, seed=1, order=None if turned else order)
    check(ReturnAlong, {**options, "size": shape[dim]}, [gy, choice], [like(x)], rtol=1e-6, atol=1e-6)


def test_infinite_gradients_go_where_they_belong():
    """They are chosen, not multiplied by 0."""
    x = uniform(2, 4, 6, 6, order=LAST)
    options = params(x.shape, -1, 2, 2, 0, 1)
    y, choice = pooled(x, LAST, options)
    gy = np.full_like(y, np.inf)
    (gx,) = run(ReturnAlong, {**options, "size": 6}, [gy, choice], [like(x)], 1)
    assert np.isinf(gx).sum() == gy.size
    assert (gx == 0).sum() == gx.size - gy.size


def test_numbers_of_other_types_are_left_to_the_op():
    x = uniform(2, 3, 4, 4).astype(np.float64)
    options = {**params(x.shape, -1, 2, 2, 0, 1), "chooses": True}
    assert run(MaxAlong, options, [x], [like(each) for each in forward(MaxAlong, options, [x])], 1) is None
