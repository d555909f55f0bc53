"""A plan knows the compiled loops that it will want before it asks for the first one: they are compiled together."""

from __future__ import annotations

import pytest

import trainctl
from trainctl import nn, optim
from trainctl.backend import jit
from trainctl.backend.compiling import make_ready
from trainctl.plan import plan as plans

pytestmark = pytest.mark.skipif(not jit.available(), reason="needs Numba")

MODELS = {
    "mlp": (lambda: nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)), (64, 784)),
    "images": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(), nn.Conv2d(32, 32, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(32 * 36, 10)
        ),
        (8, 1, 28, 28),
    ),
    "sequences": (
        lambda: nn.Sequential(nn.TransformerEncoderLayer(32, 4, 64, batch_first=True), nn.Flatten(), nn.Linear(512, 10)),
        (8, 16, 32),
    ),
}  # fmt: skip
OPTIMIZERS = [lambda ps: optim.SGD(ps, lr=0.01, momentum=0.9), lambda ps: optim.Adam(ps, lr=0.01)]


def called_by(kernel):
    """Yield what a loop calls, which is asked for where the loop itself has to be compiled."""
    for each in kernel.callees():
        yield each
        yield from called_by(each)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=["sgd", "adam"])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", MODELS)
def test_loops_are_named_before_they_are_used(name, threads, optimizer, monkeypatch):
    make, shape = MODELS[name]
    net = make()
    chosen = optimizer(net.parameters())
    named: set[jit.Kernel] = set()
    used: list[jit.Kernel] = []
    compiled = jit.Kernel.compiled.fget

    def note(kernel):
        used.append(kernel)
        return compiled(kernel)

    def see(kernels):
        assert not [each.function.__qualname__ for each in used]
        named.update(kernels)
        make_ready(named)
        used.clear()

    monkeypatch.setattr(plans, "make_ready", see)
    monkeypatch.setattr(jit.Kernel, "compiled", property(note))

    def step(x, target):
        chosen.zero_grad()
        loss = nn.functional.cross_entropy(net(x), target)
        loss.backward()
        chosen.step()
        return loss

    step = trainctl.compile(step, threads=threads)
    for _ in range(4):
        step(trainctl.randn(*shape), trainctl.arange(shape[0]) % 10)
    assert len(step.plans) == 1
    assert used
    known = {each for kernel in named for each in (kernel, *called_by(kernel))}
    assert not [each.function.__qualname__ for each in used if each not in known]
