"""Arithmetic inside plans has the bits of the ops' own forward."""

from __future__ import annotations

import numpy as np
import pytest

from trainctl.autograd.ops.activation import ReLU, ReLUGradient
from trainctl.autograd.ops.arithmetic import Add
from trainctl.backend import jit
from trainctl.plan.kernels.arithmetic import LOOPS, arithmetic
from trainctl.plan.lowering import Context
from trainctl.plan.trace import Apply

pytestmark = pytest.mark.skipif(not jit.available(), reason="Numba is not installed")
UNARY = [op for op in LOOPS if op.__name__ in ("Neg", "ReLU", "Sqrt", "Clone")]
BINARY = [op for op in LOOPS if op not in (*UNARY, ReLUGradient)]


def example(shape, stream):
    x = np.random.default_rng(stream).standard_normal(shape).astype(np.float32)
    for place, value in enumerate([np.nan, np.inf, -np.inf, 0.0, -0.0][: x.size]):
        x.flat[place] = value
    return x


def assert_bits(op, arrays, shape, threads=1):
    record, out = Apply(op, {}, (), ()), np.full(shape, 7, np.float32)
    (call,) = arithmetic(record, arrays, [out], Context(threads))
    call()
    with np.errstate(all="ignore"):
        expected = np.asarray(record.node().forward(*arrays))
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(np.signbit(out)[out == 0], np.signbit(expected)[out == 0])


@pytest.mark.parametrize("shape", [(), (1,), (5,), (64, 128), (2, 3, 5), (3, 70000)])
@pytest.mark.parametrize("op", UNARY)
def test_one_operand(op, shape):
    assert_bits(op, [example(shape, 0)], shape, threads=2)


@pytest.mark.parametrize("shape", [(), (1,), (5,), (64, 128), (2, 3, 5), (3, 70000)])
def test_the_gradient_of_relu(shape):
    assert_bits(ReLUGradient, [example(shape, 0), np.asarray(np.maximum(example(shape, 1), 0))], shape, threads=2)


@pytest.mark.parametrize("shape", [(), (1,), (5,), (64, 128), (3, 70000)])
@pytest.mark.parametrize("op", BINARY)
def test_two_operands(op, shape):
    x, y = example(shape, 0), np.asarray(example(shape, 1)[..., ::-1] if shape else example(shape, 1)).copy()
    for arrays in ([x, y], [x, 3.5], [x, np.array(0.3, np.float32)], [np.array(-2, np.float32), y]):
        assert_bits(op, arrays, shape)


def test_counts_are_whole_numbers():
    record, out = Apply(Add, {}, (), ()), np.zeros((), np.int64)
    (call,) = arithmetic(record, [np.array(2**62 + 1), 1], [out], Context(1))
    call()
    assert out == 2**62 + 2


@pytest.mark.parametrize("x", [np.zeros((4, 6), np.float32)[:, ::2], np.zeros(3)], ids=["gaps", "f8"])
def test_the_rest_is_left_to_forward(x):
    assert arithmetic(Apply(ReLU, {}, (), ()), [x], [np.empty_like(x, order="C")], Context(1)) is None
