"""Modules in order or by name."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from trainctl.nn.modules.module import Module


class _ModuleSequence(Module):
    """What lists of modules share: members under the names "0", "1", ..."""

    def _key(self, index: int) -> str:
        size, place = len(self), operator.index(index)
        if not -size <= place < size:
            raise IndexError(f"index {place} is out of range")
        return list(self._modules)[place]

    def _renumber(self, modules: list[Any]) -> None:
        for module in modules:
            check_module(module)
        self._modules.clear()
        self._modules.update(zip(map(str, range(len(modules))), modules, strict=True))

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return type(self)(list(self)[index])
        return self._modules[self._key(index)]

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, self._key(index), module)

    def __delitem__(self, index: Any) -> None:
        modules = list(self)
        del modules[index]
        self._renumber(modules)

    def append(self, module: Module) -> Self:
        """Add a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add modules at the end.

        Raises:
            TypeError: ``modules`` cannot be iterated over.
        """
        check_iterable(f"{type(self).__name__}.extend", "an iterable", modules)
        for each in list(modules):
            self.append(each)
        return self

    def insert(self, index: int, module: Module) -> Any:
        """Add a module before ``index``."""
        modules = list(self)
        modules.insert(index, module)
        self._renumber(modules)

    def pop(self, key: int) -> Any:
        """Remove and return the module at ``key``."""
        module = self[key]
        del self[key]
        return module

    def __add__(self, modules: Iterable[Module]) -> Self:
        return type(self)().extend(self).extend(modules)

    def __iadd__(self, modules: Iterable[Module]) -> Self:
        return self.extend(modules)


def check_module(module: Any) -> None:
    """Raise TypeError for what a list of modules cannot hold."""
    if module is not None and not isinstance(module, Module):
        raise TypeError(f"{type(module).__name__} is not a Module subclass")


def check_iterable(where: str, wanted: str, given: Any) -> None:
    """Raise TypeError for what cannot be iterated over."""
    if not isinstance(given, Iterable):
        raise TypeError(f"{where} should be called with {wanted}, but got {type(given).__name__}")


class Sequential(_ModuleSequence):
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

    def insert(self, index: int, module: Module) -> Self:
        """Add a module before ``index``.

        Raises:
            TypeError: not a module.
            IndexError: there is no such place.
        """
        if not -len(self) <= index <= len(self):
            raise IndexError(f"Index out of range: {index}")
        super().insert(index, module)
        return self

    def __add__(self, other: Any) -> Self:
        return type(self)(*self, *_of_sequential(other))

    def __iadd__(self, other: Any) -> Self:
        return self.extend(_of_sequential(other))

    def __mul__(self, times: int) -> Self:
        return type(self)(*self._repeated(times))

    def __rmul__(self, times: int) -> Self:
        return self * times

    def __imul__(self, times: int) -> Self:
        return self.extend(self._repeated(times)[len(self) :])

    def _repeated(self, times: int) -> list[Module]:
        if not isinstance(times, int):
            raise TypeError(f"unsupported operand type(s) for *: {type(self)} and {type(times)}")
        if times <= 0:
            raise ValueError(f"Non-positive multiplication factor {times} for {type(self)}")
        return list(self) * times

    def forward(self, input: Any) -> Any:
        """Return the last module's output."""
        for module in self:
            input = module(input)
        return input


def _of_sequential(other: Any) -> list[Module]:
    """Return another Sequential's modules.

    Raises:
        ValueError: it is something else.
    """
    if not isinstance(other, Sequential):
        raise ValueError(f"add operator supports only objects of Sequential class, but {type(other)} is given.")
    return list(other)


class ModuleList(_ModuleSequence):
    """Modules in a list; it is not itself called.

    Example:
        >>> from trainctl import nn
        >>> len(nn.ModuleList([nn.Linear(2, 2), nn.ReLU()]))
        2
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend([] if modules is None else modules)

    def __repr__(self) -> str:
        """Show equal neighbours once, with their number."""
        lines, start = [], 0
        for text, equal in itertools.groupby(map(repr, self)):
            count = len(list(equal))
            place = f"({start}): " if count == 1 else f"({start}-{start + count - 1}): {count} x "
            lines.append(place + text.replace("\n", "\n  "))
            start += count
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)" if lines else f"{self._get_name()}()"


class ModuleDict(Module):
    """Modules by name; it is not itself called.

    Example:
        >>> from trainctl import nn
        >>> list(nn.ModuleDict({"act": nn.ReLU()}))
        ['act']
    """

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        self.update({} if modules is None else modules)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: str) -> bool:
        return key in self._modules

    def __getitem__(self, key: str) -> Any:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def keys(self) -> Any:
        """Return the names."""
        return self._modules.keys()

    def values(self) -> Any:
        """Return the modules."""
        return self._modules.values()

    def items(self) -> Any:
        """Return (name, module) pairs."""
        return self._modules.items()

    def clear(self) -> None:
        """Remove all modules."""
        self._modules.clear()

    def pop(self, key: str) -> Any:
        """Remove and return the module of a name."""
        return self._modules.pop(key)

    def update(self, modules: Any) -> None:
        """Add the modules of a mapping or of (name, module) pairs.

        Raises:
            TypeError: neither of these.
            ValueError: a sequence that is no pair.
        """
        for key, value in pairs("ModuleDict", modules):
            self[key] = value


def pairs(name: str, given: Any) -> Iterator[tuple[str, Any]]:
    """Yield the (name, member) pairs of a mapping, a dict of members, or a sequence of pairs.

    Raises:
        TypeError: ``given``, or a part of it, cannot be iterated over.
        ValueError: a part of it is no pair.
    """
    if isinstance(given, (Mapping, Module)) and hasattr(given, "items"):
        yield from list(given.items())
        return
    check_iterable(f"{name}.update", "an iterable of key/value pairs", given)
    for number, pair in enumerate(given):
        what = f"{name} update sequence element #{number}"
        if not isinstance(pair, Iterable):
            raise TypeError(f"{what} should be Iterable; is {type(pair).__name__}")
        listed = list(pair)
        if len(listed) != 2:
            raise ValueError(f"{what} has length {len(listed)}; 2 is required")
        yield listed[0], listed[1]
