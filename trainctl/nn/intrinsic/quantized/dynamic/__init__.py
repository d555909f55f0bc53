"""Layers in a row that quantize what goes through them as they run."""

from __future__ import annotations

from trainctl.nn.quantized.dynamic import LinearReLU

__all__ = ["LinearReLU"]
