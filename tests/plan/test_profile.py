"""What a profile says of a plan: every call once, what it does, how, and the memory behind it."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from trainctl import nn, optim
from trainctl.backend import jit
from trainctl.plan.footprint import footprint
from trainctl.plan.profile import calls_of, timed

COMPILED = pytest.mark.skipif(not jit.available(), reason="needs Numba")


def trained(net, x, target, kernels=None, **options):
    """Return a compiled step with a plan."""
    optimizer = optim.SGD(net.parameters(), lr=0.01, momentum=0.9)

    def step(x, target):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), target)
        loss.backward()
        optimizer.step()
        return loss

    step = trainctl.compile(step, threads=1, kernels=kernels, **options)
    for _ in range(4):
        step(x, target)
    return step, optimizer


def perceptron(kernels=None):
    net = nn.Sequential(nn.Linear(784, 256), nn.Tanh(), nn.Linear(256, 10))
    batch = trainctl.randn(64, 784), trainctl.randint(0, 10, (64,))
    return net, batch, *trained(net, *batch, kernels)


def test_every_call_is_counted_once():
    _, _, step, _ = perceptron()
    (plan,) = step.plans
    assert [run for _, runs in plan.work for run in runs] == plan.runs
    records = [record for records, _ in plan.work for record in records]
    assert len(records) == len(set(map(id, records)))
    assert sum(call.records for call in calls_of(plan)) == len(records)


def test_the_products_of_a_step_are_all_there():
    _, _, step, _ = perceptron()
    wanted = 2 * 64 * (784 * 256 * 2 + 256 * 10 * 3)  # forward and weights' gradients; the second layer's input
    assert sum(call.flops for call in calls_of(step.plans[0])) == wanted


def test_times_have_the_order_of_the_calls():
    _, batch, step, _ = perceptron()
    (plan,) = step.plans
    linked = plan.linked
    with timed(plan) as times:
        for _ in range(5):
            step(*batch)
    assert plan.linked is linked
    calls = calls_of(plan)
    assert [len(each) for each in times] == [5] * len(calls)
    slowest = max(zip(times, calls, strict=True), key=lambda pair: np.median(pair[0]))[1]
    assert slowest.flops == 2 * 64 * 784 * 256


def test_a_timed_step_does_the_same():
    nets = [nn.Linear(8, 3) for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    batch = trainctl.randn(16, 8), trainctl.randint(0, 3, (16,))
    (one, _), (other, _) = (trained(net, *batch) for net in nets)
    with timed(other.plans[0]):
        for step in (one, other):
            step(*batch)
    np.testing.assert_array_equal(nets[0].weight.detach().numpy(), nets[1].weight.detach().numpy())


def test_how_ops_run_without_compiled_loops():
    _, _, step, _ = perceptron("numpy")
    how = {name: call.how for call in calls_of(step.plans[0]) for name in call.ops}
    assert how["SGD.step"] == "NumPy kernel"
    assert how["Tanh"] == "elementwise"
    assert how["NLLLoss"] == "call"
    assert how["gradient"] == "-"


@COMPILED
def test_how_ops_run_with_compiled_loops():
    _, _, step, _ = perceptron()
    how = {name: call.how for call in calls_of(step.plans[0]) for name in call.ops}
    assert how["SGD.step"] == how["NLLLoss"] == how["LogSoftmax"] == "kernel"


def test_neighbours_are_named_together():
    @trainctl.compile
    def chain(x):
        return ((x * 2).tanh() + 1).exp()

    for _ in range(3):
        chain(trainctl.ones(1 << 16))
    (call,) = (each for each in calls_of(chain.plans[0]) if each.records > 1)
    assert call.records == 4
    assert call.ops == ("Mul", "Tanh", "Add", "Exp")
    assert call.is_fused
    assert call.label.startswith("Mul + Tanh + Add + Exp 65536")


def test_the_memory_of_a_plan():
    net, (x, target), step, optimizer = perceptron("numpy")
    (plan,) = step.plans
    state = [each._array for kept in optimizer.state.values() for each in kept.values() if hasattr(each, "_array")]
    held = footprint(plan, [*(each._array for each in net.parameters()), *state])
    assert held.block == plan.block_size > 0
    assert held.gradients == sum(each._array.nbytes for each in net.parameters())
    assert held.inputs_and_results == x._array.nbytes + target._array.nbytes + 4  # and the loss
    assert 0 < held.scratch < 1 << 20
    assert footprint(plan, []).scratch == held.scratch + sum(each.nbytes for each in state)  # state is not known then
