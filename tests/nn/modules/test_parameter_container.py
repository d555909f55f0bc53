"""Lists and dicts of parameters keep other values, too, and behave as Python's own."""

from __future__ import annotations

from tests.scripts import Scripts

scripts = Scripts()


@scripts.gives([3, 1, "a", ["2"]])
def a_list_keeps_what_is_no_tensor(lib):
    kept = lib.nn.ParameterList([1, "a", lib.ones(2)])
    return [len(kept), kept[0], kept[-2], [name for name, _ in kept.named_parameters()]]


@scripts.gives(
    "ParameterList(\n    (0): Object of type: int\n    (1): Parameter containing: [lib.float32 of size 2x1]\n)"
)
def a_list_says_what_it_keeps(lib):
    return repr(lib.nn.ParameterList([1, lib.ones(2, 1)]))


@scripts.raises(RuntimeError, "ParameterList should not be called.")
def a_list_is_not_called(lib):
    lib.nn.ParameterList([])(1)


@scripts.raises(TypeError, "ParameterList.extend should be called with an iterable, but got Tensor")
def a_list_is_not_extended_by_a_tensor(lib):
    lib.nn.ParameterList([]).extend(lib.ones(2))


@scripts.gives([["a", "b"], ["b", "a"], 5, True, ["b"], ["b", "c"], 0])
def a_dict_behaves_as_python_s(lib):
    kept = lib.nn.ParameterDict({"a": lib.ones(1)})
    kept |= lib.nn.ParameterDict({"b": lib.zeros(1)})
    found = [[*kept], [*reversed(kept)], kept.get("z", 5), kept.setdefault("a") is kept["a"]]
    popped, _ = kept.pop("a"), kept.setdefault("c", lib.ones(3))
    found += [[name for name, _ in kept.items() if name != "c"], [*kept.copy().keys()]]
    kept.popitem()
    kept.clear()
    return [*found, len(kept)] if popped.requires_grad else []


@scripts.gives(["x", "y"])
def a_dict_from_keys(lib):
    return [*lib.nn.ParameterDict().fromkeys(["x", "y"], lib.ones(1)).state_dict()]


test_script = scripts.test()
