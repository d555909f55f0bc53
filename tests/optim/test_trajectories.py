"""Every optimizer takes PyTorch's steps, whatever its options; one table drives all tests."""

from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest

import trainctl
from tests.optim.bowl import descend, leaves
from tests.scripts import Scripts, load
from trainctl import optim

scripts = Scripts()

# The values of each option that are tried, each with every other one's.
SPACES = {
    "ASGD": {"lr": [0.05], "lambd": [1e-4, 0.1], "alpha": [0.75, 0.5], "t0": [1e6, 0, 5], "weight_decay": [0, 0.1], "maximize": [False]},
    "Adadelta": {"lr": [1.0, 0.5], "rho": [0.9, 0.5, 0.0], "eps": [1e-6, 1e-2], "weight_decay": [0, 0.1], "maximize": [False, True]},
    "Adagrad": {"lr": [0.1], "lr_decay": [0, 0.1], "weight_decay": [0, 0.1], "initial_accumulator_value": [0, 0.5], "eps": [1e-10, 1e-2], "maximize": [False, True]},
    "AdamW": {"lr": [0.05], "betas": [(0.9, 0.999), (0.0, 0.8)], "eps": [1e-8, 1e-2], "weight_decay": [1e-2, 0.2], "amsgrad": [False, True], "maximize": [False, True]},
    "Adamax": {"lr": [0.05], "betas": [(0.9, 0.999), (0.0, 0.8)], "eps": [1e-8, 1e-2], "weight_decay": [0, 0.1], "maximize": [False, True]},
    "NAdam": {"lr": [0.05], "betas": [(0.9, 0.999), (0.3, 0.8)], "eps": [1e-8, 1e-2], "weight_decay": [0, 0.1], "momentum_decay": [4e-3, 0.1], "decoupled_weight_decay": [False, True], "maximize": [False, True]},
    "RAdam": {"lr": [0.05], "betas": [(0.9, 0.999), (0.5, 0.8)], "eps": [1e-8, 1e-2], "weight_decay": [0, 0.1], "decoupled_weight_decay": [False, True], "maximize": [False, True]},
    "RMSprop": {"lr": [0.01], "alpha": [0.99, 0.5], "eps": [1e-8, 1e-2], "weight_decay": [0, 0.1], "momentum": [0, 0.9], "centered": [False, True], "maximize": [False, True]},
    "Rprop": {"lr": [0.01, 0.1], "etas": [(0.5, 1.2), (0.3, 1.5)], "step_sizes": [(1e-6, 50), (1e-3, 0.05)], "maximize": [False, True]},
}  # fmt: skip
ROWS = [
    pytest.param(name, dict(zip(space, values, strict=True)), id=f"{name}-{'-'.join(map(str, values))}")
    for name, space in SPACES.items()
    for values in itertools.product(*space.values())
]


def path(lib, name, options, dtype):
    parameters = leaves(lib, dtype)
    return descend(lib, getattr(lib.optim, name)(parameters, **options), parameters)


@pytest.mark.parametrize(("name", "options"), ROWS)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 5e-5), ("float64", 1e-11)])
def test_steps_are_torch_s(name, options, dtype, tolerance):
    ours, theirs = (path(lib, name, options, dtype) for lib in (trainctl, load("torch")))
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


def complex_path(lib, name):
    """Return complex parameters after each of ten steps down ``|w|**2``, uphill now and then."""
    draw = np.random.RandomState(0)
    w = lib.from_numpy(draw.randn(3, 2) + 1j * draw.randn(3, 2)).requires_grad_()
    optimizer, found = getattr(lib.optim, name)([w]), []
    for step in range(10):
        w.grad = w.detach() * (2.0 if step % 3 else -0.5)
        optimizer.step()
        found.append(w.detach().numpy().copy())
    return found


@pytest.mark.parametrize("name", [name for name in SPACES if name != "AdamW"])
def test_a_complex_number_is_two_real_ones(name):
    np.testing.assert_allclose(complex_path(trainctl, name), complex_path(load("torch"), name), rtol=1e-10)


@pytest.mark.parametrize("name", SPACES)
def test_a_loaded_state_goes_on_as_if_nothing_had_been(name):
    whole = leaves(trainctl, "float32")
    descend(trainctl, getattr(optim, name)(whole), whole)
    first = leaves(trainctl, "float32")
    optimizer = getattr(optim, name)(first)
    descend(trainctl, optimizer, first, range(7))
    second = [each.detach().clone().requires_grad_() for each in first]
    other = getattr(optim, name)(second)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    descend(trainctl, other, second, range(7, 20))
    for mine, theirs in zip(second, whole, strict=True):
        assert trainctl.equal(mine, theirs)


