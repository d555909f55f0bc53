"""What a module owns: assignment registers, paths find, and every member has one name."""

from __future__ import annotations

import pytest

import trainctl
from tests.scripts import Scripts, load
from trainctl import nn

scripts = Scripts()


def module(lib, **members):
    """Return a module with these members, assigned in order."""
    made = lib.nn.Module()
    for name, value in members.items():
        setattr(made, name, value)
    return made


def parameter(lib, *sizes):
    return lib.nn.Parameter(lib.ones(*sizes or (1,)))


def nested(lib):
    """Return outer(inner(leaf: weight, running), bias)."""
    inner = module(lib, leaf=module(lib, weight=parameter(lib, 2)))
    inner.leaf.register_buffer("running", lib.zeros(3))
    return module(lib, bias=parameter(lib), inner=inner)


# -- registration -----------------------------------------------------------------------------------------------


@scripts.gives((["w"], ["child"], ["b"], [1, "text"]))
def assignment_registers_by_type(lib):
    made = module(lib, w=parameter(lib), child=lib.nn.Module(), b=lib.nn.Buffer(lib.ones(1)), number=1, text="text")
    return list(made._parameters), list(made._modules), list(made._buffers), [made.number, made.text]


@scripts.gives(([], [], 1.0))
def a_plain_tensor_is_no_member(lib):
    made = module(lib, t=lib.ones(1))
    return list(made._parameters), list(made._buffers), made.t.item()


@scripts.gives((["b", "w"], [], []))
def a_parameter_takes_a_name_over(lib):
    made = module(lib, w=lib.nn.Module(), b=lib.nn.Buffer(lib.ones(1)))
    made.b = parameter(lib)
    made.w = parameter(lib)
    return list(made._parameters), list(made._modules), list(made._buffers)


@scripts.raises(TypeError, r"cannot assign '(torch.nn.modules.module.)?Module' as parameter 'w'")
def a_module_does_not_replace_a_parameter(lib):
    module(lib, w=parameter(lib)).w = lib.nn.Module()


@scripts.raises(TypeError, r"cannot assign '\S+' as child module 'w'")
def a_buffer_does_not_replace_a_module(lib):
    module(lib, w=lib.nn.Module()).w = lib.nn.Buffer(lib.ones(1))


@scripts.gives((["w"], "Parameter"))
def a_parameter_replaces_a_plain_attribute(lib):
    made = module(lib, w=3)
    made.w = parameter(lib)
    return list(dict(made.named_parameters())), type(made.w).__name__


@scripts.gives(([None], 0, [None], 0, ["w"]))
def none_keeps_the_name(lib):
    made = module(lib, w=parameter(lib), child=lib.nn.Module())
    made.w = None
    made.child = None
    return [made.w], len(list(made.parameters())), [made.child], len(list(made.children())), list(made._parameters)


@scripts.gives((["b"], [5.0], None))
def a_buffer_takes_plain_tensors(lib):
    made = lib.nn.Module()
    made.register_buffer("b", lib.ones(1))
    made.b = lib.tensor([5.0])
    names, value = list(dict(made.named_buffers())), made.b.tolist()
    made.b = None
    return names, value, made.b


@scripts.gives([True, False, False, False])
def deletion_unregisters(lib):
    made = module(lib, w=parameter(lib), child=lib.nn.Module(), plain=1)
    made.register_buffer("b", lib.ones(1), persistent=False)
    before = hasattr(made, "w")
    del made.w, made.child, made.plain, made.b
    return [before, hasattr(made, "w"), bool(made._modules), hasattr(made, "b")]


@scripts.raises(AttributeError, "'Module' object has no attribute 'missing'")
def an_attribute_that_is_not_there(lib):
    _ = lib.nn.Module().missing


@scripts.raises(AttributeError, "missing")
def deleting_what_is_not_there(lib):
    del lib.nn.Module().missing


@scripts.raises(AttributeError, r"cannot assign module before Module.__init__\(\) call")
def a_module_before_init(lib):
    class Early(lib.nn.Module):
        def __init__(self):
            self.child = lib.nn.Linear(1, 1)

    Early()


@scripts.raises(AttributeError, r"cannot assign parameters? before Module.__init__\(\) call")
def a_parameter_before_init(lib):
    class Early(lib.nn.Module):
        def __init__(self):
            self.weight = parameter(lib)

    Early()


@scripts.gives((3, 4))
def plain_attributes_may_come_before_init(lib):
    class Early(lib.nn.Module):
        def __init__(self):
            self.size = 3
            super().__init__()
            self.other = 4

    return Early().size, Early().other


@scripts.raises(
    TypeError, r"cannot assign '(torch\.FloatTensor|Tensor)' as parameter 'w' \(\S+nn.Parameter or None expected\)"
)
def a_tensor_assigned_to_a_parameter_s_name(lib):
    module(lib, w=parameter(lib)).w = lib.ones(1)


