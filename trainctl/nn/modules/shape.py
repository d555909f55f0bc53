"""Layers that change the shape alone."""

from __future__ import annotations

from collections.abc import Sequence

from trainctl.autograd.tensor import Tensor
from trainctl.nn.modules.module import Module


class Flatten(Module):
    """Makes dims ``start_dim`` to ``end_dim`` one: by default ``[N, *] -> [N, product]``.

    Example:
        >>> import trainctl
        >>> Flatten()(trainctl.ones(2, 3, 4)).shape
        trainctl.Size([2, 12])
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input`` flattened."""
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        """Return the range of dims."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Splits ``dim`` into several of sizes ``unflattened_size``.

    Example:
        >>> import trainctl
        >>> Unflatten(1, (3, 4))(trainctl.ones(2, 12)).shape
        trainctl.Size([2, 3, 4])
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        if not isinstance(unflattened_size, (tuple, list)):
            raise TypeError(
                f"unflattened_size must be a tuple of ints, but found type {type(unflattened_size).__name__}"
            )
        for place, size in enumerate(unflattened_size):
            if not isinstance(size, int):
                raise TypeError(
                    "unflattened_size must be tuple of ints, "
                    f"but found element of type {type(size).__name__} at pos {place}"
                )
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input`` with the dim split."""
        return input.unflatten(self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        """Return the dim and its sizes."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
