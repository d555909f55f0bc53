"""What a compiled step notices: what has changed, and what the caller still holds."""

from __future__ import annotations

import gc

import numpy as np
import pytest

import trainctl
from trainctl import nn, optim

F = nn.functional


def training(net, optimizer=None):
    optimizer = optimizer or optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

    def step(x, y):
        optimizer.zero_grad()
        loss = F.mse_loss(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def data(rows=4):
    trainctl.manual_seed(rows)
    return trainctl.randn(rows, 3), trainctl.randn(rows, 2)


def pair(make=lambda: nn.Linear(3, 2)):
    """Two equal models."""
    trainctl.manual_seed(1)
    one = make()
    other = make()
    other.load_state_dict(one.state_dict())
    return one, other


def same_weights(one, other, rtol=0.0):
    for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=rtol, atol=rtol)


def test_a_plan_is_made_from_two_equal_recordings_and_is_what_runs():
    calls = []
    net = nn.Linear(3, 2)
    step = training(net)

    @trainctl.compile
    def counted(x, y):
        calls.append(1)
        return step(x, y)

    for _ in range(5):
        counted(*data())
    assert len(calls) == 2
    assert len(counted.plans) == 1


def test_each_shape_has_its_own_plan():
    eager, net = pair()
    step, fast = training(eager), trainctl.compile(training(net))
    for _ in range(3):
        for rows in (4, 4, 1):
            step(*data(rows))
            fast(*data(rows))
    assert len(fast.plans) == 2
    same_weights(eager, net)


def test_the_number_of_plans_is_bounded():
    fast = trainctl.compile(training(nn.Linear(3, 2)))
    for rows in range(1, 21):
        for _ in range(3):
            fast(*data(rows))
    assert len(fast.plans) == 8


# -- what changes between calls ---------------------------------------------------------------------


def test_the_learning_rate_is_read_at_each_step():
    eager, net = pair()
    optimizers = [optim.Adam(each.parameters(), lr=0.1) for each in (eager, net)]
    step, fast = training(eager, optimizers[0]), trainctl.compile(training(net, optimizers[1]))
    for turn in range(8):
        for optimizer in optimizers:
            optimizer.param_groups[0]["lr"] = 0.1 / (turn + 1)
        step(*data())
        fast(*data())
    assert len(fast.plans) == 1
    same_weights(eager, net)


def test_a_schedule_inside_the_step_goes_on():
    eager, net = pair()
    found = []
    for model, wrap in ((eager, lambda f: f), (net, trainctl.compile)):
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        schedule = optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
        train = training(model, optimizer)

        def step(x, y, train=train, schedule=schedule):
            loss = train(x, y)
            schedule.step()
            return loss

        step = wrap(step)
        for _ in range(8):
            step(*data())
        found.append(optimizer.param_groups[0]["lr"])
    assert found[0] == found[1] == pytest.approx(0.1 / 16)
    same_weights(eager, net)


def test_train_and_eval_mode_have_their_own_plans():
    eager, net = pair(lambda: nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 2)))
    step, fast = training(eager), trainctl.compile(training(net))
    for turn in range(12):
        for model, run in ((eager, step), (net, fast)):
            model.train(turn % 6 < 3)
            trainctl.manual_seed(turn)
            run(*data())
    same_weights(eager, net, rtol=1e-5)  # the plan's norms round in another order


@pytest.mark.parametrize(
    "change",
    [
        lambda net: net[0].weight.requires_grad_(False),
        lambda net: setattr(net[0], "weight", nn.Parameter(trainctl.ones(4, 3))),
        lambda net: setattr(net[0].weight, "data", trainctl.ones(4, 3)),
        lambda net: net.load_state_dict({name: each * 2 for name, each in net.state_dict().items()}),
        lambda net: net.append(nn.Tanh()),
        lambda net: setattr(net[1], "p", 0.9),
        lambda net: net[0].register_forward_hook(lambda module, args, output: output * 2) and None,
    ],
    ids=["frozen", "replaced", "data", "loaded", "layer", "number", "hook"],
)
def test_a_changed_module_makes_a_new_plan(change):
    eager, net = pair(lambda: nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.1), nn.Linear(4, 2)))
    optimizers = [optim.SGD(each.parameters(), lr=0.1) for each in (eager, net)]
    step, fast = training(eager, optimizers[0]), trainctl.compile(training(net, optimizers[1]))
    for turn in range(8):
        if turn == 4:
            change(eager)
            change(net)
        for run in (step, fast):
            trainctl.manual_seed(turn)
            run(*data())
    same_weights(eager, net)


