"""PyTorch's names for quantized layers and functions, with its arguments."""

from __future__ import annotations

import inspect

import pytest

from trainctl import nn

LAYERS = [
    "BatchNorm2d",
    "BatchNorm3d",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "DeQuantize",
    "ELU",
    "Embedding",
    "EmbeddingBag",
    "GroupNorm",
    "Hardswish",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "Quantize",
    "ReLU6",
    "Sigmoid",
    "Softmax",
    "Dropout",
    "PReLU",
    "FloatFunctional",
    "FXFloatFunctional",
    "QFunctional",
    "MaxPool2d",
]
DYNAMIC = ["Linear", "LSTM", "GRU", "LSTMCell", "RNNCell", "GRUCell"]
FUNCTIONS = [
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "avg_pool2d",
    "avg_pool3d",
    "celu",
    "clamp",
    "conv1d",
    "conv2d",
    "conv3d",
    "elu",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "interpolate",
    "leaky_relu",
    "linear",
    "max_pool1d",
    "max_pool2d",
    "threshold",
    "upsample",
    "upsample_bilinear",
    "upsample_nearest",
]


@pytest.mark.parametrize(
    ("place", "names"),
    [("", LAYERS), ("dynamic", DYNAMIC), ("functional", FUNCTIONS)],
    ids=["layers", "dynamic", "functions"],
)
def test_names_and_arguments_are_pytorch_s(place, names):
    ours = getattr(nn.quantized, place) if place else nn.quantized
    assert all(callable(getattr(ours, name)) for name in (*names, *(() if place == "functional" else ("LSTM", "GRU"))))
    torch = pytest.importorskip("torch", reason="needs the extra `parity`")
    theirs = torch.ao.nn.quantized
    theirs = getattr(theirs, place) if place else theirs
    for name in names:
        wanted, found = arguments(getattr(theirs, name)), arguments(getattr(ours, name))
        assert found[: len(wanted)] == wanted, name


def arguments(function) -> list[str]:
    """Return the names of the arguments but for those that say where and of what type a result is."""
    parameters = inspect.signature(function).parameters.values()
    named = [each.name for each in parameters if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
    return [each for each in named if each not in ("device", "dtype", "min_", "max_")]
