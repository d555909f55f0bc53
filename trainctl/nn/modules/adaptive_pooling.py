"""Pooling layers with a given output size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from trainctl.autograd.tensor import Tensor
from trainctl.nn import functional as F
from trainctl.nn.modules.module import Module

Size = int | tuple[int, ...]
OptionalSize = int | None | tuple[int | None, ...]


class _AdaptivePool(Module):
    function: ClassVar[Callable[..., Any]]

    def __init__(self, output_size: OptionalSize) -> None:
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        """Return the size."""
        return f"output_size={self.output_size}"


class _AdaptiveAvgPool(_AdaptivePool):
    def forward(self, input: Tensor) -> Tensor:
        """Return the means."""
        return type(self).function(input, self.output_size)


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """The means of ``output_size`` even windows: ``[N, C, L] -> [N, C, output_size]``.

    Args:
        output_size: number of windows.

    Example:
        >>> import trainctl
        >>> AdaptiveAvgPool1d(2)(trainctl.tensor([[[1.0, 2.0, 3.0]]]))
        tensor([[[1.5000, 2.5000]]])
    """

    function = staticmethod(F.adaptive_avg_pool1d)

    def __init__(self, output_size: Size) -> None:
        super().__init__(output_size)


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """The means of even windows: ``[N, C, H, W] -> [N, C, *output_size]``.

    Args:
        output_size: height and width of the output; one int for both; None: as the input.

    Example:
        >>> import trainctl
        >>> AdaptiveAvgPool2d((1, None))(trainctl.ones(2, 8, 7, 5)).shape
        trainctl.Size([2, 8, 1, 5])
    """

    function = staticmethod(F.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """The means of even windows: ``[N, C, D, H, W] -> [N, C, *output_size]``; as :class:`AdaptiveAvgPool2d`.

    Example:
        >>> import trainctl
        >>> AdaptiveAvgPool3d(1)(trainctl.ones(2, 8, 4, 7, 5)).shape
        trainctl.Size([2, 8, 1, 1, 1])
    """

    function = staticmethod(F.adaptive_avg_pool3d)


class _AdaptiveMaxPool(_AdaptivePool):
    def __init__(self, output_size: OptionalSize, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Any:
        """Return the maxima (and, with ``return_indices``, where they were)."""
        return type(self).function(input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The maxima of ``output_size`` even windows: ``[N, C, L] -> [N, C, output_size]``.

    Args:
        output_size: number of windows.
        return_indices: also return where each maximum was.

    Example:
        >>> import trainctl
        >>> AdaptiveMaxPool1d(2)(trainctl.tensor([[[1.0, 2.0, 3.0]]]))
        tensor([[[2., 3.]]])
    """

    function = staticmethod(F.adaptive_max_pool1d)

    def __init__(self, output_size: Size, return_indices: bool = False) -> None:
        super().__init__(output_size, return_indices)


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The maxima of even windows: ``[N, C, H, W] -> [N, C, *output_size]``.

    Args:
        output_size: height and width of the output; one int for both; None: as the input.
        return_indices: also return where each maximum was, as its number within its image plane.

    Example:
        >>> import trainctl
        >>> AdaptiveMaxPool2d((1, None))(trainctl.ones(2, 8, 7, 5)).shape
        trainctl.Size([2, 8, 1, 5])
    """

    function = staticmethod(F.adaptive_max_pool2d)


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """The maxima of even windows: ``[N, C, D, H, W] -> [N, C, *output_size]``; as :class:`AdaptiveMaxPool2d`.

    Example:
        >>> import trainctl
        >>> AdaptiveMaxPool3d(1)(trainctl.ones(2, 8, 4, 7, 5)).shape
        trainctl.Size([2, 8, 1, 1, 1])
    """

    function = staticmethod(F.adaptive_max_pool3d)
