"""Distance and similarity of two inputs as modules."""

from __future__ import annotations

from trainctl.autograd.tensor import Tensor
from trainctl.nn import functional as F
from trainctl.nn.modules.module import Module


class PairwiseDistance(Module):
    """The ``p``-norm of ``x1 - x2 + eps`` over the last dim: ``[*, d], [*, d] -> [*]``.

    Args:
        p: the order of the norm.
        eps: added to each difference, so that the norm has a slope.
        keepdim: keep the last dim with size 1.

    Example:
        >>> import trainctl
        >>> PairwiseDistance()(trainctl.ones(2, 4), trainctl.zeros(2, 4))
        tensor([2.0000, 2.0000])
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm, self.eps, self.keepdim = p, eps, keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Return the distances."""
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)


class CosineSimilarity(Module):
    """The cosine of the angle between vectors along ``dim``; the shapes broadcast.

    Args:
        dim: the dim of the coordinates.
        eps: what a vector's norm counts as at least.

    Example:
        >>> import trainctl
        >>> CosineSimilarity()(trainctl.ones(2, 4), -trainctl.ones(2, 4))
        tensor([-1., -1.])
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim, self.eps = dim, eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Return the cosines."""
        return F.cosine_similarity(x1, x2, self.dim, self.eps)
