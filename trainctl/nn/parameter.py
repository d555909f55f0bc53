"""Tensors that a module owns."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.tensor import Tensor


class Parameter(Tensor):
    """A tensor that a module registers among its parameters when it is assigned to an attribute.

    Args:
        data: the elements, shared with the given tensor.
        requires_grad: record ops on it.

    Raises:
        RuntimeError: integers or truth values that should require a gradient.

    Example:
        >>> import trainctl
        >>> Parameter(trainctl.ones(2)).requires_grad
        True
    """

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Parameter:
        """Take the data over."""
        self = super().__new__(cls)
        source = Tensor() if data is None else data
        self._array = source._array
        self.requires_grad = requires_grad
        return self

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True) -> None:
        """Nothing is left to do: ``__new__`` has taken the data."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        """Return a copy without the gradient."""
        copy: Any = super().__deepcopy__(memo)
        copy.grad = None
        return copy


class Buffer(Tensor):
    """A tensor that a module registers among its buffers when it is assigned to an attribute.

    Args:
        data: the elements, shared with the given tensor.
        persistent: part of ``state_dict``.

    Example:
        >>> import trainctl
        >>> Buffer(trainctl.ones(2)).requires_grad
        False
    """

    persistent: bool

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Buffer:
        """Take the data over."""
        self = super().__new__(cls)
        self._array = (Tensor() if data is None else data)._array
        self.persistent = persistent
        return self

    def __init__(self, data: Any = None, *, persistent: bool = True) -> None:
        """Nothing is left to do: ``__new__`` has taken the data."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Buffer:
        copy: Any = super().__deepcopy__(memo)
        copy.persistent = self.persistent
        return copy
