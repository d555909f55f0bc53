"""Classes with some of their arguments given: what a qconfig holds, and makes an observer of for each tensor."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any


class _PartialWrapper:
    """A constructor with arguments, to which more can be added.

    Args:
        p: the constructor.

    Attributes:
        callable_args: arguments that are called for their values when something is made.

    Example:
        >>> made = _PartialWrapper(partial(dict, a=1)).with_args(b=2)
        >>> made(), made(a=3)
        ({'a': 1, 'b': 2}, {'a': 3, 'b': 2})
    """

    def __init__(self, p: Callable[..., Any]) -> None:
        self.p: Any = p
        self.callable_args: dict[str, Callable[[], Any]] = {}

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """Make one; an argument that is given here counts."""
        late = {name: make() for name, make in self.callable_args.items() if name not in keywords}
        return self.p(*args, **keywords, **late)

    def __repr__(self) -> str:
        return f"{self.p!r}{self.callable_args!r}"

    def with_args(self, **kwargs: Any) -> _PartialWrapper:
        """Return the constructor with more arguments."""
        return _with_args(self, **kwargs)

    def with_callable_args(self, **kwargs: Callable[[], Any]) -> _PartialWrapper:
        """Return the constructor with arguments that are found when something is made."""
        result = _PartialWrapper(self.p)
        result.callable_args = {**self.callable_args, **kwargs}
        return result


def _with_args(cls_or_self: Any, **kwargs: Any) -> _PartialWrapper:
    return _PartialWrapper(partial(cls_or_self, **kwargs))


def _with_callable_args(cls_or_self: Any, **kwargs: Callable[[], Any]) -> _PartialWrapper:
    return _PartialWrapper(partial(cls_or_self)).with_callable_args(**kwargs)


class MadeWithArgs:
    """Gives a class PyTorch's ``with_args`` and ``with_callable_args``."""

    @classmethod
    def with_args(cls, **kwargs: Any) -> _PartialWrapper:
        """Return the class with some arguments given, so that calling it makes instances that differ in nothing.

        Example:
            >>> from trainctl.quantization import MinMaxObserver
            >>> MinMaxObserver.with_args(quant_min=0, quant_max=127)().quant_max
            127
        """
        return _with_args(cls, **kwargs)

    @classmethod
    def with_callable_args(cls, **kwargs: Callable[[], Any]) -> _PartialWrapper:
        """Return the class with arguments that are called for their values whenever an instance is made."""
        return _with_callable_args(cls, **kwargs)
