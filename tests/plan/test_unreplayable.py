"""Every kind of step that cannot be replayed: it runs eagerly, says why, and is right."""

from __future__ import annotations

import random
import warnings

import numpy as np
import pytest

import trainctl
from tests.plan.unreplayable import GRADIENTS, KINDS
from trainctl import nn, optim
from trainctl.plan import NotReplayed

F = nn.functional

TURNS = [1, 1, 1, 1, 2, 3, 1]  # what is read stays the same for a while, and then does not


def batch(turn):
    return trainctl.ones(4, 3) * turn + trainctl.arange(12).reshape(4, 3) * (turn > 1)


def outcome(result):
    """Return the elements of what a step gave, whatever that is."""
    first = result[0] if isinstance(result, tuple) else result
    return first.detach().numpy().copy()


@pytest.mark.parametrize("body", KINDS, ids=lambda body: body.__name__)
def test_it_runs_eagerly_says_why_once_and_is_right(body, capsys):
    nets = [nn.Linear(3, 2) for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    fast = trainctl.compile(lambda x: body(nets[0], x))
    with trainctl.set_grad_enabled(body in GRADIENTS), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for number, turn in enumerate(TURNS):
            trainctl.manual_seed(number)
            found = fast(batch(turn))
            trainctl.manual_seed(number)
            np.testing.assert_array_equal(outcome(found), outcome(body(nets[1], batch(turn))))
    assert [each.category for each in caught] == [NotReplayed]
    text = str(caught[0].message)
    assert KINDS[body] in text
    assert "unreplayable.py:" in text  # the line that is the cause
    assert not fast.plans


def test_a_result_with_a_graph_stays_eager():
    net = nn.Linear(3, 2)
    fast = trainctl.compile(net.__call__)
    x = batch(1)
    with pytest.warns(NotReplayed, match="still part of a graph"):
        first = fast(x)
    fast(x)
    first.sum().backward()
    assert net.weight.grad is not None


def test_a_closure_is_seen_by_the_optimizer_alone():
    net = nn.Linear(3, 2)
    optimizer = optim.LBFGS(net.parameters(), max_iter=2)
    x, y = batch(2), trainctl.ones(4, 2)

    @trainctl.compile
    def step(x, y):
        def closure():
            optimizer.zero_grad()
            loss = F.mse_loss(net(x), y)
            loss.backward()
            return loss

        return optimizer.step(closure).detach()

    with pytest.warns(NotReplayed, match=r"LBFGS\.step with a function"):
        losses = [step(x, y).item() for _ in range(3)]
    assert losses[2] < losses[0]


def test_a_schedule_that_is_given_a_loss_looks_at_it():
    net = nn.Linear(3, 2)
    optimizer = optim.SGD(net.parameters(), lr=0.01)
    schedule = optim.lr_scheduler.ReduceLROnPlateau(optimizer)

    @trainctl.compile
    def step(x):
        loss = net(x).sum().detach()
        schedule.step(loss)
        return loss

    with pytest.warns(NotReplayed, match=r"ReduceLROnPlateau\.step with a Tensor"):
        step(batch(1))


def test_gradients_of_an_earlier_step_are_other_ones_each_time():
    net = nn.Linear(3, 2)

    @trainctl.compile
    def step(x):
        before = 0 if net.weight.grad is None else net.weight.grad.sum()
        net.zero_grad()
        loss = net(x).sum()
        loss.backward()
        return (loss + before).detach()

    with pytest.warns(NotReplayed, match="from one call to the next"):
        found = [step(batch(turn)).item() for turn in (*TURNS, *TURNS)]
    wanted = [batch(turn).matmul(net.weight.t()).add(net.bias).sum().item() for turn in (*TURNS, *TURNS)]
    earlier = [0, *(2 * batch(turn).sum().item() for turn in (*TURNS, *TURNS))][: len(wanted)]
    np.testing.assert_allclose(found, np.add(wanted, earlier), rtol=1e-5)


def test_an_argument_of_another_kind_is_no_reason_to_fail():
    fast = trainctl.compile(lambda x, options: x * len(options))
    with pytest.warns(NotReplayed, match="an argument is a set"):
        assert fast(trainctl.ones(1), {1, 2}).item() == 2


def test_a_step_that_does_something_else_each_time_gives_up():
    turns = iter(range(100))
    fast = trainctl.compile(lambda x: x * float(next(turns)))
    with pytest.warns(NotReplayed, match="from one call to the next"):
        found = [fast(trainctl.ones(1)).item() for _ in range(10)]
    assert found == list(range(10))


def test_random_numbers_of_python_are_another_each_time():
    stream, same = random.Random(0), random.Random(0)
    fast = trainctl.compile(lambda x: x * stream.random())
    with pytest.warns(NotReplayed, match="from one call to the next"):
        found = [fast(trainctl.ones(1, dtype=trainctl.float64)).item() for _ in range(12)]
    assert found == [same.random() for _ in range(12)]


def test_a_seed_set_in_the_step_is_set_in_each_replay():
    def noisy(x):
        trainctl.manual_seed(7)
        return F.dropout(x)

    fast = trainctl.compile(noisy)
    wanted = noisy(trainctl.ones(100)).numpy()
    for _ in range(5):
        np.testing.assert_array_equal(fast(trainctl.ones(100)).numpy(), wanted)
        trainctl.rand(3)
    assert len(fast.plans) == 1


def test_a_seed_that_is_another_each_time_is_no_plan():
    turns = iter(range(100))

    def noisy(x):
        trainctl.manual_seed(next(turns))
        return F.dropout(x)

    fast = trainctl.compile(noisy)
    with pytest.warns(NotReplayed, match="from one call to the next"):
        found = [fast(trainctl.ones(100)).numpy() for _ in range(12)]
    for seed, each in enumerate(found):
        trainctl.manual_seed(seed)
        np.testing.assert_array_equal(each, F.dropout(trainctl.ones(100)).numpy())
