"""Blocks, graphs and losses of several outputs: every mistake in them, with its line."""

from __future__ import annotations

import pytest

from trainctl.build import check
from trainctl.config import config_from_yaml, load_config
from trainctl.errors import ConfigError

HEAD = """\
name: demo
data: {dataset: {MNIST: {root: x}}}
optimizer: Adam
train: {epochs: 1}
"""
CHAIN = "loss: CrossEntropyLoss\nmodel: [{a: {n: 1}}]\n"
GRAPH = "loss: CrossEntropyLoss\nmodel:\n"
LINEAR = "layers: [{Linear: {out_features: $n}}]"

TABLE = {
    # blocks
    CHAIN + "blocks: [a]": [
        "6:10 model.0.a: unknown layer 'a'",
        "7:9 blocks: expected a mapping of names to blocks, got ['a'] (a list)",
    ],
    CHAIN + "blocks: {a: [ReLU]}": [
        "6:14 model.0.a.n: a has no such argument",
        "7:13 blocks.a: expected a mapping with 'parameters', 'layers', got ['ReLU'] (a list)",
    ],
    CHAIN + "blocks: {a: {parameters: [n], layer: [ReLU]}}": [
        "7:10 blocks.a: missing key 'layers'",
        "7:31 blocks.a.layer: unknown key",
    ],
    CHAIN + f"blocks: {{a: {{parameters: {{n: 1}}, {LINEAR}}}}}": [
        "6:14 model.0.a.n: a has no such argument",
        "7:26 blocks.a.parameters: expected a list such as [channels, stride: 1], got {'n': 1} (a mapping)",
    ],
    CHAIN + f"blocks: {{a: {{parameters: [n, n: 2], {LINEAR}}}}}": [
        "7:30 blocks.a.parameters.1: 'n' is a parameter already",
    ],
    CHAIN + f"blocks: {{a: {{parameters: [n, {{m: 1, k: 2}}, 3, 'a b'], {LINEAR}}}}}": [
        "7:30 blocks.a.parameters.1: expected a name, or one `name: default`, got {'m': 1, 'k': 2} (a mapping)",
        "7:44 blocks.a.parameters.2: expected a name, or one `name: default`, got 3 (an integer)",
        "7:47 blocks.a.parameters.3: expected a name of letters, digits and '_', got 'a b'",
    ],
    CHAIN + f"blocks: {{a: {{parameters: [n, extra], {LINEAR}}}}}": [
        "6:10 model.0.a: missing argument 'extra'",
        "7:30 blocks.a.parameters.1: the parameter 'extra' is not used",
    ],
    CHAIN + f"blocks: {{a: {{parameters: [m], {LINEAR}}}}}": [
        "6:10 model.0.a: missing argument 'm'",
        "6:14 model.0.a.n: a has no such argument",
        "7:27 blocks.a.parameters.0: the parameter 'm' is not used",
        "7:64 blocks.a.layers.0.Linear.out_features: the block has no parameter 'n'",
    ],
    CHAIN + f"blocks: {{a: {{parameters: [n], {LINEAR}}}, ReLU: {{layers: [Tanh]}}}}": [
        "7:72 blocks.ReLU: 'ReLU' is a layer of trainctl",
    ],
    CHAIN + "blocks:\n  a: {parameters: [n], layers: [{b: {n: $n}}]}\n  b: {parameters: [n], layers: [{a: {n: $n}}]}": [
        "8:33 blocks.a.layers.0: a block that uses itself: a -> b -> a",
        "9:33 blocks.b.layers.0: a block that uses itself: b -> a -> b",
    ],
    CHAIN + "blocks: {a: {parameters: [n], layers: [{a: {n: $n}}]}}": [
        "7:40 blocks.a.layers.0: a block that uses itself: a -> a",
    ],
    CHAIN + "blocks: {a: {parameters: [n], layers: [{Linaer: {out_features: $n}}]}}": [
        "7:41 blocks.a.layers.0.Linaer: unknown layer 'Linaer'",
    ],
    CHAIN.replace("n: 1", "n: x") + f"blocks: {{a: {{parameters: [n], {LINEAR}}}}}": [
        "7:64 blocks.a.layers.0.Linear.out_features: expected an integer, got 'x' (a string) "
        "(used as model.0 at c.yaml:6:9)",
    ],
    CHAIN + "blocks:\n  a: {parameters: [n], layers: [{b: {k: relu}}, {Linear: {out_features: $n}}]}\n"
    "  b: {parameters: [k], layers: [$k]}": [
        "9:33 blocks.b.layers.0: unknown layer 'relu' (used as blocks.a.layers.0 at c.yaml:8:33)",
    ],
    CHAIN.replace("n: 1", "n: $n") + f"blocks: {{a: {{parameters: [n], {LINEAR}}}}}": [
        "6:17 model.0.a.n: '$n' is a parameter, which only the layers of a block have",
    ],
    # graphs
    GRAPH + "  a: {from: input}\n  b: {from: input}": [
        "7:3 model.a: nothing uses the node 'a'",
        "8:3 model.b: nothing uses the node 'b'",
    ],
    GRAPH + "  a: {from: input}\n  b: {from: input}\n  outputs: b": ["7:3 model.a: nothing uses the node 'a'"],
    GRAPH + "  a: {from: b}\n  b: {from: [input, a], merge: sum}\n  c: {from: input}": [
        "7:13 model.a.from: a cycle: 'a' takes 'b', which waits for it",
        "8:13 model.b.from: a cycle: 'b' takes 'a', which waits for it",
    ],
    GRAPH + "  a: {from: input}\n  outputs: [a, c, a]": [
        "8:16 model.outputs.1: there is no node 'c'",
        "8:19 model.outputs.2: 'a' is an output already",
    ],
    GRAPH + "  a: {from: input}\n  outputs: 3": [
        "8:12 model.outputs: expected a name or a list of names, got 3 (an integer)",
    ],
    GRAPH + "  a: {from: [], layer: [ReLU]}\n  b: [ReLU]": [
        "7:13 model.a.from: expected a name or a list of names, got [] (a list)",
        "7:17 model.a.layer: unknown key",
        "8:6 model.b: expected a node of the model, got ['ReLU'] (a list)",
    ],
    GRAPH + "  a: {from: [input, input]}": ["7:3 model.a: several inputs and no layer that takes them"],
    GRAPH + "  a: {from: input, merge: add, layers: [Relu]}": [
        "7:27 model.a.merge: expected 'cat', 'sum', 'mean' or 'mul' or null, got 'add' (a string)",
        "7:41 model.a.layers.0: unknown layer 'Relu'",
    ],
    GRAPH + "  a.b: {from: input}": ["7:3 model.a.b: expected a name of letters, digits and '_'"],
    GRAPH + "  Linaer: {out_features: 3}": ["7:3 model.Linaer: unknown layer 'Linaer'"],
    # losses
    "model: [ReLU]\nloss: {a: CrossEntropyLoss, b: MSELos, weights: {c: 1, a: x}}": [
        "6:32 loss.b: unknown loss 'MSELos'",
        "6:50 loss.weights.c: there is no loss of an output 'c'",
        "6:59 loss.weights.a: expected a finite number, got 'x' (a string)",
    ],
    "model: [ReLU]\nloss: {a: CrossEntropyLoss, weights: 3}": [
        "6:38 loss.weights: expected a mapping of outputs to numbers, got 3 (an integer)",
    ],
}


