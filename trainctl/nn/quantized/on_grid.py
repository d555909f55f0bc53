"""What layers share that compute on the numbers codes stand for, and round to a grid."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from trainctl.autograd.ops.quantization import dequantize, is_quantized, quantize_per_tensor
from trainctl.autograd.ops.quantized import DequantizeLinear, QuantizeLinear
from trainctl.autograd.tensor import Tensor
from trainctl.nn.modules.container import Sequential
from trainctl.nn.quantized.base import QuantizedModule
from trainctl.nn.quantized.observed import activation_grid


class OnGrid(QuantizedModule):
    """A float layer whose output is put on a grid: codes for codes, float numbers for float numbers."""

    _FLOAT_MODULE: ClassVar[Any]

    def forward(self, input: Tensor) -> Tensor:
        """Return the float layer's output, on the grid of ``scale`` and ``zero_point``."""
        return self._put(super().forward(dequantize(input)), like=input)

    def _put(self, y: Tensor, like: Tensor) -> Tensor:
        """Return float numbers on the output's grid, as the kind of tensor that ``like`` is."""
        grid = self.output_grid
        if grid is None:
            return y
        if is_quantized(like):
            return quantize_per_tensor(y, self.scale, self.zero_point, like.dtype)
        return DequantizeLinear.apply(QuantizeLinear.apply(y.float(), qparams=grid), qparams=grid)

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Self:
        """Return the quantized form of a float layer that was observed.

        Raises:
            TypeError: another kind of layer.
        """
        layer = mod[0] if isinstance(mod, Sequential) and len(mod) else mod
        if not isinstance(layer, cls._FLOAT_MODULE) or isinstance(layer, QuantizedModule):
            wanted = cls._FLOAT_MODULE.__name__
            raise TypeError(f"nn.quantized.{cls.__name__}.from_float takes a {wanted}, got: {type(layer).__name__}")
        made = cls._like(layer)
        made.scale, made.zero_point = activation_grid(mod)
        return made.train(mod.training)

    @classmethod
    def _like(cls, layer: Any) -> Self:
        """Return the layer with a float one's options and parameters."""
        return cls(1.0, 0)

    def _set_grid(self, scale: float | None, zero_point: int | None) -> None:
        self.scale, self.zero_point = scale, zero_point
