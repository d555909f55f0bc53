"""Shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Size(tuple):
    """A shape: a tuple of sizes with ``numel()``.

    Example:
        >>> Size([2, 3]).numel()
        6
    """

    __slots__ = ()

    def numel(self) -> int:
        """Return the number of elements in a tensor of this shape."""
        count = 1
        for size in self:
            count *= size
        return count

    def __repr__(self) -> str:
        return f"trainctl.Size([{', '.join(map(str, self))}])"

    def __getitem__(self, index: Any) -> Any:
        got = super().__getitem__(index)
        return Size(got) if isinstance(index, slice) else got

    def __add__(self, other: Any) -> Size:
        return Size(tuple(self) + tuple(other))


def as_shape(size: Sequence[Any]) -> tuple[int, ...]:
    """Return sizes given as ``(2, 3)``, ``((2, 3),)`` or ``([2, 3],)`` as one tuple."""
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = size[0]
    return tuple(int(each) for each in size)
