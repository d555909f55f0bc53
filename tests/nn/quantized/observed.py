"""Observers and qconfigs of the least kind, for tests of what layers make of them."""

from __future__ import annotations

from types import SimpleNamespace

import trainctl
from trainctl import nn


class Observer(nn.Module):
    """Says a scale and a zero point that it was given, or that of the largest number it has seen."""

    def __init__(self, dtype=trainctl.quint8, scale=None, zero_point=0, quant_min=0, quant_max=255, per_channel=False):
        super().__init__()
        self.dtype, self.scale, self.zero_point = dtype, scale, zero_point
        self.quant_min, self.quant_max, self.ch_axis = quant_min, quant_max, 0
        self.qscheme = trainctl.per_channel_symmetric if per_channel else trainctl.per_tensor_affine

    def forward(self, x):
        if self.scale is None:
            rows = x.abs().reshape(len(x), -1).amax(1)
            self.scale = (rows if self.qscheme.is_per_channel else rows.max()) / self.quant_max
            self.zero_point = trainctl.zeros(self.scale.shape).int()
        return x

    def calculate_qparams(self):
        return trainctl.as_tensor(self.scale), trainctl.as_tensor(self.zero_point)


def observed(layer, scale=0.05, zero_point=100, per_channel=True, quant_max=127):
    """Return a layer as ``prepare`` and calibration leave it."""
    layer.activation_post_process = Observer(scale=scale, zero_point=zero_point)
    weight = {"dtype": trainctl.qint8, "quant_min": -128, "quant_max": quant_max, "per_channel": per_channel}
    layer.qconfig = SimpleNamespace(weight=lambda: Observer(**weight))
    return layer
