"""SGD takes PyTorch's steps, whatever its options."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import trainctl
from tests.optim.bowl import descend, leaves
from tests.scripts import Scripts, load

scripts = Scripts()

OPTIONS = [
    {"momentum": momentum, "dampening": dampening, "nesterov": nesterov, "weight_decay": decay, "maximize": maximize}
    for momentum, dampening, nesterov, decay, maximize in itertools.product(
        [0, 0.9], [0, 0.3], [False, True], [0, 0.1], [False, True]
    )
    if not nesterov or (momentum and not dampening)
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(map(str, options.values())))
@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 2e-5), ("float64", 1e-12)])
def test_twenty_steps_are_torch_s(options, dtype, rtol):
    def path(lib):
        parameters = leaves(lib, dtype)
        return descend(lib, lib.optim.SGD(parameters, lr=0.01, **options), parameters)

    np.testing.assert_allclose(path(trainctl), path(load("torch")), rtol=rtol, atol=rtol)


def two_steps(lib, **options):
    """Return a weight after each of two steps with the gradients 1 and 2, from 0."""
    w = lib.zeros(1, dtype=lib.float64, requires_grad=True)
    optimizer, path = lib.optim.SGD([w], lr=0.1, **options), []
    for gradient in (1.0, 2.0):
        w.grad = lib.tensor([gradient], dtype=lib.float64)
        optimizer.step()
        path.append(w.item())
    return path


@scripts.gives([-0.1, -0.3])
def plain(lib):
    return two_steps(lib)


@scripts.gives([0.1, 0.3])
def maximized(lib):
    return two_steps(lib, maximize=True)


@scripts.gives([-0.1, -0.1 - 0.1 * (0.9 + 2)])
def momentum(lib):
    return two_steps(lib, momentum=0.9)


@scripts.gives([-0.1, -0.1 - 0.1 * (0.9 + 0.5 * 2)])
def dampened_after_the_first_step(lib):
    return two_steps(lib, momentum=0.9, dampening=0.5)


@scripts.gives([-0.19, -0.19 - 0.1 * (2 + 0.9 * 2.9)])
def nesterov(lib):
    return two_steps(lib, momentum=0.9, nesterov=True)


@scripts.gives([-0.1, -0.1 - 0.1 * (2 - 0.5 * 0.1)])
def weight_decay(lib):
    return two_steps(lib, weight_decay=0.5)


@scripts.gives(([-0.1], [-1.0], [0.0]))
def groups_have_their_own_options(lib):
    a, b, frozen = (lib.zeros(1, dtype=lib.float64, requires_grad=True) for _ in range(3))
    optimizer = lib.optim.SGD([{"params": a}, {"params": [b], "lr": 1.0}, {"params": [frozen], "lr": 0.0}], lr=0.1)
    (a + b + frozen).sum().backward()
    optimizer.step()
    return a, b, frozen + 0.0


@scripts.gives([-0.1, -0.11])
def the_learning_rate_can_be_changed_between_steps(lib):
    w = lib.zeros(1, dtype=lib.float64, requires_grad=True)
    optimizer, path = lib.optim.SGD([w], lr=0.1), []
    for lr in (0.1, 0.01):
        optimizer.param_groups[0]["lr"] = lr
        w.grad = lib.ones(1, dtype=lib.float64)
        optimizer.step()
        path.append(w.item())
    return path


@scripts.gives([-0.5])
def the_learning_rate_may_be_a_tensor(lib):
    w = lib.zeros(1, requires_grad=True)
    w.grad = lib.ones(1)
    lib.optim.SGD([w], lr=lib.tensor(0.5)).step()
    return w


LAYOUT = {
    "lr": 0.1, "momentum": 0.9, "dampening": 0, "weight_decay": 0, "nesterov": True, "maximize": False, "foreach": None,
    "differentiable": False, "fused": None, "params": [0, 1],
}  # fmt: skip


@scripts.gives((LAYOUT, [0], ["momentum_buffer"], [2.0]))
def the_layout_of_its_state(lib):
    a, b = lib.zeros(1, requires_grad=True), lib.zeros(1, requires_grad=True)
    optimizer = lib.optim.SGD([a, b], lr=0.1, momentum=0.9, nesterov=True)
    a.grad = lib.tensor([2.0])
    optimizer.step()
    state = optimizer.state_dict()
    return state["param_groups"][0], list(state["state"]), list(state["state"][0]), state["state"][0]["momentum_buffer"]


TEXT = """SGD (
Parameter Group 0
    dampening: 0
    differentiable: False
    foreach: None
    fused: None
    lr: 0.1
    maximize: False
    momentum: 0
    nesterov: False
    weight_decay: 0
)"""


@scripts.gives(TEXT)
def as_text(lib):
    return repr(lib.optim.SGD([lib.ones(1, requires_grad=True)], lr=0.1))


BAD = [
    ({"lr": -0.1}, "Invalid learning rate: -0.1"),
    ({"momentum": -1}, "Invalid momentum value: -1"),
    ({"weight_decay": -1}, "Invalid weight_decay value: -1"),
    ({"nesterov": True}, "Nesterov momentum requires a momentum and zero dampening"),
    ({"nesterov": True, "momentum": 0.9, "dampening": 0.1}, "Nesterov momentum requires a momentum and zero dampening"),
]

for _options, _message in BAD:

    @scripts.raises(ValueError, _message)
    def options_that_make_no_sense(lib, options=_options):
        lib.optim.SGD([lib.ones(1, requires_grad=True)], **options)


test_script = scripts.test()


def test_nan_is_no_learning_rate():
    with pytest.raises(ValueError, match="Invalid learning rate: nan"):
        trainctl.optim.SGD([trainctl.ones(1, requires_grad=True)], lr=float("nan"))


def test_the_gradient_is_left_as_it_is():
    w = trainctl.ones(2, requires_grad=True)
    optimizer = trainctl.optim.SGD([w], lr=0.1, momentum=0.9, weight_decay=0.1, nesterov=True)
    for _ in range(3):
        w.grad = trainctl.tensor([1.0, 2.0])
        optimizer.step()
        assert w.grad.tolist() == [1.0, 2.0]


def test_a_step_is_a_change_in_place_that_backward_notices():
    w = trainctl.ones(1, requires_grad=True)
    loss = (w * w).sum()
    loss.backward(retain_graph=True)
    trainctl.optim.SGD([w], lr=0.1).step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
