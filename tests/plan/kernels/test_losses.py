"""The loss over classes inside plans is the ops' own forward's, but for rounding."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from trainctl.autograd.ops.loss import NLLLoss, NLLLossGradient
from trainctl.autograd.ops.softmax import LogSoftmax, LogSoftmaxGradient
from trainctl.backend import jit
from trainctl.plan.kernels import losses
from trainctl.plan.lowering import Context
from trainctl.plan.trace import Apply

pytestmark = pytest.mark.skipif(not jit.available(), reason="Numba is not installed")
SHAPES = [(1, 1), (1, 7), (64, 10), (5, 33), (700, 129), (3, 20000)]


def run(lowering, op, arrays, made, threads=2, **params):
    """Return (what the calls leave, what the op's own forward gives)."""
    record = Apply(op, params, (), ())
    out = np.full(made, 7, np.float32)
    calls = lowering(record, arrays, [out], Context(threads))
    assert calls is not None
    with np.errstate(all="ignore"):
        for call in calls:
            call()
        return out, np.asarray(record.node().forward(*arrays))


def matrix(shape, stream=0):
    return (np.random.default_rng(stream).standard_normal(shape) * 5).astype(np.float32)


def close(found, wanted):
    np.testing.assert_allclose(found, wanted, rtol=3e-6, atol=1e-6)


def classes(rows, count, stream=0, ignored=None):
    target = np.random.default_rng(stream).integers(0, count, rows)
    if ignored is not None:
        target[::3] = ignored
    return target


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_log_softmax(shape, threads):
    close(*run(losses.log_softmax, LogSoftmax, [matrix(shape)], shape, threads, dim=1))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("places", [(0,), (3,), (0, 4), (0, 1, 2, 3, 4)])
def test_what_is_not_finite_fills_its_row_alone(value, places):
    x = matrix((3, 5))
    x[1, list(places)] = value
    found, wanted = run(losses.log_softmax, LogSoftmax, [x], x.shape, dim=1)
    close(found, wanted)
    found, wanted = run(losses.log_softmax_gradient, LogSoftmaxGradient, [x, found], x.shape, dim=1)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_log_softmax_gradient(shape, threads):
    y = LogSoftmax.forward(Apply(LogSoftmax, {"dim": 1}, (), ()).node(), matrix(shape))
    one = np.zeros(shape, np.float32)
    one[np.arange(shape[0]), classes(*shape)] = -0.3
    close(*run(losses.log_softmax_gradient, LogSoftmaxGradient, [one, y], shape, threads, dim=1))
    found, wanted = run(losses.log_softmax_gradient, LogSoftmaxGradient, [matrix(shape, 1), y], shape, threads, dim=1)
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("ignored", [None, -100, 0])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_entry_of_each_class_and_its_gradient(shape, ignored, reduction):
    target = classes(*shape, ignored=ignored)
    options = {"ignore_index": -100 if ignored is None else ignored, "reduction": reduction}
    close(*run(losses.nll_loss, NLLLoss, [matrix(shape), target, None], (), **options))
    gy = np.array(0.7, np.float32)
    options["shape"] = shape
    np.testing.assert_array_equal(*run(losses.nll_loss_gradient, NLLLossGradient, [gy, target, None], shape, **options))


def test_a_class_that_does_not_exist_is_an_error_in_a_replay_too():
    x = trainctl.randn(4, 3)
    fast = trainctl.compile(lambda x, target: trainctl.nn.functional.cross_entropy(x, target))
    for _ in range(3):
        fast(x, trainctl.tensor([0, 1, 2, 0]))
    assert len(fast.plans) == 1
    with pytest.raises(IndexError, match="Target 3 is out of bounds"):
        fast(x, trainctl.tensor([0, 1, 3, 0]))
    assert fast(x, trainctl.tensor([-100] * 4)).isnan().item()


@pytest.mark.parametrize(
    "arrays",
    [
        [matrix((4, 3)).astype(np.float64), classes(4, 3), None],
        [matrix((4, 3)), classes(4, 3), np.ones(3, np.float32)],
        [matrix((4, 6))[:, ::2], classes(4, 3), None],
        [matrix((0, 3)), classes(0, 3), None],
    ],
    ids=["double", "weights", "strided", "empty"],
)
def test_what_the_loops_are_not_for_is_left_to_forward(arrays):
    record = Apply(NLLLoss, {"ignore_index": -100, "reduction": "mean"}, (), ())
    out = np.empty((), arrays[0].dtype)
    assert losses.nll_loss(record, arrays, [out], Context(1)) is None
