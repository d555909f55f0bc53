"""Models that are more than a chain: what they become, and what is said where they do not fit."""

from __future__ import annotations

import re

import pytest

import trainctl
from tests.build.made import made
from trainctl.build import build, check
from trainctl.config import config_from_yaml
from trainctl.data.spec import ArraySpec
from trainctl.errors import ConfigError

BLOCKS = """\
blocks:
  conv:
    parameters: [channels, stride: 1, act: ReLU]
    layers:
      - Conv2d: {out_channels: $channels, kernel_size: 3, stride: $stride, padding: 1}
      - $act
  two:
    parameters: [channels]
    layers: [{conv: {channels: $channels}}, {conv: {channels: $channels, stride: 2, act: {ELU: {alpha: 0.5}}}}]
"""
REST = """\
name: test
data: {dataset: Made}
loss: MSELoss
optimizer: SGD
train: {epochs: 1}
"""


@pytest.fixture(autouse=True)
def images(monkeypatch):
    """Images of two channels, 8 x 8, and as many targets."""
    made(monkeypatch, ArraySpec((2, 8, 8)), ArraySpec((2, 8, 8)))


def load(model: str, blocks: str = ""):
    return config_from_yaml(f"{REST}{blocks}model:\n{model}\n", "c.yaml")


def problems(model: str, blocks: str = "") -> list[tuple[str, str, str | None]]:
    with pytest.raises(ConfigError) as caught:
        check(load(model, blocks))
    return [(f"{each.line}:{each.column}", each.message, each.hint) for each in caught.value.problems]


CONV = "{Conv2d: {out_channels: 2, kernel_size: 1}}"
MODELS = {
    f"  - Repeat: {{times: 2, layers: [{CONV}, ReLU]}}": ["0.0.0", "0.1.0"],
    f"  - Sequential: {{layers: [{CONV}]}}": ["0.0"],
    f"  - Residual: {{layers: [{CONV}]}}": ["0.layers.0"],
    f"  - Residual: {{layers: [ReLU], shortcut: [{CONV}]}}": ["0.shortcut.0"],
    f"  - Parallel: {{branches: [[{CONV}], []]}}\n  - {CONV}": ["0.branches.0.0", "1"],
    f"  - Parallel: {{branches: [[ReLU, {CONV}], [], [Tanh]], merge: sum}}": ["0.branches.0.1"],
    f"  - Parallel: {{branches: [[{CONV}], [Sigmoid]], merge: mul}}": ["0.branches.0.0"],
    "  - conv: {channels: 3}\n  - conv: {channels: 2, act: Tanh}": ["0.0", "1.0"],
    "  - two: {channels: 2}\n  - Upsample: {scale_factor: 2}": ["0.0.0", "0.1.0"],
    "  conv: {channels: 2}": ["0"],
    f"  a: {{from: input, layers: [{CONV}]}}\n  b: {{from: [a, input], merge: mean}}": ["nodes.a.layers.0"],
}


@pytest.mark.parametrize("model", MODELS)
def test_every_form_trains_and_reads_back(model):
    loaded = load(model, BLOCKS)
    again = config_from_yaml(loaded.to_yaml(), "again.yaml")
    assert again.config == loaded.config
    assert check(again) == check(loaded)
    experiment = build(loaded)
    keys = {name.rpartition(".")[0] for name in experiment.model.state_dict()}
    assert keys == set(MODELS[model])
    batch = trainctl.randn(3, 2, 8, 8)
    experiment.loss(experiment.model(batch), batch).backward()
    assert all(each.grad is not None for each in experiment.model.parameters())
    assert check(loaded).parameters == sum(each.numel() for each in experiment.model.parameters())


def test_each_time_of_a_repeat_has_weights_and_sizes_of_its_own():
    loaded = load("  - Repeat: {times: 3, layers: [{Conv2d: {out_channels: 2, kernel_size: 1}}]}")
    model = build(loaded).model
    assert not trainctl.equal(model[0][0][0].weight, model[0][1][0].weight)
    assert [row.path for row in check(loaded).layers] == [f"model.0.Repeat.{time}.0" for time in range(3)]


def test_what_a_residual_and_a_parallel_compute():
    model = "  - Residual: {layers: [ReLU]}\n  - Parallel: {branches: [[Tanh], []], merge: mean}\n  - PReLU"
    net, x = build(load(model)).model, trainctl.randn(1, 2, 8, 8)
    y = x + trainctl.relu(x)
    assert trainctl.equal(net[1](net[0](x)), (y.tanh() + y) / 2)


