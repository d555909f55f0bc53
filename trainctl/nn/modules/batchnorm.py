"""Batch normalisation."""

from __future__ import annotations

from typing import Any, ClassVar

from trainctl.autograd.ops.creation import empty, ones, zeros
from trainctl.autograd.tensor import Tensor
from trainctl.backend.dtypes import int64
from trainctl.nn import functional as F
from trainctl.nn import init
from trainctl.nn.modules.module import Module
from trainctl.nn.parameter import Parameter


class _NormBase(Module):
    """What norms with a weight, a bias and running statistics for each channel share."""

    _version = 2
    ndims: ClassVar[tuple[int, ...]]
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        place = {"device": device, "dtype": dtype}
        self.register_parameter("weight", Parameter(empty(num_features, **place)) if affine else None)
        self.register_parameter("bias", Parameter(empty(num_features, **place)) if affine and bias else None)
        tracked = track_running_stats
        self.register_buffer("running_mean", zeros(num_features, **place) if tracked else None)
        self.register_buffer("running_var", ones(num_features, **place) if tracked else None)
        self.register_buffer("num_batches_tracked", zeros((), device=device, dtype=int64) if tracked else None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Set the running mean to 0, the running variance to 1 and the count of batches to 0."""
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Forget the running statistics; weight 1, bias 0."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any], *rest: Any
    ) -> None:
        """Load as every module, and from files older than the count of batches, which they keep as it is here."""
        key = prefix + "num_batches_tracked"
        count = self.num_batches_tracked
        if local_metadata.get("version", 1) < 2 and count is not None and key not in state_dict:
            state_dict[key] = count.clone()
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    def _check_input_dim(self, input: Tensor) -> None:
        """Raise ValueError if the input has other dims than this norm is for."""
        if input.ndim not in self.ndims:
            wanted = " or ".join(f"{each}D" for each in self.ndims)
            raise ValueError(f"expected {wanted} input (got {input.ndim}D input of shape {list(input.shape)})")

    def extra_repr(self) -> str:
        """Return the options."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_NormBase):
    def forward(self, input: Tensor) -> Tensor:
        """Return ``input`` normalised by its own statistics in training, else by the running ones."""
        self._check_input_dim(input)
        keeps = not self.training or self.track_running_stats
        mean, var = (self.running_mean, self.running_var) if keeps else (None, None)
        return F.batch_norm(
            input, mean, var, self.weight, self.bias, self.training or (mean is None and var is None),
            self._count_batch(), self.eps,
        )  # fmt: skip

    def _count_batch(self) -> float:
        """Count a training batch, and return its share in the running statistics."""
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:  # the plain average over all batches so far
                return 1.0 / float(self.num_batches_tracked)
        return 0.0 if self.momentum is None else self.momentum


class BatchNorm1d(_BatchNorm):
    """Each channel of ``[N, C]`` or ``[N, C, L]`` with mean 0 and variance 1 over the batch (Ioffe and Szegedy, 2015).

    Args:
        num_features: C.
        eps: added to the variance.
        momentum: share of a batch in the running statistics; None: their plain average.
        affine: learn a weight and a bias for each channel.
        track_running_stats: keep running statistics, which evaluation uses; without, it uses the batch's.
        device: where the parameters live.
        dtype: of the parameters.
        bias: learn a bias, too.

    Raises:
        ValueError: an input of other dims, or a single value a channel in training.

    Example:
        >>> import trainctl
        >>> BatchNorm1d(1)(trainctl.tensor([[1.0], [3.0]])).detach()
        tensor([[-1.0000],
                [ 1.0000]])
    """

    ndims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """:class:`BatchNorm1d` for images, ``[N, C, H, W]``.

    Example:
        >>> import trainctl
        >>> BatchNorm2d(3)(trainctl.ones(2, 3, 4, 4)).shape
        trainctl.Size([2, 3, 4, 4])
    """

    ndims = (4,)


class BatchNorm3d(_BatchNorm):
    """:class:`BatchNorm1d` for volumes, ``[N, C, D, H, W]``.

    Example:
        >>> import trainctl
        >>> BatchNorm3d(3)(trainctl.ones(2, 3, 1, 4, 4)).shape
        trainctl.Size([2, 3, 1, 4, 4])
    """

    ndims = (5,)
