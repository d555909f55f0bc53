"""Layers in a row on codes, under the names of ``torch.ao.nn.intrinsic.quantized``."""

from __future__ import annotations

from trainctl.nn.quantized import BNReLU2d, BNReLU3d, ConvReLU1d, ConvReLU2d, ConvReLU3d, LinearReLU

__all__ = ["BNReLU2d", "BNReLU3d", "ConvReLU1d", "ConvReLU2d", "ConvReLU3d", "LinearReLU"]
