"""Channels dealt out among groups, as a layer."""

from __future__ import annotations

from trainctl.autograd.tensor import Tensor
from trainctl.nn import functional as F
from trainctl.nn.modules.module import Module


class ChannelShuffle(Module):
    """The first channel of each group, then the second of each, ...: ``[N, C, *] -> [N, C, *]``.

    Args:
        groups: how many.

    Example:
        >>> import trainctl
        >>> ChannelShuffle(2)(trainctl.arange(4.0).reshape(1, 4, 1)).flatten()
        tensor([0., 2., 1., 3.])
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        """Return the shuffled channels."""
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        """Return the groups."""
        return f"groups={self.groups}"
