"""A module's tensors by path, out and in: all of them or, where one does not fit, none."""

from __future__ import annotations

import collections
import copy

import pytest

import trainctl
from tests.scripts import Scripts
from trainctl import nn

scripts = Scripts()


def net(lib, value=0.0):
    """Return two layers and a buffer, all of one value."""
    made = lib.nn.Sequential(lib.nn.Linear(2, 3), lib.nn.ReLU(), lib.nn.Linear(3, 1, bias=False))
    made.register_buffer("count", lib.tensor(int(value)))
    made[0].register_buffer("cache", lib.ones(1), persistent=False)
    with lib.no_grad():
        for parameter in made.parameters():
            parameter.fill_(value)
    return made


def values(made):
    return [each.flatten()[0].item() for each in made.state_dict().values()]


@scripts.gives((["count", "0.weight", "0.bias", "2.weight"], [[], [3, 2], [3], [1, 3]], [False] * 4))
def paths_in_order(lib):
    state = net(lib).state_dict()
    return list(state), [each.shape for each in state.values()], [each.requires_grad for each in state.values()]


@scripts.gives((["net.count", "net.0.weight", "net.0.bias", "net.2.weight"], [False, True, True, True], True))
def prefix_and_keep_vars(lib):
    made = net(lib)
    kept = made.state_dict(keep_vars=True)
    return (
        list(made.state_dict(prefix="net.")),
        [v.requires_grad for v in kept.values()],
        kept["0.weight"] is made[0].weight,
    )


@scripts.gives((7.0, 7.0))
def a_state_dict_shares_memory(lib):
    made = net(lib)
    state = made.state_dict()
    with lib.no_grad():
        made[0].weight.fill_(7.0)
    return state["0.weight"][0, 0].item(), made.state_dict()["0.weight"][0, 0].item()


@scripts.gives((["a.weight", "b.weight"], True))
def shared_tensors_are_named_twice(lib):
    made = lib.nn.Module()
    made.a = made.b = lib.nn.Linear(1, 1, bias=False)
    state = made.state_dict()
    return list(state), state["a.weight"].data_ptr() == state["b.weight"].data_ptr()


@scripts.gives(([5.0] * 4, "<All keys matched successfully>", True, True))
def loading_copies(lib):
    made, source = net(lib), net(lib, 5.0)
    before = made[0].weight
    result = made.load_state_dict(source.state_dict())
    with lib.no_grad():
        source[0].weight.zero_()
    return [float(each) for each in values(made)], repr(result), made[0].weight is before, made[0].weight.requires_grad


@scripts.gives(([5, 5.0, 5.0, 5.0], "lib.float32"))
def loading_casts(lib):
    made = net(lib)
    made.load_state_dict(net(lib, 5.0).double().state_dict())
    return values(made), made[0].weight.dtype


@scripts.gives([9.0, 9.0])
def shared_tensors_are_loaded_once_or_twice(lib):
    made = lib.nn.Module()
    made.a = made.b = lib.nn.Linear(1, 1, bias=False)
    state = {"a.weight": lib.tensor([[8.0]]), "b.weight": lib.tensor([[9.0]])}
    made.load_state_dict(state)
    return [made.a.weight.item(), made.b.weight.item()]


@scripts.gives((["2.weight"], ["extra"], [0, 5.0, 5.0, 0.0]))
def loading_what_there_is(lib):
    made, state = net(lib), net(lib, 5.0).state_dict()
    del state["2.weight"], state["count"]
    state["extra"] = lib.ones(1)
    result = made.load_state_dict(state, strict=False)
    return [each for each in result.missing_keys if each != "count"], result.unexpected_keys, values(made)


@scripts.gives((["a"], ["b"], 2))
def the_result_is_a_pair(lib):
    made = lib.nn.Module()
    made.a = lib.nn.Parameter(lib.ones(1))
    missing, unexpected = result = made.load_state_dict({"b": lib.ones(1)}, strict=False)
    return missing, unexpected, len(result)


