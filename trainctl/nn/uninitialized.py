"""Parameters and buffers of a size that is not known yet: what lazy modules hold until they see an input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from trainctl.autograd.ops.creation import empty
from trainctl.autograd.tensor import Tensor
from trainctl.nn.parameter import Parameter


class UninitializedTensor(Tensor):
    """A dtype and a device, and no elements; :meth:`materialize` makes it a tensor."""

    cls_to_become: ClassVar[type[Tensor]] = Tensor
    _nothing: Tensor

    def __new__(cls, requires_grad: bool = False, device: Any = None, dtype: Any = None) -> UninitializedTensor:
        """Note the dtype and device."""
        self = Tensor.__new__(cls)
        self._nothing, self._requires_grad = empty(0, device=device, dtype=dtype), requires_grad
        return self

    def __init__(self, requires_grad: bool = False, device: Any = None, dtype: Any = None) -> None:
        """Nothing is left to do: ``__new__`` has noted all."""

    def materialize(self, shape: Sequence[int], device: Any = None, dtype: Any = None) -> None:
        """Become a tensor (or parameter) of this shape, with any elements.

        Args:
            shape: its sizes.
            device: default: the one noted; likewise ``dtype``.
            dtype: of the elements.
        """
        kind, place = dtype or self.dtype, device or self.device
        self.__class__ = self.cls_to_become  # type: ignore[assignment]  # from here on it is what it was to become
        del self._nothing
        self._array = empty(tuple(shape), dtype=kind, device=place)._array

    @property
    def _array(self) -> Any:
        raise ValueError(
            f"Attempted to use an uninitialized parameter or buffer ({type(self).__name__}). Its module is lazy: call it "
            "once on a batch, or load its weights, and it gets its size."
        )

    @_array.setter
    def _array(self, value: Any) -> None:
        raise ValueError(f"an {type(self).__name__} has no elements to set; use materialize()")

    @property
    def shape(self) -> Any:
        """Raise RuntimeError: there is no shape yet."""
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually happens in "
            "`load_state_dict` when trying to load an uninitialized parameter into an initialized one. Call `forward` to "
            "initialize the parameters before accessing their attributes."
        )

    @property
    def dtype(self) -> Any:
        """The type of the elements to come."""
        return self._nothing.dtype

    @property
    def device(self) -> Any:
        """Where the elements will be."""
        return self._nothing.device

    @property
    def data(self) -> Tensor:
        """An empty tensor of the dtype and device to come; assigning changes these."""
        return self._nothing

    @data.setter
    def data(self, value: Tensor) -> None:
        self._nothing = value

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set ``requires_grad`` and return the tensor."""
        self._requires_grad = requires_grad
        return self

    def detach(self) -> Tensor:
        """Return the tensor itself: there is nothing to take out of the graph."""
        return self

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) not in memo:
            memo[id(self)] = type(self)(self._requires_grad, self.device, self.dtype)
        return memo[id(self)]

    def __reduce_ex__(self, protocol: Any) -> Any:
        return type(self), (self._requires_grad, str(self.device), self.dtype)


class UninitializedParameter(UninitializedTensor, Parameter):
    """A parameter of a size that is not known yet.

    Args:
        requires_grad: of the parameter to come.
        device: of the parameter to come.
        dtype: of the parameter to come.

    Example:
        >>> weight = UninitializedParameter()
        >>> weight
        <UninitializedParameter>
        >>> weight.materialize((2, 3))
        >>> weight.shape
        trainctl.Size([2, 3])
    """

    cls_to_become = Parameter

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> UninitializedParameter:
        """Note the dtype and device."""
        made: Any = UninitializedTensor.__new__(cls, requires_grad, device, dtype)
        return made

    def __init__(self, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> None:
        """Nothing is left to do: ``__new__`` has noted all."""


class UninitializedBuffer(UninitializedTensor):
    """A buffer of a size that is not known yet.

    Args:
        requires_grad: of the buffer to come.
        device: of the buffer to come.
        dtype: of the buffer to come.

    Example:
        >>> UninitializedBuffer()
        <UninitializedBuffer>
    """


def is_lazy(param: Any) -> bool:
    """Return whether ``param`` is a parameter or buffer without a size.

    Example:
        >>> is_lazy(UninitializedParameter())
        True
    """
    return isinstance(param, UninitializedTensor)
