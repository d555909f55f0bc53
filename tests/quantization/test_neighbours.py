"""Which module's output goes to which module alone."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from trainctl import nn
from trainctl.nn import functional as F
from trainctl.nn import structure
from trainctl.quantization.fuse import fuse_modules
from trainctl.quantization.neighbours import exclusive_pairs, fusable


class Net(nn.Module):
    """Two linear layers and an activation, called as ``run(self, x)`` says."""

    def __init__(self, run):
        super().__init__()
        self.a, self.act, self.b = nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3)
        self.run = run

    def forward(self, x):
        return self.run(self, x)


def residual(net, x):
    hidden = net.act(net.a(x))
    return net.b(hidden) + hidden


def twice_the_same(net, x):
    return net.act(net.b(net.act(net.a(x))))


def taken_twice(net, x):
    hidden = net.a(x)
    return net.b(net.act(hidden) + F.relu(hidden))


def functional_between(net, x):
    return net.b(F.relu(net.a(x)))


def in_place_after(net, x):
    hidden = net.a(x)
    hidden += 1
    return net.b(net.act(hidden))


def a_view_is_changed(net, x):
    hidden = net.a(x)
    hidden[0].mul_(2)
    return net.b(hidden)


def returned_too(net, x):
    hidden = net.a(x)
    return net.b(hidden), {"hidden": [hidden]}


def detached_copy_is_read(net, x):
    hidden = net.a(x)
    return net.b(hidden) + hidden.detach()


def read_in_python(net, x):
    hidden = net.a(x)
    return net.b(hidden) * float(hidden.numpy().max())


def weights_are_borrowed(net, x):
    return net.b(net.act(F.linear(net.a(x), net.b.weight)))


def by_keyword(net, x):
    return net.b(input=net.act(input=net.a(input=x)))


def through_a_list(net, x):
    outputs = [net.a(x)]
    return net.b(outputs.pop())


@pytest.mark.parametrize(
    ("run", "pairs"),
    [
        (residual, [("a", "act")]),
        (twice_the_same, []),
        (taken_twice, []),
        (functional_between, []),
        (in_place_after, [("act", "b")]),
        (a_view_is_changed, []),
        (returned_too, []),
        (detached_copy_is_read, []),
        (read_in_python, []),
        (weights_are_borrowed, []),
        (by_keyword, [("a", "act"), ("act", "b")]),
        (through_a_list, [("a", "b")]),
    ],
)
def test_pairs(run, pairs):
    assert exclusive_pairs(Net(run), trainctl.randn(2, 3)) == pairs


def convolutions():
    """A model of every structure that a config may have."""
    conv = nn.Conv2d
    layers = [
        conv(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True),
        structure.Residual([conv(4, 4, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(), conv(4, 4, 1)]),
        structure.Repeat(2, [structure.Sequential([conv(4, 4, 1), nn.ReLU()]) for _ in range(2)]),
        structure.Parallel([[conv(4, 2, 1), nn.ReLU()], [conv(4, 2, 1), nn.BatchNorm2d(2)], []]),
        nn.Identity(), nn.Flatten(), nn.Linear(8 * 16, 10), nn.BatchNorm1d(10), nn.ReLU(),
    ]  # fmt: skip
    return structure.Sequential(layers)


FUSED = [
    ["0", "1", "2"], ["3.layers.0", "3.layers.1", "3.layers.2"], ["4.0.0", "4.0.1"], ["4.1.0", "4.1.1"],
    ["5.branches.0.0", "5.branches.0.1"], ["5.branches.1.0", "5.branches.1.1"], ["8", "9", "10"],
]  # fmt: skip


def test_what_is_found_in_structures_can_be_fused():
    model, x = convolutions(), trainctl.randn(2, 1, 4, 4)
    model(x)
    groups = fusable(model, x)
    assert groups == FUSED
    assert fusable(model, x, is_qat=True) == [*FUSED[:-1], ["8", "9"]]
    wanted = model.eval()(x)
    np.testing.assert_allclose(fuse_modules(model, groups)(x).detach(), wanted.detach(), atol=1e-5)


def test_looking_changes_nothing():
    model, x = convolutions(), trainctl.randn(2, 1, 4, 4)
    model[3].eval()
    state = {key: each.clone() for key, each in model.state_dict().items()}
    modes, stream = [each.training for each in model.modules()], trainctl.get_rng_state()
    exclusive_pairs(model, x)
    assert [each.training for each in model.modules()] == modes
    assert all(trainctl.equal(each, state[key]) for key, each in model.state_dict().items())
    assert trainctl.equal(trainctl.get_rng_state(), stream)
    assert x.grad_fn is None


def test_an_error_in_the_model_leaves_it_as_it_was():
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(3, 2))
    with pytest.raises(RuntimeError):
        exclusive_pairs(model, trainctl.ones(1, 3))
    assert model.training
    assert exclusive_pairs(nn.Sequential(nn.Linear(3, 2), nn.ReLU()), trainctl.ones(1, 3)) == [("0", "1")]


def test_inputs_by_name_and_by_place():
    node = structure.Node
    graph = structure.Graph(
        {
            "left": node(["x"], [nn.Linear(2, 3), nn.ReLU()]),
            "right": node(["y"], [nn.Linear(2, 3)]),
            "both": node(["left", "right"], [nn.Linear(6, 2)], merge="cat"),
        },
        ["both"],
    )
    x = trainctl.randn(4, 2)
    left, right, both = "nodes.left.layers", "nodes.right.layers", "nodes.both"
    assert exclusive_pairs(graph, {"x": x, "y": x}) == [
        (f"{left}.0", f"{left}.1"), (f"{left}.1", both), (f"{right}.0", both)
    ]  # fmt: skip
    bilinear = nn.Bilinear(2, 2, 2)
    assert exclusive_pairs(bilinear, (x, x)) == []


def test_a_composite_module_is_one_end_of_a_pair():
    model = nn.Sequential(nn.Linear(3, 4), nn.TransformerEncoderLayer(4, 2, 4, batch_first=True), nn.Linear(4, 1))
    pairs = exclusive_pairs(model, trainctl.randn(2, 5, 3))
    assert ("0", "1") in pairs
    assert ("1.norm2", "2") in pairs
    assert not any("out_proj" in name for pair in pairs for name in pair)


def test_one_output_of_several_is_in_no_pair():
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.fc = nn.LSTM(3, 4, batch_first=True), nn.Linear(4, 1)

        def forward(self, x):
            return self.fc(self.lstm(x)[0])

    assert exclusive_pairs(Last(), trainctl.randn(2, 5, 3)) == []


def test_a_module_of_two_names_is_in_no_pair():
    shared = nn.Linear(3, 3)
    model = nn.Sequential(nn.Linear(3, 3), shared, nn.ReLU())
    model.also = nn.ModuleList([shared])
    model.forward = lambda x: model[2](model[1](model[0](x)))
    assert exclusive_pairs(model, trainctl.ones(1, 3)) == []


def test_a_module_that_hands_its_argument_on_is_told_from_what_made_it():
    class Shortcut(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.same, self.next = nn.Linear(3, 3), nn.Identity(), nn.Linear(3, 3)

        def forward(self, x):
            hidden = self.conv(x)
            kept = self.same(hidden)
            return self.next(hidden) + kept

    assert exclusive_pairs(Shortcut(), trainctl.ones(1, 3)) == []


@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        ([nn.Linear(3, 4), nn.BatchNorm1d(5)], (2, 5, 3)),  # the norm's channels are another dim
        ([nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2, track_running_stats=False)], (2, 1, 2, 2)),
        ([nn.Linear(3, 4), nn.Tanh()], (2, 3)),
        ([nn.ReLU(), nn.Linear(3, 4)], (2, 3)),
    ],
)
def test_what_cannot_be_fused(layers, shape):
    assert fusable(nn.Sequential(*layers), trainctl.randn(*shape)) == []


def test_a_norm_without_weights_is_folded_but_not_trained():
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2, affine=False))
    x = trainctl.randn(2, 1, 2, 2)
    assert fusable(model, x) == [["0", "1"]]
    assert fusable(model, x, is_qat=True) == []


def test_a_hook_between_layers_keeps_them_apart():
    model, x = nn.Sequential(nn.Linear(3, 3), nn.ReLU()), trainctl.ones(1, 3)
    with model[0].register_forward_hook(lambda *_: None):
        assert fusable(model, x) == []
    with model[0].register_forward_pre_hook(lambda *_: None):
        assert fusable(model, x) == [["0", "1"]]
    assert exclusive_pairs(model, x) == [("0", "1")]


def test_a_hook_that_reads_an_output_is_a_reader():
    model, x = nn.Sequential(nn.Linear(3, 3), nn.ReLU()), trainctl.ones(1, 3)
    with model[0].register_forward_hook(lambda module, args, output: output.mean() and None):
        assert exclusive_pairs(model, x) == []