MISTAKES = [
    ("  - Residual:\n      layers: [{Conv2d: {out_channels: 4, kernel_size: 3, stride: 2, padding: 1}}]",
     [("7:5", "model.0: Residual: its layers make [N, 4, 4, 4] of [N, 2, 8, 8], and the two are to be added",
       "write `shortcut: [{Conv2d: {out_channels: 4, kernel_size: 1, stride: 2}}]`")]),
    ("  - Flatten\n  - Residual: {layers: [{Linear: {out_features: 5}}]}",
     [("8:5", "model.1: Residual: its layers make [N, 5] of [N, 128], and the two are to be added",
       "write `shortcut: [{Linear: {out_features: 5}}]`")]),
    ("  - Residual: {layers: [Flatten], shortcut: [ReLU]}",
     [("7:5", "model.0: Residual: its layers make [N, 128], its shortcut [N, 2, 8, 8]", "both have to make the same shape")]),
    ("  - Parallel: {branches: [[Flatten], []]}",
     [("7:5", "model.0: Parallel: merge: cat takes shapes that are equal but for dim 1, got [N, 128], [N, 2, 8, 8]", None)]),
    ("  - Parallel: {branches: [[ReLU], []], dim: 0}",
     [("7:5", "model.0: Parallel: merge: cat along dim 0 of [N, 2, 8, 8], [N, 2, 8, 8]",
       "write a dim from 1 to 3; 0 is the batch")]),
    ("  - Parallel: {branches: [[AvgPool2d: {kernel_size: 2}], []], merge: sum}",
     [("7:5", "model.0: Parallel: merge: sum takes equal shapes, got [N, 2, 4, 4], [N, 2, 8, 8]",
       "write `merge: cat`, or make the shapes equal")]),
    ("  - Parallel: {branches: []}", [("7:5", "model.0: Parallel: expected at least one branch", None)]),
    ("  - ReLU\n  - Sequential:\n      layers:\n        - Tanh\n        - Linear: {in_features: 7, out_features: 2}",
     [("11:33", "model.1.Sequential.layers.1: Linear(in_features=7) does not fit its input [N, 2, 8, 8] "
       "from model.1.Sequential.layers.0 (Tanh): expected in_features 8, got 7",
       "write `in_features: 8`, or leave in_features out")]),
    ("  - Repeat: {times: 0, layers: [ReLU]}",
     [("7:21", "model.0.Repeat.times: expected an integer >= 1, got 0 (an integer)", None)]),
    ("  - Repeat: {times: 1000000000, layers: [ReLU]}", [("7:42", "model.0.Repeat.layers.0: over 3000 layers; this is no config", None)]),
        ("  - Repeat: {times: 1000000000, layers: []}", [("7:5", "model.0: over 3000 layers; this is no config", None)]),
    ("  - Sequential: [ReLU]",
     [("7:17", "model.0.Sequential: expected arguments by name, got ['ReLU'] (a list)", "write `Sequential: {layers: [...]}`")]),
    ("  - Residual: {layers: [ReLu, Conv2d: {out_channels: x}]}",
     [("7:25", "model.0.Residual.layers.0: unknown layer 'ReLu'", "did you mean 'ReLU'?"),
      ("7:31", "model.0.Residual.layers.1.Conv2d: missing argument 'kernel_size'", "add `kernel_size: ...` (an integer or a list of integers)"),
      ("7:54", "model.0.Residual.layers.1.Conv2d.out_channels: expected an integer, got 'x' (a string)", None)]),
    ("  - Bilinear: {out_features: 3}",
     [("7:5", "model.0: Bilinear takes 2 inputs, got 1", "a node of a model takes several: `from: [one, other]`")]),
    ("  - GRUCell: {hidden_size: 3}",
     [("7:5", "model.0.GRUCell: unknown layer 'GRUCell'",
       "it carries a state from step to step; GRU, LSTM and RNN run over whole sequences")]),
    ("  - Linear: {out_features: $n}",
     [("7:28", "model.0.Linear.out_features: '$n' is a parameter, which only the layers of a block have", "write the value itself")]),
]  # fmt: skip


@pytest.mark.parametrize(("model", "expected"), MISTAKES)
def test_forms_that_do_not_fit(model, expected):
    found = problems(model)
    assert [each for each in found if not re.match(r"optimizer|.*: the model gives", each[1])] == expected


def test_metrics_measure_the_first_output_with_its_own_loss():
    model = f"  a: {{from: input, layers: [{CONV}]}}\n  b: {{from: input, layers: [{CONV}]}}\n  outputs: [a, b]"
    text = f"{REST}model:\n{model}\nmetrics: [mae]\n".replace("loss: MSELoss", "loss: {a: MSELoss, b: L1Loss}")
    experiment = build(config_from_yaml(text, "c.yaml"))
    metric, x = experiment.metrics["mae"], trainctl.ones(1, 2, 8, 8)
    metric.bind(experiment.loss)
    metric.reset()
    metric.update({"a": 3 * x, "b": x}, x)
    assert metric.compute() == 2
    other = build(config_from_yaml(text.replace("{a: MSELoss, b: L1Loss}", "{b: L1Loss}"), "c.yaml"))
    assert other.metrics["mae"].output == "b"  # the first that has a loss
