"""Dropout."""

from __future__ import annotations

from trainctl.autograd.tensor import Tensor
from trainctl.nn import functional as F
from trainctl.nn.modules.module import Module


class Dropout(Module):
    """In training, zeroes each element with probability ``p`` and scales the others by ``1 / (1 - p)``.

    Args:
        p: probability of an element to be zeroed.
        inplace: change the input itself.

    Raises:
        ValueError: ``p`` is not a probability.

    Example:
        >>> import trainctl
        >>> Dropout(0.5).eval()(trainctl.ones(2))
        tensor([1., 1.])
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p, self.inplace = p, inplace

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input`` with elements dropped, in training mode."""
        return F.dropout(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        """Return the probability."""
        return f"p={self.p}, inplace={self.inplace}"
