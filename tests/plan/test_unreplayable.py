"""Every kind of step that cannot be replayed: it runs eagerly, says why, and is right."""

from __future__ import annotations

import random
import warnings

import numpy as np
import pytest

import trainctl
from trainctl import nn, optim
from trainctl.plan import NotReplayed

F = nn.functional

# -- a value is read in Python ------------------------------------------------------------------------


def reads_item(net, x):
    return net(x) * net(x).sum().item()


def reads_a_float(net, x):
    return net(x) * float(x.sum())


def reads_an_int(net, x):
    return net(x) * int(x.sum())


def decides(net, x):
    return net(x) if net(x).sum() > 0 else -net(x)


def takes_the_larger(net, x):
    return max(net(x).sum(), x.sum())


def looks_for_a_value(net, x):
    return net(x) * (2 in x)


def compares_all(net, x):
    return net(x) * trainctl.equal(x, trainctl.ones(4, 3))


def compares_roughly(net, x):
    return net(x) * trainctl.allclose(x, trainctl.ones(4, 3))


def lists(net, x):
    return net(x) * len(net(x).tolist())


def indexes(net, x):
    return net(x) * len(range(x.sum().long()))


def prints(net, x):
    print(net(x))
    return net(x)


def formats(net, x):
    assert f"{x.sum():.3f}"
    return net(x)


def asks_for_the_seed(net, x):
    return net(x) * trainctl.initial_seed()


def keeps_the_stream(net, x):
    state = trainctl.get_rng_state()
    y = F.dropout(net(x))
    trainctl.set_rng_state(state)
    return y


READS = {
    reads_item: "item() reads a value",
    reads_a_float: "item() reads a value",
    reads_an_int: "item() reads a value",
    decides: "bool() reads a value",
    takes_the_larger: "bool() reads a value",
    looks_for_a_value: "bool() reads a value",
    compares_all: "equal() reads a value",
    compares_roughly: "allclose() reads a value",
    lists: "tolist() reads a value",
    indexes: "an index reads a value",
    prints: "printing reads a value",
    formats: "item() reads a value",
    asks_for_the_seed: "initial_seed() reads a value",
    keeps_the_stream: "numpy() reads a value",
}

# -- a shape depends on data --------------------------------------------------------------------------


def selects(net, x):
    return x[x > 1].sum() + net(x).sum()


def selects_by_a_mask(net, x):
    return x.masked_select(x > 1).sum() + net(x).sum()


def is_unique(net, x):
    return x.unique().sum() + net(x).sum()


def counts_bins(net, x):
    return trainctl.bincount(x.long().reshape(-1)).sum() + net(x).sum()


def counts_non_zero(net, x):
    return net(x.nonzero().float()[:, :1].expand(-1, 3)).sum()


def repeats(net, x):
    return trainctl.repeat_interleave(x[0], x[0].long()).sum() + net(x).sum()


def counts_classes(net, x):
    return F.one_hot(x[0].long()).float().mean() + net(x).sum()


def slices(net, x):
    return x[: x[0, 0].long()].sum() + net(x).sum()


SHAPES = {
    selects: "depends on values",
    selects_by_a_mask: "depends on values",
    is_unique: "what Distinct gives depends on values",
    counts_bins: "what BinCount gives depends on values",
    counts_non_zero: "made from what is outside",
    repeats: "repeat_interleave() reads a value",
    counts_classes: "one_hot() without num_classes reads a value",
    slices: "item() reads a value",
}

# -- an array library, or something else, in between --------------------------------------------------


def leaves_numpy(net, x):
    return net(x) + trainctl.from_numpy(np.array(net.weight.detach().numpy()[:, 0]))


def becomes_an_array(net, x):
    return trainctl.as_tensor(np.sin(np.asarray(net(x))))


def adds_an_array(net, x):
    return net(x) + np.ones(2, np.float32)


def new_tensor(net, x):
    return net(x) * trainctl.tensor([1.0, 2.0])


def new_noise(net, x):
    return net(x) + trainctl.rand(4, 2, generator=trainctl.Generator().manual_seed(3))


def another_type(net, x):
    return net(x).bfloat16().float()


def returns_something_else(net, x):
    return net(x), range(3)


OUTSIDE = {
    leaves_numpy: "numpy() reads a value",
    becomes_an_array: "numpy() reads a value",
    adds_an_array: "made from what is outside",
    new_tensor: "made from what is outside",
    new_noise: "made from what is outside",
    another_type: "not for BFloat16Array",
    returns_something_else: "it returns a range",
}

# -- something happens in place that a replay could not repeat ----------------------------------------


def changes_its_argument(net, x):
    x.mul_(2)
    return net(x)


def writes_to_a_constant(net, x):
    table = trainctl.zeros(4, 2)
    table[0] = net(x)[0]
    return table


def adds_to_a_constant(net, x):
    return trainctl.zeros(4, 2).add_(net(x))


def replaces_data(net, x):
    net.weight.data = net.weight.data * 1.5
    return net(x)


def writes_behind_the_back(net, x):
    net.weight.detach().numpy()[...] *= 1.5
    return net(x)


PLACES = {
    changes_its_argument: "an argument is changed in place",
    writes_to_a_constant: "made from its shape alone is then written to",
    adds_to_a_constant: "made from its shape alone is then written to",
    replaces_data: "an assignment to a tensor's data reads a value",
    writes_behind_the_back: "numpy() reads a value",
}

# -- gradients with Python code in them, or that last -------------------------------------------------


def hooks_a_value(net, x):
    net.zero_grad()
    y = net(x)
    y.register_hook(lambda g: g * 2)
    y.sum().backward()
    return net.weight.grad.clone()


def hooks_a_weight(net, x):
    net.zero_grad()
    handle = net.weight.register_hook(lambda g: g * 3)
    net(x).sum().backward()
    handle.remove()
    return net.weight.grad.clone()


def hooks_what_accumulates(net, x):
    net.zero_grad()
    handle = net.weight.register_post_accumulate_grad_hook(lambda p: p.grad.mul_(2))
    net(x).sum().backward()
    handle.remove()
    return net.weight.grad.clone()


def leaves_a_graph_of_gradients(net, x):
    net.zero_grad()
    net(x).square().sum().backward(create_graph=True)
    return net.weight.grad.detach().clone()


def asks_for_its_argument_s_gradient(net, x):
    x.requires_grad_()
    net(x).sum().backward()
    return x.grad.clone()


GRADIENTS = {
    hooks_a_value: "a hook on a gradient runs Python code in it",
    hooks_a_weight: "a hook on a leaf's gradient runs Python code in it",
    hooks_what_accumulates: "a hook on a leaf's gradient runs Python code in it",
    leaves_a_graph_of_gradients: "backward(create_graph=True) leaves gradients that are part of a graph",
    asks_for_its_argument_s_gradient: "an argument, or a tensor made in the step, gets a gradient of its own",
}

KINDS = {**READS, **SHAPES, **OUTSIDE, **PLACES, **GRADIENTS}
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
    assert "test_unreplayable.py:" in text  # the line that is the cause
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
