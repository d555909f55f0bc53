"""Lazy layers: sizes from the first batch, or from weights that are loaded."""

from __future__ import annotations

import copy
import pickle

import pytest

import trainctl
from tests.nn.modules.parity import drawn, outcome
from tests.scripts import Scripts
from trainctl import nn
from trainctl.nn.uninitialized import UninitializedBuffer, UninitializedParameter, is_lazy

scripts = Scripts()

KINDS = {
    "LazyLinear": ((4,), (2, 3)), "LazyConv1d": ((4, 2), (2, 3, 5)), "LazyConv2d": ((4, 2, 2), (2, 3, 5, 4)), "LazyConv3d": ((4, 2), (1, 3, 3, 4, 3)), "LazyConvTranspose1d": ((4, 2), (2, 3, 5)),
    "LazyConvTranspose2d": ((4, 2, 2), (2, 3, 5, 4)), "LazyConvTranspose3d": ((4, 2), (1, 3, 3, 4, 3)), "LazyBatchNorm1d": ((), (2, 3, 4)), "LazyBatchNorm2d": ((), (2, 3, 4, 2)), "LazyBatchNorm3d": ((), (2, 3, 2, 2, 2)),
    "LazyInstanceNorm1d": ((), (2, 3, 4)), "LazyInstanceNorm2d": ((), (2, 3, 4, 2)), "LazyInstanceNorm3d": ((), (2, 3, 2, 2, 2)),
}  # fmt: skip


def ones(lib, module):
    """Set every parameter to 1, for the two libraries draw differently."""
    with lib.no_grad():
        for parameter in module.parameters():
            parameter.fill_(1.0)
    return module


for _name, (_arguments, _shape) in KINDS.items():

    @scripts.agrees(rtol=1e-6)
    def the_first_batch_gives_the_sizes(lib, name=_name, arguments=_arguments, shape=_shape):
        module = getattr(lib.nn, name)(*arguments, dtype=lib.float64)
        before = repr(module), list(module.state_dict()), [repr(each) for each in module.parameters()]
        module(drawn(lib, *shape))
        ones(lib, module).eval()
        return before, type(module).__name__, outcome(module, [drawn(lib, *shape, seed=2)]), module.weight.dtype

    if "Instance" in _name:  # PyTorch's forgets num_features there
        continue

    @scripts.agrees(rtol=1e-5, atol=1e-6)
    def weights_that_are_loaded_give_the_sizes(lib, name=_name, arguments=_arguments, shape=_shape):
        source = getattr(lib.nn, name)(*arguments)
        source(drawn(lib, *shape).float())
        ones(lib, source)
        module = lib.nn.Sequential(getattr(lib.nn, name)(*arguments))
        module.load_state_dict({f"0.{key}": value for key, value in source.state_dict().items()})
        shapes = [each.shape for each in module.parameters()]
        return shapes, outcome(module.eval(), [drawn(lib, *shape).float().detach()])[0]


@scripts.agrees()
def options_of_the_plain_class(lib):
    nn = lib.nn
    layers = [
        nn.LazyConv2d(6, 3, stride=2, padding=1, dilation=2, groups=3, bias=False, padding_mode="reflect"), nn.LazyConvTranspose2d(4, 3, 2, 1, 1, 1, False, 2), nn.LazyBatchNorm2d(1e-3, None, False, True), nn.LazyBatchNorm2d(track_running_stats=False, bias=False),
        nn.LazyInstanceNorm2d(affine=False), nn.LazyLinear(2, bias=False),
    ]  # fmt: skip
    first = [repr(each) for each in layers]
    shapes = [layer(lib.ones(1, 6, 7, 7)).shape for layer in layers]
    return first, shapes, [repr(each) for each in layers], [list(each.state_dict()) for each in layers]


@scripts.raises(ValueError, "Attempted to use an uninitialized parameter")
def an_op_on_a_parameter_without_a_size(lib):
    lib.nn.LazyLinear(2).weight + 1


@scripts.raises(ValueError, "Attempted to use an uninitialized parameter")
def counting_parameters_without_a_size(lib):
    sum(each.numel() for each in lib.nn.LazyLinear(2).parameters())


@scripts.raises(RuntimeError, "Can't access the shape of an uninitialized parameter or buffer")
def the_shape_of_a_parameter_without_one(lib):
    _ = lib.nn.LazyConv2d(2, 3).weight.shape


@scripts.raises(RuntimeError, "Can't access the shape of an uninitialized parameter or buffer")
def nothing_loaded_into_something(lib):
    lib.nn.Linear(3, 2).load_state_dict(lib.nn.LazyLinear(2).state_dict())


