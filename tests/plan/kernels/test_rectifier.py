"""ReLU and its gradient inside plans have the bits of the ops' own forward."""

from __future__ import annotations

import numpy as np
import pytest

from trainctl.autograd.ops.activation import ReLU, ReLUGradient
from trainctl.backend import jit
from trainctl.plan.kernels.rectifier import rectified
from trainctl.plan.lowering import Context
from trainctl.plan.trace import Apply

pytestmark = pytest.mark.skipif(not jit.available(), reason="Numba is not installed")


def example(shape, stream):
    x = np.random.default_rng(stream).standard_normal(shape).astype(np.float32)
    for place, value in enumerate([np.nan, np.inf, -np.inf, 0.0, -0.0][: x.size]):
        x.flat[place] = value
    return x


@pytest.mark.parametrize("shape", [(), (0,), (1,), (5,), (64, 128), (3, 0, 2), (2, 3, 5)])
@pytest.mark.parametrize("op", [ReLU, ReLUGradient])
def test_the_bits_are_those_of_forward(op, shape):
    arrays = [example(shape, 0)] if op is ReLU else [example(shape, 0), np.asarray(np.maximum(example(shape, 1), 0))]
    record, out = Apply(op, {}, (), ()), np.full(shape, 7, np.float32)
    (call,) = rectified(record, arrays, [out], Context(1))
    call()
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(out, record.node().forward(*arrays))


@pytest.mark.parametrize(
    "x", [np.zeros((4, 6), np.float32)[:, ::2], np.zeros(3), np.zeros(1 << 17, np.float32)], ids=["gaps", "f8", "large"]
)
def test_the_rest_is_left_to_forward(x):
    assert rectified(Apply(ReLU, {}, (), ()), [x], [np.empty_like(x, order="C")], Context(1)) is None
