"""Space traded for channels, as layers."""

from __future__ import annotations

from trainctl.autograd.tensor import Tensor
from trainctl.nn import functional as F
from trainctl.nn.modules.module import Module


class PixelShuffle(Module):
    """``r * r`` channels as an image ``r`` times as large: ``[*, C * r * r, H, W] -> [*, C, H * r, W * r]``.

    Args:
        upscale_factor: r.

    Example:
        >>> import trainctl
        >>> PixelShuffle(3)(trainctl.ones(1, 9, 4, 4)).shape
        trainctl.Size([1, 1, 12, 12])
    """

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        """Return the larger image."""
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        """Return the factor."""
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """Undoes :class:`PixelShuffle`: ``[*, C, H * r, W * r] -> [*, C * r * r, H, W]``.

    Args:
        downscale_factor: r.

    Example:
        >>> import trainctl
        >>> PixelUnshuffle(3)(trainctl.ones(1, 1, 12, 12)).shape
        trainctl.Size([1, 9, 4, 4])
    """

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        """Return the smaller image."""
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        """Return the factor."""
        return f"downscale_factor={self.downscale_factor}"
