"""Switches for recording the graph, as context managers and as decorators."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Self

from trainctl.autograd.state import state


class _Mode:
    """Sets the switches on entry (inference: None leaves it) and puts them back on exit; decorates functions too."""

    def __init__(self, grad: bool, inference: bool | None = None) -> None:
        self._wanted = (grad, inference)
        self._before: list[tuple[bool, bool]] = []

    def __enter__(self) -> Self:
        self._before.append((state.grad, state.inference))
        state.grad, inference = self._wanted
        if inference is not None:
            state.inference = inference
        return self

    def __exit__(self, *_: object) -> None:
        state.grad, state.inference = self._before.pop()

    def _clone(self) -> _Mode:
        return _Mode(*self._wanted)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.isgeneratorfunction(function):
            return self._wrap_generator(function)

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with self._clone():
                return function(*args, **kwargs)

        return run

    def _wrap_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            iterator = function(*args, **kwargs)
            step = functools.partial(next, iterator)
            while True:
                try:  # the mode holds inside the generator's own steps, not in whoever consumes it
                    with self._clone():
                        value = step()
                except StopIteration as stop:
                    return stop.value
                try:
                    sent = yield value
                except GeneratorExit:
                    with self._clone():
                        iterator.close()
                    raise
                except BaseException as error:  # the generator's to handle, as it would without us in between
                    step = functools.partial(iterator.throw, error)
                else:
                    step = functools.partial(iterator.send, sent)

        return run


class no_grad(_Mode):
    """Record nothing: results do not require a gradient.

    Example:
        >>> import trainctl
        >>> x = trainctl.ones(1, requires_grad=True)
        >>> with no_grad():
        ...     (x * 2).requires_grad
        False
    """

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        """Also usable as ``@no_grad`` without parentheses."""
        return super().__new__(cls) if function is None else cls()(function)

    def __init__(self) -> None:
        super().__init__(grad=False)


class enable_grad(_Mode):
    """Record again inside :class:`no_grad`.

    Example:
        >>> with no_grad(), enable_grad():
        ...     is_grad_enabled()
        True
    """

    def __init__(self) -> None:
        super().__init__(grad=True)


class set_grad_enabled(_Mode):
    """Turn recording on or off, at once as a call, or for a ``with`` block.

    Example:
        >>> with set_grad_enabled(False):
        ...     is_grad_enabled()
        False
    """

    def __init__(self, mode: bool) -> None:
        super().__init__(grad=bool(mode))
        self._found = (state.grad, state.inference)
        state.grad = bool(mode)

    def __enter__(self) -> Self:
        state.grad = self._wanted[0]
        return self

    def __exit__(self, *_: object) -> None:
        state.grad, state.inference = self._found

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Decorate a function, which sets nothing now."""
        state.grad = self._found[0]
        return super().__call__(function)


class inference_mode(_Mode):
    """Like :class:`no_grad`, for code that will never ask for a gradient of what it makes.

    Example:
        >>> with inference_mode():
        ...     is_inference_mode_enabled()
        True
    """

    def __init__(self, mode: bool = True) -> None:
        super().__init__(grad=not mode, inference=mode)


def is_grad_enabled() -> bool:
    """Return whether ops are being recorded."""
    return state.grad


def is_inference_mode_enabled() -> bool:
    """Return whether :class:`inference_mode` is on."""
    return state.inference
