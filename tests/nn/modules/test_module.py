"""Calls, hooks, modes and conversions of a module, and how it is shown."""

from __future__ import annotations

import copy

import pytest

import trainctl
from tests.scripts import Scripts
from trainctl import nn

scripts = Scripts()


def doubler(lib):
    """Return a module that doubles its argument."""

    class Double(lib.nn.Module):
        def forward(self, x, shift=0):
            return 2 * x + shift

    return Double()


def net(lib):
    """Return a small nested net."""
    return lib.nn.Sequential(
        lib.nn.Linear(2, 3), lib.nn.Sequential(lib.nn.ReLU(), lib.nn.Dropout(0.25)), lib.nn.Linear(3, 1, bias=False)
    )


# -- calls --------------------------------------------------------------------------------------------------------


@scripts.gives([2.0, 5.0, 5.0])
def calling_runs_forward(lib):
    double = doubler(lib)
    return [double(1.0), double(1.0, 3), double(x=1.0, shift=3)]


@scripts.raises(NotImplementedError, r'Module \[Module\] is missing the required "forward" function')
def a_module_without_forward(lib):
    lib.nn.Module()(1)


@scripts.raises(TypeError, "missing 1 required positional argument")
def an_argument_too_few(lib):
    doubler(lib)()


@scripts.gives([[1.0], [3.0], [2.0]])
def a_layer_used_twice_accumulates(lib):
    layer = lib.nn.Linear(1, 1)
    with lib.no_grad():
        layer.weight.fill_(1.0)
        layer.bias.fill_(0.0)
    x = lib.ones(1, 1)
    layer(2 * layer(x)).sum().backward()  # w * (2 * (w * x + b)) + b
    return [(layer.weight.grad.flatten() / 4).tolist(), layer.bias.grad.tolist(), (layer(x) * 2).flatten().tolist()]


# -- hooks --------------------------------------------------------------------------------------------------------


@scripts.gives((20.0, [[1.0, 2.0]]))
def a_forward_hook_sees_and_may_replace_the_output(lib):
    seen, double = [], doubler(lib)
    double.register_forward_hook(lambda m, args, y: seen.append([args[0], y]))
    double.register_forward_hook(lambda m, args, y: y * 10)
    return double(1.0), seen


@scripts.gives((14.0, 6.0, 2.0))
def a_pre_hook_may_replace_the_arguments(lib):
    double = doubler(lib)
    first = double.register_forward_pre_hook(lambda m, args: (args[0] + 2, 8))
    both = double(1.0)
    first.remove()
    second = double.register_forward_pre_hook(lambda m, args: args[0] + 2)  # what is no tuple is made one
    single = double(1.0)
    second.remove()
    return both, single, double(1.0)


@scripts.gives((103.0, [[[1.0], {"shift": 1}]], [["shift"]]))
def hooks_with_keywords(lib):
    seen, after, double = [], [], doubler(lib)

    def before(m, args, kwargs):
        seen.append([list(args), dict(kwargs)])
        return args, {"shift": 101}

    double.register_forward_pre_hook(before, with_kwargs=True)
    double.register_forward_hook(lambda m, args, kwargs, y: after.append(list(kwargs)), with_kwargs=True)
    return double(1.0, shift=1), seen, after


@scripts.gives(["second", "first", "forward first", "forward"])
def prepended_hooks_run_first(lib):
    seen, double = [], doubler(lib)
    double.register_forward_pre_hook(lambda *_: seen.append("first"))
    double.register_forward_pre_hook(lambda *_: seen.append("second"), prepend=True)
    double.register_forward_hook(lambda *_: seen.append("forward"))
    double.register_forward_hook(lambda *_: seen.append("forward first"), prepend=True)
    double(1.0)
    return seen


@scripts.gives([1, 1])
def a_removed_module_hook_does_not_run(lib):
    seen, double = [], doubler(lib)
    handle = double.register_forward_hook(lambda *_: seen.append(1))
    double(1.0)
    first = len(seen)
    handle.remove()
    double(1.0)
    return [first, len(seen)]


# -- modes ----------------------------------------------------------------------------------------------------------


@scripts.gives(([False] * 6, [True] * 6, True, True))
def train_and_eval_reach_every_module(lib):
    made = net(lib)
    same = made.eval() is made
    off = [each.training for each in made.modules()]
    also = made.train() is made
    return off, [each.training for each in made.modules()], same, also


@scripts.raises(ValueError, "training mode is expected to be boolean")
def a_mode_that_is_no_truth_value(lib):
    net(lib).train("yes")


@scripts.gives(([False, False, False], [True, True, True], True))
def requires_grad_freezes(lib):
    made = net(lib)
    frozen = [p.requires_grad for p in made.requires_grad_(False).parameters()]
    made.requires_grad_()
    return frozen, [p.requires_grad for p in made.parameters()], made.requires_grad_() is made


@scripts.gives((True, [None, None, None], [0.0, 0.0, 0.0]))
def zero_grad(lib):
    made, x = net(lib), lib.ones(1, 2)
    made(x).sum().backward()
    had = all(p.grad is not None for p in made.parameters())
    made.zero_grad()
    none = [p.grad for p in made.parameters()]
    made(x).sum().backward()
    made.zero_grad(set_to_none=False)
    return had, none, [p.grad.abs().sum().item() for p in made.parameters()]


