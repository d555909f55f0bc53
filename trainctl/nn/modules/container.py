"""Modules and parameters in order or by name."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from trainctl.autograd.tensor import Tensor
from trainctl.nn.modules.module import Module
from trainctl.nn.parameter import Parameter


class _List(Module):
    """What lists of modules and of parameters share: members under the names "0", "1", ..."""

    _table = "_modules"

    @property
    def _members(self) -> dict[str, Any]:
        return self.__dict__[self._table]

    def _key(self, index: int) -> str:
        size, place = len(self), operator.index(index)
        if not -size <= place < size:
            raise IndexError(f"index {place} is out of range")
        return list(self._members)[place]

    def _renumber(self, members: Iterable[Any]) -> None:
        listed = list(members)
        self._members.clear()
        for number, member in enumerate(listed):
            self._put(str(number), member)

    def _put(self, name: str, member: Any) -> None:
        self.add_module(name, member)

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._members.values())

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return type(self)(list(self)[index])  # type: ignore[call-arg]  # every list takes its members
        return self._members[self._key(index)]

    def __setitem__(self, index: int, member: Any) -> None:
        self._put(self._key(index), member)

    def __delitem__(self, index: Any) -> None:
        members = list(self)
        del members[index]
        self._renumber(members)

    def append(self, module: Any) -> Self:
        """Add a member at the end."""
        self._put(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Any]) -> Self:
        """Add members at the end."""
        for each in list(modules):
            self.append(each)
        return self

    def insert(self, index: int, module: Any) -> None:
        """Add a member before ``index``."""
        members = list(self)
        members.insert(index, module)
        self._renumber(members)

    def pop(self, key: int) -> Any:
        """Remove and return the member at ``key``."""
        member = self[key]
        del self[key]
        return member

    def __add__(self, modules: Iterable[Any]) -> Self:
        return type(self)().extend(self).extend(modules)

    def __iadd__(self, modules: Iterable[Any]) -> Self:
        return self.extend(modules)


class Sequential(_List):
    """Modules called one after the other, from arguments or an ordered dict.

    Example:
        >>> import trainctl
        >>> from trainctl import nn
        >>> nn.Sequential(nn.Linear(4, 3), nn.ReLU())(trainctl.ones(2, 4)).shape
        trainctl.Size([2, 3])
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], dict):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            self.extend(args)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return type(self)(dict(list(self._modules.items())[index]))
        return super().__getitem__(index)

    def forward(self, input: Any) -> Any:
        """Return the last module's output."""
        for module in self:
            input = module(input)
        return input


class ModuleList(_List):
    """Modules in a list; it is not itself called.

    Example:
        >>> from trainctl import nn
        >>> len(nn.ModuleList([nn.Linear(2, 2), nn.ReLU()]))
        2
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(modules or [])

    def __repr__(self) -> str:
        """Show equal neighbours once, with their number."""
        lines, start = [], 0
        for text, equal in itertools.groupby(map(repr, self)):
            count = len(list(equal))
            place = f"({start}): " if count == 1 else f"({start}-{start + count - 1}): {count} x "
            lines.append(place + text.replace("\n", "\n  "))
            start += count
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)" if lines else f"{self._get_name()}()"


class ParameterList(_List):
    """Parameters in a list; tensors become parameters.

    Example:
        >>> import trainctl
        >>> from trainctl import nn
        >>> len(list(nn.ParameterList([trainctl.ones(2), trainctl.ones(3)]).parameters()))
        2
    """

    _table = "_parameters"

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self.extend(values or [])

    def _put(self, name: str, member: Any) -> None:
        if isinstance(member, Tensor) and not isinstance(member, Parameter):
            member = Parameter(member)
        self._parameters[name] = member

    def extra_repr(self) -> str:
        """Return one line a parameter."""
        return _parameter_lines(self._parameters)


class _Dict(Module):
    """What dicts of modules and of parameters share."""

    _table = "_modules"

    @property
    def _members(self) -> dict[str, Any]:
        return self.__dict__[self._table]

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __contains__(self, key: str) -> bool:
        return key in self._members

    def __getitem__(self, key: str) -> Any:
        return self._members[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.add_module(key, value)

    def __delitem__(self, key: str) -> None:
        del self._members[key]

    def keys(self) -> Any:
        """Return the names."""
        return self._members.keys()

    def values(self) -> Any:
        """Return the members."""
        return self._members.values()

    def items(self) -> Any:
        """Return (name, member) pairs."""
        return self._members.items()

    def clear(self) -> None:
        """Remove all members."""
        self._members.clear()

    def pop(self, key: str) -> Any:
        """Remove and return the member at ``key``."""
        return self._members.pop(key)

    def update(self, others: Any) -> None:
        """Add the members of a mapping or of (name, member) pairs."""
        for key, value in others.items() if isinstance(others, (Mapping, _Dict)) else others:
            self[key] = value


class ModuleDict(_Dict):
    """Modules by name; it is not itself called.

    Example:
        >>> from trainctl import nn
        >>> list(nn.ModuleDict({"act": nn.ReLU()}))
        ['act']
    """

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        self.update(modules or {})


class ParameterDict(_Dict):
    """Parameters by name; tensors become parameters.

    Example:
        >>> import trainctl
        >>> from trainctl import nn
        >>> list(nn.ParameterDict({"scale": trainctl.ones(1)}))
        ['scale']
    """

    _table = "_parameters"

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        self.update(parameters or {})

    def __setitem__(self, key: str, value: Any) -> None:
        if isinstance(value, Tensor) and not isinstance(value, Parameter):
            value = Parameter(value)
        self._parameters[key] = value

    def extra_repr(self) -> str:
        """Return one line a parameter."""
        return _parameter_lines(self._parameters)


def _parameter_lines(parameters: Mapping[str, Parameter | None]) -> str:
    lines = [
        f"  ({name}): Parameter containing: [{each.dtype} of size {'x'.join(map(str, each.shape))}]"
        for name, each in parameters.items()
        if each is not None
    ]
    return "\n".join(lines)
