"""What hooks and subclasses may change about a module's state; what is in it besides tensors."""

from __future__ import annotations

import pytest

from tests.scripts import Scripts

scripts = Scripts()


@scripts.gives([["here", "a.weight", "a.bias"], True])
def a_dict_to_fill_and_a_prefix(lib):
    filled = {"here": None}
    same = lib.nn.Linear(1, 1).state_dict(destination=filled, prefix="a.") is filled
    return [[*filled], same]


@scripts.gives(["here", "a.weight", "a.bias"])
def options_by_position_are_deprecated(lib):
    with pytest.warns(FutureWarning, match="Positional args are being deprecated"):
        return [*lib.nn.Linear(1, 1).state_dict({"here": None}, "a.")]


@scripts.gives([["", 1], ["0", 1], ["1", 2]])
def versions_are_beside_the_tensors(lib):
    state = lib.nn.Sequential(lib.nn.Linear(1, 1), lib.nn.BatchNorm1d(1)).state_dict()
    return [[path, each["version"]] for path, each in state._metadata.items()]


@scripts.gives([["pre", "", False], ["post", "", ["weight", "bias"]]])
def hooks_around_state_dict(lib):
    seen, layer = [], lib.nn.Linear(1, 1)
    layer.register_state_dict_pre_hook(lambda m, prefix, keep_vars: seen.append(["pre", prefix, keep_vars]))
    layer.register_state_dict_post_hook(lambda m, state, prefix, meta: seen.append(["post", prefix, [*state]]))
    layer.state_dict()
    return seen


@scripts.gives([[2.0], "<All keys matched successfully>", [[[], []]]])
def a_hook_before_loading_may_rename(lib):
    seen, layer = [], lib.nn.Linear(1, 1, bias=False)

    def rename(module, state_dict, prefix, *rest):
        state_dict[prefix + "weight"] = state_dict.pop(prefix + "w")

    layer.register_load_state_dict_pre_hook(rename)
    layer.register_load_state_dict_post_hook(lambda m, keys: seen.append([keys.missing_keys, keys.unexpected_keys]))
    result = layer.load_state_dict({"w": lib.full((1, 1), 2.0)})
    return [layer.weight[0], repr(result), seen]


def counter(lib):
    class Counter(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.count = 1

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]

    return Counter()


@scripts.gives([["0._extra_state"], 7])
def extra_state_goes_out_and_in(lib):
    first, second = lib.nn.Sequential(counter(lib)), lib.nn.Sequential(counter(lib))
    first[0].count = 7
    second.load_state_dict(first.state_dict())
    return [[*first.state_dict()], second[0].count]


@scripts.raises(RuntimeError, 'Missing key.* "0._extra_state"')
def extra_state_must_be_there(lib):
    lib.nn.Sequential(counter(lib)).load_state_dict({})


@scripts.raises(RuntimeError, 'Unexpected key.* "_extra_state"')
def extra_state_must_be_wanted(lib):
    lib.nn.ReLU().load_state_dict({"_extra_state": 1})


@scripts.gives([["0.own", "0.weight"], [5.0]])
def a_subclass_may_save_and_load_its_own_way(lib):
    class Own(lib.nn.Linear):
        def _save_to_state_dict(self, destination, prefix, keep_vars):
            destination[prefix + "own"] = lib.full((1,), 5.0)
            super()._save_to_state_dict(destination, prefix, keep_vars)

        def _load_from_state_dict(self, state_dict, prefix, *rest):
            self.found = state_dict.pop(prefix + "own")
            super()._load_from_state_dict(state_dict, prefix, *rest)

    net = lib.nn.Sequential(Own(1, 1, bias=False))
    net.load_state_dict(net.state_dict())
    return [[*net.state_dict()], net[0].found]


@scripts.gives(4)
def a_count_saved_as_a_vector_is_loaded_as_a_number(lib):
    norm = lib.nn.BatchNorm1d(1)
    norm.load_state_dict({**norm.state_dict(), "num_batches_tracked": lib.tensor([4])})
    return norm.num_batches_tracked


@scripts.gives(["<All keys matched successfully>", 0])
def batch_norm_loads_files_older_than_its_count(lib):
    norm = lib.nn.BatchNorm1d(1)
    state = {key: each for key, each in norm.state_dict().items() if key != "num_batches_tracked"}
    return [repr(norm.load_state_dict(state)), norm.num_batches_tracked]


@scripts.raises(
    RuntimeError, r"Missing key\(s\) in state_dict: \"weight\". \n\tUnexpected key\(s\) in state_dict: \"w\". "
)
def missing_keys_are_named_before_unexpected_ones(lib):
    lib.nn.Linear(1, 1, bias=False).load_state_dict({"w": lib.zeros(1)})


test_script = scripts.test()
