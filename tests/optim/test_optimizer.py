"""What every optimizer shares: groups, state, hooks, closures, and continuing exactly."""

from __future__ import annotations

import itertools

import pytest

import trainctl
from tests.scripts import Scripts
from trainctl import nn, optim

scripts = Scripts()


def leaf(lib, *values):
    return lib.tensor(values or [1.0], requires_grad=True)


# -- groups ---------------------------------------------------------------------------------------------------------


@scripts.gives(([1, 2], [0.1, 0.5], [0.9, 0.0]))
def groups_take_the_defaults_they_do_not_set(lib):
    groups = [{"params": leaf(lib)}, {"params": [leaf(lib), leaf(lib)], "lr": 0.5, "momentum": 0.0}]
    optimizer = lib.optim.SGD(groups, lr=0.1, momentum=0.9)
    made = optimizer.param_groups
    return [len(g["params"]) for g in made], [g["lr"] for g in made], [g["momentum"] for g in made]


@scripts.gives((2, 0.1, [1.0, -0.5]))
def a_group_can_be_added_later(lib):
    a, b = leaf(lib), leaf(lib)
    optimizer = lib.optim.SGD([a], lr=0.1)
    optimizer.add_param_group({"params": b, "lr": 1.5})
    b.grad = lib.ones(1)
    optimizer.step()
    return len(optimizer.param_groups), optimizer.param_groups[0]["lr"], [a.item(), b.item()]


@scripts.gives((["weight", "bias"], ["weight", "bias"], 2))
def parameters_with_names(lib):
    layer = lib.nn.Linear(1, 1)
    optimizer = lib.optim.SGD(layer.named_parameters(), lr=0.1)
    group = optimizer.param_groups[0]
    return group["param_names"], optimizer.state_dict()["param_groups"][0]["param_names"], len(group["params"])


@scripts.gives(([1.0], [0.9], None))
def parameters_without_a_gradient_are_passed_over(lib):
    a, b = leaf(lib), leaf(lib)
    optimizer = lib.optim.SGD([a, b], lr=0.1, momentum=0.9, weight_decay=0.0)
    b.grad = lib.ones(1)
    optimizer.step()
    return a, b, optimizer.state_dict()["state"].get(0)


@scripts.gives((None, [0.0]))
def zero_grad(lib):
    a = leaf(lib)
    optimizer = lib.optim.SGD([a], lr=0.1)
    a.grad = lib.ones(1)
    optimizer.zero_grad()
    none = a.grad
    a.grad = lib.ones(1)
    optimizer.zero_grad(set_to_none=False)
    return none, a.grad


# -- steps ------------------------------------------------------------------------------------------------------------


@scripts.gives((4.0, [1.6], True))
def a_closure_is_evaluated_with_recording_on(lib):
    w = leaf(lib, 2.0)
    optimizer, seen = lib.optim.SGD([w], lr=0.1), []

    def closure():
        optimizer.zero_grad()
        loss = (w * w).sum()
        seen.append(loss.requires_grad)
        loss.backward()
        return loss

    with lib.no_grad():
        loss = optimizer.step(closure)
    return loss, w, seen[0]


@scripts.gives((None, True, None))
def a_step_is_not_recorded(lib):
    w = leaf(lib)
    w.grad = lib.ones(1)
    result = lib.optim.SGD([w], lr=0.1).step()
    return result, w.requires_grad and w.is_leaf, w.grad_fn


@scripts.gives(["before", "closure", "after"])
def hooks_around_a_step(lib):
    seen, w = [], leaf(lib)
    optimizer = lib.optim.SGD([w], lr=0.1)
    optimizer.register_step_pre_hook(lambda o, args, kwargs: seen.append("before"))
    optimizer.register_step_post_hook(lambda o, args, kwargs: seen.append("after"))
    optimizer.step(lambda: seen.append("closure"))
    return seen