@pytest.mark.parametrize("text", TABLE)
def test_a_mistake(text):
    with pytest.raises(ConfigError) as caught:
        config_from_yaml(HEAD + text, "c.yaml")
    assert [f"{each.line}:{each.column} {each.message}" for each in caught.value.problems] == TABLE[text]


BLOCKS = """\
blocks:
  conv: {parameters: [channels, act: ReLU], layers: [{Conv2d: {out_channels: $channels, kernel_size: [3, $channels]}}, $act]}
model:
  - conv: {channels: 8}
  - Residual: {layers: [{Conv2d: {out_channels: 4, kernel_size: 1}}]}
  - Parallel: {branches: [[ReLU], []]}
loss: {a: MSELoss, b: {MSELoss: {reduction: sum}}, weights: {b: 0.5}}
"""


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(HEAD + BLOCKS)
    return path


def test_overrides_reach_into_every_form(written):
    sets = [
        "model.1.Residual.layers.0.Conv2d.out_channels=8",
        "model.2.Parallel.branches.0.0.ReLU.inplace=true",
        "model.0.conv.act=Tanh",
        "blocks.conv.layers.0.Conv2d.bias=false",
        "loss.weights.b=2",
    ]
    loaded = load_config(written, sets, environ={})
    values = {".".join(map(str, each.path)): (each.value, each.origin) for each in loaded.describe()}
    for text in sets:
        assert values[text.partition("=")[0]][1] == "--set"
    assert values["model.1.Residual.layers.0.Conv2d.out_channels"][0] == 8
    assert values["model.1.Residual.layers.0.Conv2d.kernel_size"] == (1, f"{written}:9")
    assert values["model.1.Residual.layers.0.Conv2d.stride"] == (1, "default")
    assert values["loss.b.MSELoss.reduction"] == ("sum", f"{written}:11")
    layers = loaded.layers_of(loaded.config.model[0])
    assert [layer.name for layer in layers] == ["Conv2d", "Tanh"]
    assert (layers[0].args["kernel_size"], layers[0].args["bias"]) == ((3, 8), False)


def test_all_of_it_reads_back_equal(written):
    loaded = load_config(written, environ={})
    assert config_from_yaml(loaded.to_yaml(), "again").config == loaded.config


def test_blocks_that_multiply_end_in_an_error():
    doubling = "".join(f"  b{i}: {{layers: [b{i + 1}, b{i + 1}]}}\n" for i in range(30))
    text = f"{HEAD}loss: CrossEntropyLoss\nmodel: [b0]\nblocks:\n{doubling}  b30: {{layers: [ReLU]}}\n"
    with pytest.raises(ConfigError, match="over 3000 layers"):
        check(config_from_yaml(text, "c.yaml"))


def test_many_blocks_are_refused():
    blocks = "".join(f"  b{i}: {{layers: [ReLU]}}\n" for i in range(201))
    with pytest.raises(ConfigError, match="over 200 blocks"):
        config_from_yaml(f"{HEAD}loss: CrossEntropyLoss\nmodel: [b0]\nblocks:\n{blocks}", "c.yaml")
