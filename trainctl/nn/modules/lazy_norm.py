"""Norms that learn their number of channels from the first batch they see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainctl.autograd.ops.creation import zeros
from trainctl.autograd.tensor import Tensor
from trainctl.backend.dtypes import int64
from trainctl.nn.modules.batchnorm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from trainctl.nn.modules.instancenorm import InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from trainctl.nn.modules.lazy import LazyModuleMixin
from trainctl.nn.uninitialized import UninitializedBuffer, UninitializedParameter, is_lazy


class _LazyNorm(LazyModuleMixin):
    """What lazy norms share; ``num_features`` comes from the first input."""

    if TYPE_CHECKING:
        num_features: int
        affine: bool
        track_running_stats: bool
        running_mean: Tensor | None
        running_var: Tensor | None
        num_batches_tracked: Tensor | None
        _check_input_dim: Any

    def _make_lazy(self, affine: bool, tracked: bool, bias: bool, device: Any, dtype: Any) -> None:
        self.affine, self.track_running_stats = affine, tracked
        place = {"device": device, "dtype": dtype}
        if affine:
            self.weight = UninitializedParameter(**place)
            if bias:
                self.bias = UninitializedParameter(**place)
        if tracked:
            self.running_mean, self.running_var = UninitializedBuffer(**place), UninitializedBuffer(**place)
            self.num_batches_tracked = zeros((), device=device, dtype=int64)

    def reset_parameters(self) -> None:
        """Set parameters and statistics to where they start, once they have a size."""
        if not self.has_uninitialized_params() and self.num_features:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor) -> None:
        """Take ``num_features`` from the input, or from weights that were loaded."""
        members = [each for each in (*self._parameters.values(), *self._buffers.values()) if each is not None]
        if not self.has_uninitialized_params():
            self.num_features = next((each.shape[0] for each in members if each.ndim), input.shape[1])
            return
        self._check_input_dim(input)
        self.num_features = input.shape[1]
        for each in members:
            if is_lazy(each):
                each.materialize((self.num_features,))
        self.reset_parameters()


class _LazyBatchNorm(_LazyNorm):
    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        start: Any = super().__init__
        start(0, eps, momentum, False, False)
        self._make_lazy(affine, track_running_stats, bias, device, dtype)


class LazyBatchNorm1d(_LazyBatchNorm, BatchNorm1d):
    """:class:`BatchNorm1d` with ``num_features`` from the first input; the other arguments are that class's.

    Example:
        >>> import trainctl
        >>> layer = LazyBatchNorm1d()
        >>> layer(trainctl.ones(2, 3)).shape, layer.num_features
        (trainctl.Size([2, 3]), 3)
    """

    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(_LazyBatchNorm, BatchNorm2d):
    """:class:`BatchNorm2d` with ``num_features`` from the first input.

    Example:
        >>> import trainctl
        >>> LazyBatchNorm2d()(trainctl.ones(2, 3, 4, 4)).shape
        trainctl.Size([2, 3, 4, 4])
    """

    cls_to_become = BatchNorm2d


class LazyBatchNorm3d(_LazyBatchNorm, BatchNorm3d):
    """:class:`BatchNorm3d` with ``num_features`` from the first input.

    Example:
        >>> import trainctl
        >>> LazyBatchNorm3d()(trainctl.ones(2, 3, 1, 4, 4)).shape
        trainctl.Size([2, 3, 1, 4, 4])
    """

    cls_to_become = BatchNorm3d


class _LazyInstanceNorm(_LazyNorm):
    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        start: Any = super().__init__
        start(0, eps, momentum, False, False)
        self._make_lazy(affine, track_running_stats, bias, device, dtype)


class LazyInstanceNorm1d(_LazyInstanceNorm, InstanceNorm1d):
    """:class:`InstanceNorm1d` with ``num_features`` from the first input, ``[N, C, L]``.

    Example:
        >>> import trainctl
        >>> LazyInstanceNorm1d()(trainctl.ones(2, 3, 4)).shape
        trainctl.Size([2, 3, 4])
    """

    cls_to_become = InstanceNorm1d


class LazyInstanceNorm2d(_LazyInstanceNorm, InstanceNorm2d):
    """:class:`InstanceNorm2d` with ``num_features`` from the first input, ``[N, C, H, W]``.

    Example:
        >>> import trainctl
        >>> LazyInstanceNorm2d()(trainctl.ones(2, 3, 4, 4)).shape
        trainctl.Size([2, 3, 4, 4])
    """

    cls_to_become = InstanceNorm2d


class LazyInstanceNorm3d(_LazyInstanceNorm, InstanceNorm3d):
    """:class:`InstanceNorm3d` with ``num_features`` from the first input, ``[N, C, D, H, W]``.

    Example:
        >>> import trainctl
        >>> LazyInstanceNorm3d()(trainctl.ones(2, 3, 1, 4, 4)).shape
        trainctl.Size([2, 3, 1, 4, 4])
    """

    cls_to_become = InstanceNorm3d
