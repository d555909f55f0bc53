"""Softmax row by row, with every kind of mask, is what the ops give."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from tests.plan.kernels import harness
from tests.plan.kernels.harness import like, run, uniform
from trainctl.autograd.ops.attention import MaskedSoftmax
from trainctl.autograd.ops.softmax import Softmax, SoftmaxGradient

check = partial(harness.check, always=True)

SHAPES = [(1, 1), (300, 65), (3, 4, 20, 33), (7,)]


@pytest.mark.parametrize("shape", SHAPES)
def test_softmax(shape):
    x = uniform(*shape) * 30
    check(Softmax, {"dim": len(shape) - 1}, [x], [like(x)], atol=1e-6)
    check(MaskedSoftmax, {}, [x, None], [like(x)], atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_gradient(shape):
    gy, y = uniform(*shape), uniform(*shape, seed=1)
    check(SoftmaxGradient, {"dim": -1}, [gy, y], [like(y)], atol=1e-4)


@pytest.mark.parametrize("mask", [(20, 33), (3, 1, 1, 33), (4, 20, 33), (33,), (3, 4, 20, 33)])
@pytest.mark.parametrize("added", [True, False])
def test_masks(mask, added):
    x, values = uniform(3, 4, 20, 33), uniform(*mask, seed=1)
    check(MaskedSoftmax, {}, [x, values if added else values > 0], [like(x)])


def test_a_row_far_below_the_others():
    """Its exponentials, relative to the largest of all, vanish."""
    x = uniform(6, 40)
    x[2] -= 200
    x[4] -= 75
    check(Softmax, {"dim": 1}, [x], [like(x)], atol=1e-7)
    check(MaskedSoftmax, {}, [x, uniform(40)], [like(x)], atol=1e-7)


@pytest.mark.parametrize("shape", [(2, 2, 1100, 70), (3, 70000), (1, 2, 5)])
def test_masks_of_large_arrays(shape):
    x, mask = uniform(*shape) * 5, uniform(*shape[-2:], seed=1) > -0.5
    check(MaskedSoftmax, {}, [x, mask], [like(x)])


@pytest.mark.parametrize("added", [True, False])
def test_a_row_that_sees_nothing_is_0(added):
    x, mask = uniform(5, 40), np.arange(5 * 40).reshape(5, 40) % 3 > 0
    mask[2] = False
    given = np.where(mask, 0, -np.inf).astype(np.float32) if added else mask
    check(MaskedSoftmax, {}, [x, given], [like(x)])
    (y,) = run(MaskedSoftmax, {}, [x, given], [like(x)], 2)
    assert ((y == 0) == ~mask).all()


def test_numbers_that_are_not_finite():
    x = uniform(4, 30) * 100
    x[0, 3], x[1, 4], x[2] = np.nan, np.inf, -np.inf
    check(Softmax, {"dim": 1}, [x], [like(x)])
    check(MaskedSoftmax, {}, [x, None], [like(x)])


def test_what_is_left_to_the_op():
    """Other dims, and masks with one number a row."""
    x = uniform(6, 7)
    assert run(Softmax, {"dim": 0}, [x], [like(x)], 1) is None
    assert run(SoftmaxGradient, {"dim": 0}, [x, x], [like(x)], 1) is None
    assert run(MaskedSoftmax, {}, [x, x[:, :1].copy()], [like(x)], 1) is None
