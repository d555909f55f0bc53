"""WGAN's gradient penalty: the gradient of a gradient through convolutions, as PyTorch gives it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import trainctl


def critic(lib: Any) -> Any:
    nn = lib.nn
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.Tanh(), nn.Conv2d(4, 6, 3, groups=2), nn.Sigmoid(), nn.Flatten(),
        nn.Linear(6 * 2 * 2, 1),
    )  # fmt: skip
    random = np.random.RandomState(0)
    weights = {name: random.uniform(-0.5, 0.5, tuple(each.shape)) for name, each in net.named_parameters()}
    net.to(lib.float64).load_state_dict({name: lib.from_numpy(array) for name, array in weights.items()})
    return net


def penalty(lib: Any) -> tuple[float, list[np.ndarray], list[float]]:
    """Return the penalty, its gradients, and the losses of 5 steps that include it."""
    net, random = critic(lib), np.random.RandomState(1)
    optimizer = lib.optim.Adam(net.parameters(), lr=0.01, betas=(0.5, 0.9))
    losses, first = [], None
    for _ in range(5):
        real, fake = (lib.from_numpy(random.uniform(-1, 1, (3, 1, 8, 8))) for _ in range(2))
        share = lib.from_numpy(random.uniform(0, 1, (3, 1, 1, 1)))
        between = (share * real + (1 - share) * fake).requires_grad_()
        score = net(between)
        (slope,) = lib.autograd.grad(score, between, lib.ones_like(score), create_graph=True)
        norm = (slope.reshape(3, -1) ** 2).sum(1).sqrt()
        gradient_penalty = ((norm - 1) ** 2).mean()
        loss = net(fake).mean() - net(real).mean() + 10 * gradient_penalty
        optimizer.zero_grad()
        loss.backward()
        first = first or (gradient_penalty.item(), [each.grad.numpy().copy() for each in net.parameters()])
        optimizer.step()
        losses.append(loss.item())
    assert first is not None
    return (*first, losses)


def test_the_penalty_is_pytorchs() -> None:
    torch = pytest.importorskip("torch", reason="needs the extra `parity`")
    mine, theirs = penalty(trainctl), penalty(torch)
    assert mine[0] == pytest.approx(theirs[0], rel=1e-12)
    for one, other in zip(mine[1], theirs[1], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(mine[2], theirs[2], rtol=1e-9)


def test_the_penalty_s_gradient_is_the_difference_s() -> None:
    net = critic(trainctl)
    x = trainctl.from_numpy(np.random.RandomState(2).uniform(-1, 1, (2, 1, 8, 8))).requires_grad_()
    first = net[0].weight

    def gradient_penalty(weight: Any) -> Any:
        with trainctl.enable_grad():  # the differences are taken without recording
            hidden = trainctl.conv2d(x, weight, net[0].bias, stride=2, padding=1)
            score = net[1:](hidden).sum()
            (slope,) = trainctl.autograd.grad(score, x, create_graph=True)
        return (slope**2).sum()

    assert trainctl.autograd.gradcheck(gradient_penalty, (first.detach().requires_grad_(),))
