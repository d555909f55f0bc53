"""The steps of optimizers inside plans: the bits of the optimizer's own step, whatever happens to it in between."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import trainctl
from trainctl import nn, optim
from trainctl.backend import jit
from trainctl.plan.kernels import products
from trainctl.plan.kernels.optimizers import FusedStep

OPTIMIZERS = {
    "sgd": lambda ps: optim.SGD(ps, lr=0.1),
    "sgd-decay-maximize": lambda ps: optim.SGD(ps, lr=0.01, weight_decay=0.1, maximize=True),
    "momentum": lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9),
    "dampening": lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9, dampening=0.3, weight_decay=0.1),
    "nesterov": lambda ps: optim.SGD(ps, lr=0.1, momentum=0.8, nesterov=True, weight_decay=0.1, maximize=True),
    "adam": lambda ps: optim.Adam(ps, lr=0.01),
    "adam-decay": lambda ps: optim.Adam(ps, lr=0.01, weight_decay=0.1, betas=(0.8, 0.9), eps=1e-3),
    "adamw": lambda ps: optim.AdamW(ps, lr=0.01, maximize=True),
    "amsgrad": lambda ps: optim.AdamW(ps, lr=0.01, amsgrad=True),
    "other-mean": lambda ps: optim.Adam(ps, lr=0.01, betas=(0.3, 0.9)),
}
FORMS = ["compiled", "numpy"]


@pytest.fixture(params=FORMS)
def form(request, monkeypatch):
    monkeypatch.setattr(products, "_SMALL", 1 << 60)
    monkeypatch.setattr(products, "_LARGE", 1 << 60)  # their rounding is their own
    if request.param == "numpy":
        monkeypatch.setattr(jit, "available", lambda: False)
    elif not jit.available():
        pytest.skip("Numba is not installed")


class Net(nn.Module):
    """Small and large parameters, a matrix in another order, and a table that is a gradient of rows."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(700, 33, padding_idx=3)
        self.hidden = nn.Linear(33, 600)
        self.hidden.weight.data = trainctl.randn(33, 600).t()
        self.wide = nn.Linear(600, 170)
        self.scale = nn.Parameter(trainctl.ones(()))
        self.nothing = nn.Parameter(trainctl.ones(0, 3))

    def forward(self, index):
        return self.wide(self.hidden(self.table(index)).tanh()) * self.scale + self.nothing.sum()


def pair(optimizer, threads=2):
    """Two equal models, their optimizers and steps: one eager, one compiled."""
    trainctl.manual_seed(0)
    eager = Net()
    found = []
    for net in (eager, copy.deepcopy(eager)):
        net.hidden.weight.data = net.hidden.weight.data.t().contiguous().t()
        chosen = OPTIMIZERS[optimizer](net.parameters())

        def step(index, net=net, chosen=chosen):
            chosen.zero_grad()
            loss = net(index).square().mean()
            loss.backward()
            chosen.step()
            return loss

        found.append((net, chosen, step))
    (one, first, step), (other, second, step_too) = found
    return (one, first, step), (other, second, trainctl.compile(step_too, threads=threads, deterministic=True))


def batch(turn):
    return trainctl.tensor(np.random.default_rng(turn).integers(0, 700, (4, 5)))


def assert_same(one, other):
    for name, each in one.state_dict().items():
        np.testing.assert_array_equal(each.numpy(), other.state_dict()[name].numpy(), err_msg=name)
    for (name, first), second in zip(one.named_parameters(), other.parameters(), strict=True):
        np.testing.assert_array_equal(first.grad.numpy(), second.grad.numpy(), err_msg=f"gradient of {name}")


