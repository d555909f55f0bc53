"""Modules and parameters in order or by name."""

from __future__ import annotations

import collections
import operator

import pytest

import trainctl
from tests.scripts import Scripts
from trainctl import nn

scripts = Scripts()


def kinds(modules):
    return [type(each).__name__ for each in modules]


def three(lib, container="Sequential"):
    parts = [lib.nn.Linear(1, 2), lib.nn.ReLU(), lib.nn.Tanh()]
    return lib.nn.Sequential(*parts) if container == "Sequential" else lib.nn.ModuleList(parts)


@pytest.fixture(params=["Sequential", "ModuleList"])
def container(request):
    return request.param


for _container in ("Sequential", "ModuleList"):

    @scripts.gives((3, ["Linear", "ReLU", "Tanh"], ["0", "1", "2"], "Tanh", "Tanh", True, True))
    def read(lib, container=_container):
        made = three(lib, container)
        return (
            len(made),
            kinds(made),
            list(dict(made.named_children())),
            kinds([made[-1]])[0],
            kinds([made[2]])[0],
            made[0] in made,
            bool(made),
        )

    @scripts.gives((["ReLU", "Tanh"], _container, ["Linear", "Tanh"], ["Tanh", "ReLU", "Linear"][2:], 0))
    def slices(lib, container=_container):
        made = three(lib, container)
        part = made[1:]
        return kinds(part), type(part).__name__, kinds(made[::2]), kinds(made[:1]), len(made[3:])

    @scripts.gives(["Linear", "Sigmoid", "Tanh", "ReLU", "Identity", "Identity", "Identity"])
    def append_extend_insert(lib, container=_container):
        made = three(lib, container)
        made.append(lib.nn.Identity()).extend([lib.nn.Identity(), lib.nn.Identity()])
        made.insert(1, lib.nn.Sigmoid())
        made[2], made[3] = lib.nn.Tanh(), lib.nn.ReLU()
        return kinds(made)

    @scripts.gives((["Linear", "Tanh"], ["0", "1"], ["Tanh"], "Linear"))
    def deletion_renumbers(lib, container=_container):
        made = three(lib, container)
        del made[1]
        first = kinds(made), list(dict(made.named_children()))
        popped = made.pop(0)
        return *first, kinds(made), type(popped).__name__

    @scripts.gives((["Tanh"], ["ReLU", "Linear"]))
    def deleting_slices(lib, container=_container):
        made, other = three(lib, container), three(lib, container)
        del made[:2]
        del other[2:]
        return kinds(made), kinds(other)[::-1]

    @scripts.raises(IndexError, "index 3 is out of range")
    def an_index_too_large(lib, container=_container):
        three(lib, container)[3]

    @scripts.raises(IndexError, "index -4 is out of range")
    def an_index_too_negative(lib, container=_container):
        three(lib, container)[-4]

    @scripts.raises(TypeError, "int is not a Module subclass")
    def a_number_among_modules(lib, container=_container):
        three(lib, container).append(3)

    @scripts.gives((["Linear", "ReLU", "Tanh", "ReLU"], ["Linear", "ReLU", "Tanh", "Linear", "ReLU", "Tanh"]))
    def addition(lib, container=_container):
        made = three(lib, container)
        both = made + three(lib, container)
        made += [lib.nn.ReLU()] if container == "ModuleList" else lib.nn.Sequential(lib.nn.ReLU())
        return kinds(made), kinds(both)


# -- Sequential ---------------------------------------------------------------------------------------------------


@scripts.gives(([2.0, 0.0], 10.0))
def a_sequence_is_a_composition(lib):
    class Double(lib.nn.Module):
        def forward(self, x):
            return 2 * x

    made = lib.nn.Sequential(Double(), lib.nn.ReLU())
    return made(lib.tensor([1.0, -1.0])), lib.nn.Sequential()(10.0)


@scripts.gives((["first", "act"], "Linear", ["first"], "ReLU"))
def a_sequence_with_names(lib):
    made = lib.nn.Sequential(collections.OrderedDict(first=lib.nn.Linear(1, 1), act=lib.nn.ReLU()))
    return (
        [name for name, _ in made.named_children()],
        type(made.first).__name__,
        list(dict(made[:1].named_children())),
        type(made[1]).__name__,
    )


