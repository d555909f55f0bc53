"""The number of threads is not seen in the weights after 100 steps: not one bit of them."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import trainctl
from trainctl import nn, optim
from trainctl.backend import jit
from trainctl.plan.kernels import tile
from trainctl.plan.profile import calls_of

STEPS = 100


class Perceptron(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))

    def batch(self):
        return trainctl.randn(64, 784)


class ConvNet(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(16 * 9, 10),
        )  # fmt: skip

    def batch(self):
        return trainctl.randn(32, 1, 12, 12)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.lstm, self.head = nn.Embedding(300, 32), nn.LSTM(32, 32), nn.Linear(32, 10)

    def forward(self, x):
        return self.head(self.lstm(self.embedding(x))[0][-1])

    def batch(self):
        return trainctl.randint(0, 300, (12, 48))  # three times sixteen sequences


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(32, 2, 64, dropout=0.1, batch_first=True)
        self.encoder, self.head = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False), nn.Linear(32, 10)

    def forward(self, x):
        return self.head(self.encoder(x).mean(1))

    def batch(self):
        return trainctl.randn(48, 16, 32)


def step_of(kind, **options):
    """Return a compiled step of a model, the batch that it is for, and the model."""
    trainctl.manual_seed(0)
    net = kind()
    optimizer = optim.Adam(net.parameters(), lr=0.01)
    x = net.batch()
    target = trainctl.randint(0, 10, (len(net(x)),))

    def step(x, target):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), target)
        loss.backward()
        optimizer.step()
        return loss

    return trainctl.compile(step, **options), (x, target), net


@cache
def weights(kind, threads, kernels, deterministic):
    """Return the plan of a model, and what it has learned by it, its running statistics included."""
    step, batch, net = step_of(kind, threads=threads, kernels=kernels, deterministic=deterministic)
    for _ in range(STEPS):
        step(*batch)
    (plan,) = step.plans
    return plan, {name: each.numpy().copy() for name, each in net.state_dict().items()}


def same_bits(kind, kernels, deterministic):
    _, wanted = weights(kind, 1, kernels, deterministic)
    for threads in (2, 4):
        _, found = weights(kind, threads, kernels, deterministic)
        assert [name for name in wanted if wanted[name].tobytes() != found[name].tobytes()] == []
    assert all(np.isfinite(each).all() for each in wanted.values())


MODELS = pytest.mark.parametrize("kind", [Perceptron, ConvNet, Recurrent, Encoder])


@pytest.mark.skipif(not (jit.available() and tile.pays()), reason="needs compiled tiles")
@MODELS
def test_with_compiled_tiles_by_default(kind):
    same_bits(kind, None, False)


@MODELS
def test_with_numpy_where_it_is_asked_for(kind):
    same_bits(kind, "numpy", True)


def test_it_has_to_be_asked_for_where_blas_would_get_the_threads():
    plan, _ = weights(Perceptron, 2, "numpy", False)
    assert plan.context.blas_threads == 2
    plan, _ = weights(Perceptron, 2, "numpy", True)
    assert (plan.context.blas_threads, plan.context.pool.threads) == (1, 2)


@MODELS
def test_the_models_are_large_enough_to_be_shared_out(kind):
    plan, _ = weights(kind, 4, "numpy", True)
    assert max(call.parts for call in calls_of(plan)) > 1
