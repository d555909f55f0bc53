"""What may look on while ops run: anomaly detection, and the recorder behind ``trainctl.compile``.

One observer at a time, in ``state.watcher``; None costs an op a single look at it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from trainctl.autograd.state import state

if TYPE_CHECKING:
    from trainctl.autograd.op import Op
    from trainctl.autograd.tensor import Tensor


def as_effect(method: Callable[..., Any]) -> Callable[..., Any]:
    """Let an observer see a method as one thing that happens, without a look at its inside.

    Done again it must find the same arguments: one that is given a tensor or a function is not for replaying.
    """

    @functools.wraps(method)
    def run(*args: Any, **kwargs: Any) -> Any:
        watcher = state.watcher
        if watcher is None:
            return method(*args, **kwargs)
        what = f"{type(args[0]).__name__}.{method.__name__}"
        for each in (*args[1:], *kwargs.values()):
            if hasattr(each, "_array") or (callable(each) and not hasattr(each, "named_parameters")):
                watcher.saw_read(f"{what} with a {type(each).__name__}")
        given = [each for each in (*args[1:], *kwargs.values()) if isinstance(each, (bool, int, float, str))]
        return watcher.effect(functools.partial(method, *args, **kwargs), f"{what}{tuple(given)}" if given else what)

    return run


class Observer:
    """Sees each thing that happens to tensors; by default it does nothing with it."""

    def call(self, module: Any, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a module's forward."""
        return forward(*args, **kwargs)

    def saw(self, node: Op, inputs: tuple[Any, ...], outputs: tuple[Tensor, ...]) -> None:
        """``node`` was applied to ``inputs``."""

    def saw_backward(self, node: Op, gys: list[Any], gxs: tuple[Any, ...]) -> None:
        """The gradients ``gys`` of a node's outputs became those of its inputs."""

    def saw_write(self, node: Op, x: Tensor, others: tuple[Any, ...]) -> None:
        """``node`` was applied to ``x`` and ``others``, and its output written over ``x``."""

    def saw_gradient(self, leaf: Tensor, gx: Tensor | None, how: str) -> None:
        """A leaf's gradient is cleared, is ``gx`` itself (``take``) or a ``copy`` of it, or has had it added (``add``)."""

    def saw_constant(self, array: Any) -> None:
        """An array was made that depends on nothing but shapes and options."""

    def saw_alias(self, tensor: Tensor) -> None:
        """Another tensor is about to be put around a tensor's array."""

    def saw_read(self, what: str) -> None:
        """Elements were read as Python values."""

    def saw_switch(self, switch: Tensor) -> None:
        """The one element of a tensor decided what is done next."""

    def effect(self, call: Callable[[], Any], what: str) -> Any:
        """Run something that acts on tensors outside ops: an optimizer's step."""
        return call()
