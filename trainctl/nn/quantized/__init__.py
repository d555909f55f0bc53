"""Layers on codes, under the names of PyTorch's ``torch.ao.nn.quantized``."""

from __future__ import annotations

from trainctl.nn.modules.pooling import MaxPool2d
from trainctl.nn.quantized import dynamic, functional
from trainctl.nn.quantized.activation import ELU, Hardswish, LeakyReLU, PReLU, ReLU6, Sigmoid, Softmax
from trainctl.nn.quantized.conv import Conv1d, Conv2d, Conv3d, ConvReLU1d, ConvReLU2d, ConvReLU3d
from trainctl.nn.quantized.conv_transpose import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from trainctl.nn.quantized.embedding import Embedding, EmbeddingBag
from trainctl.nn.quantized.functional_modules import FloatFunctional, FXFloatFunctional, QFunctional
from trainctl.nn.quantized.linear import Linear, LinearReLU
from trainctl.nn.quantized.normalization import (
    BatchNorm2d,
    BatchNorm3d,
    BNReLU2d,
    BNReLU3d,
    GroupNorm,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
    LayerNorm,
)
from trainctl.nn.quantized.recurrent import GRU, LSTM, RNN
from trainctl.nn.quantized.stubs import DeQuantize, Dropout, Quantize

__all__ = [
    "ELU",
    "GRU",
    "LSTM",
    "RNN",
    "BNReLU2d",
    "BNReLU3d",
    "BatchNorm2d",
    "BatchNorm3d",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvReLU1d",
    "ConvReLU2d",
    "ConvReLU3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "DeQuantize",
    "Dropout",
    "Embedding",
    "EmbeddingBag",
    "FXFloatFunctional",
    "FloatFunctional",
    "GroupNorm",
    "Hardswish",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LinearReLU",
    "MaxPool2d",
    "PReLU",
    "QFunctional",
    "Quantize",
    "ReLU6",
    "Sigmoid",
    "Softmax",
    "dynamic",
    "functional",
]
