"""A training step with fake quantization is replayed by a plan, gives the same bits, and notices every switch."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from trainctl import nn, optim
from trainctl import quantization as Q
from trainctl.quantization.learnable import _LearnableFakeQuantize

STEPS = 12
AVERAGE, CHANNELS = Q.MovingAverageMinMaxObserver, Q.MovingAveragePerChannelMinMaxObserver
QCONFIGS = {
    "apart": Q.default_qat_qconfig,
    "channels": Q.get_default_qat_qconfig("fbgemm", 0),
    "fused": Q.default_qat_qconfig_v2,
    "fused channels": Q.get_default_qat_qconfig("x86"),
    "ranges of all": Q.QConfig(
        Q.FakeQuantize.with_args(observer=Q.MinMaxObserver),
        Q.FakeQuantize.with_args(
            observer=Q.PerChannelMinMaxObserver, dtype=trainctl.qint8, qscheme=trainctl.per_channel_symmetric
        ),
    ),
    "learned": Q.QConfig(
        _LearnableFakeQuantize.with_args(observer=AVERAGE, use_grad_scaling=True),
        _LearnableFakeQuantize.with_args(
            observer=CHANNELS, channel_len=4, quant_min=-8, quant_max=7, dtype=trainctl.qint8,
            qscheme=trainctl.per_channel_symmetric,
        ),
    ),
}  # fmt: skip


class Net(nn.Module):
    """Two layers, with everything between them on a grid."""

    def __init__(self, qconfig):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(3, 4), nn.Linear(4, 4)])
        self.weights = nn.ModuleList([qconfig.weight() for _ in range(2)])
        self.inputs = nn.ModuleList([qconfig.activation() for _ in range(2)])

    def forward(self, x):
        for layer, weight, entry in zip(self.layers, self.weights, self.inputs, strict=True):
            x = nn.functional.linear(entry(x), weight(layer.weight), layer.bias).relu()
        return x


def train(qconfig, compiled, change=lambda net: None, at=6):
    """Return losses, the state at the end and the step; half way, something about the net is changed."""
    trainctl.manual_seed(0)
    net = Net(qconfig)
    optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9)

    def step(x, y):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    run = trainctl.compile(step, kernels="numpy", deterministic=True) if compiled else step
    random, losses = np.random.RandomState(0), []
    for number in range(STEPS):
        if number == at:
            change(net)
        x, y = (random.randn(8, size).astype(np.float32) * (1 + number % 3) for size in (3, 4))
        losses.append(run(trainctl.from_numpy(x), trainctl.from_numpy(y)).item())
    return losses, {key: each.tolist() for key, each in net.state_dict().items()}, run


def freeze(net):
    net.apply(Q.disable_observer)


def let_through(net):
    net.apply(Q.disable_fake_quant)


def set_by_hand(net):
    net.inputs[0].observer_enabled[0] = 0
    if isinstance(net.inputs[0], _LearnableFakeQuantize):
        net.inputs[0].static_enabled[0] = 0


def load(net):
    state = {key: each.clone() for key, each in net.state_dict().items()}
    switches = ("observer_enabled", "static_enabled")
    net.load_state_dict({key: each * 0 if key.endswith(switches) else each for key, each in state.items()})


def average_faster(net):
    for each in net.inputs:
        each.activation_post_process.averaging_constant = 0.7


def learn(net):
    for each in net.modules():
        if isinstance(each, _LearnableFakeQuantize):
            each.enable_param_learning()


CHANGES = (freeze, let_through, set_by_hand, load, average_faster, learn)


@pytest.mark.parametrize("name", QCONFIGS)
def test_a_step_is_replayed_and_gives_the_same_bits(name):
    eager, compiled = train(QCONFIGS[name], False), train(QCONFIGS[name], True)
    assert compiled[:2] == eager[:2]
    assert len(compiled[2].plans) == 1
    assert not compiled[2].reasons


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", QCONFIGS)
def test_a_change_on_the_way_is_noticed(name, change):
    if change is learn and name != "learned":
        return
    before, eager = train(QCONFIGS[name], False), train(QCONFIGS[name], False, change)
    compiled = train(QCONFIGS[name], True, change)
    assert compiled[:2] == eager[:2]
    assert not compiled[2].reasons
    if not (change is average_faster and name == "ranges of all"):
        assert eager[:2] != before[:2]
        assert len(compiled[2].plans) == 2


def test_a_plan_is_taken_up_again_where_a_switch_is_turned_back():
    def on_again(net):
        net.apply(Q.enable_observer)

    trainctl.manual_seed(0)
    net = Net(QCONFIGS["fused"])
    step = trainctl.compile(lambda x: net(x).sum().backward() or net.zero_grad())
    x = trainctl.rand(4, 3)
    for change in (on_again, freeze) * 3:
        change(net)
        for _ in range(3):
            step(x)
    assert len(step.plans) == 2
    assert not step.reasons


def test_a_switch_that_the_step_sets_itself_cannot_be_replayed():
    fake, messages = Q.FakeQuantize(), []

    def step(x):
        fake.observer_enabled.mul_(0)
        return fake(x).detach()

    run = trainctl.compile(step, notify=messages.append)
    for _ in range(3):
        run(trainctl.ones(2))
    assert not run.plans
    assert "switch" in messages[0]


def test_a_histogram_is_for_calibration():
    fake, messages = Q.default_histogram_fake_quant(), []
    run = trainctl.compile(lambda x: fake(x).detach(), notify=messages.append)
    outputs = [run(trainctl.tensor([0.0, 0.5, 1.0])).tolist() for _ in range(3)]
    assert outputs[2] == pytest.approx([0.0, 0.5, 1.0], abs=0.01)
    assert "reads a value" in messages[0]