@scripts.gives(["a", "b", "2"])
def appending_to_a_sequence_with_names(lib):
    made = lib.nn.Sequential(collections.OrderedDict(a=lib.nn.ReLU(), b=lib.nn.ReLU()))
    made.append(lib.nn.Tanh())
    return [name for name, _ in made.named_children()]


@scripts.raises(TypeError, "(function|<lambda>) is not a Module subclass")
def a_function_in_a_sequence(lib):
    lib.nn.Sequential(lib.nn.ReLU(), lambda x: x)


@scripts.gives("Sequential(\n  (first): ReLU()\n  (2): Tanh()\n)")
def a_sequence_as_text(lib):
    made = lib.nn.Sequential(collections.OrderedDict(first=lib.nn.ReLU()))
    made.add_module("2", lib.nn.Tanh())
    return repr(made)


# -- ModuleList -----------------------------------------------------------------------------------------------------


@scripts.raises(NotImplementedError, r'Module \[ModuleList\] is missing the required "forward" function')
def a_list_is_not_called(lib):
    three(lib, "ModuleList")(1)


@scripts.gives((0, "ModuleList()"))
def an_empty_list(lib):
    return len(lib.nn.ModuleList()), repr(lib.nn.ModuleList())


@scripts.gives(
    "ModuleList(\n  (0-2): 3 x Linear(in_features=2, out_features=2, bias=True)\n  (3): ReLU()\n  (4): Linear(in_features=2, out_features=2, bias=True)\n)"
)
def equal_neighbours_are_counted(lib):
    linears = [lib.nn.Linear(2, 2) for _ in range(4)]
    return repr(lib.nn.ModuleList([*linears[:3], lib.nn.ReLU(), linears[3]]))


@scripts.gives(
    "ModuleList(\n  (0-1): 2 x Sequential(\n    (0): Linear(in_features=1, out_features=1, bias=True)\n    (1): ReLU()\n  )\n)"
)
def equal_blocks_are_counted(lib):
    return repr(lib.nn.ModuleList([lib.nn.Sequential(lib.nn.Linear(1, 1), lib.nn.ReLU()) for _ in range(2)]))


# -- ModuleDict -----------------------------------------------------------------------------------------------------


@scripts.gives((["a", "b"], 2, True, False, ["ReLU", "Tanh"], ["a", "b"], "Tanh", "ReLU"))
def a_dict_of_modules(lib):
    made = lib.nn.ModuleDict({"a": lib.nn.ReLU(), "b": lib.nn.Tanh()})
    return (
        list(made),
        len(made),
        "a" in made,
        "c" in made,
        kinds(made.values()),
        list(made.keys()),
        kinds([made["b"]])[0],
        kinds([made.a])[0],
    )


@scripts.gives((["b", "c", "d"], "ReLU", 0))
def changing_a_dict_of_modules(lib):
    made = lib.nn.ModuleDict([["a", lib.nn.ReLU()]])
    made["b"] = lib.nn.Tanh()
    made.update({"c": lib.nn.ReLU()})
    made.update([("d", lib.nn.ReLU())])
    popped = made.pop("a")
    names = [name for name, _ in made.items()]
    made.clear()
    return names, type(popped).__name__, len(made)


@scripts.raises(KeyError, "missing")
def a_module_that_is_not_in_the_dict(lib):
    lib.nn.ModuleDict()["missing"]


@scripts.raises(TypeError, "int is not a Module subclass")
def a_number_in_a_dict_of_modules(lib):
    lib.nn.ModuleDict({"a": 3})


@scripts.raises(KeyError, "attribute 'keys' already exists")
def a_name_that_the_dict_needs(lib):
    lib.nn.ModuleDict({"keys": lib.nn.ReLU()})


@scripts.gives("ModuleDict(\n  (a): ReLU()\n)")
def a_dict_of_modules_as_text(lib):
    return repr(lib.nn.ModuleDict({"a": lib.nn.ReLU()}))


# -- ParameterList --------------------------------------------------------------------------------------------------


@scripts.gives((3, ["0", "1", "2"], [True, True, True], [2], [3], [[1], [2]]))
def a_list_of_parameters(lib):
    made = lib.nn.ParameterList([lib.nn.Parameter(lib.ones(1)), lib.ones(2)])
    made.append(lib.ones(3))
    return (
        len(made), [name for name, _ in made.named_parameters()], [isinstance(each, lib.nn.Parameter) for each in made],
        made[1].shape, made[-1].shape, [each.shape for each in made[:2]],
    )  # fmt: skip