@scripts.gives((["Linear", "ReLU", "Dropout", "Sequential", "Linear", "Sequential"], True))
def apply_visits_children_first(lib):
    seen, made = [], net(lib)
    same = made.apply(lambda m: seen.append(type(m).__name__)) is made
    return seen, same


# -- dtypes -----------------------------------------------------------------------------------------------------------


def mixed(lib):
    """Return a module with float and integer state."""
    made = lib.nn.Linear(2, 1)
    made.register_buffer("mean", lib.ones(1))
    made.register_buffer("count", lib.tensor(3))
    return made


@scripts.gives(
    [
        ["lib.float64", "lib.float64", "lib.float64", "lib.int64"],
        ["lib.float16", "lib.float16", "lib.float16", "lib.int64"],
        ["lib.float32", "lib.float32", "lib.float32", "lib.int64"],
        ["lib.float64", "lib.float64", "lib.float64", "lib.int64"],
    ]
)
def conversions_leave_integers_alone(lib):
    def kinds(made):
        return [each.dtype for each in (*made.parameters(), *made.buffers())]

    made = mixed(lib)
    return [kinds(made.double()), kinds(made.half()), kinds(made.float()), kinds(made.to(lib.float64))]


@scripts.gives((True, True, "lib.float64", "lib.float64", True))
def conversion_keeps_the_parameters_and_their_gradients(lib):
    made = mixed(lib)
    weight = made.weight
    made(lib.ones(1, 2)).sum().backward()
    same = made.double() is made
    return same, made.weight is weight, made.weight.dtype, made.weight.grad.dtype, made.weight.is_leaf


@scripts.gives(("lib.float64", "lib.float64", "cpu"))
def to_takes_devices_and_dtypes(lib):
    made = mixed(lib).to("cpu", lib.float64)
    return made.weight.dtype, mixed(lib).to(device="cpu", dtype=lib.float64).bias.dtype, made.to("cpu").weight.device


@scripts.raises(TypeError, "floating point|complex")
def to_an_integer_dtype(lib):
    mixed(lib).to(lib.int64)


@scripts.gives([True, False, True, [5.0]])
def an_optimizer_made_before_a_conversion_still_steps(lib):
    made = lib.nn.Linear(1, 1, bias=False)
    optimizer = lib.optim.SGD(made.parameters(), lr=1.0)
    made.double()
    with lib.no_grad():
        made.weight.fill_(6.0)
    made(lib.ones(1, 1, dtype=lib.float64)).sum().backward()
    optimizer.step()
    return [
        made.weight.dtype == lib.float64,
        made.weight.dtype == lib.float32,
        made.weight.requires_grad,
        made.weight.flatten().tolist(),
    ]


# -- copies and text ------------------------------------------------------------------------------------------------------


@scripts.gives([False, True, True, True])
def deepcopy_copies_parameters_and_keeps_sharing(lib):
    made = net(lib)
    made.tied = made[0]
    again = copy.deepcopy(made)
    with lib.no_grad():
        made[0].weight.zero_()
    return [
        lib.equal(made[0].weight, again[0].weight), again.tied is again[0], again[0].weight.requires_grad,
        isinstance(again[0].weight, lib.nn.Parameter),
    ]  # fmt: skip


NESTED = """Sequential(
  (0): Linear(in_features=2, out_features=3, bias=True)
  (1): Sequential(
    (0): ReLU()
    (1): Dropout(p=0.25, inplace=False)
  )
  (2): Linear(in_features=3, out_features=1, bias=False)
)"""


@scripts.gives(NESTED)
def a_nested_net_as_text(lib):
    return repr(net(lib))


@scripts.gives("Net(\n  scale=2\n  (fc): Linear(in_features=1, out_features=1, bias=True)\n)")
def extra_text_beside_children(lib):
    class Net(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = lib.nn.Linear(1, 1)

        def extra_repr(self):
            return "scale=2"

    return repr(Net())


@scripts.gives("Net(\n  a=1\n  b=2\n)")
def extra_text_of_several_lines(lib):
    class Net(lib.nn.Module):
        def extra_repr(self):
            return "a=1\nb=2"

    return repr(Net())


@scripts.gives("Net()")
def no_text_at_all(lib):
    return repr(type("Net", (lib.nn.Module,), {})())


@scripts.gives("Net(\n  (child): None\n)")
def a_missing_child_as_text(lib):
    made = type("Net", (lib.nn.Module,), {})()
    made.child = lib.nn.ReLU()
    made.child = None
    return repr(made)


@scripts.gives(
    [
        "Net(\n  (a): Linear(in_features=1, out_features=1, bias=True)\n  (b): Linear(in_features=1, out_features=1, bias=True)\n)"
    ]
)
def a_shared_child_as_text(lib):
    made = type("Net", (lib.nn.Module,), {})()
    made.a = made.b = lib.nn.Linear(1, 1)
    return [repr(made)]


test_script = scripts.test()


def test_hooks_may_be_added_while_they_run():
    double = doubler(trainctl)
    double.register_forward_hook(lambda m, *_: m.register_forward_hook(lambda *_: None) and None)
    assert double(1.0) == 2.0
    assert double(1.0) == 2.0


def test_cuda_is_refused_before_anything_changes():
    made = mixed(trainctl)
    with pytest.raises(RuntimeError, match="device 'cuda' is not available"):
        made.cuda()
    assert made.weight.device.type == "cpu"


def test_a_subclass_of_a_layer_keeps_its_name():
    class Dense(nn.Linear):
        pass

    assert repr(Dense(1, 2)) == "Dense(in_features=1, out_features=2, bias=True)"