@scripts.gives(["before", "own", "after"])
def hooks_around_a_step_of_one_s_own(lib):
    seen = []

    class Own(lib.optim.Optimizer):
        def step(self, closure=None):
            seen.append("own")

    optimizer = Own([leaf(lib)], {})
    optimizer.register_step_pre_hook(lambda *_: seen.append("before"))
    optimizer.register_step_post_hook(lambda *_: seen.append("after"))
    optimizer.step()
    return seen


@scripts.gives([["closure"], {}])
def a_pre_hook_may_change_the_arguments(lib):
    seen, optimizer = [], lib.optim.SGD([leaf(lib)], lr=0.1)
    optimizer.register_step_pre_hook(lambda o, args, kwargs: ((o, lambda: seen.append("closure")), {}))
    optimizer.step()
    return [seen, {}]


@scripts.gives([1, 1])
def hooks_can_be_removed(lib):
    seen, optimizer = [], lib.optim.SGD([leaf(lib)], lr=0.1)
    handle = optimizer.register_step_post_hook(lambda *_: seen.append(1))
    optimizer.step()
    first = len(seen)
    handle.remove()
    optimizer.step()
    return [first, len(seen)]


@scripts.gives(([0.5, 1.5], ["step"], [2]))
def an_optimizer_of_one_s_own(lib):
    class Sign(lib.optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        @lib.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        self.state[p]["step"] = self.state[p].get("step", 0) + 1
                        p.sub_(group["lr"] * p.grad.sign())

    w = leaf(lib, 1.0, 1.0)
    optimizer = Sign([w], lr=0.25)
    for _ in range(2):
        w.grad = lib.tensor([3.0, -0.1])
        optimizer.step()
    state = optimizer.state_dict()["state"][0]
    return w, list(state), list(state.values())


@scripts.gives([1.0, [0.75]])
def a_step_written_the_old_way(lib):
    class Old(lib.optim.Optimizer):
        def __init__(self, params, lr=0.25):
            super().__init__(params, {"lr": lr})

        def step(self, closure=None):
            loss = None if closure is None else closure()
            for group in self.param_groups:
                for p in group["params"]:
                    p.data.add_(p.grad.data, alpha=-group["lr"])
            return loss

    w = leaf(lib)
    w.grad = lib.ones(1)
    return [Old([w]).step(lambda: 1.0), w.tolist()]


# -- refusals ---------------------------------------------------------------------------------------------------------


@scripts.raises(ValueError, "optimizer got an empty parameter list")
def no_parameters(lib):
    lib.optim.SGD([])


@scripts.raises(TypeError, "params argument given to the optimizer should be an iterable of Tensors or dicts")
def a_tensor_as_the_list(lib):
    lib.optim.SGD(leaf(lib))


@scripts.raises(TypeError, "optimizer can only optimize Tensors, but one of the params is int")
def a_number_as_a_parameter(lib):
    lib.optim.SGD([3])


@scripts.raises(ValueError, "can't optimize a non-leaf Tensor")
def an_inner_tensor(lib):
    lib.optim.SGD([leaf(lib) * 2])


@scripts.raises(ValueError, "some parameters appear in more than one parameter group")
def one_parameter_in_two_groups(lib):
    w = leaf(lib)
    lib.optim.SGD([{"params": [w]}, {"params": [w]}])


@scripts.raises(TypeError, "param_group must be a dict, but got")
def a_group_that_is_no_dict(lib):
    lib.optim.SGD([leaf(lib)]).add_param_group([leaf(lib)])


@scripts.raises(TypeError, "optimizer parameters need to be organized in ordered collections")
def a_set_of_parameters(lib):
    lib.optim.SGD([{"params": {leaf(lib)}}])


@scripts.raises(ValueError, "all optimizer params should be with/without names. Some param names are missing")
def only_some_parameters_with_names(lib):
    lib.optim.SGD([("a", leaf(lib)), leaf(lib)], lr=0.1)


@scripts.raises(ValueError, "cannot add param group with names to the optimizer")
def only_some_groups_with_names(lib):
    lib.optim.SGD([leaf(lib)], lr=0.1).add_param_group({"params": [("a", leaf(lib))]})


@scripts.raises(ValueError, "Tensor lr must be 1-element")
def a_learning_rate_of_two_elements(lib):
    lib.optim.RMSprop([leaf(lib)], lr=lib.ones(2))


@scripts.raises(ValueError, "betas must be either both floats or both Tensors")
def one_beta_a_tensor(lib):
    lib.optim.Adam([leaf(lib)], betas=(0.9, lib.tensor(0.99)))


@scripts.raises(RuntimeError, "`fused` and `foreach` cannot be `True` together.")
def two_implementations_at_once(lib):
    lib.optim.Adam([leaf(lib)], fused=True, foreach=True)


@scripts.gives([True, [0.0]])
def zero_grad_sets_gradients_to_zero_where_they_are(lib):
    w = leaf(lib)
    w.grad = grad = lib.ones(1)
    lib.optim.SGD([w], lr=0.1).zero_grad(set_to_none=False)
    return [w.grad is grad, grad]


@scripts.gives(["before", "after"])
def hooks_of_all_optimizers(lib):
    hooks = __import__(f"{lib.__name__}.optim.optimizer", fromlist=["optimizer"])
    seen = []
    with (
        hooks.register_optimizer_step_pre_hook(lambda *_: seen.append("before")),
        hooks.register_optimizer_step_post_hook(lambda *_: seen.append("after")),
    ):
        lib.optim.Adam([leaf(lib)]).step()
    lib.optim.Adam([leaf(lib)]).step()
    return seen


test_script = scripts.test()


def test_hooks_run_once_around_a_step_that_calls_its_base_s():
    seen = []

    class Own(optim.SGD):
        def step(self, closure=None):
            seen.append("own")
            return super().step(closure)

    optimizer = Own([leaf(trainctl)], lr=0.1)
    optimizer.register_step_pre_hook(lambda *_: seen.append("before"))
    optimizer.register_step_post_hook(lambda *_: seen.append("after"))
    optimizer.step(lambda: seen.append("base"))
    assert seen == ["before", "own", "base", "after"]


def test_a_failed_step_leaves_the_hooks_working():
    seen, optimizer = [], optim.SGD([leaf(trainctl)], lr=0.1)
    optimizer.register_step_pre_hook(lambda *_: seen.append("before"))
    with pytest.raises(ZeroDivisionError):
        optimizer.step(lambda: 1 / 0)
    optimizer.step()
    assert seen == ["before", "before"]


def test_an_optimizer_without_a_step_says_so():
    w = leaf(trainctl)
    w.grad = trainctl.ones(1)
    with pytest.raises(NotImplementedError, match=r"Optimizer has neither step\(\) nor update\(\)"):
        optim.Optimizer([w], {}).step()


def test_a_set_of_parameters_has_no_order():
    with pytest.raises(TypeError, match="ordered collections"):
        optim.SGD({leaf(trainctl)})


def test_one_parameter_twice_in_a_group_gets_a_warning_and_two_steps():
    w = leaf(trainctl)
    with pytest.warns(UserWarning, match="a parameter group with duplicate parameters"):
        optimizer = optim.SGD([w, w], lr=0.1)
    w.grad = trainctl.ones(1)
    optimizer.step()
    assert w.item() == pytest.approx(0.8)


def test_a_missing_option_is_an_error():
    with pytest.raises(KeyError, match="params"):
        optim.SGD([{"lr": 0.1}])


def test_a_parameter_that_needs_no_gradient_may_be_given():
    layer = nn.Linear(1, 1).requires_grad_(False)
    optim.SGD(itertools.chain(layer.parameters()), lr=0.1).step()
    assert layer.weight.grad is None
