"""Padding layers. ``padding`` is one int for all sides, or (before, after) for the last dim, then the one before it, ..."""

from __future__ import annotations

from typing import ClassVar

from trainctl.autograd.tensor import Tensor
from trainctl.nn import functional as F
from trainctl.nn.modules.module import Module

Sides = int | tuple[int, ...]


class _Pad(Module):
    dims: ClassVar[int]
    mode: ClassVar[str]

    def __init__(self, padding: Sides) -> None:
        super().__init__()
        self.padding = (padding,) * (2 * self.dims) if isinstance(padding, int) else tuple(padding)

    def forward(self, input: Tensor) -> Tensor:
        """Return the padded input."""
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        """Return the sides."""
        return str(self.padding)


class _ConstantPad(_Pad):
    mode = "constant"

    def __init__(self, padding: Sides, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        """Return the padded input."""
        return F.pad(input, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        """Return the sides and the value."""
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """A value at both ends of the last dim.

    Args:
        padding: one int, or (before, after); negative: cut off.
        value: what to fill with.

    Example:
        >>> import trainctl
        >>> ConstantPad1d((1, 2), 9.0)(trainctl.ones(1, 2))
        tensor([[9., 1., 1., 9., 9.]])
    """

    dims = 1


class ConstantPad2d(_ConstantPad):
    """A value around the last two dims; ``padding``: one int, or (left, right, top, bottom).

    Example:
        >>> import trainctl
        >>> ConstantPad2d(1, 0.5)(trainctl.ones(3, 4, 4)).shape
        trainctl.Size([3, 6, 6])
    """

    dims = 2


class ConstantPad3d(_ConstantPad):
    """A value around the last three dims; ``padding``: one int, or (left, right, top, bottom, front, back).

    Example:
        >>> import trainctl
        >>> ConstantPad3d(1, 0.5)(trainctl.ones(3, 4, 4, 4)).shape
        trainctl.Size([3, 6, 6, 6])
    """

    dims = 3


class _ZeroPad(_ConstantPad):
    def __init__(self, padding: Sides) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        """Return the sides."""
        return str(self.padding)


class ZeroPad1d(_ZeroPad):
    """Zeros at both ends of the last dim; ``padding``: one int, or (before, after).

    Example:
        >>> import trainctl
        >>> ZeroPad1d(1)(trainctl.ones(1, 2))
        tensor([[0., 1., 1., 0.]])
    """

    dims = 1


class ZeroPad2d(_ZeroPad):
    """Zeros around the last two dims; ``padding``: one int, or (left, right, top, bottom).

    Example:
        >>> import trainctl
        >>> ZeroPad2d((1, 1, 0, 0))(trainctl.ones(3, 4, 4)).shape
        trainctl.Size([3, 4, 6])
    """

    dims = 2


class ZeroPad3d(_ZeroPad):
    """Zeros around the last three dims; ``padding``: one int, or (left, right, top, bottom, front, back).

    Example:
        >>> import trainctl
        >>> ZeroPad3d(1)(trainctl.ones(3, 4, 4, 4)).shape
        trainctl.Size([3, 6, 6, 6])
    """

    dims = 3


class _ReflectionPad(_Pad):
    mode = "reflect"


class ReflectionPad1d(_ReflectionPad):
    """The mirror image at both ends of ``[N, C, L]`` or ``[C, L]``, the edge itself not repeated.

    Args:
        padding: one int, or (before, after); less than L.

    Example:
        >>> import trainctl
        >>> ReflectionPad1d(2)(trainctl.tensor([[1.0, 2.0, 3.0]]))
        tensor([[3., 2., 1., 2., 3., 2., 1.]])
    """

    dims = 1


class ReflectionPad2d(_ReflectionPad):
    """The mirror image around ``[N, C, H, W]`` or ``[C, H, W]``; ``padding``: one int, or (left, right, top, bottom).

    Example:
        >>> import trainctl
        >>> ReflectionPad2d(1)(trainctl.ones(3, 4, 4)).shape
        trainctl.Size([3, 6, 6])
    """

    dims = 2


class ReflectionPad3d(_ReflectionPad):
    """The mirror image around ``[N, C, D, H, W]`` or ``[C, D, H, W]``; ``padding``: one int or six.

    Example:
        >>> import trainctl
        >>> ReflectionPad3d(1)(trainctl.ones(3, 4, 4, 4)).shape
        trainctl.Size([3, 6, 6, 6])
    """

    dims = 3


class _ReplicationPad(_Pad):
    mode = "replicate"


class ReplicationPad1d(_ReplicationPad):
    """The edge again and again at both ends of ``[N, C, L]`` or ``[C, L]``.

    Args:
        padding: one int, or (before, after).

    Example:
        >>> import trainctl
        >>> ReplicationPad1d(2)(trainctl.tensor([[1.0, 2.0]]))
        tensor([[1., 1., 1., 2., 2., 2.]])
    """

    dims = 1


class ReplicationPad2d(_ReplicationPad):
    """The edge again and again around ``[N, C, H, W]`` or ``[C, H, W]``; ``padding``: one int or four.

    Example:
        >>> import trainctl
        >>> ReplicationPad2d(1)(trainctl.ones(3, 4, 4)).shape
        trainctl.Size([3, 6, 6])
    """

    dims = 2


class ReplicationPad3d(_ReplicationPad):
    """The edge again and again around ``[N, C, D, H, W]`` or ``[C, D, H, W]``; ``padding``: one int or six.

    Example:
        >>> import trainctl
        >>> ReplicationPad3d(1)(trainctl.ones(3, 4, 4, 4)).shape
        trainctl.Size([3, 6, 6, 6])
    """

    dims = 3


class _CircularPad(_Pad):
    mode = "circular"

    def forward(self, input: Tensor) -> Tensor:
        """Return the padded input.

        Raises:
            ValueError: an input of other dims.
        """
        if input.ndim not in (self.dims + 1, self.dims + 2):
            raise ValueError(
                f"expected {self.dims + 1}D or {self.dims + 2}D input (got {input.ndim}D input of shape {list(input.shape)})"
            )
        return super().forward(input)


class CircularPad1d(_CircularPad):
    """Each end continued by the other one: ``[N, C, L]`` or ``[C, L]``.

    Args:
        padding: one int, or (before, after); at most L.

    Example:
        >>> import trainctl
        >>> CircularPad1d(1)(trainctl.tensor([[1.0, 2.0, 3.0]]))
        tensor([[3., 1., 2., 3., 1.]])
    """

    dims = 1


class CircularPad2d(_CircularPad):
    """Each end continued by the other one: ``[N, C, H, W]`` or ``[C, H, W]``; ``padding``: one int or four.

    Example:
        >>> import trainctl
        >>> CircularPad2d(1)(trainctl.ones(3, 4, 4)).shape
        trainctl.Size([3, 6, 6])
    """

    dims = 2


class CircularPad3d(_CircularPad):
    """Each end continued by the other one: ``[N, C, D, H, W]`` or ``[C, D, H, W]``; ``padding``: one int or six.

    Example:
        >>> import trainctl
        >>> CircularPad3d(1)(trainctl.ones(3, 4, 4, 4)).shape
        trainctl.Size([3, 6, 6, 6])
    """

    dims = 3
