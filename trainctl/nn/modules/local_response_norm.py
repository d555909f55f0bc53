"""Normalisation over neighbouring channels, as a layer."""

from __future__ import annotations

from trainctl.autograd.tensor import Tensor
from trainctl.nn import functional as F
from trainctl.nn.modules.module import Module


class LocalResponseNorm(Module):
    """``x / (k + alpha / size * sum x ** 2) ** beta`` over ``size`` neighbouring channels of ``[N, C, *]``.

    See Krizhevsky et al., 2012.

    Args:
        size: number of channels.
        alpha: factor of the mean square.
        beta: exponent.
        k: what is added.

    Example:
        >>> import trainctl
        >>> LocalResponseNorm(2)(trainctl.ones(2, 5, 7, 7)).shape
        trainctl.Size([2, 5, 7, 7])
    """

    def __init__(self, size: int, alpha: float = 0.0001, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Tensor) -> Tensor:
        """Return the normalised input."""
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """Return the options."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