@scripts.gives((True, True, [True, True, True], "lib.float64", True))
def assigning_takes_the_tensors_over(lib):
    made, state = net(lib), net(lib, 5.0).double().state_dict()
    made.load_state_dict(state, assign=True)
    return (
        isinstance(made[0].weight, lib.nn.Parameter), made[0].weight.data_ptr() == state["0.weight"].data_ptr(),
        [p.requires_grad for p in made.parameters()], made[0].weight.dtype, made.count.data_ptr() == state["count"].data_ptr(),
    )  # fmt: skip


@scripts.gives([False, True])
def assigning_keeps_what_is_frozen_frozen(lib):
    made = net(lib)
    made[0].requires_grad_(False)
    made.load_state_dict(net(lib, 5.0).state_dict(), assign=True)
    return [made[0].weight.requires_grad, made[2].weight.requires_grad]


@scripts.gives([[1.0, 2.0], [1.0, 2.0]])
def any_mapping_will_do(lib):
    made = lib.nn.Module()
    made.w = lib.nn.Parameter(lib.zeros(2))
    found = []
    for kind in (dict, collections.OrderedDict):
        made.load_state_dict(kind(w=lib.tensor([1.0, 2.0])))
        found.append(made.w.tolist())
    return found


MESSAGE = """Error(s) in loading state_dict for Sequential:
	Unexpected key(s) in state_dict: "extra", "0.more".
	Missing key(s) in state_dict: "count", "2.weight".
	size mismatch for 0.bias: copying a param with shape lib.Size([4]) from checkpoint, the shape in current model is lib.Size([3])."""


@scripts.gives(MESSAGE)
def every_difference_is_listed(lib):
    state = net(lib).state_dict()
    del state["2.weight"], state["count"]
    state |= {"extra": lib.ones(1), "0.more": lib.ones(1), "0.bias": lib.ones(4)}
    with pytest.raises(RuntimeError) as caught:
        net(lib).load_state_dict(state)
    lines = [line.rstrip() for line in str(caught.value).split("\n")]
    return "\n".join([lines[0], *sorted(lines[1:], key=lambda line: "UMs".index(line[1]))])  # the order is not promised


@scripts.raises(RuntimeError, "size mismatch for 0.bias: copying a param with shape .* from checkpoint")
def a_shape_counts_even_where_keys_may_be_missing(lib):
    net(lib).load_state_dict({"0.bias": lib.ones(4)}, strict=False)


@scripts.raises(TypeError, "Expected state_dict to be dict-like, got <class 'list'>")
def what_is_no_mapping_is_refused(lib):
    net(lib).load_state_dict([])


@scripts.raises(
    RuntimeError, "While copying the parameter named \"0.bias\", expected .*Tensor.* but received <class 'list'>"
)
def what_is_no_tensor_is_refused(lib):
    net(lib).load_state_dict({**net(lib).state_dict(), "0.bias": [1.0]})


test_script = scripts.test()


# -- beyond PyTorch -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        lambda state: state.pop("2.weight"),
        lambda state: state.update(extra=trainctl.ones(1)),
        lambda state: state.update({"2.weight": trainctl.ones(2, 3)}),
        lambda state: state.update({"2.weight": 3.0}),
    ],
)
@pytest.mark.parametrize("assign", [False, True])
def test_an_error_leaves_everything_as_it_was(damage, assign):
    made, state = net(trainctl), net(trainctl, 5.0).state_dict()
    before = [(name, id(parameter)) for name, parameter in made.named_parameters()]
    damage(state)
    with pytest.raises(RuntimeError, match=r"Error\(s\) in loading state_dict for Sequential"):
        made.load_state_dict(state, assign=assign)
    assert values(made) == [0, 0.0, 0.0, 0.0]
    assert [(name, id(parameter)) for name, parameter in made.named_parameters()] == before


def test_loading_is_not_recorded_and_is_seen_by_the_version():
    made = net(trainctl)
    loss = made(trainctl.ones(1, 2)).sum()
    made.load_state_dict(net(trainctl, 5.0).state_dict())
    assert made[0].weight.is_leaf
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_a_deep_copy_of_the_state_restores_a_model():
    made = nn.Linear(2, 2)
    kept = copy.deepcopy(made.state_dict())
    with trainctl.no_grad():
        made.weight.zero_()
    made.load_state_dict(kept)
    assert trainctl.equal(made.weight, kept["weight"])
