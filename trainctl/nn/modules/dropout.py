"""Dropout."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from trainctl.autograd.ops.random import check_probability
from trainctl.autograd.tensor import Tensor
from trainctl.nn import functional as F
from trainctl.nn.modules.module import Module


class _Dropout(Module):
    """What all forms of dropout share: a probability and a mode."""

    function: ClassVar[Callable[..., Tensor]]

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        check_probability(p)
        self.p, self.inplace = p, inplace

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input`` with elements dropped, in training mode."""
        return type(self).function(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        """Return the probability."""
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
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

    function = F.dropout


class Dropout1d(_Dropout):
    """:class:`Dropout` of whole channels of ``[N, C, L]`` or ``[C, L]``.

    Example:
        >>> import trainctl
        >>> Dropout1d(1.0)(trainctl.ones(1, 2))
        tensor([[0., 0.]])
    """

    function = F.dropout1d


class Dropout2d(_Dropout):
    """:class:`Dropout` of whole channels of ``[N, C, H, W]``.

    Example:
        >>> import trainctl
        >>> Dropout2d().eval()(trainctl.ones(1, 1, 1, 2))
        tensor([[[[1., 1.]]]])
    """

    function = F.dropout2d


class Dropout3d(_Dropout):
    """:class:`Dropout` of whole channels of ``[N, C, D, H, W]`` or ``[C, D, H, W]``.

    Example:
        >>> import trainctl
        >>> Dropout3d().eval()(trainctl.ones(1, 1, 1, 2))
        tensor([[[[1., 1.]]]])
    """

    function = F.dropout3d


class AlphaDropout(_Dropout):
    """Dropout that keeps mean 0 and variance 1, as nets of SELUs need it (Klambauer et al., 2017).

    Example:
        >>> import trainctl
        >>> AlphaDropout().eval()(trainctl.ones(2))
        tensor([1., 1.])
    """

    function = F.alpha_dropout


class FeatureAlphaDropout(_Dropout):
    """:class:`AlphaDropout` of whole channels of ``[N, C, ...]``.

    Example:
        >>> import trainctl
        >>> FeatureAlphaDropout().eval()(trainctl.ones(1, 2))
        tensor([[1., 1.]])
    """

    function = F.feature_alpha_dropout
