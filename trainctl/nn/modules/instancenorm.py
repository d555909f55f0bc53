"""Instance normalisation."""

from __future__ import annotations

import warnings
from typing import Any

from trainctl.autograd.tensor import Tensor
from trainctl.nn import functional as F
from trainctl.nn.modules.batchnorm import _NormBase


class _InstanceNorm(_NormBase):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input`` normalised by its own statistics, or in evaluation by the running ones where there are any."""
        self._check_input_dim(input)
        single = input.ndim == self.ndims[0]
        self._check_channels(input, 0 if single else 1)
        y = F.instance_norm(
            input.unsqueeze(0) if single else input, self.running_mean, self.running_var, self.weight, self.bias,
            self.training or not self.track_running_stats, 0.0 if self.momentum is None else self.momentum, self.eps,
        )  # fmt: skip
        return y.squeeze(0) if single else y

    def _check_channels(self, input: Tensor, dim: int) -> None:
        """Raise ValueError on another number of channels than ``num_features``; warn where that does not matter."""
        got = input.shape[dim]
        if got == self.num_features:
            return
        text = f"expected input's size at dim={dim} to match num_features ({self.num_features}), but got: {got}."
        if self.affine:
            raise ValueError(text)
        warnings.warn(f"{text} It is not used, because affine=False.", stacklevel=3)


class InstanceNorm1d(_InstanceNorm):
    """Each channel of each sample of ``[N, C, L]`` or ``[C, L]`` with mean 0 and variance 1 (Ulyanov et al., 2016).

    Args:
        num_features: C.
        eps: added to the variance.
        momentum: share of a batch in the running statistics.
        affine: learn a weight and a bias for each channel.
        track_running_stats: keep running statistics, which evaluation uses.
        device: where the parameters live.
        dtype: of the parameters.
        bias: learn a bias, too.

    Raises:
        ValueError: an input of other dims or, with parameters, of other channels, or a single element a channel.

    Example:
        >>> import trainctl
        >>> InstanceNorm1d(2)(trainctl.tensor([[[1.0, 3.0], [5.0, 5.0]]]))
        tensor([[[-1.0000,  1.0000],
                 [ 0.0000,  0.0000]]])
    """

    ndims = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """:class:`InstanceNorm1d` for images, ``[N, C, H, W]`` or ``[C, H, W]``.

    Example:
        >>> import trainctl
        >>> InstanceNorm2d(3)(trainctl.ones(2, 3, 4, 4)).shape
        trainctl.Size([2, 3, 4, 4])
    """

    ndims = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """:class:`InstanceNorm1d` for volumes, ``[N, C, D, H, W]`` or ``[C, D, H, W]``.

    Example:
        >>> import trainctl
        >>> InstanceNorm3d(3)(trainctl.ones(2, 3, 1, 4, 4)).shape
        trainctl.Size([2, 3, 1, 4, 4])
    """

    ndims = (4, 5)
