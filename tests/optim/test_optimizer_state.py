"""An optimizer's state, out and in: the run goes on to the bit."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import trainctl
from tests.optim.bowl import descend, leaves
from tests.scripts import Scripts, load
from trainctl import optim

scripts = Scripts()


def leaf(lib, *values):
    return lib.tensor(values or [1.0], requires_grad=True)


MAKERS = {
    "sgd": lambda lib, p: lib.optim.SGD(p, lr=0.01, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda lib, p: lib.optim.Adam(p, lr=0.05, amsgrad=True, weight_decay=0.01),
    "groups": lambda lib, p: lib.optim.Adam([{"params": p[:1], "lr": 0.1}, {"params": p[1:], "betas": (0.5, 0.6)}]),
}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_loaded_optimizer_continues_to_the_bit(name, dtype):
    whole = leaves(trainctl, dtype)
    path = descend(trainctl, MAKERS[name](trainctl, whole), whole)

    first = leaves(trainctl, dtype)
    optimizer = MAKERS[name](trainctl, first)
    descend(trainctl, optimizer, first, range(7))
    weights, state = [each.detach().clone() for each in first], copy.deepcopy(optimizer.state_dict())
    descend(trainctl, optimizer, first, range(7, 9))  # the state is a copy: this changes nothing

    second = [each.requires_grad_() for each in weights]
    again = MAKERS[name](trainctl, second)
    again.load_state_dict(state)
    np.testing.assert_array_equal(descend(trainctl, again, second, range(7, 20)), path[7:])


@scripts.gives(["collect", ["param_groups", "state"], "load", "loaded"])
def hooks_around_the_state(lib):
    seen, optimizer = [], lib.optim.SGD([leaf(lib)], lr=0.1)
    optimizer.register_state_dict_pre_hook(lambda o: seen.append("collect"))
    optimizer.register_state_dict_post_hook(lambda o, state: seen.append(sorted(state)))
    optimizer.register_load_state_dict_pre_hook(lambda o, state: seen.append("load"))
    optimizer.register_load_state_dict_post_hook(lambda o: seen.append("loaded"))
    optimizer.load_state_dict(optimizer.state_dict())
    return seen


@scripts.gives(0.5)
def a_hook_may_give_another_state(lib):
    def faster(optimizer, state):
        return {**state, "param_groups": [{**group, "lr": 0.5} for group in state["param_groups"]]}

    optimizer = lib.optim.SGD([leaf(lib)], lr=0.1)
    optimizer.register_load_state_dict_pre_hook(faster)
    optimizer.load_state_dict(optimizer.state_dict())
    return optimizer.param_groups[0]["lr"]


@scripts.gives([])
def plain_descent_has_no_state(lib):
    w = leaf(lib)
    w.grad = lib.ones(1)
    optimizer = lib.optim.SGD([w], lr=0.1)
    optimizer.step()
    return [*optimizer.state]


@pytest.mark.parametrize("name", MAKERS)
def test_the_layout_of_the_state_is_torch_s(name):
    def layout(lib):
        parameters = leaves(lib, "float32")
        optimizer = MAKERS[name](lib, parameters)
        descend(lib, optimizer, parameters, range(3))
        state = optimizer.state_dict()
        tensors = {
            number: {key: (list(value.shape), str(value.dtype).split(".")[1]) for key, value in each.items()}
            for number, each in state["state"].items()
        }
        return list(state), tensors, state["param_groups"]

    assert layout(trainctl) == layout(load("torch"))


@pytest.mark.parametrize("name", MAKERS)
def test_torch_s_state_can_be_loaded(name):
    torch = load("torch")
    theirs = leaves(torch, "float64")
    their_optimizer = MAKERS[name](torch, theirs)
    descend(torch, their_optimizer, theirs, range(5))
    state = their_optimizer.state_dict()
    state["state"] = {
        number: {key: trainctl.from_numpy(value.numpy().copy()) for key, value in each.items()}
        for number, each in state["state"].items()
    }
    ours = [trainctl.from_numpy(each.detach().numpy().copy()).requires_grad_() for each in theirs]
    our_optimizer = MAKERS[name](trainctl, ours)
    our_optimizer.load_state_dict(state)
    steps = range(5, 20)
    np.testing.assert_allclose(
        descend(trainctl, our_optimizer, ours, steps), descend(torch, their_optimizer, theirs, steps), rtol=1e-12
    )


@scripts.gives(([0.5, 0.9], [1.0], True))
def loading_replaces_options_and_keeps_parameters(lib):
    a, b = leaf(lib), leaf(lib)
    source, target = lib.optim.SGD([a], lr=0.5, momentum=0.9), lib.optim.SGD([b], lr=0.1)
    a.grad = lib.ones(1)
    source.step()
    target.load_state_dict(source.state_dict())
    group = target.param_groups[0]
    return [group["lr"], group["momentum"]], target.state[b]["momentum_buffer"], group["params"][0] is b


@scripts.gives(("lib.float64", "lib.float32"))
def loaded_state_takes_the_parameter_s_dtype_but_not_the_step(lib):
    a, b = leaf(lib), lib.ones(1, dtype=lib.float64, requires_grad=True)
    source, target = lib.optim.Adam([a]), lib.optim.Adam([b])
    a.grad = lib.ones(1)
    source.step()
    target.load_state_dict(source.state_dict())
    return target.state[b]["exp_avg"].dtype, target.state[b]["step"].dtype


@scripts.raises(ValueError, "loaded state dict has a different number of parameter groups")
def loading_other_groups(lib):
    one, two = lib.optim.SGD([leaf(lib)]), lib.optim.SGD([{"params": leaf(lib)}, {"params": leaf(lib)}])
    two.load_state_dict(one.state_dict())


@scripts.raises(
    ValueError, "loaded state dict contains a parameter group that doesn't match the size of optimizer's group"
)
def loading_a_group_of_another_size(lib):
    lib.optim.SGD([leaf(lib)]).load_state_dict(lib.optim.SGD([leaf(lib), leaf(lib)]).state_dict())


@scripts.gives((True, True))
def an_optimizer_can_be_copied_with_its_model(lib):
    model = lib.nn.Linear(1, 1)
    optimizer = lib.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(lib.ones(1, 1)).sum().backward()
    optimizer.step()
    again_model, again = copy.deepcopy((model, optimizer))
    inside = again.param_groups[0]["params"][0] is again_model.weight
    return inside, lib.equal(
        again.state[again_model.weight]["momentum_buffer"], optimizer.state[model.weight]["momentum_buffer"]
    )


test_script = scripts.test()


def test_options_that_a_loaded_state_lacks_are_the_defaults():
    w = leaf(trainctl)
    optimizer = optim.SGD([w], lr=0.5, momentum=0.9)
    optimizer.load_state_dict({"state": {}, "param_groups": [{"params": [0], "lr": 0.25}]})
    assert optimizer.param_groups[0]["lr"] == 0.25
    assert optimizer.param_groups[0]["momentum"] == 0.9


def test_a_failed_load_changes_nothing():
    w = leaf(trainctl)
    optimizer = optim.SGD([w], lr=0.5)
    with pytest.raises(ValueError, match="different number of parameter groups"):
        optimizer.load_state_dict({"state": {}, "param_groups": []})
    assert optimizer.param_groups[0]["lr"] == 0.5
    assert optimizer.param_groups[0]["params"][0] is w