ALL = [*SPACES, "Muon", "LBFGS"]

for _name in ALL:

    @scripts.agrees()
    def the_layout_of_options_and_state(lib, name=_name):
        w = lib.ones(2, 2, requires_grad=True)
        optimizer = getattr(lib.optim, name)([("w", w)])
        layouts = []
        for _ in range(2):
            optimizer.step(lambda: (w.square().sum() * 0.01).backward() or lib.ones(()))
            state = optimizer.state_dict()["state"][0]
            kinds = [
                [each.dtype, each.shape] if isinstance(each, lib.Tensor) else type(each).__name__
                for each in state.values()
            ]
            layouts.append(sorted(zip(state, kinds, strict=True)))
        return layouts, optimizer.state_dict()["param_groups"], repr(optimizer), optimizer.defaults

    @scripts.gives([[1.0, 1.0], [0.0]])
    def parameters_without_a_gradient_stay(lib, name=_name):
        still, w = lib.ones(1, 2, requires_grad=True), lib.ones(1, 1, requires_grad=True)
        getattr(lib.optim, name)([still, w]).step(lambda: lib.ones(()))
        return [still[0], w[0] - 1]


for _name in ["AdamW", "Adamax", "NAdam", "RAdam"]:
    for _betas in [(1.0, 0.9), (0.9, 1.0), (-0.1, 0.9)]:

        @scripts.raises(
            ValueError, f"Invalid beta parameter at index {int(_betas[1] == 1.0)}: {_betas[int(_betas[1] == 1.0)]}"
        )
        def betas(lib, name=_name, betas=_betas):
            getattr(lib.optim, name)([lib.ones(1)], betas=betas)


REFUSALS = [
    *((name, {"lr": -1.0}, "Invalid learning rate: -1.0") for name in ALL if name != "Muon"),
    *((name, {"weight_decay": -1.0}, "Invalid weight_decay value: -1.0") for name in SPACES if name != "Rprop"),
    *((name, {"eps": -1.0}, "Invalid epsilon value: -1.0") for name in ["Adadelta", "Adagrad", "AdamW", "NAdam", "RAdam", "RMSprop"]),
    ("Adadelta", {"rho": 1.5}, "Invalid rho value: 1.5"),
    ("Adagrad", {"lr_decay": -1.0}, "Invalid lr_decay value: -1.0"),
    ("Adagrad", {"initial_accumulator_value": -1.0}, "Invalid initial_accumulator_value value: -1.0"),
    ("NAdam", {"momentum_decay": -1.0}, "Invalid momentum_decay value: -1.0"),
    ("RMSprop", {"momentum": -1.0}, "Invalid momentum value: -1.0"),
    ("RMSprop", {"alpha": -1.0}, "Invalid alpha value: -1.0"),
    ("Rprop", {"etas": (1.1, 1.2)}, "Invalid eta values: 1.1, 1.2"),
    ("Muon", {"lr": -1.0}, "Learning rate should be >= 0 but is: -1.0"),
    ("Muon", {"momentum": -1.0}, "momentum should be >= 0 but is: -1.0"),
    ("Muon", {"weight_decay": -1.0}, "weight decay should be >= 0 but is: -1.0"),
    ("Muon", {"adjust_lr_fn": "x"}, "Adjust learning rate function x is not supported"),
    ("SparseAdam", {"lr": 0.0}, "Invalid learning rate: 0.0"),
    ("SparseAdam", {"eps": 0.0}, "Invalid epsilon value: 0.0"),
]  # fmt: skip

for _name, _options, _message in REFUSALS:

    @scripts.raises(ValueError, _message)
    def refusals(lib, name=_name, options=_options):
        getattr(lib.optim, name)([lib.ones(1, 1)], **options)


test_script = scripts.test()


@pytest.mark.parametrize("name", [*ALL, "SparseAdam"])
def test_on_a_device_nothing_is_transferred(name):
    """An update reads no element back: all but L-BFGS, which decides by the loss where to go."""
    from tests.backend.standin import DeviceArray, installed
    from trainctl.autograd.tensor import Tensor

    def weights(wrap):
        w = Tensor._wrap(wrap(np.random.RandomState(0).randn(4, 3).astype(np.float32))).requires_grad_()
        optimizer = getattr(optim, name)([w])
        for _ in range(3):
            optimizer.step(lambda: w.square().sum().backward() or 1.0)
            optimizer.zero_grad()
        return w._array

    here = weights(np.array)
    with installed() as counts:
        there = weights(DeviceArray)
        assert name == "LBFGS" or (counts.to_device, counts.to_host, counts.synchronised) == (0, 0, 0)
    np.testing.assert_array_equal(there._host, here)
