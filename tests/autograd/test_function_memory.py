"""What a user's own op keeps alive, and whose memory its gradients are."""

from __future__ import annotations

import gc
import weakref

import pytest

import trainctl
from tests.autograd.own_function import double, function


def test_a_gradient_handed_through_is_not_shared_between_leaves():
    own = function(trainctl, lambda ctx, x, y: x + y, lambda ctx, gy: (gy, gy))
    x, y = trainctl.ones(1, requires_grad=True), trainctl.ones(1, requires_grad=True)
    own.apply(x, y).sum().backward()
    x.grad.zero_()
    assert y.grad.tolist() == [1.0]


def test_a_gradient_that_backward_keeps_is_not_written_to():
    kept = trainctl.ones(1)
    x = trainctl.ones(1, requires_grad=True)
    for _ in range(2):
        double(trainctl, lambda ctx, gy: kept).apply(x).sum().backward()
    assert x.grad.tolist() == [2.0]
    assert kept.tolist() == [1.0]


@pytest.mark.parametrize("walked", [True, False])
def test_a_custom_op_leaves_no_cycle(walked):
    def forward(ctx, x):
        y = x * 2
        ctx.save_for_backward(x, y)
        return y

    gc.collect()
    gc.disable()
    try:
        x = trainctl.ones(1, requires_grad=True)
        y = function(trainctl, forward, lambda ctx, gy: gy * 2).apply(x)
        node = weakref.ref(y.grad_fn)
        if walked:
            y.sum().backward()
        del y
        assert node() is None
    finally:
        gc.enable()