def test_a_number_that_the_step_refers_to_is_looked_at():
    scale = 1.0
    fast = trainctl.compile(lambda x: x * scale)
    assert [fast(trainctl.ones(1)).item() for _ in range(3)] == [1.0] * 3
    scale = 2.0
    assert [fast(trainctl.ones(1)).item() for _ in range(3)] == [2.0] * 3


def test_arguments_that_are_numbers_choose_the_plan():
    fast = trainctl.compile(lambda x, power: x**power)
    for power in (2, 3, 2, 3, 2, 3):
        assert fast(trainctl.full((1,), 2.0), power).item() == 2**power


def test_gradients_accumulate_where_nobody_clears_them():
    eager, net = pair()
    for model, wrap in ((eager, lambda f: f), (net, trainctl.compile)):
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        def backward(x, y, model=model):
            loss = F.mse_loss(model(x), y)
            loss.backward()
            return loss

        backward = wrap(backward)
        for _ in range(4):
            optimizer.zero_grad()
            for rows in (4, 4, 4):
                backward(*data(rows))
            optimizer.step()
    same_weights(eager, net)


# -- what the caller holds --------------------------------------------------------------------------


def test_results_stay_what_they_were():
    fast = trainctl.compile(lambda x: (x * 2, {"sum": x.sum()}))
    with trainctl.no_grad():
        found = [fast(trainctl.full((2,), float(turn))) for turn in range(6)]
    assert [each[0].tolist() for each in found] == [[2.0 * turn] * 2 for turn in range(6)]
    assert [each[1]["sum"].item() for each in found] == [2.0 * turn for turn in range(6)]


@pytest.mark.parametrize("hold", [lambda g: g, lambda g: g.numpy(), lambda g: g[0], lambda g: g.numpy()[0]])
def test_a_gradient_that_somebody_holds_stays_what_it_was(hold):
    eager, net = pair()
    step, fast = training(eager), trainctl.compile(training(net))
    held, wanted = [], []
    for _ in range(8):
        step(*data())
        fast(*data())
        wanted.append(np.array(hold(eager.weight.grad)))
        held.append(hold(net.weight.grad))
    for one, other in zip(wanted, held, strict=True):
        np.testing.assert_array_equal(one, np.asarray(other))
    same_weights(eager, net)


def test_a_weight_that_is_returned_is_the_weight_itself():
    net = nn.Linear(3, 2)
    fast = trainctl.compile(lambda x: (net.weight, x))
    x = data()[0]
    for _ in range(4):
        weight, given = fast(x)
    assert weight is net.weight
    assert given is x


def test_shared_weights_and_views_of_them():
    def make():
        net = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3), nn.Linear(3, 2))
        net[2].weight = net[0].weight
        return net

    eager, net = pair(make)
    step, fast = training(eager), trainctl.compile(training(net))
    for _ in range(6):
        step(*data())
        fast(*data())
    same_weights(eager, net)


def test_a_compiled_step_and_what_it_made_can_go():
    net = nn.Linear(3, 2)
    fast = trainctl.compile(training(net))
    for _ in range(4):
        fast(*data())
    plan = fast.plans[0]
    gone = []
    import weakref

    weakref.finalize(plan, gone.append, 1)
    del fast, plan
    gc.collect()
    assert gone == [1]


def test_an_error_in_a_replay_is_the_error_of_the_step():
    net = nn.Embedding(4, 2)
    fast = trainctl.compile(lambda x: net(x).detach())
    for _ in range(3):
        fast(trainctl.tensor([0, 3]))
    with pytest.raises(IndexError):
        fast(trainctl.tensor([0, 4]))
    assert fast(trainctl.tensor([1, 1])).shape == (2, 2)


def test_ops_that_run_block_by_block_do_not_write_over_what_the_next_block_reads():
    def chain(x):
        wide = (x.double() * 2).float() * 0.5
        narrow = ((wide.double() + 1).float() - 1).tanh()
        return (narrow.double() * 3).float() - narrow

    trainctl.manual_seed(0)
    x = trainctl.randn(1 << 17)
    fast = trainctl.compile(chain, threads=2)
    for _ in range(3):
        found = fast(x)
    np.testing.assert_array_equal(found.numpy(), chain(x).numpy())
