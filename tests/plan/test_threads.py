"""Who has the threads while a plan runs, and that their number is not seen in the results."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import trainctl
from trainctl import nn, optim
from trainctl.backend.threads import blas
from trainctl.plan.kernels import tile


def train(widths, threads, *, deterministic=True, steps=20, batch=64):
    """Return the compiled step of a perceptron, its model, and the weights after some steps."""
    trainctl.manual_seed(0)
    layers = [each for n, m in pairwise(widths) for each in (nn.Linear(n, m), nn.ReLU())]
    net = nn.Sequential(*layers[:-1])
    optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    x, target = trainctl.randn(batch, widths[0]), trainctl.randint(0, widths[-1], (batch,))

    def step(x, target):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), target)
        loss.backward()
        optimizer.step()
        return loss

    fast = trainctl.compile(step, threads=threads, deterministic=deterministic)
    for _ in range(steps):
        fast(x, target)
    return fast, net, [each.detach().numpy().copy() for each in net.parameters()]


@pytest.mark.parametrize("widths", [(784, 128, 10), (64, 700, 700, 10)])
def test_a_deterministic_plan_has_the_same_bits_with_any_number_of_threads(widths):
    _, _, wanted = train(widths, 1, steps=100)
    for threads in (2, 4):
        _, _, found = train(widths, threads, steps=100)
        for one, other in zip(wanted, found, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("widths", "deterministic", "wanted"),
    [
        ((784, 128, 10), False, 2),  # products are nearly all the work
        ((784, 128, 10), True, 1),
        ((8, 4, 2), False, 1),  # none is large
        ((64, 700, 700, 10), False, 1),  # the pool shares what is done to 700 rows
        ((784, 2000, 10), False, 1),  # and the update of many weights
    ],
)
def test_blas_has_the_threads_where_products_are_the_work(monkeypatch, widths, deterministic, wanted):
    monkeypatch.setattr(tile, "pays", lambda: False)
    fast, _, _ = train(widths, 2, deterministic=deterministic, steps=4)
    assert fast.plans[0].context.blas_threads == wanted
    assert fast.plans[0].context.pool.threads == 3 - wanted


def test_tiles_leave_blas_one_thread(monkeypatch):
    monkeypatch.setattr(tile, "pays", lambda: True)
    fast, _, _ = train((784, 128, 10), 2, deterministic=False, steps=4)
    assert fast.plans[0].context.blas_threads == (1 if fast.plans[0].context.compiled else 2)


def test_blas_has_its_threads_as_they_were_after_a_replay():
    before = blas().threads()
    try:
        for threads in (1, 2):
            blas().use(threads)
            for widths in ((784, 128, 10), (8, 4, 2)):
                train(widths, 2, deterministic=False, steps=4)
                assert blas().threads() == threads
            net = nn.Embedding(3, 1)
            fast = trainctl.compile(lambda index, net=net: net(index).detach())
            for _ in range(3):
                fast(trainctl.tensor([0]))
            with pytest.raises(IndexError):
                fast(trainctl.tensor([3]))
            assert blas().threads() == threads
    finally:
        blas().use(before)


def test_results_by_blas_threads_differ_by_rounding_alone():
    _, _, wanted = train((784, 128, 10), 1)
    _, _, found = train((784, 128, 10), 2, deterministic=False)
    for one, other in zip(wanted, found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
