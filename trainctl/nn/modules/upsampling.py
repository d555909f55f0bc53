"""Images made larger or smaller, as layers."""

from __future__ import annotations

from typing import Literal

from trainctl.autograd.tensor import Tensor
from trainctl.nn import functional as F
from trainctl.nn.modules.module import Module

Size = int | tuple[int, ...]
Factor = float | tuple[float, ...]
Mode = Literal["nearest", "nearest-exact", "linear", "bilinear", "bicubic", "trilinear", "area"]


class Upsample(Module):
    """Images of another size: ``[N, C, *spatial] -> [N, C, *size]``; see :func:`trainctl.nn.functional.interpolate`.

    Args:
        size: of the output, an int or one for each spatial dim.
        scale_factor: instead of ``size``: the output's size over the input's, likewise.
        mode: how an output element is made of the input's.
        align_corners: the outermost elements' middles stay where they are.
        recompute_scale_factor: with ``scale_factor``: use the ratio of the sizes, which are whole, instead.

    Example:
        >>> import trainctl
        >>> Upsample(scale_factor=2)(trainctl.ones(2, 8, 7, 7)).shape
        trainctl.Size([2, 8, 14, 14])
    """

    def __init__(
        self,
        size: Size | None = None,
        scale_factor: Factor | None = None,
        mode: Mode = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.size, self.mode = size, mode
        self.scale_factor: Factor | None = None
        if isinstance(scale_factor, tuple):
            self.scale_factor = tuple(float(each) for each in scale_factor)
        elif scale_factor:
            self.scale_factor = float(scale_factor)
        self.align_corners, self.recompute_scale_factor = align_corners, recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        """Return the resized images."""
        return F.interpolate(
            input, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor
        )

    def extra_repr(self) -> str:
        """Return what gives the size, and the mode."""
        size = f"size={self.size!r}" if self.scale_factor is None else f"scale_factor={self.scale_factor!r}"
        return f"{size}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """:class:`Upsample` by the nearest element: ``[N, C, H, W] -> [N, C, *size]``.

    Example:
        >>> import trainctl
        >>> UpsamplingNearest2d(size=4)(trainctl.ones(1, 1, 2, 2)).shape
        trainctl.Size([1, 1, 4, 4])
    """

    def __init__(self, size: Size | None = None, scale_factor: Factor | None = None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """:class:`Upsample`, bilinear with aligned corners: ``[N, C, H, W] -> [N, C, *size]``.

    Example:
        >>> import trainctl
        >>> UpsamplingBilinear2d(size=3)(trainctl.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])).shape
        trainctl.Size([1, 1, 3, 3])
    """

    def __init__(self, size: Size | None = None, scale_factor: Factor | None = None) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)
