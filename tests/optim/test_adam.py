"""Adam takes PyTorch's steps, whatever its options."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import trainctl
from tests.optim.bowl import descend, leaves
from tests.scripts import Scripts, load

scripts = Scripts()

OPTIONS = [
    {
        "betas": betas,
        "eps": eps,
        "amsgrad": amsgrad,
        "weight_decay": decay,
        "decoupled_weight_decay": decoupled,
        "maximize": maximize,
    }
    for betas, eps, amsgrad, (decay, decoupled), maximize in itertools.product(
        [(0.9, 0.999), (0.5, 0.8)], [1e-8, 1e-2], [False, True], [(0, False), (0.1, False), (0.1, True)], [False, True]
    )
] + [{"betas": (0.0, 0.0)}, {"eps": 0.0}]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(map(str, options.values())))
@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 2e-5), ("float64", 1e-12)])
def test_twenty_steps_are_torch_s(options, dtype, rtol):
    def path(lib):
        parameters = leaves(lib, dtype)
        return descend(lib, lib.optim.Adam(parameters, lr=0.05, **options), parameters)

    np.testing.assert_allclose(path(trainctl), path(load("torch")), rtol=rtol, atol=rtol)


def steps(lib, *gradients, **options):
    """Return a weight after each step, from 1."""
    w = lib.ones(1, dtype=lib.float64, requires_grad=True)
    optimizer, path = lib.optim.Adam([w], **{"lr": 0.1, **options}), []
    for gradient in gradients:
        w.grad = lib.tensor([gradient], dtype=lib.float64)
        optimizer.step()
        path.append(w.item())
    return path


@scripts.gives([0.9, 0.8, 0.7])
def a_constant_gradient_moves_by_the_learning_rate(lib):
    return steps(lib, 5.0, 5.0, 5.0, eps=0)


@scripts.gives([1.1])
def maximized(lib):
    return steps(lib, 5.0, eps=0, maximize=True)


@scripts.gives([0.95])
def eps_is_outside_the_root(lib):
    return steps(lib, 1.0, eps=1.0)


@scripts.gives([0.9 - 0.05])
def decoupled_weight_decay_shrinks_the_weight_itself(lib):
    return steps(lib, 5.0, eps=0, weight_decay=0.5, decoupled_weight_decay=True)


@scripts.gives([0.9])
def weight_decay_is_part_of_the_gradient(lib):
    return steps(lib, 5.0, eps=0, weight_decay=0.5)


@scripts.gives([0.9, 0.9 - 0.1 * (0.9 * 0.1 * 10) / 0.19 / ((0.001 * 100) / (1 - 0.999**2)) ** 0.5])
def amsgrad_remembers_the_largest_square(lib):
    return steps(lib, 10.0, 0.0, eps=0, amsgrad=True)


LAYOUT = {
    "lr": 0.001, "betas": (0.9, 0.999), "eps": 1e-08, "weight_decay": 0, "amsgrad": True, "maximize": False, "foreach": None,
    "capturable": False, "differentiable": False, "fused": None, "decoupled_weight_decay": False, "params": [0],
}  # fmt: skip


@scripts.gives(
    (LAYOUT, {"step": 1.0, "exp_avg": [0.2], "exp_avg_sq": [0.004], "max_exp_avg_sq": [0.004]}, "lib.float32", [])
)
def the_layout_of_its_state(lib):
    w = lib.zeros(1, requires_grad=True)
    optimizer = lib.optim.Adam([w], amsgrad=True)
    w.grad = lib.tensor([2.0])
    optimizer.step()
    state = optimizer.state_dict()
    step = state["state"][0]["step"]
    return state["param_groups"][0], state["state"][0], step.dtype, step.shape


TEXT = """Adam (
Parameter Group 0
    amsgrad: False
    betas: (0.9, 0.999)
    capturable: False
    decoupled_weight_decay: False
    differentiable: False
    eps: 1e-08
    foreach: None
    fused: None
    lr: 0.001
    maximize: False
    weight_decay: 0
)"""


@scripts.gives(TEXT)
def as_text(lib):
    return repr(lib.optim.Adam([lib.ones(1, requires_grad=True)]))


BAD = [
    ({"lr": -0.1}, "Invalid learning rate: -0.1"),
    ({"eps": -1}, "Invalid epsilon value: -1"),
    ({"betas": (1.0, 0.9)}, "Invalid beta parameter at index 0: 1.0"),
    ({"betas": (0.9, -0.1)}, "Invalid beta parameter at index 1: -0.1"),
    ({"weight_decay": -1}, "Invalid weight_decay value: -1"),
]

for _options, _message in BAD:

    @scripts.raises(ValueError, _message)
    def options_that_make_no_sense(lib, options=_options):
        lib.optim.Adam([lib.ones(1, requires_grad=True)], **options)


test_script = scripts.test()


@pytest.mark.parametrize("betas", [(0.9,), (0.9, 0.99, 0.999), 0.9, "ab"])
def test_betas_are_two_numbers(betas):
    with pytest.raises((TypeError, ValueError), match="betas"):
        trainctl.optim.Adam([trainctl.ones(1, requires_grad=True)], betas=betas)


def test_the_gradient_is_left_as_it_is():
    w = trainctl.ones(2, requires_grad=True)
    optimizer = trainctl.optim.Adam([w], weight_decay=0.1, maximize=True, amsgrad=True)
    for _ in range(3):
        w.grad = trainctl.tensor([1.0, 2.0])
        optimizer.step()
        assert w.grad.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_dtypes_stay(dtype):
    w = trainctl.ones(2, dtype=getattr(trainctl, dtype), requires_grad=True)
    optimizer = trainctl.optim.Adam([w], lr=0.1, weight_decay=0.1)
    (w * w).sum().backward()
    optimizer.step()
    assert str(w.dtype) == f"trainctl.{dtype}"
    assert optimizer.state[w]["exp_avg"].dtype is w.dtype