@scripts.gives((["layers.0", "layers.1"], [1.0, 1.0]))
def a_list_of_parameters_in_a_module(lib):
    class Net(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = lib.nn.ParameterList([lib.ones(1), lib.ones(1)])

        def forward(self):
            return sum(each.sum() for each in self.layers)

    made = Net()
    made().backward()
    return list(made.state_dict()), [each.grad.item() for each in made.parameters()]


@scripts.gives(([5], [1, 2]))
def changing_a_list_of_parameters(lib):
    made = lib.nn.ParameterList([lib.ones(3)])
    made[0] = lib.nn.Parameter(lib.ones(5))
    first = made[0].shape
    made = lib.nn.ParameterList([lib.ones(1)]).extend([lib.ones(2)])
    return first, [each.numel() for each in made]


@scripts.raises(IndexError, "index 1 is out of range")
def a_parameter_that_is_not_in_the_list(lib):
    lib.nn.ParameterList([lib.ones(1)])[1]


@scripts.gives(
    "ParameterList(\n    (0): Parameter containing: [lib.float32 of size 2]\n    (1): Parameter containing: [lib.float64 of size 2x3]\n)"
)
def a_list_of_parameters_as_text(lib):
    return repr(lib.nn.ParameterList([lib.ones(2), lib.ones(2, 3, dtype=lib.float64)]))


# -- ParameterDict --------------------------------------------------------------------------------------------------


@scripts.gives((["a", "b"], True, [2], 2, ["a", "b"], [True, True]))
def a_dict_of_parameters(lib):
    made = lib.nn.ParameterDict({"a": lib.ones(2)})
    made["b"] = lib.nn.Parameter(lib.ones(1))
    return (
        list(made),
        "a" in made,
        made["a"].shape,
        len(made),
        list(dict(made.named_parameters())),
        [isinstance(p, lib.nn.Parameter) for p in made.values()],
    )


@scripts.gives((["b", "c"], [1], []))
def changing_a_dict_of_parameters(lib):
    made = lib.nn.ParameterDict({"a": lib.ones(1), "b": lib.ones(1)})
    made.update({"c": lib.ones(1)})
    popped = made.pop("a")
    names = list(made.keys())
    made.clear()
    return names, popped.shape, [name for name, _ in made.items()]


@scripts.gives([["Tanh", "ReLU", "Tanh", "ReLU"], 2, ["Tanh", "ReLU", "GELU"]])
def sequences_are_repeated_and_joined(lib):
    pair = lib.nn.Sequential(lib.nn.Tanh(), lib.nn.ReLU())
    names = [type(each).__name__ for each in pair * 2]
    return [names, len(pair), [type(each).__name__ for each in pair + lib.nn.Sequential(lib.nn.GELU())]]


@scripts.raises(ValueError, "Non-positive multiplication factor 0")
def a_sequence_times_nothing(lib):
    lib.nn.Sequential(lib.nn.ReLU()) * 0


@scripts.raises(ValueError, "add operator supports only objects of Sequential class, but <class 'list'> is given")
def a_sequence_and_a_list(lib):
    operator.add(lib.nn.Sequential(lib.nn.ReLU()), [lib.nn.ReLU()])


@scripts.raises(IndexError, "Index out of range: 5")
def an_insertion_beyond_the_end(lib):
    lib.nn.Sequential(lib.nn.ReLU()).insert(5, lib.nn.ReLU())


@scripts.raises(ValueError, "ModuleDict update sequence element #0 has length 3; 2 is required")
def a_dict_from_triples(lib):
    lib.nn.ModuleDict([(1, 2, 3)])


test_script = scripts.test()


def test_a_sequence_of_ten_thousand_modules_is_called_without_recursion():
    made = nn.Sequential(*[nn.Identity() for _ in range(10_000)])
    assert made(1.0) == 1.0


def test_a_dict_of_parameters_as_text():
    made = nn.ParameterDict({"a": trainctl.ones(2), "b": trainctl.ones(())})
    lines = repr(made).splitlines()
    assert lines[1] == "    (a): Parameter containing: [trainctl.float32 of size 2]"
    assert len(lines) == 4
