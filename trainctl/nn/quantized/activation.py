"""Activations on codes."""

from __future__ import annotations

from typing import Any, Self

from trainctl.autograd.ops.creation import full
from trainctl.autograd.ops.quantization import dequantize, is_quantized, quantize_per_tensor
from trainctl.autograd.tensor import Tensor
from trainctl.backend.quantized_dtypes import quint8
from trainctl.nn import functional as F
from trainctl.nn.modules import activation
from trainctl.nn.quantized.observed import on_grid_of, weight_observer
from trainctl.nn.quantized.on_grid import OnGrid
from trainctl.nn.quantized.weighted import keep, kept


class ReLU6(activation.ReLU6):
    """:class:`trainctl.nn.ReLU6`, whose output is on the input's grid.

    Example:
        >>> import trainctl
        >>> ReLU6()(trainctl.quantize_per_tensor(trainctl.tensor([-1.0, 9.0]), 0.5, 10, trainctl.quint8)).int_repr()
        tensor([10, 22], dtype=trainctl.uint8)
    """

    def _get_name(self) -> str:
        return "QuantizedReLU6"

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Self:
        """Return the quantized form of a float layer."""
        return cls(mod.inplace)


class Hardswish(OnGrid, activation.Hardswish):
    """:class:`trainctl.nn.Hardswish` onto the grid of ``scale`` and ``zero_point``."""

    _FLOAT_MODULE = activation.Hardswish

    def __init__(self, scale: float, zero_point: int, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self._set_grid(scale, zero_point)


class ELU(OnGrid, activation.ELU):
    """:class:`trainctl.nn.ELU` onto the grid of ``scale`` and ``zero_point``."""

    _FLOAT_MODULE = activation.ELU

    def __init__(self, scale: float, zero_point: int, alpha: float = 1.0) -> None:
        super().__init__(alpha)
        self._set_grid(scale, zero_point)

    @classmethod
    def _like(cls, layer: Any) -> Self:
        return cls(1.0, 0, layer.alpha)


class LeakyReLU(OnGrid, activation.LeakyReLU):
    """:class:`trainctl.nn.LeakyReLU` onto the grid of ``scale`` and ``zero_point``."""

    _FLOAT_MODULE = activation.LeakyReLU

    def __init__(
        self,
        scale: float,
        zero_point: int,
        negative_slope: float = 1e-2,
        inplace: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(negative_slope)
        self._set_grid(scale, zero_point)

    @classmethod
    def _like(cls, layer: Any) -> Self:
        return cls(1.0, 0, layer.negative_slope)


class Sigmoid(OnGrid, activation.Sigmoid):
    """:class:`trainctl.nn.Sigmoid` onto the grid of ``output_scale`` and ``output_zero_point``."""

    _FLOAT_MODULE = activation.Sigmoid

    def __init__(self, output_scale: float, output_zero_point: int) -> None:
        super().__init__()
        self._set_grid(output_scale, output_zero_point)

    output_scale = property(lambda self: self.scale, doc="The ``scale``, by PyTorch's name for it here.")
    output_zero_point = property(lambda self: self.zero_point, doc="The ``zero_point``, likewise.")


class Softmax(OnGrid, activation.Softmax):
    """:class:`trainctl.nn.Softmax` onto the grid of ``scale`` and ``zero_point``."""

    _FLOAT_MODULE = activation.Softmax

    def __init__(self, dim: int | None = None, scale: float = 1.0, zero_point: int = 0) -> None:
        super().__init__(dim)
        self._set_grid(scale, zero_point)

    @classmethod
    def _like(cls, layer: Any) -> Self:
        return cls(layer.dim)


class PReLU(OnGrid):
    """:class:`trainctl.nn.PReLU`, its slopes as codes, onto the grid of ``output_scale`` and ``output_zero_point``.

    Args:
        output_scale: the distance of neighbours on the output's grid.
        output_zero_point: the code of 0 on it.
        num_parameters: how many slopes there are: one, or one for each channel.
    """

    _FLOAT_MODULE = activation.PReLU

    weight = property(lambda self: kept(self, "weight"), doc="The slopes, a quantized tensor.")

    def __init__(self, output_scale: float, output_zero_point: int, num_parameters: int = 1) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.set_weight(quantize_per_tensor(full((num_parameters,), 0.25), 2.0**-10, 0, quint8))
        self._set_grid(output_scale, output_zero_point)

    def set_weight(self, w: Tensor) -> None:
        """Take over slopes ``[num_parameters]``, quantized as quint8.

        Raises:
            ValueError: they are not, or there are more or fewer.
        """
        if not isinstance(w, Tensor) or not is_quantized(w) or w.dtype is not quint8:
            raise ValueError("QuantizedPReLU: slopes must be a quantized tensor of quint8")
        if w.shape != (self.num_parameters,):
            raise ValueError(f"QuantizedPReLU: expected {self.num_parameters} slopes, got {list(w.shape)}")
        keep(self, "weight", w)

    @classmethod
    def _like(cls, layer: Any) -> Self:
        made, weight = cls(1.0, 0, layer.num_parameters), layer.weight.detach().float()
        observer = weight_observer(layer)
        if observer is None or observer.dtype is not quint8:  # slopes that no observer of bytes has seen
            least, most = min(weight.min().item(), 0.0), max(weight.max().item(), 0.0)
            scale = max((most - least) / 255, 2.0**-23)
            made.set_weight(quantize_per_tensor(weight, scale, round(-least / scale), quint8))
        else:
            observer(weight)
            made.set_weight(on_grid_of(observer, weight))
        return made

    def forward(self, input: Tensor) -> Tensor:
        """Return positive numbers as they are and negative ones times their slope, on the output's grid."""
        return self._put(F.prelu(dequantize(input), dequantize(self.weight)), like=input)
