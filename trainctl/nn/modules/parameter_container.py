"""Parameters, and whatever belongs to them, in order or by name."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn, Self

from trainctl.autograd.tensor import Tensor
from trainctl.nn.modules.container import check_iterable, pairs
from trainctl.nn.modules.module import Module
from trainctl.nn.parameter import Parameter


class _Values(Module):
    """What lists and dicts of parameters share: members are attributes, and tensors become parameters."""

    def _put(self, name: str, value: Any) -> None:
        if isinstance(value, Tensor) and not isinstance(value, Parameter):
            value = Parameter(value)
        setattr(self, name, value)

    def _lines(self, members: Iterable[tuple[str, Any]]) -> str:
        return "\n".join(f"  ({name}): {_described(value)}" for name, value in members)

    def forward(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: it is not called.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError(f"{type(self).__name__} should not be called.")


def _described(value: Any) -> str:
    if isinstance(value, Tensor):
        size = "x".join(map(str, value.shape))
        kind = "Parameter" if isinstance(value, Parameter) else "Tensor"
        return f"{kind} containing: [{value.dtype} of size {size}]"
    return f"Object of type: {type(value).__name__}"


class ParameterList(_Values):
    """Parameters in a list; tensors become parameters, and other values are kept as they are.

    Example:
        >>> import trainctl
        >>> from trainctl import nn
        >>> len(list(nn.ParameterList([trainctl.ones(2), trainctl.ones(3)]).parameters()))
        2
    """

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self._size = 0
        self.extend([] if values is None else values)

    def _key(self, index: int) -> str:
        place = operator.index(index)
        if not -len(self) <= place < len(self):
            raise IndexError(f"index {place} is out of range")
        return str(place % len(self))

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return (getattr(self, str(number)) for number in range(len(self)))

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return type(self)(list(self)[index])
        return getattr(self, self._key(index))

    def __setitem__(self, index: int, value: Any) -> None:
        self._put(self._key(index), value)

    def append(self, value: Any) -> Self:
        """Add a value at the end."""
        self._size += 1
        self._put(str(self._size - 1), value)
        return self

    def extend(self, values: Iterable[Any]) -> Self:
        """Add values at the end.

        Raises:
            TypeError: a tensor, or what cannot be iterated over.
        """
        if isinstance(values, Tensor):  # whose rows would be meant by no one
            raise TypeError("ParameterList.extend should be called with an iterable, but got Tensor")
        check_iterable("ParameterList.extend", "an iterable", values)
        for value in list(values):
            self.append(value)
        return self

    def pop(self, index: int = -1) -> Any:
        """Remove and return the value at ``index``."""
        values = list(self)
        popped = values.pop(index)
        for number in range(len(self)):
            delattr(self, str(number))
        self._size = 0
        self.extend(values)
        return popped

    def __iadd__(self, values: Iterable[Any]) -> Self:
        return self.extend(values)

    def extra_repr(self) -> str:
        """Return one line a value."""
        return self._lines((str(number), value) for number, value in enumerate(self))


class ParameterDict(_Values):
    """Parameters by name; tensors become parameters, and other values are kept as they are.

    Example:
        >>> import trainctl
        >>> from trainctl import nn
        >>> list(nn.ParameterDict({"scale": trainctl.ones(1)}))
        ['scale']
    """

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        self._keys: dict[str, None] = {}
        self.update({} if parameters is None else parameters)

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __reversed__(self) -> Iterator[str]:
        return reversed(list(self._keys))

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def __getitem__(self, key: str) -> Any:
        return getattr(self, str(key))

    def __setitem__(self, key: str, value: Any) -> None:
        if not isinstance(key, str):
            raise TypeError(
                f"Index given to ParameterDict cannot be used as a key as it is not a string (type is '{type(key).__name__}')."
            )
        self._keys[key] = None
        self._put(key, value)

    def __delitem__(self, key: str) -> None:
        del self._keys[key]
        delattr(self, key)

    def __or__(self, other: ParameterDict) -> ParameterDict:
        both = self.copy()
        both.update(other)
        return both

    def __ior__(self, other: ParameterDict) -> Self:
        self.update(other)
        return self

    def keys(self) -> Any:
        """Return the names."""
        return self._keys.keys()

    def values(self) -> Any:
        """Return the values."""
        return (self[key] for key in self._keys)

    def items(self) -> Any:
        """Return (name, value) pairs."""
        return ((key, self[key]) for key in self._keys)

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a name, or ``default``."""
        if key not in self:
            return default
        return self[key]

    def setdefault(self, key: str, default: Any = None) -> Any:
        """Return the value of a name, which gets ``default`` if there is none."""
        if key not in self:
            self[key] = default
        return self[key]

    def copy(self) -> ParameterDict:
        """Return a dict of the same values."""
        return ParameterDict(dict(self.items()))

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """Return a dict of ``default`` under each of some names."""
        return ParameterDict(dict.fromkeys(keys, default))

    def clear(self) -> None:
        """Remove all values."""
        for key in list(self._keys):
            del self[key]

    def pop(self, key: str) -> Any:
        """Remove and return the value of a name."""
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple[str, Any]:
        """Remove and return the name and value that were added last."""
        key = next(reversed(self))
        return key, self.pop(key)

    def update(self, parameters: Any) -> None:
        """Add the values of a mapping or of (name, value) pairs.

        Raises:
            TypeError: neither of these.
            ValueError: a sequence that is no pair.
        """
        for key, value in pairs("ParameterDict", parameters):
            self[key] = value

    def extra_repr(self) -> str:
        """Return one line a value."""
        return self._lines(self.items())