@scripts.raises(TypeError, r"cannot assign 'int' as child module 'child' \(\S+nn.Module or None expected\)")
def a_number_assigned_to_a_module_s_name(lib):
    module(lib, child=lib.nn.Module()).child = 3


@scripts.raises(TypeError, "cannot assign 'str' .*buffer 'b'")
def a_string_assigned_to_a_buffer_s_name(lib):
    made = lib.nn.Module()
    made.register_buffer("b", lib.ones(1))
    made.b = "text"


REGISTER = {
    "parameter": lambda lib, made, name: made.register_parameter(name, parameter(lib)),
    "buffer": lambda lib, made, name: made.register_buffer(name, lib.ones(1)),
    "module": lambda lib, made, name: made.add_module(name, lib.nn.Module()),
}


@pytest.mark.parametrize("kind", REGISTER)
@pytest.mark.parametrize(
    ("name", "error", "text"),
    [("", KeyError, r"can\\?'t be empty"), ("a.b", KeyError, r"\."), ("taken", KeyError, "attribute 'taken' already exists"),
     (3, TypeError, "should be a string"), ("forward", KeyError, "attribute 'forward' already exists")],
)  # fmt: skip
@pytest.mark.parametrize("library", ["trainctl", "torch"])
def test_names_that_cannot_be_registered(kind, name, error, text, library):
    lib = load(library)
    made = module(lib, taken=1)
    with pytest.raises(error, match=text):
        REGISTER[kind](lib, made, name)


@scripts.raises(
    TypeError,
    r"cannot assign '(torch\.FloatTensor|Tensor)' object to parameter 'w' \(\S*nn.Parameter or None required\)",
)
def registering_a_tensor_as_a_parameter(lib):
    lib.nn.Module().register_parameter("w", lib.ones(1))


@scripts.raises(ValueError, "Cannot assign non-leaf Tensor to parameter 'w'")
def registering_an_inner_tensor_as_a_parameter(lib):
    inner = lib.nn.Parameter(lib.ones(1)) * 2
    inner.__class__ = lib.nn.Parameter
    lib.nn.Module().register_parameter("w", inner)


@scripts.raises(TypeError, r"cannot assign 'int' object to buffer 'b' \((torch |trainctl )?Tensor or None required\)")
def registering_a_number_as_a_buffer(lib):
    lib.nn.Module().register_buffer("b", 3)


@scripts.raises(TypeError, "is not a Module subclass")
def registering_a_function_as_a_module(lib):
    lib.nn.Module().add_module("m", print)


@scripts.raises(AttributeError, r"before Module.__init__\(\) call")
def registering_before_init(lib):
    class Early(lib.nn.Module):
        def __init__(self):
            self.register_buffer("b", lib.ones(1))

    Early()


@scripts.gives((["b", "p"], ["b"]))
def a_buffer_s_persistence(lib):
    made = lib.nn.Module()
    made.register_buffer("b", lib.ones(1))
    made.register_buffer("p", lib.ones(1), persistent=False)
    return [name for name, _ in made.named_buffers()], list(made.state_dict())


@scripts.gives((["b", "p"], ["b"], ["b", "p"]))
def a_buffer_object_carries_its_persistence(lib):
    made = module(lib, b=lib.nn.Buffer(lib.ones(1)), p=lib.nn.Buffer(lib.ones(1), persistent=False))
    first = [name for name, _ in made.named_buffers()], list(made.state_dict())
    made.p = lib.nn.Buffer(lib.ones(1))
    return *first, list(made.state_dict())


# -- walking ----------------------------------------------------------------------------------------------------


@scripts.gives((["bias", "inner.leaf.weight"], ["bias"], ["net.bias", "net.inner.leaf.weight"], 3))
def named_parameters(lib):
    made = nested(lib)
    names = [name for name, _ in made.named_parameters()]
    own = [name for name, _ in made.named_parameters(recurse=False)]
    return (
        names,
        own,
        [name for name, _ in made.named_parameters(prefix="net")],
        sum(p.numel() for p in made.parameters()),
    )


@scripts.gives((["", "inner", "inner.leaf"], ["inner"], ["x", "x.inner", "x.inner.leaf"], 3, 1))
def named_modules_and_children(lib):
    made = nested(lib)
    return (
        [name for name, _ in made.named_modules()], [name for name, _ in made.named_children()],
        [name for name, _ in made.named_modules(prefix="x")], len(list(made.modules())), len(list(made.children())),
    )  # fmt: skip


@scripts.gives((["inner.leaf.running"], [], [[0.0, 0.0, 0.0]]))
def named_buffers(lib):
    made = nested(lib)
    own = [name for name, _ in made.named_buffers(recurse=False)]
    return [name for name, _ in made.named_buffers()], own, [each.tolist() for each in made.buffers()]


