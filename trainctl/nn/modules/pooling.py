"""Pooling layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from trainctl.autograd.ops.windows import as_sizes
from trainctl.autograd.tensor import Tensor
from trainctl.nn import functional as F
from trainctl.nn.modules.module import Module

Size = int | tuple[int, ...]


class _Pool(Module):
    """What pooling over any number of spatial dims shares."""

    dims: ClassVar[int]
    function: ClassVar[Callable[..., Any]]


class _MaxPool(_Pool):
    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, input: Tensor) -> Any:
        """Return the largest element of each window (and, with ``return_indices``, where it was)."""
        return type(self).function(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )

    def extra_repr(self) -> str:
        """Return the options."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
            f"ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """The largest element of each window: ``[N, C, L] -> [N, C, L']``; options as for :class:`MaxPool2d`.

    Example:
        >>> import trainctl
        >>> MaxPool1d(2)(trainctl.tensor([[[1.0, 2.0, 4.0, 3.0]]]))
        tensor([[[2., 4.]]])
    """

    dims, function = 1, staticmethod(F.max_pool1d)


class MaxPool2d(_MaxPool):
    """The largest element of each window: ``[N, C, H, W] -> [N, C, H', W']``.

    Args:
        kernel_size: height and width of the window; one int for both, as below.
        stride: step of the window; default: ``kernel_size``.
        padding: places of nothing on both sides; at most half of the window.
        dilation: step between the window's elements.
        return_indices: also return where each maximum was, for :class:`MaxUnpool2d`.
        ceil_mode: let the last window reach beyond the input.

    Example:
        >>> import trainctl
        >>> MaxPool2d(3, stride=2, padding=1)(trainctl.ones(2, 8, 28, 28)).shape
        trainctl.Size([2, 8, 14, 14])
    """

    dims, function = 2, staticmethod(F.max_pool2d)


class MaxPool3d(_MaxPool):
    """The largest element of each window: ``[N, C, D, H, W] -> [N, C, ...]``; options as for :class:`MaxPool2d`.

    Example:
        >>> import trainctl
        >>> MaxPool3d(2)(trainctl.ones(2, 8, 4, 6, 6)).shape
        trainctl.Size([2, 8, 2, 3, 3])
    """

    dims, function = 3, staticmethod(F.max_pool3d)


class _MaxUnpool(_Pool):
    def __init__(self, kernel_size: Size, stride: Size | None = None, padding: Size = 0) -> None:
        super().__init__()
        self.kernel_size = as_sizes(kernel_size, self.dims, "kernel_size")
        self.stride = self.kernel_size if stride is None else as_sizes(stride, self.dims, "stride")
        self.padding = as_sizes(padding, self.dims, "padding")

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """Return the maxima at their places, zeros elsewhere."""
        return type(self).function(input, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self) -> str:
        """Return the options."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """Undoes :class:`MaxPool1d`; as :class:`MaxUnpool2d`.

    Example:
        >>> import trainctl
        >>> MaxUnpool1d(2)(trainctl.tensor([[[2.0, 4.0]]]), trainctl.tensor([[[1, 2]]]))
        tensor([[[0., 2., 4., 0.]]])
    """

    dims, function = 1, staticmethod(F.max_unpool1d)


class MaxUnpool2d(_MaxUnpool):
    """Undoes :class:`MaxPool2d`: each maximum back at its place, zeros elsewhere.

    Args:
        kernel_size: as given to the pooling; likewise the others.
        stride: default: ``kernel_size``.
        padding: of the pooling.

    Example:
        >>> import trainctl
        >>> y, where = MaxPool2d(2, return_indices=True)(trainctl.ones(1, 1, 4, 4))
        >>> MaxUnpool2d(2)(y, where).sum()
        tensor(4.)
    """

    dims, function = 2, staticmethod(F.max_unpool2d)


class MaxUnpool3d(_MaxUnpool):
    """Undoes :class:`MaxPool3d`; as :class:`MaxUnpool2d`.

    Example:
        >>> import trainctl
        >>> y, where = MaxPool3d(2, return_indices=True)(trainctl.ones(1, 1, 4, 4, 4))
        >>> MaxUnpool3d(2)(y, where).sum()
        tensor(8.)
    """

    dims, function = 3, staticmethod(F.max_unpool3d)


class _AvgPool(_Pool):
    """Means of windows in 2 and 3 dims."""

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.ceil_mode = padding, ceil_mode
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override

    def forward(self, input: Tensor) -> Tensor:
        """Return the mean of each window."""
        return type(self).function(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad,
            self.divisor_override,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """Return the options."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPool):
    """The mean of each window: ``[N, C, L] -> [N, C, L']``; options as for :class:`AvgPool2d`, but no other divisor.

    Example:
        >>> import trainctl
        >>> AvgPool1d(2)(trainctl.tensor([[[1.0, 2.0, 4.0, 3.0]]]))
        tensor([[[1.5000, 3.5000]]])
    """

    dims = 1

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        kernel = as_sizes(kernel_size, 1, "kernel_size")
        step = kernel if stride is None else as_sizes(stride, 1, "stride")
        super().__init__(kernel, step, as_sizes(padding, 1, "padding"), ceil_mode, count_include_pad)

    def forward(self, input: Tensor) -> Tensor:
        """Return the mean of each window."""
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)


