"""Windows of an image as columns, and columns added back into an image, as layers."""

from __future__ import annotations

from trainctl.autograd.tensor import Tensor
from trainctl.nn import functional as F
from trainctl.nn.modules.module import Module

Size = int | tuple[int, ...]


class Unfold(Module):
    """What a window sees at each place as a column: ``[N, C, H, W] -> [N, C * kh * kw, places]``.

    Args:
        kernel_size: of the window, an int or two.
        dilation: step between the window's elements, likewise.
        padding: zeros on both sides, likewise.
        stride: step of the window, likewise.

    Example:
        >>> import trainctl
        >>> Unfold((2, 3))(trainctl.ones(2, 5, 3, 4)).shape
        trainctl.Size([2, 30, 4])
    """

    def __init__(self, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1) -> None:
        super().__init__()
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, input: Tensor) -> Tensor:
        """Return the columns."""
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        """Return the options."""
        return f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, stride={self.stride}"


class Fold(Module):
    """Columns added up to an image: ``[N, C * kh * kw, places] -> [N, C, *output_size]``.

    Args:
        output_size: height and width, an int or two.
        kernel_size: of the window that saw the columns; likewise the others, as for :class:`Unfold`.
        dilation: step between the window's elements.
        padding: what is cut off on both sides.
        stride: step of the window.

    Example:
        >>> import trainctl
        >>> Fold((4, 5), (2, 2))(trainctl.ones(1, 12, 12)).shape
        trainctl.Size([1, 3, 4, 5])
    """

    def __init__(
        self, output_size: Size, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1
    ) -> None:
        super().__init__()
        self.output_size, self.kernel_size = output_size, kernel_size
        self.dilation, self.padding, self.stride = dilation, padding, stride

    def forward(self, input: Tensor) -> Tensor:
        """Return the image."""
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        """Return the options."""
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, dilation={self.dilation}, "
            f"padding={self.padding}, stride={self.stride}"
        )
