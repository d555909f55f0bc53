"""The layers that a config may name."""

from __future__ import annotations

from typing import Any

from trainctl.registry.entry import Entry

_PLACEMENT = ("device", "dtype")


def _layer(name: str, *excluded: str) -> Entry:
    return Entry(f"trainctl.nn:{name}", excluded)


def _convolution(name: str, *input_shape: str) -> Entry:
    return Entry(f"trainctl.nn:{name}", _PLACEMENT, {"in_channels": 1}, "out_channels", input_shape)


def _norm(name: str, *input_shape: str, size: str = "num_features") -> Entry:
    return Entry(f"trainctl.nn:{name}", _PLACEMENT, {size: 1}, None, input_shape or None)


def _recurrent(name: str) -> Entry:
    """A layer over sequences that gives one tensor, as a chain wants it."""
    return Entry(f"trainctl.nn.chain:{name}", (), {"input_size": -1}, None, ("N", "T", "C"))


def _attention(name: str, size: str) -> Entry:
    """A layer of a Transformer over sequences ``[N, T, C]``."""
    return Entry(f"trainctl.nn.chain_attention:{name}", (), {size: -1}, None, ("N", "T", "C"))


def _form(name: str, **options: Any) -> Entry:
    """A layer that is made of layers."""
    return Entry(f"trainctl.nn.structure:{name}", **options)


def _pair(name: str, *excluded: str, **inferred: tuple[int, int]) -> Entry:
    """A layer that takes two tensors."""
    return Entry(f"trainctl.nn:{name}", excluded, inferred, inputs=2)


LAYERS: dict[str, Entry] = {
    "AdaptiveAvgPool1d": _layer("AdaptiveAvgPool1d"),
    "AdaptiveAvgPool2d": _layer("AdaptiveAvgPool2d"),
    "AdaptiveAvgPool3d": _layer("AdaptiveAvgPool3d"),
    "AdaptiveMaxPool1d": _layer("AdaptiveMaxPool1d", "return_indices"),
    "AdaptiveMaxPool2d": _layer("AdaptiveMaxPool2d", "return_indices"),
    "AdaptiveMaxPool3d": _layer("AdaptiveMaxPool3d", "return_indices"),
    "AlphaDropout": _layer("AlphaDropout"),
    "AvgPool1d": _layer("AvgPool1d"),
    "AvgPool2d": _layer("AvgPool2d"),
    "AvgPool3d": _layer("AvgPool3d"),
    "BatchNorm1d": _norm("BatchNorm1d"),
    "BatchNorm2d": _norm("BatchNorm2d", "N", "C", "H", "W"),
    "BatchNorm3d": _norm("BatchNorm3d", "N", "C", "D", "H", "W"),
    "Bilinear": Entry(
        "trainctl.nn:Bilinear", _PLACEMENT, {"in1_features": (0, -1), "in2_features": (1, -1)}, "out_features", inputs=2
    ),
    "CELU": _layer("CELU"),
    "ChannelShuffle": _layer("ChannelShuffle"),
    "CircularPad1d": _layer("CircularPad1d"),
    "CircularPad2d": _layer("CircularPad2d"),
    "CircularPad3d": _layer("CircularPad3d"),
    "ConstantPad1d": _layer("ConstantPad1d"),
    "ConstantPad2d": _layer("ConstantPad2d"),
    "ConstantPad3d": _layer("ConstantPad3d"),
    "Conv1d": _convolution("Conv1d", "N", "C", "L"),
    "Conv2d": _convolution("Conv2d", "N", "C", "H", "W"),
    "Conv3d": _convolution("Conv3d", "N", "C", "D", "H", "W"),
    "ConvTranspose1d": _convolution("ConvTranspose1d", "N", "C", "L"),
    "ConvTranspose2d": _convolution("ConvTranspose2d", "N", "C", "H", "W"),
    "ConvTranspose3d": _convolution("ConvTranspose3d", "N", "C", "D", "H", "W"),
    "CosineSimilarity": _pair("CosineSimilarity"),
    "Dropout": _layer("Dropout"),
    "Dropout1d": _layer("Dropout1d"),
    "Dropout2d": _layer("Dropout2d"),
    "Dropout3d": _layer("Dropout3d"),
    "ELU": _layer("ELU"),
    "Embedding": Entry("trainctl.nn:Embedding", (*_PLACEMENT, "_weight", "_freeze"), range="num_embeddings"),
    "EmbeddingBag": Entry("trainctl.nn:EmbeddingBag", (*_PLACEMENT, "_weight", "sparse"), range="num_embeddings"),
    "FeatureAlphaDropout": _layer("FeatureAlphaDropout"),
    "Flatten": _layer("Flatten"),
    "Fold": _layer("Fold"),
    "GELU": _layer("GELU"),
    "GLU": _layer("GLU"),
    "GRU": _recurrent("GRU"),
    "GroupNorm": _norm("GroupNorm", size="num_channels"),
    "Hardshrink": _layer("Hardshrink"),
    "Hardsigmoid": _layer("Hardsigmoid"),
    "Hardswish": _layer("Hardswish"),
    "Hardtanh": _layer("Hardtanh"),
    "Identity": _layer("Identity"),
    "InstanceNorm1d": _norm("InstanceNorm1d", "N", "C", "L"),
    "InstanceNorm2d": _norm("InstanceNorm2d", "N", "C", "H", "W"),
    "InstanceNorm3d": _norm("InstanceNorm3d", "N", "C", "D", "H", "W"),
    "LPPool1d": _layer("LPPool1d"),
    "LPPool2d": _layer("LPPool2d"),
    "LPPool3d": _layer("LPPool3d"),
    "LSTM": _recurrent("LSTM"),
    "LayerNorm": Entry("trainctl.nn:LayerNorm", _PLACEMENT, {"normalized_shape": -1}),
    "LeakyReLU": _layer("LeakyReLU"),
    "Linear": Entry("trainctl.nn:Linear", _PLACEMENT, {"in_features": -1}, "out_features"),
    "LocalResponseNorm": _layer("LocalResponseNorm"),
    "LogSigmoid": _layer("LogSigmoid"),
    "LogSoftmax": _layer("LogSoftmax"),
    "MaxPool1d": _layer("MaxPool1d", "return_indices"),
    "MaxPool2d": _layer("MaxPool2d", "return_indices"),
    "MaxPool3d": _layer("MaxPool3d", "return_indices"),
    "Mish": _layer("Mish"),
    "MultiheadAttention": _attention("MultiheadAttention", "embed_dim"),
    "PReLU": Entry("trainctl.nn:PReLU", _PLACEMENT),
    "PairwiseDistance": _pair("PairwiseDistance"),
    "Parallel": _form("Parallel", branches={"branches": "layer"}),
    "Permute": Entry("trainctl.nn.chain:Permute"),
    "PixelShuffle": _layer("PixelShuffle"),
    "PixelUnshuffle": _layer("PixelUnshuffle"),
    "RMSNorm": Entry("trainctl.nn:RMSNorm", _PLACEMENT, {"normalized_shape": -1}),
    "RNN": _recurrent("RNN"),
    "RReLU": _layer("RReLU"),
    "ReLU": _layer("ReLU"),
    "ReLU6": _layer("ReLU6"),
    "ReflectionPad1d": _layer("ReflectionPad1d"),
    "ReflectionPad2d": _layer("ReflectionPad2d"),
    "ReflectionPad3d": _layer("ReflectionPad3d"),
    "ReplicationPad1d": _layer("ReplicationPad1d"),
    "ReplicationPad2d": _layer("ReplicationPad2d"),
    "ReplicationPad3d": _layer("ReplicationPad3d"),
    "Residual": _form("Residual", parts={"layers": "layer", "shortcut": "layer"}),
    "Repeat": _form("Repeat", counts=("times",), parts={"layers": "layer"}),
    "SELU": _layer("SELU"),
    "Sequential": _form("Sequential", parts={"layers": "layer"}),
    "SiLU": _layer("SiLU"),
    "Sigmoid": _layer("Sigmoid"),
    "Softmax": _layer("Softmax"),
    "Softmax2d": _layer("Softmax2d"),
    "Softmin": _layer("Softmin"),
    "Softplus": _layer("Softplus"),
    "Softshrink": _layer("Softshrink"),
    "Softsign": _layer("Softsign"),
    "Tanh": _layer("Tanh"),
    "Tanhshrink": _layer("Tanhshrink"),
    "Threshold": _layer("Threshold"),
    "TransformerDecoderLayer": Entry(
        "trainctl.nn.chain_attention:TransformerDecoderLayer", (), {"d_model": (0, -1)}, inputs=2
    ),
    "TransformerEncoderLayer": _attention("TransformerEncoderLayer", "d_model"),
    "Unflatten": _layer("Unflatten"),
    "Unfold": _layer("Unfold"),
    "Upsample": _layer("Upsample"),
    "UpsamplingBilinear2d": _layer("UpsamplingBilinear2d"),
    "UpsamplingNearest2d": _layer("UpsamplingNearest2d"),
    "ZeroPad1d": _layer("ZeroPad1d"),
    "ZeroPad2d": _layer("ZeroPad2d"),
    "ZeroPad3d": _layer("ZeroPad3d"),
}