class AvgPool2d(_AvgPool):
    """The mean of each window: ``[N, C, H, W] -> [N, C, H', W']``.

    Args:
        kernel_size: height and width of the window; one int for both, as below.
        stride: step of the window; default: ``kernel_size``.
        padding: zeros on both sides; at most half of the window.
        ceil_mode: let the last window reach beyond the input.
        count_include_pad: the padding's zeros count as elements.
        divisor_override: divide by this instead of the number of elements.

    Example:
        >>> import trainctl
        >>> AvgPool2d(2)(trainctl.ones(2, 8, 28, 28)).shape
        trainctl.Size([2, 8, 14, 14])
    """

    dims, function = 2, staticmethod(F.avg_pool2d)


class AvgPool3d(_AvgPool):
    """The mean of each window: ``[N, C, D, H, W] -> [N, C, ...]``; options as for :class:`AvgPool2d`.

    Example:
        >>> import trainctl
        >>> AvgPool3d(2)(trainctl.ones(2, 8, 4, 6, 6)).shape
        trainctl.Size([2, 8, 2, 3, 3])
    """

    dims, function = 3, staticmethod(F.avg_pool3d)


class _LPPool(_Pool):
    def __init__(
        self, norm_type: float, kernel_size: Size, stride: Size | None = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = norm_type, kernel_size, stride, ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        """Return the norm of each window."""
        return type(self).function(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self) -> str:
        """Return the options."""
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPool):
    """The ``norm_type`` norm of each window: ``[N, C, L] -> [N, C, L']``; as :class:`LPPool2d`.

    Example:
        >>> import trainctl
        >>> LPPool1d(2, 2)(trainctl.tensor([[[3.0, 4.0]]]))
        tensor([[[5.]]])
    """

    dims, function = 1, staticmethod(F.lp_pool1d)


class LPPool2d(_LPPool):
    """The ``norm_type`` norm of each window, ``(sum x ** p) ** (1 / p)``: ``[N, C, H, W] -> [N, C, H', W']``.

    Args:
        norm_type: ``p``; infinity: the largest absolute value.
        kernel_size: height and width of the window, or one int for both.
        stride: step of the window; default: ``kernel_size``.
        ceil_mode: let the last window reach beyond the input.

    Example:
        >>> import trainctl
        >>> LPPool2d(2, 2)(trainctl.ones(1, 1, 2, 2))
        tensor([[[[2.]]]])
    """

    dims, function = 2, staticmethod(F.lp_pool2d)


class LPPool3d(_LPPool):
    """The ``norm_type`` norm of each window: ``[N, C, D, H, W] -> [N, C, ...]``; as :class:`LPPool2d`.

    Example:
        >>> import trainctl
        >>> LPPool3d(1, 2)(trainctl.ones(1, 1, 2, 2, 2))
        tensor([[[[[8.]]]]])
    """

    dims, function = 3, staticmethod(F.lp_pool3d)
