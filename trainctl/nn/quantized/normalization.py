"""Norms on codes."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from trainctl.autograd.ops.quantization import dequantize
from trainctl.autograd.tensor import Tensor
from trainctl.nn import functional as F
from trainctl.nn.modules import batchnorm, instancenorm, normalization
from trainctl.nn.quantized.on_grid import OnGrid


class _BatchNorm(OnGrid):
    """A norm by the statistics that training ended with, whatever the mode."""

    relu: ClassVar[bool] = False

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(num_features, eps, momentum)
        self._set_grid(1.0, 0)

    @classmethod
    def _like(cls, layer: Any) -> Self:
        made: Any = cls(layer.num_features, layer.eps)
        for name in ("weight", "bias", "running_mean", "running_var"):
            setattr(made, name, getattr(layer, name))
        return made

    def forward(self, input: Tensor) -> Tensor:
        """Return the normed input, on the output's grid."""
        norm: Any = self
        norm._check_input_dim(input)
        y = F.batch_norm(
            dequantize(input), norm.running_mean, norm.running_var, norm.weight, norm.bias, False, 0.0, norm.eps
        )
        return self._put(F.relu(y) if self.relu else y, like=input)


class BatchNorm2d(_BatchNorm, batchnorm.BatchNorm2d):
    """:class:`trainctl.nn.BatchNorm2d` onto the grid of ``scale`` and ``zero_point``, by its running statistics."""

    _FLOAT_MODULE = batchnorm.BatchNorm2d


class BatchNorm3d(_BatchNorm, batchnorm.BatchNorm3d):
    """:class:`trainctl.nn.BatchNorm3d` onto the grid of ``scale`` and ``zero_point``, by its running statistics."""

    _FLOAT_MODULE = batchnorm.BatchNorm3d


class BNReLU2d(BatchNorm2d):
    """:class:`BatchNorm2d` with what is below 0 made 0."""

    relu = True


class BNReLU3d(BatchNorm3d):
    """:class:`BatchNorm3d` with what is below 0 made 0."""

    relu = True


class LayerNorm(OnGrid, normalization.LayerNorm):
    """:class:`trainctl.nn.LayerNorm` of given weight and bias onto the grid of ``scale`` and ``zero_point``."""

    _FLOAT_MODULE = normalization.LayerNorm

    def __init__(
        self,
        normalized_shape: Any,
        weight: Any,
        bias: Any,
        scale: float,
        zero_point: int,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(normalized_shape, eps, elementwise_affine)
        self.weight, self.bias = weight, bias
        self._set_grid(scale, zero_point)

    @classmethod
    def _like(cls, layer: Any) -> Self:
        shape, affine = layer.normalized_shape, layer.elementwise_affine
        return cls(shape, layer.weight, layer.bias, 1.0, 0, layer.eps, affine)


class GroupNorm(OnGrid, normalization.GroupNorm):
    """:class:`trainctl.nn.GroupNorm` of given weight and bias onto the grid of ``scale`` and ``zero_point``."""

    _FLOAT_MODULE = normalization.GroupNorm

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        weight: Any,
        bias: Any,
        scale: float,
        zero_point: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_groups, num_channels, eps, affine)
        self.weight, self.bias = weight, bias
        self._set_grid(scale, zero_point)

    @classmethod
    def _like(cls, layer: Any) -> Self:
        return cls(layer.num_groups, layer.num_channels, layer.weight, layer.bias, 1.0, 0, layer.eps, layer.affine)


class _InstanceNorm(OnGrid):
    def __init__(
        self,
        num_features: int,
        weight: Any,
        bias: Any,
        scale: float,
        zero_point: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats)
        norm: Any = self
        norm.weight, norm.bias = weight, bias
        self._set_grid(scale, zero_point)

    @classmethod
    def _like(cls, layer: Any) -> Self:
        return cls(
            layer.num_features, layer.weight, layer.bias, 1.0, 0, layer.eps, layer.momentum, layer.affine,
            layer.track_running_stats,
        )  # fmt: skip


class InstanceNorm1d(_InstanceNorm, instancenorm.InstanceNorm1d):
    """:class:`trainctl.nn.InstanceNorm1d` of given weight and bias onto the grid of ``scale`` and ``zero_point``."""

    _FLOAT_MODULE = instancenorm.InstanceNorm1d


class InstanceNorm2d(_InstanceNorm, instancenorm.InstanceNorm2d):
    """:class:`trainctl.nn.InstanceNorm2d` of given weight and bias onto the grid of ``scale`` and ``zero_point``."""

    _FLOAT_MODULE = instancenorm.InstanceNorm2d


class InstanceNorm3d(_InstanceNorm, instancenorm.InstanceNorm3d):
    """:class:`trainctl.nn.InstanceNorm3d` of given weight and bias onto the grid of ``scale`` and ``zero_point``."""

    _FLOAT_MODULE = instancenorm.InstanceNorm3d
