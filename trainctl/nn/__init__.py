"""Layers, losses and their functional forms, under PyTorch's names."""

from __future__ import annotations

from trainctl.nn import functional, init, utils
from trainctl.nn.modules.activation import Identity, LogSoftmax, ReLU, Sigmoid, Softmax, Tanh
from trainctl.nn.modules.container import ModuleDict, ModuleList, ParameterDict, ParameterList, Sequential
from trainctl.nn.modules.conv import Conv1d, Conv2d, Conv3d
from trainctl.nn.modules.dropout import Dropout
from trainctl.nn.modules.linear import Linear
from trainctl.nn.modules.loss import CrossEntropyLoss, MSELoss, NLLLoss
from trainctl.nn.modules.module import Module
from trainctl.nn.modules.shape import Flatten, Unflatten
from trainctl.nn.parameter import Buffer, Parameter

__all__ = [
    "Buffer", "Conv1d", "Conv2d", "Conv3d", "CrossEntropyLoss", "Dropout", "Flatten", "Identity", "Linear",
    "LogSoftmax", "MSELoss", "Module", "ModuleDict", "ModuleList", "NLLLoss", "Parameter", "ParameterDict",
    "ParameterList", "ReLU", "Sequential", "Sigmoid", "Softmax", "Tanh", "Unflatten", "functional", "init", "utils",
]  # fmt: skip
