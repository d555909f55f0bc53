"""Layers that round their weights, for models whose activations are quantized as they run."""

from __future__ import annotations

from typing import Any

from trainctl.nn.qat.modules import linear
from trainctl.nn.qat.modules.from_float import is_memoryless

__all__ = ["Linear"]


class Linear(linear.Linear):
    """:class:`trainctl.nn.qat.Linear` for dynamic quantization: its arguments, and a qconfig without memory.

    Raises:
        AssertionError: there is no qconfig.
        ValueError: the qconfig's ranges of activations are not those of each batch.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        qconfig: Any = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(in_features, out_features, bias, qconfig, device, dtype)
        if not is_memoryless(qconfig):
            raise ValueError(
                "Dynamic QAT requires a memoryless observer. "
                "This means a MovingAverage observer with averaging constant equal to 1"
            )
