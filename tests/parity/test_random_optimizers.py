"""Random runs of the optimizers: any options, dtype, groups and gradients that come and go, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import trainctl

torch = pytest.importorskip("torch", reason="needs the extra `parity`")

Random = np.random.RandomState
SHAPES = ((3, 4), (5,), (), (0, 3), (1,), (2, 3, 2))

# For each option the values to draw from; a tensor's place is taken by a one-element array.
COMMON: dict[str, list[Any]] = {"weight_decay": [0, 0.1], "maximize": [False, True], "foreach": [None, False]}
BETAS = [(0.9, 0.999), (0.4, 0.8), (0.0, 0.9)]
SPACES: dict[str, dict[str, list[Any]]] = {
    "ASGD": {"lr": [0.05], "lambd": [1e-4, 0.1], "alpha": [0.75, 0.5], "t0": [1e6, 0, 2]},
    "Adadelta": {"lr": [1.0, np.float32(0.5)], "rho": [0.9, 0.2], "eps": [1e-6, 1e-2]},
    "Adagrad": {"lr": [0.1], "lr_decay": [0, 0.1], "initial_accumulator_value": [0, 0.5], "eps": [1e-10, 1e-2]},
    "Adam": {"lr": [0.05, np.float32(0.5)], "betas": BETAS, "eps": [1e-8, 1e-2], "amsgrad": [False, True]},
    "AdamW": {"lr": [0.05], "betas": BETAS, "eps": [1e-8, 1e-2], "amsgrad": [False, True]},
    "Adamax": {"lr": [0.05, np.float32(0.5)], "betas": BETAS, "eps": [1e-8, 1e-2]},
    "NAdam": {"lr": [0.05], "betas": BETAS, "momentum_decay": [4e-3, 0.1], "decoupled_weight_decay": [False, True]},
    "RAdam": {"lr": [0.05], "betas": BETAS[:2], "eps": [1e-8, 1e-2], "decoupled_weight_decay": [False, True]},
    "RMSprop": {"lr": [0.01], "alpha": [0.99, 0.3], "momentum": [0, 0.9], "centered": [False, True]},
    "Rprop": {"lr": [0.01, 0.1], "etas": [(0.5, 1.2), (0.3, 1.5)], "step_sizes": [(1e-6, 50), (1e-3, 0.05)]},
    "SGD": {"lr": [0.05, np.float32(0.5)], "momentum": [0, 0.9], "dampening": [0, 0.5]},
}


def drawn(random: Random, name: str) -> dict[str, Any]:
    common = {key: values for key, values in COMMON.items() if name != "Rprop" or key != "weight_decay"}
    space = {**SPACES[name], **common}
    return {key: values[random.randint(len(values))] for key, values in space.items()}


def array(random: Random, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    made = np.asarray(random.standard_normal(shape))
    return np.asarray(made + 1j * random.standard_normal(shape) if dtype == "complex128" else made, dtype)


def run(library: Any, name: str, options: dict[str, Any], dtype: str, grouped: bool, seed: int) -> list[Any]:
    """Return the parameters after each of six steps, and the state's layout, by a copy of the optimizer from step 3 on."""
    random = Random(seed)
    given = {
        key: library.from_numpy(np.asarray(each)) if isinstance(each, np.float32) else each
        for key, each in options.items()
    }
    make = getattr(library.optim, name)

    def optimizer_of(parameters: list[Any]) -> Any:
        groups = [{"params": parameters[:2]}, {"params": parameters[2:], "lr": 0.02}]
        return make(groups if grouped else [(f"p{i}", each) for i, each in enumerate(parameters)], **given)

    parameters = [library.nn.Parameter(library.from_numpy(array(random, shape, dtype))) for shape in SHAPES]
    optimizer, found = optimizer_of(parameters), []
    for step in range(6):
        for number, parameter in enumerate(parameters):
            grad = array(random, SHAPES[number], dtype)
            parameter.grad = None if number == 4 or (step, number) == (2, 1) else library.from_numpy(grad)
        optimizer.step()
        found += [each.detach().numpy().copy() for each in parameters]
        if step == 3:
            parameters = [library.nn.Parameter(each.detach().clone()) for each in parameters]
            state, optimizer = optimizer.state_dict(), optimizer_of(parameters)
            optimizer.load_state_dict(state)
    state = optimizer.state_dict()
    layout = [(number, list(each)) for number, each in state["state"].items()]
    return [*found, (layout, [list(group) for group in state["param_groups"]], repr(optimizer))]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", SPACES)
def test_random_runs(name, seed):
    random = Random(seed)
    options, grouped = drawn(random, name), bool(random.randint(2))
    if grouped:  # a group's own learning rate is a number, and PyTorch's capturable form would want tensors for all
        options["lr"] = float(options["lr"])
    dtype = ("float64", "complex128")[random.randint(2)]
    ours, theirs = (run(library, name, options, dtype, grouped, seed) for library in (trainctl, torch))
    assert ours[-1] == theirs[-1]
    for mine, other in zip(ours[:-1], theirs[:-1], strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-7, atol=1e-9, err_msg=str((options, dtype, grouped)))
