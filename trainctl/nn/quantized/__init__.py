"""Layers on codes, under the names of PyTorch's ``torch.ao.nn.quantized``."""

from __future__ import annotations

from trainctl.nn.quantized import dynamic
from trainctl.nn.quantized.conv import Conv1d, Conv2d, Conv3d, ConvReLU1d, ConvReLU2d, ConvReLU3d
from trainctl.nn.quantized.embedding import Embedding, EmbeddingBag
from trainctl.nn.quantized.linear import Linear, LinearReLU
from trainctl.nn.quantized.recurrent import GRU, LSTM, RNN

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvReLU1d",
    "ConvReLU2d",
    "ConvReLU3d",
    "Embedding",
    "EmbeddingBag",
    "Linear",
    "LinearReLU",
    "dynamic",
]
