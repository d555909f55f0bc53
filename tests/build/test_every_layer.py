"""Every layer of the table, its shapes inferred from an input that suits it."""

from __future__ import annotations

import pytest

import trainctl
from tests.build.made import made
from trainctl.build import build, check
from trainctl.config import config_from_yaml
from trainctl.data.spec import ArraySpec
from trainctl.errors import ConfigError
from trainctl.registry import TABLES

CONFIG = "name: t\ndata: {{dataset: Made}}\nloss: MSELoss\noptimizer: SGD\ntrain: {{epochs: 1}}\nmodel: {}\n"
WORDS = ArraySpec((6,), "int64", high=9)

# The input, and the layers that it suits: name, arguments, what comes out where that is another shape.
POOL1, POOL2, POOL3 = (f"{{kernel_size: 2}} -> 4, {size}" for size in ("3", "3, 4", "3, 4, 2"))
LAYERS = {
    (4, 6): f"""
        AdaptiveAvgPool1d: {{output_size: 3}} -> 4, 3 | AdaptiveMaxPool1d: {{output_size: 3}} -> 4, 3
        AvgPool1d: {POOL1} | MaxPool1d: {POOL1} | LPPool1d: {{norm_type: 2, kernel_size: 2}} -> 4, 3
        BatchNorm1d | InstanceNorm1d | Dropout1d | Conv1d: {{out_channels: 5, kernel_size: 3}} -> 5, 4
        ConvTranspose1d: {{out_channels: 5, kernel_size: 3}} -> 5, 8
        CircularPad1d: {{padding: 1}} -> 4, 8 | ConstantPad1d: {{padding: 1, value: 0}} -> 4, 8
        ReflectionPad1d: {{padding: 1}} -> 4, 8 | ReplicationPad1d: {{padding: 1}} -> 4, 8 | ZeroPad1d: {{padding: 1}} -> 4, 8
        GRU: {{hidden_size: 5}} -> 4, 5 | LSTM: {{hidden_size: 5, output: last}} -> 5
        RNN: {{hidden_size: 5, bidirectional: true}} -> 4, 10 | MultiheadAttention: {{num_heads: 2}}
        TransformerEncoderLayer: {{nhead: 3, dim_feedforward: 8}} | Permute: {{dims: [0, 2, 1]}} -> 6, 4
        LayerNorm | LayerNorm: {{normalized_shape: [4, 6]}} | RMSNorm | RMSNorm: {{normalized_shape: 6}} | PReLU
        PReLU: {{num_parameters: 4}} | GroupNorm: {{num_groups: 2}} | Linear: {{out_features: 7}} -> 4, 7
        Flatten -> 24 | Unflatten: {{dim: 2, unflattened_size: [3, 2]}} -> 4, 3, 2 | GLU -> 4, 3
        Fold: {{output_size: [4, 3], kernel_size: [2, 2]}} -> 1, 4, 3
        Upsample: {{scale_factor: 2}} -> 4, 12 | Dropout | AlphaDropout | FeatureAlphaDropout | Identity
        CELU | ELU | GELU | Hardshrink | Hardsigmoid | Hardswish | Hardtanh | LeakyReLU | LogSigmoid
        LogSoftmax: {{dim: 1}} | Mish | RReLU | ReLU | ReLU6 | SELU | SiLU | Sigmoid | Softmax: {{dim: 1}}
        Softmin: {{dim: 1}} | Softplus | Softshrink | Softsign | Tanh | Tanhshrink | Threshold: {{threshold: 0, value: 1}}
        LocalResponseNorm: {{size: 2}} | Sequential: {{layers: [ReLU]}} | Repeat: {{times: 2, layers: [ReLU]}}
        Residual: {{layers: [ReLU]}} | Parallel: {{branches: [[ReLU], []]}} -> 8, 6""",
    (4, 6, 8): f"""
        AdaptiveAvgPool2d: {{output_size: 2}} -> 4, 2, 2 | AdaptiveMaxPool2d: {{output_size: 2}} -> 4, 2, 2
        AvgPool2d: {POOL2} | MaxPool2d: {POOL2} | LPPool2d: {{norm_type: 2, kernel_size: 2}} -> 4, 3, 4
        BatchNorm2d | InstanceNorm2d | Dropout2d | Conv2d: {{out_channels: 5, kernel_size: 3}} -> 5, 4, 6
        ConvTranspose2d: {{out_channels: 5, kernel_size: 2, stride: 2}} -> 5, 12, 16
        CircularPad2d: {{padding: 1}} -> 4, 8, 10 | ConstantPad2d: {{padding: 1, value: 0}} -> 4, 8, 10
        ReflectionPad2d: {{padding: 1}} -> 4, 8, 10 | ReplicationPad2d: {{padding: 1}} -> 4, 8, 10
        ZeroPad2d: {{padding: 1}} -> 4, 8, 10 | ChannelShuffle: {{groups: 2}} | PixelShuffle: {{upscale_factor: 2}} -> 1, 12, 16
        PixelUnshuffle: {{downscale_factor: 2}} -> 16, 3, 4 | Softmax2d | Unfold: {{kernel_size: 2}} -> 16, 35
        UpsamplingBilinear2d: {{scale_factor: 2}} -> 4, 12, 16 | UpsamplingNearest2d: {{scale_factor: 2}} -> 4, 12, 16
        GroupNorm: {{num_groups: 4}} | PReLU: {{num_parameters: 4}} | LayerNorm: {{normalized_shape: [4, 6, 8]}}""",
    (4, 6, 8, 4): f"""
        AdaptiveAvgPool3d: {{output_size: 2}} -> 4, 2, 2, 2 | AdaptiveMaxPool3d: {{output_size: 2}} -> 4, 2, 2, 2
        AvgPool3d: {POOL3} | MaxPool3d: {POOL3} | LPPool3d: {{norm_type: 2, kernel_size: 2}} -> 4, 3, 4, 2
        BatchNorm3d | InstanceNorm3d | Dropout3d | Conv3d: {{out_channels: 5, kernel_size: 3}} -> 5, 4, 6, 2
        ConvTranspose3d: {{out_channels: 5, kernel_size: 2, stride: 2}} -> 5, 12, 16, 8
        CircularPad3d: {{padding: 1}} -> 4, 8, 10, 6 | ConstantPad3d: {{padding: 1, value: 0}} -> 4, 8, 10, 6
        ReflectionPad3d: {{padding: 1}} -> 4, 8, 10, 6 | ReplicationPad3d: {{padding: 1}} -> 4, 8, 10, 6
        ZeroPad3d: {{padding: 1}} -> 4, 8, 10, 6""",
    WORDS: """
        Embedding: {embedding_dim: 3} -> 6, 3 | Embedding: {num_embeddings: 20, embedding_dim: 3} -> 6, 3
        EmbeddingBag: {embedding_dim: 3} -> 3""",
    ((6,), (6,)): """
        Bilinear: {out_features: 3} -> 3""",
    ((4, 6), (4, 6)): """
        CosineSimilarity -> 6 | PairwiseDistance -> 4 | TransformerDecoderLayer: {nhead: 2, dim_feedforward: 8}
        TransformerDecoderLayer: {nhead: 2, causal: false}""",
}  # fmt: skip


