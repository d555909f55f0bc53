"""The functional forms, under PyTorch's names (``import trainctl.nn.functional as F``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainctl.autograd.ops import activation
from trainctl.autograd.ops import softmax as _softmax
from trainctl.autograd.out import public as _public
from trainctl.autograd.tensor import Tensor

globals().update(_public("FUNCTIONAL"))

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """Return each element where it is positive, else 0; ``inplace`` writes it into ``input``."""
    return input.relu_() if inplace else activation.relu(input)


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """Return ``exp(input)`` over its sum along ``dim`` (default: 0 for 0, 1 or 3 dims, else 1)."""
    return _softmax.softmax(input, _implicit_dim(input, dim), dtype)


def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """Return the logarithm of :func:`softmax`."""
    return _softmax.log_softmax(input, _implicit_dim(input, dim), dtype)


def _implicit_dim(input: Tensor, dim: int | None) -> int:
    if dim is not None:
        return dim
    return 0 if input.ndim in (0, 1, 3) else 1