def assert_same_state(one, other):
    for key, each in one.state_dict()["state"].items():
        for name, value in each.items():
            np.testing.assert_array_equal(value.numpy(), other.state_dict()["state"][key][name].numpy(), err_msg=name)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_bits_are_those_of_the_eager_step(name, threads, form):
    (eager, first, step), (net, second, fast) = pair(name, threads)
    for turn in range(6):
        step(batch(turn))
        fast(batch(turn))
    assert len(fast.plans) == 1
    assert any(isinstance(run, FusedStep) for run in fast.plans[0].runs)
    assert_same(eager, net)
    assert_same_state(first, second)


def _schedule(net, optimizer):
    optimizer.param_groups[0]["lr"] *= 0.5


def _load(net, optimizer):
    optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))


def _forget(net, optimizer):
    optimizer.state.clear()


def _add_group(net, optimizer):
    group = optimizer.param_groups[0]
    last = group["params"].pop(2)
    optimizer.add_param_group({"params": [last], "lr": 0.5})


def _change_options(net, optimizer):
    optimizer.param_groups[0].update({"weight_decay": 0.2, "maximize": True})


def _hook(net, optimizer):
    def double(optimizer, args, kwargs):
        for parameter in optimizer.param_groups[0]["params"]:
            parameter.grad.mul_(2)

    optimizer.register_step_pre_hook(double)


@pytest.mark.parametrize("change", [_schedule, _load, _forget, _add_group, _change_options, _hook])
@pytest.mark.parametrize("name", ["momentum", "adam", "adamw"])
def test_what_changes_between_steps_is_seen(name, change, form):
    (eager, first, step), (net, second, fast) = pair(name)
    for turn in range(9):
        if turn == 5:
            change(eager, first)
            change(net, second)
        step(batch(turn))
        fast(batch(turn))
    assert_same(eager, net)
    assert_same_state(first, second)


def test_no_momentum_after_some_and_the_other_way_round(form):
    (eager, first, step), (net, second, fast) = pair("momentum")
    for turn in range(9):
        for optimizer in (first, second):
            optimizer.param_groups[0]["momentum"] = 0.0 if 3 <= turn < 6 else 0.9
        step(batch(turn))
        fast(batch(turn))
    assert_same(eager, net)


def test_parameters_that_share_memory_take_their_turns(form):
    found = []
    for wrap in (lambda f: f, trainctl.compile):
        base = trainctl.linspace(0, 1, 6)
        params = [nn.Parameter(base[:4]), nn.Parameter(base[2:])]
        optimizer = optim.SGD(params, lr=0.1, momentum=0.9, weight_decay=0.5)

        def step(params=params, optimizer=optimizer):
            optimizer.zero_grad()
            (params[0].square().sum() + params[1].sum()).backward()
            optimizer.step()

        step = wrap(step)
        for _ in range(5):
            step()
        found.append(base.numpy())
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("name", ["sgd-decay-maximize", "nesterov", "adam", "adam-decay", "adamw"])
def test_what_is_not_finite_stays_so(name, value, form):
    (eager, _, step), (net, _, fast) = pair(name)
    for turn in range(6):
        if turn == 4:
            for each in (eager, net):
                each.table.weight.data[5, 1] = value
                each.wide.bias.data[3] = value
        step(batch(turn))
        fast(batch(turn))
    assert_same(eager, net)


def test_versions_count_and_a_subclass_takes_its_own_step(form):
    class Mine(optim.SGD):
        def update(self, parameter, grad, group, state):
            parameter.sub_(grad * 0.5)

    for kind, is_fused in ((Mine, False), (optim.SGD, True)):
        net = nn.Linear(2, 2)
        optimizer = kind(net.parameters(), lr=0.5)

        @trainctl.compile
        def step(x, net=net, optimizer=optimizer):
            optimizer.zero_grad()
            net(x).sum().backward()
            optimizer.step()

        for _ in range(4):
            step(trainctl.ones(1, 2))
        assert any(isinstance(run, FusedStep) for run in step.plans[0].runs) is is_fused
        before = net.weight._version
        step(trainctl.ones(1, 2))
        assert net.weight._version > before
