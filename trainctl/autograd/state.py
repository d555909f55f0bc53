"""What the current thread is doing: recording a graph or not, and whether NumPy's warnings are off."""

from __future__ import annotations

import contextvars
import functools
import threading
from collections.abc import Callable
from typing import Any

import numpy


class State(threading.local):
    """Per-thread switches, read at every op.

    Attributes:
        grad: ops on tensors that require a gradient are recorded.
        quiet: NumPy's floating-point warnings are already off in this context. A tensor op never warns,
            as in PyTorch; switching them off costs more than a small op, so a module call or a backward
            pass does it once for all ops inside.
        inference: :class:`inference_mode` is on.
        watcher: the :class:`trainctl.autograd.observer.Observer` that looks on, None where nobody does.
        silence: a context in which NumPy's warnings are off. Running one function there costs a twentieth of
            ``numpy.errstate``, but it does not see the user's context variables: it is for array code alone.
    """

    grad = True
    quiet = False
    inference = False
    watcher: Any = None

    def __init__(self) -> None:
        self.silence = contextvars.Context()
        self.silence.run(numpy.seterr, all="ignore")


state = State()


def note_read(what: str) -> None:
    """Tell the observer that elements were read as Python values."""
    if state.watcher is not None:
        state.watcher.saw_read(what)


def is_on(switch: Any) -> bool:
    """Return whether the one element of a tensor is not 0, as a choice between two ways to go on.

    The observer is told, so that what it wrote down holds only as long as the element stays as it is.
    """
    if state.watcher is not None:
        state.watcher.saw_switch(switch)
    return bool(switch._array.item())


def quietly(function: Callable[..., Any]) -> Callable[..., Any]:
    """Run ``function`` with NumPy's floating-point warnings off, for every op inside it."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        if state.quiet:
            return function(*args, **kwargs)
        state.quiet = True
        try:
            with numpy.errstate(all="ignore"):
                return function(*args, **kwargs)
        finally:
            state.quiet = False

    return run
