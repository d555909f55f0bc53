"""Layers on codes, under the names of PyTorch's ``torch.ao.nn.quantized``."""

from __future__ import annotations

from trainctl.nn.quantized.conv import Conv1d, Conv2d, Conv3d, ConvReLU1d, ConvReLU2d, ConvReLU3d
from trainctl.nn.quantized.linear import Linear, LinearReLU

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvReLU1d", "ConvReLU2d", "ConvReLU3d", "Linear", "LinearReLU"]
