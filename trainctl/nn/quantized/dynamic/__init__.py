"""Layers whose inputs are brought to a grid when they are seen, after PyTorch's ``torch.ao.nn.quantized.dynamic``."""

from __future__ import annotations

from trainctl.nn.quantized.dynamic.cells import GRUCell, LSTMCell, RNNCell
from trainctl.nn.quantized.dynamic.linear import Linear, LinearReLU
from trainctl.nn.quantized.dynamic.recurrent import GRU, LSTM, RNN

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "Linear", "LinearReLU", "RNNCell"]
