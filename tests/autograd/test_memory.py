"""Training holds its memory flat: no cycle keeps a graph, no buffer grows."""

from __future__ import annotations

import gc
import resource
from pathlib import Path

import pytest

import trainctl
from trainctl import nn, optim

STATM = Path("/proc/self/statm")


def resident() -> int:
    """Bytes of this process in memory now."""
    return int(STATM.read_text().split()[1]) * resource.getpagesize()


@pytest.mark.skipif(not STATM.exists(), reason="reads Linux's /proc")
def test_resident_memory_is_flat_over_steps_without_the_collector() -> None:
    net = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Dropout(0.1), nn.Linear(8 * 64, 10))
    optimizer, loss_of = optim.Adam(net.parameters()), nn.CrossEntropyLoss()

    def step() -> None:
        optimizer.zero_grad()
        loss_of(net(trainctl.randn(32, 1, 8, 8)), trainctl.randint(0, 10, (32,))).backward()
        optimizer.step()

    gc.collect()
    gc.disable()  # what only the collector frees would show as growth
    try:
        for _ in range(50):
            step()
        before = resident()
        for _ in range(200):
            step()
        grown = resident() - before
    finally:
        gc.enable()
    assert grown < 2 << 20, f"{grown / 2**20:.1f} MiB more after 200 steps"  # a kept graph is 0.8 MiB a step


def test_a_step_leaves_no_reference_cycle() -> None:
    net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    gc.collect()
    gc.disable()
    try:
        nn.CrossEntropyLoss()(net(trainctl.ones(2, 4)), trainctl.tensor([0, 1])).backward()
        net.zero_grad()
        assert gc.collect() == 0
    finally:
        gc.enable()
