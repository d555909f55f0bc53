"""Gradients of tables that stay rows until somebody looks."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import trainctl
from tests.plan.kernels.harness import check, uniform
from trainctl import nn, optim
from trainctl.autograd.ops.embedding import SumRows
from trainctl.backend import jit
from trainctl.plan.table_gradient import RowSums, TableGradient

pytestmark = pytest.mark.skipif(not jit.available(), reason="Numba is not installed")
ROWS, WIDTH = 60, 5


def steps(make_index, *, optimizer=lambda ps: optim.Adam(ps, lr=0.1), padding=None, after=lambda net: None):
    """Run eagerly and compiled, look at both after each step, and return (models, what was seen)."""
    found = []
    for wrap in (lambda f: f, trainctl.compile):
        trainctl.manual_seed(1)
        net = nn.Embedding(ROWS, WIDTH, padding_idx=padding)
        chosen = optimizer(net.parameters())
        weights = trainctl.randn(100, WIDTH)

        def step(index, net=net, chosen=chosen, weights=weights):
            chosen.zero_grad()
            out = net(index)
            loss = (out.reshape(-1, WIDTH) * weights[: index.numel()]).square().sum()
            loss.backward()
            chosen.step()
            return loss

        step = wrap(step)
        seen = []
        for turn in range(6):
            step(make_index(turn))
            seen.append(after(net))
        found.append((net, seen, step))
    return found


def numbers(shape, kind="int64"):
    return lambda turn: trainctl.tensor(np.random.default_rng(turn).integers(0, ROWS, shape).astype(kind))


@pytest.mark.parametrize("shape", [(7,), (1,), (0,), (3, 4), (2, 1, 3), ()])
@pytest.mark.parametrize("padding", [None, 2, -1])
@pytest.mark.parametrize("kind", ["int64", "int32"])
def test_weights_and_gradients_have_the_bits_of_eager_mode(shape, padding, kind):
    (eager, wanted, _), (net, found, fast) = steps(
        numbers(shape, kind), padding=padding, after=lambda net: net.weight.grad.numpy().copy()
    )
    assert len(fast.plans) == 1
    for one, other in zip(wanted, found, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(eager.weight.detach().numpy(), net.weight.detach().numpy())


def test_rows_named_many_times_are_summed_in_order():
    def index(turn):
        return trainctl.tensor([3, 3, 5, 3, 59, 5, 3, 3, 0, turn])

    (eager, _, _), (net, _, fast) = steps(index)
    assert type(net.weight.grad) is TableGradient
    np.testing.assert_array_equal(eager.weight.grad.numpy(), net.weight.grad.numpy())
    np.testing.assert_array_equal(eager.weight.detach().numpy(), net.weight.detach().numpy())
    assert len(fast.plans) == 1


def test_a_small_table_has_a_dense_gradient():
    (eager, _, _), (net, _, _) = steps(numbers((ROWS,)))
    assert type(net.weight.grad) is trainctl.Tensor
    np.testing.assert_array_equal(eager.weight.grad.numpy(), net.weight.grad.numpy())


@pytest.mark.parametrize("hold", [lambda g: g, lambda g: g.numpy(), lambda g: g[::2], lambda g: g.detach()])
def test_a_gradient_that_somebody_holds_stays_what_it_was(hold):
    held = steps(numbers((4,)), after=lambda net: hold(net.weight.grad))
    (_, wanted, _), (_, found, _) = held
    assert sum(float(np.abs(np.asarray(each)).sum()) for each in found) > 0
    for one, other in zip(wanted, found, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def test_a_gradient_changed_after_the_step_is_not_in_the_next_one():
    def spoil(net):
        net.weight.grad.numpy()[...] = 7

    (eager, _, _), (net, _, _) = steps(numbers((4,)), after=spoil)
    np.testing.assert_array_equal(eager.weight.detach().numpy(), net.weight.detach().numpy())


def test_gradients_add_up_eagerly_after_a_replay():
    def more(net):
        net(trainctl.tensor([1, 2])).sum().backward()
        return net.weight.grad.numpy().copy()

    (_, wanted, _), (_, found, _) = steps(numbers((4,)), after=more)
    for one, other in zip(wanted, found, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda ps: optim.SGD(ps, lr=0.1),
        lambda ps: optim.SGD(ps, lr=0.1, weight_decay=0.1),
        lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9, weight_decay=0.1, nesterov=True),
        lambda ps: optim.Adam(ps, lr=0.1, weight_decay=0.1),
        lambda ps: optim.AdamW(ps, lr=0.1, amsgrad=True),
        lambda ps: optim.RMSprop(ps, lr=0.1),
    ],
)
def test_every_optimizer_takes_the_dense_step(optimizer):
    (eager, _, _), (net, _, _) = steps(numbers((4,)), optimizer=optimizer)
    np.testing.assert_array_equal(eager.weight.detach().numpy(), net.weight.detach().numpy())


def test_clipping_inside_the_step_sees_the_whole_gradient():
    found = []
    for wrap in (lambda f: f, trainctl.compile):
        trainctl.manual_seed(1)
        net = nn.Embedding(ROWS, WIDTH)
        optimizer = optim.SGD(net.parameters(), lr=0.1)

        def step(index, net=net, optimizer=optimizer):
            optimizer.zero_grad()
            net(index).square().sum().backward()
            nn.utils.clip_grad_norm_(net.parameters(), 0.1)
            optimizer.step()

        step = wrap(step)
        for turn in range(5):
            step(numbers((4,))(turn))
        found.append(net.weight.detach().numpy())
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("wrong", [-1, ROWS])
def test_an_index_that_is_no_row_is_an_error_in_a_replay_too(wrong):
    net = nn.Embedding(ROWS, WIDTH)
    optimizer = optim.SGD(net.parameters(), lr=0.1)

    @trainctl.compile
    def step(index):
        optimizer.zero_grad()
        net(index).sum().backward()
        optimizer.step()

    for turn in range(4):
        step(numbers((4,))(turn))
    before = net.weight.detach().numpy().copy()
    with pytest.raises(IndexError, match=f"index {wrong} is out of range"):
        step(trainctl.tensor([0, wrong, 1, 2]))
    np.testing.assert_array_equal(before, net.weight.detach().numpy())


@pytest.mark.parametrize("copied", [copy.deepcopy, copy.copy, lambda g: pickle.loads(pickle.dumps(g))])
def test_copies_are_ordinary_tensors(copied):
    rows = RowSums(3, 2, most=2)
    rows.place[1], rows.sums[0], rows.used[0], rows.counts[0] = 0, 5, 1, 1
    made = copied(TableGradient.of(rows))
    assert type(made) is trainctl.Tensor
    assert made.tolist() == [[0, 0], [5, 5], [0, 0]]
    with pytest.raises(AttributeError, match="nothing_such"):
        _ = TableGradient.of(rows).nothing_such


@pytest.mark.parametrize("shape", [(), (5,), (4, 6), (2, 3, 4)])
@pytest.mark.parametrize("skipped", [None, 2])
def test_dense_sums_of_rows(shape, skipped):
    index = np.random.default_rng(0).integers(0, 9, shape)
    check(SumRows, {"rows": 9, "skipped": skipped}, [uniform(*shape, 7), index], [lambda: np.empty((9, 7), np.float32)])