@scripts.raises(ValueError, "in_channels must be divisible by groups")
def channels_that_groups_do_not_divide(lib):
    lib.nn.LazyConv1d(4, 1, groups=2)(lib.ones(1, 3, 4))


@scripts.raises(RuntimeError, r"Expected 3D .unbatched. or 4D .batched. input to LazyConv2d, but got.*2, 3")
def an_input_of_other_dims(lib):
    lib.nn.LazyConv2d(4, 1)(lib.ones(2, 3))


@scripts.raises(ValueError, "expected 4D input .got 3D input")
def a_norm_s_input_of_other_dims(lib):
    lib.nn.LazyBatchNorm2d()(lib.ones(1, 3, 4))


@scripts.gives([True, "lib.float64", [2, 3], False])
def loading_what_has_no_size_either_changes_nothing(lib):
    one, other = lib.nn.LazyLinear(2), lib.nn.LazyLinear(2)
    one.load_state_dict(other.state_dict())
    lazy = one.has_uninitialized_params()
    one.double()
    one(lib.ones(1, 3, dtype=lib.float64))
    return [lazy, one.weight.dtype, one.weight.shape, other.weight is one.weight]


@scripts.gives([[4, 3], [4], [2, 4], True])
def a_model_of_lazy_layers(lib):
    model = lib.nn.Sequential(lib.nn.LazyLinear(4), lib.nn.ReLU(), lib.nn.LazyLinear(2))
    model(lib.ones(5, 3)).sum().backward()
    parameters = list(model.parameters())
    return [*(each.shape for each in parameters[:3]), all(each.grad is not None for each in parameters)]


test_script = scripts.test()


def test_initial_weights_are_those_of_the_plain_class():
    trainctl.manual_seed(0)
    lazy = nn.LazyConv2d(4, 3)
    lazy(trainctl.ones(1, 5, 4, 4))
    trainctl.manual_seed(0)
    plain = nn.Conv2d(5, 4, 3)
    assert trainctl.equal(lazy.weight, plain.weight)
    assert trainctl.equal(lazy.bias, plain.bias)


def test_after_loading_the_layer_knows_its_sizes():
    layer = nn.LazyConvTranspose2d(4, 3, groups=2)
    layer.load_state_dict(nn.ConvTranspose2d(6, 4, 3, groups=2).state_dict())
    layer(trainctl.ones(1, 6, 4, 4))
    assert layer.in_channels == 6
    norm = nn.LazyBatchNorm1d()
    norm.load_state_dict(nn.BatchNorm1d(3).state_dict())
    norm(trainctl.ones(2, 3))
    assert norm.num_features == 3


def test_an_optimizer_may_hold_a_parameter_before_it_has_a_size():
    layer = nn.LazyLinear(2)
    optimizer = trainctl.optim.SGD(layer.parameters(), lr=1.0)
    layer(trainctl.ones(1, 3)).sum().backward()
    before = layer.bias.detach().clone()
    optimizer.step()
    assert trainctl.equal(layer.bias, before - 1)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_copies_get_sizes_of_their_own(copied):
    layer = nn.LazyLinear(2)
    twin = copied(layer)
    twin(trainctl.ones(1, 3))
    assert twin.weight.shape == (2, 3)
    assert is_lazy(layer.weight)


def test_frozen_before_it_has_a_size():
    layer = nn.LazyLinear(2).requires_grad_(False)
    layer(trainctl.ones(1, 3))
    assert not layer.weight.requires_grad


def test_a_lazy_module_of_one_s_own():
    class Scale(nn.modules.lazy.LazyModuleMixin, nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = UninitializedParameter()
            self.register_buffer("seen", UninitializedBuffer())

        def initialize_parameters(self, x):
            if self.has_uninitialized_params():
                self.scale.materialize(x.shape[1:])
                self.seen.materialize((1,), dtype=trainctl.int64)
                nn.init.ones_(self.scale)

        def forward(self, x):
            return x * self.scale

    module = Scale()
    assert module(trainctl.ones(2, 3)).tolist() == module(trainctl.ones(2, 3)).tolist() == [[1.0] * 3] * 2
    assert module.seen.dtype is trainctl.int64
    assert isinstance(module.scale, nn.Parameter)


def test_one_that_leaves_a_parameter_without_a_size():
    class Forgetful(nn.modules.lazy.LazyModuleMixin, nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = UninitializedParameter()

        def initialize_parameters(self, x):
            pass

    with pytest.raises(RuntimeError, match="Forgetful has not been fully initialized"):
        Forgetful()(trainctl.ones(1))
