"""Norms over each sample's own features."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.ops.creation import empty
from trainctl.autograd.tensor import Tensor
from trainctl.nn import functional as F
from trainctl.nn import init
from trainctl.nn.modules.module import Module
from trainctl.nn.parameter import Parameter


class _Affine(Module):
    """A weight and a bias of one shape, each perhaps None, that begin as 1 and 0."""

    def _add_parameters(self, shape: Any, weight: bool, bias: bool, device: Any, dtype: Any) -> None:
        for name, wanted in (("weight", weight), ("bias", bias)):
            self.register_parameter(name, Parameter(empty(shape, device=device, dtype=dtype)) if wanted else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the weight to 1 and the bias to 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


def _shape(normalized_shape: int | list[int] | tuple[int, ...]) -> tuple[int, ...]:
    return (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)


class LayerNorm(_Affine):
    """The last dims with mean 0 and variance 1, times a weight, plus a bias (Ba et al., 2016).

    Args:
        normalized_shape: sizes of these dims; an int: of the last one.
        eps: added to the variance.
        elementwise_affine: learn a weight and a bias of that shape.
        bias: learn a bias, too.
        device: where the parameters live.
        dtype: of the parameters.

    Example:
        >>> import trainctl
        >>> LayerNorm(2)(trainctl.tensor([[1.0, 3.0]])).detach()
        tensor([[-1.0000,  1.0000]])
    """

    def __init__(
        self,
        normalized_shape: int | list[int] | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape, self.eps, self.elementwise_affine = _shape(normalized_shape), eps, elementwise_affine
        self._add_parameters(self.normalized_shape, elementwise_affine, elementwise_affine and bias, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        """Return the norm of ``input`` (``[..., *normalized_shape]``)."""
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Return the options."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """The last dims over the root of the mean of their squares, times a weight (Zhang and Sennrich, 2019).

    Args:
        normalized_shape: sizes of these dims; an int: of the last one.
        eps: added to the mean square; None: the smallest step of the dtype computed in.
        elementwise_affine: learn a weight of that shape.
        device: where it lives.
        dtype: its type.

    Example:
        >>> import trainctl
        >>> RMSNorm(2)(trainctl.tensor([[3.0, 4.0]])).detach()
        tensor([[0.8485, 1.1314]])
    """

    def __init__(
        self,
        normalized_shape: int | list[int] | tuple[int, ...],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape, self.eps, self.elementwise_affine = _shape(normalized_shape), eps, elementwise_affine
        weight = Parameter(empty(self.normalized_shape, device=device, dtype=dtype)) if elementwise_affine else None
        self.register_parameter("weight", weight)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the weight to 1."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return the norm of ``x`` (``[..., *normalized_shape]``)."""
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """Return the options."""
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(_Affine):
    """Each group of channels of each sample with mean 0 and variance 1 (Wu and He, 2018): ``[N, C, ...]``.

    Args:
        num_groups: into how many groups the channels are split.
        num_channels: C.
        eps: added to the variance.
        affine: learn a weight and a bias for each channel.
        device: where the parameters live.
        dtype: of the parameters.
        bias: learn a bias, too.

    Raises:
        ValueError: the channels do not split into so many groups.

    Example:
        >>> import trainctl
        >>> GroupNorm(2, 4)(trainctl.tensor([[1.0, 3.0, 0.0, 8.0]])).detach()
        tensor([[-1.0000,  1.0000, -1.0000,  1.0000]])
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_channels % num_groups:
            raise ValueError(f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self._add_parameters(num_channels, affine, affine and bias, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        """Return the norm of ``input``."""
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Return the options."""
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )
