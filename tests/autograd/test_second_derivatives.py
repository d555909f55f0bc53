"""Gradients of gradients: a recorded walk back is differentiated like any other computation."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import trainctl
from tests.scripts import Scripts, assert_same, load
from trainctl.autograd.gradcheck import gradgradcheck

scripts = Scripts()


@scripts.gives([500.0, 300.0, 120.0, 24.0])
def a_fourth_power_four_times(lib):
    x = lib.tensor(5.0, requires_grad=True)
    y, found = x * x * x * x, []
    for _ in range(4):
        (y,) = lib.autograd.grad(y, x, create_graph=True)
        found.append(y.detach())
    return found


@scripts.gives((True, [2.0, 4.0], [8.0, 16.0]))
def a_gradient_penalty(lib):
    x = lib.tensor([1.0, 2.0], requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch warns of the cycle between x and its gradient
        (x * x).sum().backward(create_graph=True)
    first = x.grad
    x.grad = None
    (first * first).sum().backward()
    return first.requires_grad, first, x.grad


def twice(lib, function, *arrays):
    """Return the gradient of the sum of the squared gradients: every second derivative takes part."""
    leaves = [lib.tensor(each, dtype=lib.float64, requires_grad=True) for each in arrays]
    first = lib.autograd.grad(function(*leaves).sum(), leaves, create_graph=True)
    total = sum((each * each).sum() for each in first)
    second = lib.autograd.grad(total, leaves, allow_unused=True, materialize_grads=True)
    return [each.tolist() for each in (*first, *second)]


def array(*shape):
    return np.random.RandomState(sum(shape)).uniform(0.5, 1.5, shape).tolist()


SECOND = {
    "arithmetic": (lambda lib, x, y: (x * y - x / y + y) ** 2, array(2, 3), array(3)),
    "powers": (lambda lib, x, y: x**y + x**3 + 2**y, array(3), array(3)),
    "elementwise": (lambda lib, x: x.exp() * x.log() + x.sqrt().tanh() * x.sigmoid() + x.sin() / x.cos(), array(3)),
    "matmul": (lambda lib, x, y: (x @ y).tanh(), array(2, 3), array(3, 4)),
    "batched matmul": (lambda lib, x, y: (x @ y) ** 2, array(2, 1, 3, 2), array(4, 2, 3)),
    "linear": (lambda lib, x, w, b: lib.nn.functional.linear(x, w, b).sigmoid(), array(2, 3), array(4, 3), array(4)),
    "conv1d": (lambda lib, x, w: lib.nn.functional.conv1d(x, w, padding=1) ** 2, array(1, 2, 5), array(2, 2, 3)),
    "conv2d": (
        lambda lib, x, w, b: lib.nn.functional.conv2d(x, w, b, stride=2, padding=1).tanh(),
        array(2, 2, 4, 5), array(3, 2, 3, 3), array(3),
    ),
    "softmax": (lambda lib, x: x.softmax(-1) ** 2, array(2, 4)),
    "log_softmax": (lambda lib, x: x.log_softmax(1) ** 2, array(2, 4)),
    "cross_entropy": (lambda lib, x: lib.nn.functional.cross_entropy(x, lib.tensor([1, 0, 3])), array(3, 4)),
    "soft cross_entropy": (lambda lib, x, p: lib.nn.functional.cross_entropy(x, p), array(3, 4), array(3, 4)),
    "mse_loss": (lambda lib, x, y: lib.nn.functional.mse_loss(x * x, y), array(2, 3), array(2, 3)),
    "indexing": (lambda lib, x: (x[1:, ::2] * x[lib.tensor([0, 0, 1])][:2, :2][1:]) ** 2, array(2, 3)),
    "shapes": (lambda lib, x: (x.t().reshape(2, 3).flatten().unsqueeze(0).expand(2, 6) ** 3).squeeze(), array(2, 3)),
    "reductions": (lambda lib, x: x.mean(0) ** 2 * x.var() + x.prod(1).sum() * x.max() + x.logsumexp(0), array(3, 3)),
    "joined": (lambda lib, x, y: lib.cat([x, x * y]).prod() * lib.stack([x, y]).std(), array(2), array(2)),
    "relu and clamp": (lambda lib, x: (x - 1).relu() ** 2 + x.clamp(0.8, 1.2) ** 2 + (x - 1).abs() ** 3, array(5)),
}  # fmt: skip


@pytest.mark.parametrize("name", SECOND)
def test_second_derivatives_are_torch_s(name):
    torch = load("torch")
    function, *arrays = SECOND[name]
    got = twice(trainctl, lambda *leaves: function(trainctl, *leaves), *arrays)
    assert_same(got, twice(torch, lambda *leaves: function(torch, *leaves), *arrays), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", SECOND)
def test_second_derivatives_are_the_finite_differences(name):
    function, *arrays = SECOND[name]
    leaves = [trainctl.tensor(each, dtype=trainctl.float64, requires_grad=True) for each in arrays]
    assert gradgradcheck(lambda *inputs: function(trainctl, *inputs).sum(), leaves, atol=1e-4)


test_script = scripts.test()
