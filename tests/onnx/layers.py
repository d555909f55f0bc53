"""Every layer, with arguments to export it by, or the reason why ONNX cannot say it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trainctl
from trainctl import nn

randn = trainctl.randn


def rows() -> Any:
    return randn(3, 4)


def signal() -> Any:
    return randn(2, 4, 9)


def image() -> Any:
    return randn(2, 4, 9, 7)


def volume() -> Any:
    return randn(2, 2, 5, 4, 6)


def sequence() -> Any:
    return randn(3, 5, 4)


def words() -> Any:
    return trainctl.tensor([[1, 2, 0], [3, 0, 6]])


def pair() -> Any:
    return rows(), rows()


def scored() -> Any:
    return rows(), trainctl.tensor([1, 0, 3])


def _of(make: Callable[[], Any], *settings: dict[str, Any]) -> list[tuple[dict[str, Any], Callable[[], Any]]]:
    return [(each, make) for each in settings or ({},)]


def _activation(*settings: dict[str, Any]) -> list[tuple[dict[str, Any], Callable[[], Any]]]:
    return _of(lambda: rows() * 3, {}, *settings)


_CONV = {"in_channels": 4, "out_channels": 6, "kernel_size": 3}
_VOLUME = {"in_channels": 2, "out_channels": 3, "kernel_size": 2}
_REST = {"stride": 2, "padding": 1, "dilation": 2, "groups": 2, "bias": False}
_POOL = {"kernel_size": 3, "stride": 2, "padding": 1}
_CEIL = {"kernel_size": 3, "stride": 2, "ceil_mode": True}
_SEQUENCE = {"input_size": 4, "hidden_size": 3}
_DEEP = {**_SEQUENCE, "num_layers": 2, "bidirectional": True, "batch_first": True}
_CODER = {"d_model": 4, "nhead": 2, "dim_feedforward": 8, "batch_first": True}
_FIRST = {**_CODER, "norm_first": True, "activation": "gelu"}

TABLE: dict[str, list[tuple[dict[str, Any], Callable[[], Any]]]] = {
    "AdaptiveAvgPool1d": _of(signal, {"output_size": 3}, {"output_size": 1}),
    "AdaptiveAvgPool2d": _of(image, {"output_size": (4, 3)}, {"output_size": 1}),
    "AdaptiveAvgPool3d": _of(volume, {"output_size": 2}),
    "AdaptiveMaxPool1d": _of(signal, {"output_size": 3}, {"output_size": 4}),
    "AdaptiveMaxPool2d": _of(image, {"output_size": (3, 7)}, {"output_size": (4, 3)}),
    "AdaptiveMaxPool3d": _of(volume, {"output_size": 2}),
    "AlphaDropout": _of(rows),
    "AvgPool1d": _of(signal, {"kernel_size": 2}, {**_POOL, "count_include_pad": False}),
    "AvgPool2d": _of(image, _POOL, _CEIL, {**_POOL, "count_include_pad": False}),
    "AvgPool3d": _of(volume, {"kernel_size": 2}, {"kernel_size": 2, "divisor_override": 3}),
    "BCELoss": [({}, lambda: (trainctl.rand(3, 4), trainctl.rand(3, 4)))],
    "BCEWithLogitsLoss": [({}, lambda: (rows(), trainctl.rand(3, 4)))],
    "BatchNorm1d": [*_of(rows, {"num_features": 4}), *_of(signal, {"num_features": 4, "affine": False})],
    "BatchNorm2d": _of(image, {"num_features": 4}, {"num_features": 4, "track_running_stats": False}),
    "BatchNorm3d": _of(volume, {"num_features": 2}),
    "Bilinear": _of(lambda: (rows(), randn(3, 2)), {"in1_features": 4, "in2_features": 2, "out_features": 3}),
    "CELU": _activation({"alpha": 0.5}),
    "ChannelShuffle": _of(image, {"groups": 2}),
    "CircularPad1d": _of(signal, {"padding": 2}, {"padding": (1, 0)}),
    "CircularPad2d": _of(image, {"padding": (1, 2, 0, 1)}),
    "CircularPad3d": _of(volume, {"padding": 1}),
    "ConstantPad1d": _of(signal, {"padding": 2, "value": 3.5}),
    "ConstantPad2d": _of(image, {"padding": (1, -1, 0, 2), "value": 0.5}),
    "ConstantPad3d": _of(volume, {"padding": 1, "value": -1.0}),
    "Conv1d": _of(signal, _CONV, {**_CONV, **_REST}),
    "Conv2d": _of(image, _CONV, {**_CONV, **_REST}, {**_CONV, "padding": "same", "padding_mode": "reflect"}),
    "Conv3d": _of(volume, _VOLUME),
    "ConvTranspose1d": _of(signal, _CONV, {**_CONV, **_REST, "output_padding": 1}),
    "ConvTranspose2d": _of(image, _CONV, {**_CONV, **_REST}),
    "ConvTranspose3d": _of(volume, _VOLUME),
    "CosineEmbeddingLoss": [({}, lambda: (*pair(), trainctl.tensor([1, -1, 1])))],
    "CosineSimilarity": _of(pair, {}, {"dim": 0, "eps": 1e-6}),
    "CrossEntropyLoss": _of(scored, {}, {"reduction": "sum", "label_smoothing": 0.1}),
    "DataParallel": [({"module": nn.Linear(4, 3)}, rows)],
    "Dropout": _of(rows),
    "Dropout1d": _of(signal),
    "Dropout2d": _of(image),
    "Dropout3d": _of(volume),
    "ELU": _activation({"alpha": 0.5}),
    "Embedding": _of(words, {"num_embeddings": 7, "embedding_dim": 3, "padding_idx": 0}),
    "EmbeddingBag": [
        ({"num_embeddings": 7, "embedding_dim": 3, "mode": mode, "padding_idx": padding}, words)
        for mode, padding in (("mean", None), ("max", None), ("sum", 0))
    ],
    "FeatureAlphaDropout": _of(image),
    "Flatten": _of(image, {}, {"start_dim": 2}),
    "Fold": _of(lambda: randn(2, 12, 20), {"output_size": (5, 6), "kernel_size": 2}),
    "GELU": _activation({"approximate": "tanh"}),
    "GLU": _of(signal, {"dim": 1}),
    "GRU": _of(sequence, _SEQUENCE, _DEEP),
    "GRUCell": _of(rows, _SEQUENCE),
    "GaussianNLLLoss": [({}, lambda: (*pair(), trainctl.rand(3, 4)))],
    "GroupNorm": _of(
        image, {"num_groups": 2, "num_channels": 4}, {"num_groups": 4, "num_channels": 4, "affine": False}
    ),
    "Hardshrink": _activation({"lambd": 1.0}),
    "Hardsigmoid": _activation(),
    "Hardswish": _activation(),
    "Hardtanh": _activation({"min_val": -2.0, "max_val": 0.5}),
    "HingeEmbeddingLoss": [({}, lambda: (rows(), trainctl.where(rows() > 0, 1.0, -1.0)))],
    "HuberLoss": _of(pair, {"delta": 0.5}),
    "Identity": _of(rows),
    "InstanceNorm1d": _of(signal, {"num_features": 4}),
    "InstanceNorm2d": _of(image, {"num_features": 4, "affine": True}, {"num_features": 4, "track_running_stats": True}),
    "InstanceNorm3d": _of(volume, {"num_features": 2, "affine": True}),
    "KLDivLoss": _of(lambda: (rows(), trainctl.rand(3, 4)), {"reduction": "batchmean"}),
    "L1Loss": _of(pair),
    "LPPool1d": _of(signal, {"norm_type": 3, "kernel_size": 2}),
    "LPPool2d": _of(image, {"norm_type": 2, "kernel_size": 2}),
    "LPPool3d": _of(volume, {"norm_type": 2, "kernel_size": 2}),
    "LSTM": _of(sequence, _SEQUENCE, _DEEP, {**_SEQUENCE, "bias": False}),
    "LSTMCell": _of(rows, _SEQUENCE),
    "LayerNorm": _of(sequence, {"normalized_shape": 4}, {"normalized_shape": (5, 4), "elementwise_affine": False}),
    "LazyBatchNorm1d": _of(signal),
    "LazyBatchNorm2d": _of(image),
    "LazyBatchNorm3d": _of(volume),
    "LazyConv1d": _of(signal, {"out_channels": 2, "kernel_size": 3}),
    "LazyConv2d": _of(image, {"out_channels": 2, "kernel_size": 3}),
    "LazyConv3d": _of(volume, {"out_channels": 2, "kernel_size": 3}),
    "LazyConvTranspose1d": _of(signal, {"out_channels": 2, "kernel_size": 3}),
    "LazyConvTranspose2d": _of(image, {"out_channels": 2, "kernel_size": 3}),
    "LazyConvTranspose3d": _of(volume, {"out_channels": 2, "kernel_size": 3}),
    "LazyInstanceNorm1d": _of(signal),
    "LazyInstanceNorm2d": _of(image),
    "LazyInstanceNorm3d": _of(volume),
    "LazyLinear": _of(rows, {"out_features": 2}),
    "LeakyReLU": _activation({"negative_slope": 0.2}),
    "Linear": [
        *_of(rows, {"in_features": 4, "out_features": 3}),
        *_of(sequence, {"in_features": 4, "out_features": 3, "bias": False}),
    ],
    "LocalResponseNorm": _of(image, {"size": 3}),
    "LogSigmoid": _activation(),
    "LogSoftmax": _of(signal, {"dim": 1}),
    "MSELoss": _of(pair, {}, {"reduction": "none"}),
    "MarginRankingLoss": [({"margin": 0.1}, lambda: (*pair(), trainctl.where(rows() > 0, 1.0, -1.0)))],
    "MaxPool1d": _of(signal, {"kernel_size": 2}),
    "MaxPool2d": _of(image, _POOL, _CEIL, {"kernel_size": 2, "stride": 1, "dilation": 2}),
    "MaxPool3d": _of(volume, {"kernel_size": 2}),
    "Mish": _activation(),
    "MultiLabelSoftMarginLoss": [({}, lambda: (rows(), (rows() > 0).float()))],
    "MultiheadAttention": _of(
        lambda: (sequence(), sequence(), sequence()), {"embed_dim": 4, "num_heads": 2, "batch_first": True}
    ),
    "NLLLoss": _of(scored, {}, {"ignore_index": 3}),
    "PReLU": [*_activation(), *_of(image, {"num_parameters": 4})],
    "PairwiseDistance": _of(pair, {}, {"p": 1.0, "keepdim": True}),
    "PixelShuffle": _of(image, {"upscale_factor": 2}),
    "PixelUnshuffle": _of(lambda: randn(2, 2, 6, 3), {"downscale_factor": 3}),
    "PoissonNLLLoss": _of(pair, {}, {"log_input": False}),
    "RMSNorm": _of(sequence, {"normalized_shape": 4}),
    "RNN": _of(sequence, _SEQUENCE, {**_DEEP, "nonlinearity": "relu"}),
    "RNNCell": _of(rows, _SEQUENCE, {**_SEQUENCE, "nonlinearity": "relu"}),
    "RReLU": _activation(),
    "ReLU": _activation({"inplace": True}),
    "ReLU6": _activation(),
    "ReflectionPad1d": _of(signal, {"padding": (1, 2)}),
    "ReflectionPad2d": _of(image, {"padding": 2}),
    "ReflectionPad3d": _of(volume, {"padding": 1}),
    "ReplicationPad1d": _of(signal, {"padding": (1, 2)}),
    "ReplicationPad2d": _of(image, {"padding": 2}),
    "ReplicationPad3d": _of(volume, {"padding": 1}),
    "SELU": _activation(),
    "SiLU": _activation({"inplace": True}),
    "Sigmoid": _activation(),
    "SmoothL1Loss": _of(pair, {"beta": 0.5}),
    "SoftMarginLoss": [({}, lambda: (rows(), trainctl.where(rows() > 0, 1.0, -1.0)))],
    "Softmax": _of(signal, {"dim": 1}),
    "Softmax2d": _of(image),
    "Softmin": _of(signal, {"dim": -1}),
    "Softplus": _activation({"beta": 2.0, "threshold": 1.0}),
    "Softshrink": _activation({"lambd": 1.0}),
    "Softsign": _activation(),
    "Tanh": _activation(),
    "Tanhshrink": _activation(),
    "Threshold": _of(rows, {"threshold": 0.1, "value": 20.0}),
    "Transformer": _of(
        lambda: (sequence(), randn(3, 6, 4)), {**_CODER, "num_encoder_layers": 1, "num_decoder_layers": 1}
    ),
    "TransformerDecoder": [
        ({"decoder_layer": nn.TransformerDecoderLayer(**_CODER), "num_layers": 2}, lambda: (sequence(), randn(3, 6, 4)))
    ],
    "TransformerDecoderLayer": _of(lambda: (sequence(), randn(3, 6, 4)), _CODER, _FIRST),
    "TransformerEncoder": [
        ({"encoder_layer": nn.TransformerEncoderLayer(**_CODER), "num_layers": 2}, sequence),
    ],
    "TransformerEncoderLayer": _of(sequence, _CODER, _FIRST),
    "Unflatten": _of(rows, {"dim": 1, "unflattened_size": (2, 2)}),
    "Unfold": _of(image, {"kernel_size": 3, "padding": 1, "stride": 2}),
    "Upsample": _of(image, {"scale_factor": 2}, {"size": (5, 6), "mode": "bicubic", "align_corners": True}),
    "UpsamplingBilinear2d": _of(image, {"scale_factor": 2}),
    "UpsamplingNearest2d": _of(image, {"size": (5, 6)}),
    "ZeroPad1d": _of(signal, {"padding": 2}),
    "ZeroPad2d": _of(image, {"padding": (1, -1, 0, 2)}),
    "ZeroPad3d": _of(volume, {"padding": 1}),
}
"""By the layer's name: keyword arguments, and what makes the inputs."""

CANNOT: dict[str, tuple[str, dict[str, Any], Callable[[], Any]]] = {
    "CTCLoss": (
        "reads a value",
        {"reduction": "sum"},
        lambda: (randn(6, 2, 4).log_softmax(2), words(), trainctl.tensor([6, 5]), trainctl.tensor([2, 2])),
    ),
    "LSTM with a projection": ("ONNX's LSTM has no projection", {**_SEQUENCE, "proj_size": 2}, sequence),
    "MaxPool2d with indices": ("return_indices", {"kernel_size": 2, "return_indices": True}, image),
    "MaxUnpool1d": (
        "Upsample or ConvTranspose",
        {"kernel_size": 2},
        lambda: (randn(2, 4, 3), trainctl.tensor([[[0, 2, 4]] * 4] * 2)),
    ),
}
"""What cannot be said: a part of the error, the arguments, and what makes the inputs."""

HOLDERS = {"Module", "ModuleDict", "ModuleList", "Parameter", "ParameterDict", "ParameterList", "Sequential"}
"""Not layers but what holds them; whole models have them."""
