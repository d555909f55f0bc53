"""L-BFGS with and without its line search: PyTorch's steps, and the minimum."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import trainctl
from tests.scripts import Scripts, load
from trainctl.optim import LBFGS

scripts = Scripts()


def rosenbrock(lib, a, b):
    """A curved valley with its minimum at 1, 1, ...; b bends it further."""
    x = lib.cat([a.flatten(), b])
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def bowl(lib, a, b):
    return (a**2).sum() + (a.sum() * b.sin()).sum() + (b**4).mean()


def ridges(lib, a, b):
    """Many local minima, which a line search has to step over."""
    return (a.sin() * 3).sum() + 0.1 * (a**2).sum() + (b - 2).cosh().sum()


LOSSES = {"rosenbrock": rosenbrock, "bowl": bowl, "ridges": ridges}
OPTIONS = [
    dict(zip(("lr", "max_iter", "max_eval", "history_size", "line_search_fn"), values, strict=True))
    for values in itertools.product([1, 0.3], [20, 3, 1], [None, 2], [100, 2], [None, "strong_wolfe"])
]


def path(lib, problem, options, dtype="float64", steps=4):
    """Return the parameters and the number of evaluations after each step."""
    draw = np.random.RandomState(0)
    a, b = (lib.from_numpy((0.3 * draw.randn(*shape)).astype(dtype)).requires_grad_() for shape in ((2, 2), (3,)))
    optimizer, found = lib.optim.LBFGS([a, b], **options), []

    def closure():
        optimizer.zero_grad()
        loss = LOSSES[problem](lib, a, b)
        loss.backward()
        return loss

    for _ in range(steps):
        loss = float(optimizer.step(closure))
        state = optimizer.state_dict()["state"][0]
        found.append([loss, state["func_evals"], state["n_iter"], *a.flatten().tolist(), *b.tolist()])
    return np.array(found)


@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad=True")  # PyTorch's own, of float(loss)
@pytest.mark.parametrize("problem", LOSSES)
@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(map(str, options.values())))
def test_steps_are_torch_s(problem, options):
    ours, theirs = (path(lib, problem, options) for lib in (trainctl, load("torch")))
    with np.errstate(invalid="ignore"):
        finite = np.abs(theirs).max(1) < 1e6  # steps of fixed length may run away, each library in its own way
    np.testing.assert_allclose(ours[finite], theirs[finite], rtol=1e-6, atol=1e-8)


def test_float32_reaches_the_minimum():
    found = path(trainctl, "rosenbrock", {"line_search_fn": "strong_wolfe"}, "float32", steps=6)
    np.testing.assert_allclose(found[-1, 3:], 1.0, atol=1e-3)
    assert found[-1, 0] < 1e-6


def test_a_complex_parameter_is_two_real_ones():
    w = trainctl.tensor([3 + 4j, -1j], dtype=trainctl.complex128).requires_grad_()
    goal = trainctl.tensor([1 - 2j, 2 + 0j], dtype=trainctl.complex128)
    optimizer = LBFGS([w], line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = (w - goal).abs().square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    np.testing.assert_allclose(w.detach().numpy(), goal.numpy(), atol=1e-7)


def test_a_loaded_state_goes_on_as_if_nothing_had_been():
    def run(parts):
        w, state, path = trainctl.tensor([1.5, -1.0, 0.5], dtype=trainctl.float64).requires_grad_(), None, []
        for steps in parts:
            optimizer = LBFGS([w], max_iter=2, line_search_fn="strong_wolfe")
            if state is not None:
                optimizer.load_state_dict(state)

            def closure():
                w.grad = None
                loss = rosenbrock(trainctl, w[:2], w[2:])
                loss.backward()
                return loss

            for _ in range(steps):
                optimizer.step(closure)
                path.append(w.tolist())
            state = optimizer.state_dict()
        return path

    assert run([5]) == run([2, 3])


@scripts.raises(ValueError, r"LBFGS doesn't support per-parameter options \(parameter groups\)")
def several_groups(lib):
    lib.optim.LBFGS([{"params": [lib.ones(1)]}, {"params": [lib.ones(1)]}])


@scripts.raises(RuntimeError, "only 'strong_wolfe' is supported")
def an_unknown_line_search(lib):
    w = lib.ones(1, requires_grad=True)
    lib.optim.LBFGS([w], line_search_fn="armijo").step(lambda: w.square().sum().backward() or 1.0)


@scripts.gives((1, 0, [0.0]))
def a_minimum_is_left_alone(lib):
    w = lib.zeros(1, requires_grad=True)
    optimizer = lib.optim.LBFGS([w])
    optimizer.step(lambda: w.square().sum().backward() or 0.0)
    state = optimizer.state_dict()["state"][0]
    return state["func_evals"], state["n_iter"], w.detach()


@scripts.gives(25)
def evaluations_are_limited_to_five_quarters_of_the_iterations(lib):
    return lib.optim.LBFGS([lib.ones(1)], max_iter=20).defaults["max_eval"]


test_script = scripts.test()
