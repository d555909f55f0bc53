"""Sums over the rows of a small matrix inside plans have the bits of NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

from trainctl.autograd.ops.broadcasting import SumTo
from trainctl.backend import jit
from trainctl.plan.kernels.column_sums import column_sums
from trainctl.plan.lowering import Context
from trainctl.plan.trace import Apply

pytestmark = pytest.mark.skipif(not jit.available(), reason="Numba is not installed")


@pytest.mark.parametrize("shape", [(64, 10), (64, 128), (1, 5), (0, 3), (1000, 33), (7, 2)])
@pytest.mark.parametrize("lead", [(), (1,)])
def test_the_bits_are_those_of_forward(shape, lead):
    x = (np.random.default_rng(0).standard_normal(shape) * 100).astype(np.float32)
    wanted = (*lead, shape[1])
    record, out = Apply(SumTo, {"shape": wanted}, (), ()), np.full(wanted, 7, np.float32)
    (call,) = column_sums(record, [x], [out], Context(1))
    call()
    np.testing.assert_array_equal(out, record.node().forward(x))


@pytest.mark.parametrize(
    ("x", "shape"),
    [
        (np.zeros((4, 6), np.float32)[:, ::2], (3,)),
        (np.zeros((4, 3)), (3,)),
        (np.zeros((4, 3), np.float32), (4, 1)),
        (np.zeros((4, 3), np.float32), ()),
        (np.zeros((2, 4, 3), np.float32), (3,)),
    ],
    ids=["gaps", "double", "rows", "all", "three-dims"],
)
def test_the_rest_is_left_to_forward(x, shape):
    record = Apply(SumTo, {"shape": shape}, (), ())
    assert column_sums(record, [x], [np.empty(shape, x.dtype)], Context(1)) is None
