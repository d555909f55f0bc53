"""An optimizer's step within the program that leaves its gradients: the same bits as on its own, whatever is changed."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import trainctl
from trainctl import nn, optim
from trainctl.backend import jit
from trainctl.optim.optimizer import register_optimizer_step_post_hook
from trainctl.plan.joint import Joint
from trainctl.plan.kernels.optimizers import FusedStep

pytestmark = pytest.mark.skipif(not jit.available(), reason="needs Numba")

OPTIMIZERS = {
    "sgd": lambda ps: optim.SGD(ps, lr=0.1),
    "momentum": lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9, weight_decay=0.1),
    "adam": lambda ps: optim.Adam(ps, lr=0.01),
    "adamw": lambda ps: optim.AdamW(ps, lr=0.01, maximize=True),
}
BEFORE, AFTER = 6, 5


class Training:
    """A model, its optimizer and its compiled step, which runs its program jointly or one thing after another."""

    def __init__(self, name, is_joint, threads=2):
        trainctl.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(300, 40), nn.ReLU(), nn.Linear(40, 5))
        self.optimizer = OPTIMIZERS[name](self.net.parameters())
        self.is_joint, self.joint_runs = is_joint, 0
        self.step = trainctl.compile(self.learn, threads=threads)

    def learn(self, x, target):
        self.optimizer.zero_grad()
        loss = nn.functional.cross_entropy(self.net(x), target)
        loss.backward()
        self.optimizer.step()
        return loss

    def run(self, monkeypatch, turns):
        """Return the losses of steps."""
        with monkeypatch.context() as patch:
            prepare = FusedStep.prepare

            def count(step):
                self.joint_runs += 1
                prepare(step)

            patch.setattr(FusedStep, "prepare", count)
            if not self.is_joint:
                patch.setattr(FusedStep, "is_as_before", lambda step: False)
            return [self.step(*batch(turn)).item() for turn in turns]

    def everything(self):
        """Return all that a step changes."""
        arrays = [each.detach().numpy().copy() for each in self.net.parameters()]
        arrays += [each.grad.numpy().copy() for each in self.net.parameters()]
        state = self.optimizer.state_dict()["state"]
        arrays += [value.numpy().copy() for key in state for value in state[key].values()]
        return arrays, [each._version for each in self.net.parameters()]


def batch(turn):
    trainctl.manual_seed(turn)
    return trainctl.randn(32, 300), trainctl.randint(0, 5, (32,))


def assert_same(one, other):
    (arrays, versions), (others, versions_too) = one.everything(), other.everything()
    for each, too in zip(arrays, others, strict=True):
        np.testing.assert_array_equal(each, too)
    assert versions == versions_too


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_jointly_or_apart_the_bits_are_the_same(name, threads, monkeypatch):
    pair = [Training(name, is_joint, threads) for is_joint in (True, False)]
    losses = [each.run(monkeypatch, range(BEFORE)) for each in pair]
    assert losses[0] == losses[1]
    assert_same(*pair)
    assert [each.joint_runs > 0 for each in pair] == [True, False]
    assert isinstance(pair[0].step.plans[0].linked[-1], Joint)


def _option(**options):
    def change(each):
        each.optimizer.param_groups[0].update(options)

    change.__name__ = next(iter(options))
    return change


def _state_dict(each):
    each.optimizer.load_state_dict(copy.deepcopy(each.optimizer.state_dict()))


def _no_state(each):
    each.optimizer.state.clear()


def _another_state(each):
    first = each.optimizer.param_groups[0]["params"][0]
    each.optimizer.state[first] = {key: value * 2 for key, value in each.optimizer.state[first].items()}


def _another_tensor(each):
    state = each.optimizer.state[each.optimizer.param_groups[0]["params"][1]]
    state.update({key: value.clone() * 3 for key, value in state.items()})


def _one_less(each):
    del each.optimizer.param_groups[0]["params"][1]


def _another_order(each):
    each.optimizer.param_groups[0]["params"].reverse()


def _another_group(each):
    each.optimizer.add_param_group({"params": [each.optimizer.param_groups[0]["params"].pop()], "lr": 0.5})


def _before(each):
    each.optimizer.register_step_pre_hook(lambda *_: (each.net[0].weight.grad.mul_(2), None)[1])


def _after(each):
    each.optimizer.register_step_post_hook(lambda *_: each.net[0].weight.data.mul_(0.5))


def _elements(each):
    each.net[0].weight.data = each.net[0].weight.data.clone() * 2


def _in_place(each):
    with trainctl.no_grad():
        each.net[2].bias.add_(1)


def _rate(each):
    each.optimizer.param_groups[0]["lr"] = trainctl.tensor(0.05)


CHANGES = [
    _option(lr=0.02), _option(weight_decay=0.3), _option(maximize=True), _option(betas=(0.7, 0.9)), _option(momentum=0.0), _option(nesterov=True),
    _option(betas=(0.3, 0.9)), _state_dict, _no_state, _another_state,
    _another_tensor, _one_less, _another_order, _another_group, _before, _after, _elements, _in_place, _rate,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda each: each.__name__.strip("_"))
@pytest.mark.parametrize("name", ["momentum", "adam"])
def test_what_changes_between_two_steps_is_seen(name, change, monkeypatch):
    pair = [Training(name, is_joint) for is_joint in (True, False)]
    for each in pair:
        each.run(monkeypatch, range(BEFORE))
        assert (each.joint_runs > 0) is each.is_joint
        change(each)
        each.run(monkeypatch, range(BEFORE, BEFORE + AFTER))
    assert_same(*pair)


def test_a_rate_that_is_a_tensor_is_read_at_every_step(monkeypatch):
    pair = [Training("momentum", is_joint) for is_joint in (True, False)]
    for each in pair:
        rate = each.optimizer.param_groups[0]["lr"] = trainctl.tensor(0.1)
        for turn in range(BEFORE + AFTER):
            each.run(monkeypatch, [turn])
            rate.mul_(0.5)
        assert each.joint_runs == 0
    assert_same(*pair)


def test_a_new_rate_at_every_step_is_no_hindrance(monkeypatch):
    pair = [Training("momentum", is_joint) for is_joint in (True, False)]
    for each in pair:
        for turn in range(BEFORE + AFTER):
            each.run(monkeypatch, [turn])
            each.optimizer.param_groups[0]["lr"] *= 0.7
    assert_same(*pair)
    assert [each.joint_runs > AFTER for each in pair] == [True, False]


def test_an_option_that_is_back_is_that_of_the_step(monkeypatch):
    """In between another one held, for steps that were taken on their own."""
    pair = [Training("momentum", is_joint) for is_joint in (True, False)]
    for each in pair:
        each.run(monkeypatch, range(BEFORE))
        group, runs = each.optimizer.param_groups[0], each.joint_runs
        rate, group["lr"] = group["lr"], 0.5
        with each.optimizer.register_step_pre_hook(lambda *_: None):
            each.run(monkeypatch, range(3))
        group["lr"] = rate
        each.run(monkeypatch, range(3))
        assert each.joint_runs == runs + 3 * each.is_joint
    assert_same(*pair)


def test_hooks_of_all_optimizers_run(monkeypatch):
    each, seen = Training("adam", True), []
    each.run(monkeypatch, range(BEFORE))
    runs = each.joint_runs
    with register_optimizer_step_post_hook(lambda *_: seen.append(1)):
        each.run(monkeypatch, range(3))
    assert (len(seen), each.joint_runs) == (3, runs)
    each.run(monkeypatch, range(3))
    assert (len(seen), each.joint_runs) == (3, runs + 3)


@pytest.mark.parametrize("name", ["momentum", "adam"])
def test_a_step_that_fails_changes_nothing(name, monkeypatch):
    each = Training(name, True)
    each.run(monkeypatch, range(BEFORE))
    x, target = batch(0)
    target[3] = 7
    with pytest.raises(IndexError):
        each.step(x, target)
    other = Training(name, False)  # never takes that step
    other.run(monkeypatch, range(BEFORE))
    for one in (each, other):
        one.run(monkeypatch, range(3))
    assert_same(each, other)


def test_gradients_that_a_user_keeps_stay_theirs(monkeypatch):
    each = Training("momentum", True)
    each.run(monkeypatch, range(BEFORE))
    kept = each.net[0].weight.grad
    copied, runs = kept.numpy().copy(), each.joint_runs
    each.run(monkeypatch, range(3))
    assert each.joint_runs == runs + 3
    np.testing.assert_array_equal(kept.numpy(), copied)


def test_two_plans_take_their_turns_with_one_optimizer(monkeypatch):
    """A short last batch has a plan of its own, with gradients of its own."""
    pair = [Training("adam", is_joint) for is_joint in (True, False)]
    for each in pair:
        for turn in range(8):
            each.run(monkeypatch, [turn])
            x, target = batch(turn)
            each.step(x[:20], target[:20])
        assert len(each.step.plans) == 2
        assert (each.joint_runs > 0) is each.is_joint
    assert len(pair[0].step.plans) == 2
    assert [type(plan.linked[-1]) for plan in pair[0].step.plans] == [Joint, Joint]
