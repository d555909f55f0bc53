"""Gradients of large leaves: a plan goes on in the memory that they have, unless somebody else has it too."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import trainctl
from trainctl import nn
from trainctl.plan.gradients import LARGE

WIDTH = 600
assert WIDTH * WIDTH * 4 > LARGE


def made():
    """Return (layer, step, input), the step compiled."""
    trainctl.manual_seed(0)
    layer = nn.Linear(WIDTH, WIDTH)

    def step(x):
        layer.zero_grad()
        loss = layer(x).square().mean()
        loss.backward()
        return loss

    return layer, trainctl.compile(step), trainctl.randn(4, WIDTH)


def expected(layer, x):
    twin = nn.Linear(WIDTH, WIDTH)
    twin.load_state_dict(layer.state_dict())
    twin(x).square().mean().backward()
    return twin.weight.grad.numpy()


def test_the_recorded_gradient_becomes_the_plans():
    layer, step, x = made()
    step(x)
    step(x)
    memory = layer.weight.grad._array.ctypes.data
    for scale in (2, 3):
        step(x * scale)
        assert layer.weight.grad._array.ctypes.data == memory
        np.testing.assert_allclose(layer.weight.grad.numpy(), expected(layer, x * scale), rtol=1e-4, atol=1e-6)
    assert len(step.plans) == 1


@pytest.mark.parametrize("what", ["tensor", "array", "view"])
def test_who_keeps_it_keeps_its_elements(what):
    layer, step, x = made()
    keep = {"tensor": lambda grad: grad, "array": lambda grad: grad.numpy(), "view": lambda grad: grad[3:]}[what]
    step(x)
    step(x)
    kept = keep(layer.weight.grad)
    then = np.array(kept.numpy() if isinstance(kept, trainctl.Tensor) else kept)
    for scale in (2, 3):
        step(x * scale)
    np.testing.assert_array_equal(kept.numpy() if isinstance(kept, trainctl.Tensor) else kept, then)
    np.testing.assert_allclose(layer.weight.grad.numpy(), expected(layer, x * 3), rtol=1e-4, atol=1e-6)


def test_what_was_kept_while_it_was_recorded_is_not_taken():
    layer, step, x = made()
    step(x)
    kept = []
    inner = step.fn
    step.fn = lambda x: (inner(x), kept.append(layer.weight.grad))[0]
    step(x)
    then = kept[-1].numpy().copy()
    for scale in (2, 3):
        step(x * scale)
    np.testing.assert_array_equal(kept[0].numpy(), then)
    assert layer.weight.grad._array.ctypes.data != kept[0]._array.ctypes.data


def test_a_recording_leaves_no_weak_references_behind():
    """Several to one array, in garbage, crash CPython 3.11 when the array goes at the wrong moment."""
    layer, step, x = made()
    gc.collect()
    gc.disable()
    try:
        for turn in range(4):
            step(x)
            if turn < 2:
                arrays = [each._array for each in layer.parameters()] + [
                    each.grad._array for each in layer.parameters()
                ]
                assert [weakref.getweakrefcount(each) for each in arrays] == [0] * 4
    finally:
        gc.enable()
