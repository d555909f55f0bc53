"""The ways from float tensors to quantized ones and back, and a layer that is the identity on codes."""

from __future__ import annotations

from typing import Any, Self

from trainctl.autograd.ops.creation import tensor
from trainctl.autograd.ops.quantization import dequantize, quantize_per_tensor
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes
from trainctl.nn.modules import dropout
from trainctl.nn.modules.module import Module


class Quantize(Module):
    """A float tensor to a quantized one.

    Args:
        scale: of the output's grid.
        zero_point: of the output's grid.
        dtype: ``quint8``, ``qint8`` or ``qint32``.
        factory_kwargs: accepted for PyTorch's sake.

    Example:
        >>> import trainctl
        >>> Quantize(0.5, 2, trainctl.quint8)(trainctl.tensor([1.0, -9.0])).int_repr()
        tensor([4, 0], dtype=trainctl.uint8)
    """

    scale: Tensor
    zero_point: Tensor

    def __init__(self, scale: float, zero_point: int, dtype: Any, factory_kwargs: Any = None) -> None:
        super().__init__()
        self.register_buffer("scale", tensor([float(scale)], dtype=dtypes.float32))
        self.register_buffer("zero_point", tensor([int(zero_point)], dtype=dtypes.int64))
        self.dtype = dtype

    def forward(self, X: Tensor) -> Tensor:
        """Return the codes."""
        return quantize_per_tensor(X, self.scale._array.item(), self.zero_point._array.item(), self.dtype)

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Self:
        """Return what an observed ``QuantStub`` becomes."""
        scale, zero_point = mod.activation_post_process.calculate_qparams()
        return cls(float(scale), int(zero_point), mod.activation_post_process.dtype)

    def extra_repr(self) -> str:
        """Return the grid."""
        return f"scale={self.scale}, zero_point={self.zero_point}, dtype={self.dtype}"


class DeQuantize(Module):
    """A quantized tensor to a float one.

    Example:
        >>> import trainctl
        >>> DeQuantize()(trainctl.quantize_per_tensor(trainctl.tensor([1.2]), 0.5, 2, trainctl.quint8))
        tensor([1.])
    """

    def forward(self, Xq: Tensor) -> Tensor:
        """Return the numbers."""
        return dequantize(Xq)

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Self:
        """Return what a ``DeQuantStub`` becomes."""
        return cls()


class Dropout(dropout.Dropout):
    """The identity, in training, too."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the input."""
        return input

    def _get_name(self) -> str:
        return "QuantizedDropout"

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Self:
        """Return what a float layer becomes."""
        return cls(mod.p, mod.inplace)