_STATE = "it carries a state from step to step; GRU, LSTM and RNN run over whole sequences"
_INDICES = "it wants the indices of a pooling; Upsample or ConvTranspose makes an input larger"
_LAZY = "the layer without `Lazy` infers its sizes, too: leave them out"
_HOLDER = "write the layers as a list, or as `Sequential: {layers: [...]}`"

NO_LAYERS: dict[str, str] = {
    **dict.fromkeys(("GRUCell", "LSTMCell", "RNNCell", "RNNBase", "RNNCellBase"), _STATE),
    **dict.fromkeys(("MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d"), _INDICES),
    **dict.fromkeys(("ModuleDict", "ModuleList", "ParameterDict", "ParameterList"), _HOLDER),
    **{f"Lazy{norm}Norm{rank}d": _LAZY for norm in ("Batch", "Instance") for rank in (1, 2, 3)},
    **{f"LazyConv{kind}{rank}d": _LAZY for kind in ("", "Transpose") for rank in (1, 2, 3)},
    "DataParallel": "a run has one device",
    "LazyLinear": _LAZY,
    "Module": "write a class of your own in a file and name it in `plugins:`",
    "Transformer": "write TransformerEncoderLayer and TransformerDecoderLayer as nodes, or a class in `plugins:`",
    "TransformerDecoder": "repeat TransformerDecoderLayer, each in a node with `from: [tgt, memory]`",
    "TransformerEncoder": "write `Repeat: {times: N, layers: [{TransformerEncoderLayer: {nhead: ...}}]}`",
}
"""The modules of ``trainctl.nn`` that are no layers of a config, each with what to do instead."""