def rows():
    for given, text in LAYERS.items():
        for line in text.strip().splitlines():
            for row in line.split(" | "):
                layer, _, after = row.strip().partition(" -> ")
                yield given, layer, tuple(map(int, after.split(", "))) if after else None


def test_no_layer_is_left_out():
    assert {layer.partition(":")[0] for _, layer, _ in rows()} == TABLES["layer"].keys()


@pytest.mark.parametrize(("given", "layer", "after"), list(rows()), ids=lambda each: str(each)[:40])
def test_its_shape_is_what_a_batch_gets(given, layer, after, monkeypatch):
    several = isinstance(given, tuple) and isinstance(given[0], tuple)
    shapes = given if several else (given.shape if isinstance(given, ArraySpec) else given,)
    spec = given if isinstance(given, ArraySpec) else ArraySpec(shapes[0])
    inputs = {"a": ArraySpec(shapes[0]), "b": ArraySpec(shapes[1])} if several else spec
    made(monkeypatch, inputs, ArraySpec(after or shapes[0]))
    item = f"{{{layer}}}" if ":" in layer else layer
    if several:  # PReLU: the optimizer wants something to learn
        model = f"{{x: {{from: a, layers: [PReLU]}}, y: {{from: [x, b], layers: [{item}]}}}}"
    else:
        model = f"[{item}]" if spec is WORDS else f"[PReLU, {item}]"
    loaded = config_from_yaml(CONFIG.format(model), "c.yaml")
    shape = check(loaded).layers[-1].output_shape
    assert shape == (after or shapes[0])
    net = build(loaded).model
    batch = trainctl.zeros(3, *shapes[0], dtype=trainctl.int64 if spec is WORDS else None)
    output = net(a=batch, b=trainctl.zeros(3, *shapes[1])) if several else net(batch)
    assert tuple(output.shape) == (3, *shape)


MISFITS = [
    ((4, 6), "LayerNorm: {normalized_shape: [4, 5]}",
     "model.0: LayerNorm(normalized_shape=[4, 5]) does not fit its input [N, 4, 6] from the data: "
     "expected normalized_shape [4, 6], got [4, 5]", "write `normalized_shape: [4, 6]`, or leave normalized_shape out"),
    ((4, 6), "RMSNorm: {normalized_shape: 5}",
     "model.0: RMSNorm(normalized_shape=5) does not fit its input [N, 4, 6] from the data: "
     "expected normalized_shape 6, got 5", "write `normalized_shape: 6`, or leave normalized_shape out"),
    (WORDS, "Embedding: {num_embeddings: 5, embedding_dim: 2}",
     "model.0: Embedding(num_embeddings=5) does not fit the numbers 0 to 8 from the data: expected at least 9",
     "write `num_embeddings: 9`, or leave num_embeddings out"),
    (ArraySpec((6,), "int64"), "Embedding: {embedding_dim: 2}",
     "model.0: Embedding: missing argument 'num_embeddings': nothing says how many whole numbers there are",
     "add `num_embeddings: ...`"),
    ((4, 6), "GRU: {hidden_size: 3, input_size: 5}",
     "model.0: GRU(input_size=5) does not fit its input [N, 4, 6] from the data: expected input_size 6, got 5",
     "write `input_size: 6`, or leave input_size out"),
    ((6,), "TransformerEncoderLayer: {nhead: 2}", "model.0: TransformerEncoderLayer takes [N, T, C], got [N, 6] from the data", None),
    ((4, 6), "CosineSimilarity", "model.0: CosineSimilarity takes 2 inputs, got 1",
     "a node of a model takes several: `from: [one, other]`"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "layer", "message", "hint"), MISFITS)
def test_what_does_not_fit(given, layer, message, hint, monkeypatch):
    made(monkeypatch, given if isinstance(given, ArraySpec) else ArraySpec(given), ArraySpec(()))
    with pytest.raises(ConfigError) as caught:
        check(config_from_yaml(CONFIG.format(f"[{{{layer}}}]" if ":" in layer else f"[{layer}]"), "c.yaml"))
    assert (message, hint) in [(each.message, each.hint) for each in caught.value.problems]
