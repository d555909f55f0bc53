"""``Variable``: PyTorch's old name for a tensor in a graph."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.tensor import Tensor


class _VariableType(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=_VariableType):
    """A tensor with ``grad`` and a ``name``: ``Variable(data, requires_grad=True)`` gives a Tensor.

    Example:
        >>> import trainctl
        >>> v = Variable(trainctl.ones(2), requires_grad=True, name="weights")
        >>> v.name, v.requires_grad
        ('weights', True)
    """

    def __new__(cls, data: Any, requires_grad: bool = False, name: str | None = None) -> Any:
        """Return a tensor outside the graph that shares the data's memory."""
        if not isinstance(data, Tensor):
            from trainctl.autograd.ops.creation import tensor

            data = tensor(data)
        variable = data.detach()
        variable.requires_grad = requires_grad
        variable.name = name
        return variable