@scripts.gives(
    (["a.weight", "a.bias"], ["a.weight", "a.bias", "b.weight", "b.bias"], ["", "a"], ["", "a", "b"], ["a"], 2)
)
def a_shared_module_is_met_once(lib):
    layer = lib.nn.Linear(1, 1)
    made = module(lib, a=layer, b=layer)
    return (
        [name for name, _ in made.named_parameters()],
        [name for name, _ in made.named_parameters(remove_duplicate=False)],
        [name for name, _ in made.named_modules()],
        [name for name, _ in made.named_modules(remove_duplicate=False)],
        [name for name, _ in made.named_children()],
        len(list(made.parameters())),
    )


@scripts.gives((["a", "child.c"], ["a", "b", "child.c", "child.d"], 2))
def a_shared_parameter_is_met_once(lib):
    w, v = parameter(lib), parameter(lib)
    made = module(lib, a=w, b=w, child=module(lib, c=v, d=v))
    once = [name for name, _ in made.named_parameters()]
    return once, [name for name, _ in made.named_parameters(remove_duplicate=False)], len(list(made.parameters()))


@scripts.gives((True, True, [2], True, 3))
def members_by_path(lib):
    made = nested(lib)
    return (
        made.get_submodule("inner.leaf") is made.inner.leaf, made.get_submodule("") is made,
        made.get_parameter("inner.leaf.weight").shape, made.get_parameter("bias") is made.bias,
        made.get_buffer("inner.leaf.running").numel(),
    )  # fmt: skip


@scripts.raises(AttributeError, "outer|no attribute|no submodule")
def a_submodule_that_is_not_there(lib):
    nested(lib).get_submodule("inner.outer")


@scripts.raises(AttributeError, "bias")
def a_parameter_is_no_submodule(lib):
    nested(lib).get_submodule("bias")


@scripts.raises(AttributeError, "inner")
def a_module_is_no_parameter(lib):
    nested(lib).get_parameter("inner")


@scripts.raises(AttributeError, "weight")
def a_parameter_is_no_buffer(lib):
    nested(lib).get_buffer("inner.leaf.weight")


@scripts.gives(["Identity", "ReLU"])
def a_submodule_is_replaced_by_its_path(lib):
    net = lib.nn.Sequential(lib.nn.Sequential(lib.nn.Tanh()))
    net.set_submodule("0.0", lib.nn.Identity())
    net.set_submodule("0.new", lib.nn.ReLU())
    return [type(net[0][0]).__name__, type(net[0].new).__name__]


@scripts.raises(AttributeError, "Sequential has no attribute `new`")
def a_strict_replacement_of_what_is_not_there(lib):
    lib.nn.Sequential().set_submodule("new", lib.nn.ReLU(), strict=True)


@scripts.raises(ValueError, "Cannot set the submodule without a target name!")
def a_replacement_of_the_module_itself(lib):
    lib.nn.Sequential().set_submodule("", lib.nn.ReLU())


@scripts.raises(AttributeError, "`running_mean` is not an nn.Parameter")
def a_buffer_is_no_parameter(lib):
    lib.nn.BatchNorm1d(1).get_parameter("running_mean")


@scripts.raises(AttributeError, "`weight` is not a buffer")
def a_parameter_of_a_norm_is_no_buffer(lib):
    lib.nn.BatchNorm1d(1).get_buffer("weight")


@scripts.raises(TypeError, r"Identifier.__init__\(\) takes 1 positional argument but 2 were given")
def arguments_that_nobody_takes(lib):
    class Identifier(lib.nn.Module):
        def __init__(self, name):
            super().__init__(name)

    Identifier("x")


@scripts.gives([None, True])
def a_deep_copy_has_no_gradient(lib):
    import copy

    layer = lib.nn.Linear(1, 1)
    layer(lib.ones(1)).sum().backward()
    made = copy.deepcopy(layer)
    return [made.weight.grad, made.weight.requires_grad]


@scripts.gives([True, [0.0]])
def gradients_are_set_to_zero_where_they_are(lib):
    layer = lib.nn.Linear(1, 1)
    layer(lib.ones(1)).sum().backward()
    grad = layer.bias.grad
    layer.zero_grad(set_to_none=False)
    return [layer.bias.grad is grad, grad]


test_script = scripts.test()


def test_members_are_listed_for_completion():
    made = module(trainctl, weight=parameter(trainctl), child=nn.Module())
    assert {"weight", "child", "forward", "parameters"} <= set(dir(made))


def test_iterating_over_parameters_again_starts_again():
    made = nested(trainctl)
    assert [p.shape for p in made.parameters()] == [p.shape for p in made.parameters()]


def test_a_module_that_contains_itself_is_walked_once():
    made = nn.Module()
    made.child = nn.Linear(1, 1)
    made.child.parent = made
    assert [name for name, _ in made.named_parameters()] == ["child.weight", "child.bias"]
