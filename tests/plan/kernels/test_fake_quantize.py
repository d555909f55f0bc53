"""Fake quantization inside plans has the bits of the op's own forward."""

from __future__ import annotations

import numpy as np
import pytest

from trainctl.autograd.ops.fake_quantize import FakeQuantize, Masked
from trainctl.backend import jit
from trainctl.plan.kernels import fake_quantize as kernels
from trainctl.plan.lowering import Context
from trainctl.plan.trace import Apply

pytestmark = pytest.mark.skipif(not jit.available(), reason="Numba is not installed")
ENDS = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e30, -1e30, 3e9, -3e9]
CODES = [(0, 255), (-128, 127), (-8, 7), (0, 3), (-(2**16), 2**16)]


def example(shape, scale=1.0):
    """Return numbers of which many lie between two codes."""
    random = np.random.default_rng(0)
    x = np.asarray(random.integers(-600, 600, shape) / 2 + random.choice([0, 0, 0.01], shape))
    x = np.asarray(x * scale, np.float32)
    for place, value in enumerate(ENDS[: x.size // 2]):
        x.flat[place] = value
    return x


def assert_bits(lowering, op, params, arrays, outs, threads=2):
    record = Apply(op, params, (), ())
    (call,) = lowering(record, arrays, outs, Context(threads, True))
    call()
    with np.errstate(all="ignore"):
        expected = record.node().forward(*arrays)
    for out, want in zip(outs, expected if type(expected) is tuple else (expected,), strict=True):
        if out is not None:
            np.testing.assert_array_equal(out, want)
            np.testing.assert_array_equal(np.signbit(out)[~np.isnan(want)], np.signbit(want)[~np.isnan(want)])


@pytest.mark.parametrize("shape", [(), (1,), (5,), (64, 32), (3, 70001)])
@pytest.mark.parametrize("ends", CODES)
@pytest.mark.parametrize("scale", [1.0, 0.037, 1e-6])
def test_numbers_and_mask(shape, ends, scale):
    params = {"quant_min": ends[0], "quant_max": ends[1], "axis": None}
    for zero in {ends[0], 0, min(ends[1], 7)}:
        arrays = [example(shape, scale), np.float32([scale]), np.int32([zero])]
        outs = [np.empty(shape, np.float32), np.empty(shape, bool)]
        assert_bits(kernels.fake_quantize, FakeQuantize, params, arrays, outs)


@pytest.mark.parametrize(
    ("scale", "zero"),
    [(0.0, 0), (np.nan, 0), (np.inf, 0), (np.nan, -(2**31)), (np.inf, -(2**31)), (1e-45, 300), (-0.5, 300)],
)
def test_a_grid_that_is_none(scale, zero):
    """What is left of a range with NaN or infinity in it; with the eager step's bits all the same."""
    arrays = [example((200,)), np.float32([scale]), np.int32([zero])]
    outs = [np.empty(200, np.float32), np.empty(200, bool)]
    assert_bits(kernels.fake_quantize, FakeQuantize, {"quant_min": 0, "quant_max": 255, "axis": None}, arrays, outs)


def test_other_layouts_and_a_mask_that_nobody_reads():
    x, params = example((6, 8)), {"quant_min": 0, "quant_max": 255, "axis": None}
    grid = [np.float32([0.5]), np.int32([3])]
    outs = [np.empty((6, 8), np.float32).T, np.empty((6, 8), bool).T]
    assert_bits(kernels.fake_quantize, FakeQuantize, params, [x.T, *grid], outs)
    assert_bits(kernels.fake_quantize, FakeQuantize, params, [x, *grid], [np.empty((6, 8), np.float32), None])


@pytest.mark.parametrize(
    ("x", "zero", "codes", "axis", "out"),
    [
        (example((4, 6)), np.int32([3]), (0, 255), 0, None),
        (example((4, 6)).astype(np.float64), np.int32([3]), (0, 255), None, None),
        (example((4, 6))[:, ::2], np.int32([3]), (0, 255), None, None),
        (example((4, 6)), np.int32([3]), (0, 2**21), None, None),
        (example((4, 6)), np.float32([3]), (0, 255), None, None),
        (example((4, 6)), 3, (0, 255), None, None),
        (example((0, 6)), np.int32([3]), (0, 255), None, None),
        (example((4, 6)), np.int32([3]), (0, 255), None, np.empty((6, 4), np.float32).T),
    ],
    ids=["channels", "float64", "steps", "wide", "no code", "number", "empty", "layouts"],
)
def test_the_rest_is_left_to_numpy(x, zero, codes, axis, out):
    params = {"quant_min": codes[0], "quant_max": codes[1], "axis": axis}
    outs = [np.empty(x.shape, x.dtype) if out is None else out, np.empty(x.shape, bool)]
    record = Apply(FakeQuantize, params, (), ())
    assert kernels.fake_quantize(record, [x, np.float32([0.5]), zero], outs, Context(1, True)) is None


@pytest.mark.parametrize("shape", [(), (1,), (5,), (64, 32), (3, 70001)])
def test_the_gradient(shape):
    inside = np.random.default_rng(1).random(shape) < 0.5
    assert_bits(kernels.mask, Masked, {}, [example(shape), np.asarray(inside)], [np.empty(shape, np.float32)])


def test_without_compiled_loops_numpy_does_it():
    record = Apply(Masked, {}, (), ())
    given = [example((4,)), np.ones(4, bool)], [np.empty(4, np.float32)]
    assert kernels.mask(record, *given, Context(1, False)) is None
