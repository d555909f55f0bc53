"""The hooks of an optimizer: around a step, and around its state on the way out and in."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from trainctl.autograd.hooks import RemovableHandle, add_hook
from trainctl.autograd.observer import as_effect

# Of every optimizer: run before its own pre hooks, and after its own post hooks.
_all_step_pre_hooks: dict[int, Any] = {}
_all_step_post_hooks: dict[int, Any] = {}


def register_optimizer_step_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(optimizer, (optimizer, *args), kwargs)`` before each step of any optimizer.

    Example:
        >>> import trainctl
        >>> optimizer = trainctl.optim.SGD([trainctl.ones(1, requires_grad=True)])
        >>> with register_optimizer_step_pre_hook(lambda optimizer, args, kwargs: print("step")):
        ...     optimizer.step()
        step
    """
    return add_hook(_all_step_pre_hooks, hook)


def register_optimizer_step_post_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(optimizer, (optimizer, *args), kwargs)`` after each step of any optimizer."""
    return add_hook(_all_step_post_hooks, hook)


def with_hooks(step: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``step`` with the optimizer's hooks around it; those of ``super().step()`` inside it do not run again."""

    @functools.wraps(step)
    def run(*args: Any, **kwargs: Any) -> Any:
        self: Hooked = args[0]  # hooks are given it among the arguments, as in PyTorch
        if self._stepping:
            return step(*args, **kwargs)
        for hook in (*_all_step_pre_hooks.values(), *self._step_pre_hooks.values()):
            changed = hook(self, args, kwargs)
            if changed is not None and not (isinstance(changed, tuple) and len(changed) == 2):
                raise RuntimeError(f"{hook} must return None or a tuple of (new_args, new_kwargs), but got {changed}.")
            args, kwargs = (args, kwargs) if changed is None else changed
        self._stepping = True
        try:
            result = step(*args, **kwargs)
        finally:
            self._stepping = False
        for hook in (*self._step_post_hooks.values(), *_all_step_post_hooks.values()):
            hook(self, args, kwargs)
        return result

    return as_effect(run)


class Hooked:
    """The part of :class:`trainctl.optim.Optimizer` that keeps hooks; a subclass's own ``step`` has them too."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "step" in cls.__dict__:
            cls.step = with_hooks(cls.step)  # type: ignore[attr-defined]  # what the subclass has just defined

    def _start_hooks(self) -> None:
        self._stepping = False
        self._step_pre_hooks: dict[int, Any] = {}
        self._step_post_hooks: dict[int, Any] = {}
        self._state_dict_pre_hooks: dict[int, Any] = {}
        self._state_dict_post_hooks: dict[int, Any] = {}
        self._load_state_dict_pre_hooks: dict[int, Any] = {}
        self._load_state_dict_post_hooks: dict[int, Any] = {}

    def _has_step_hooks(self) -> bool:
        hooks = self._step_pre_hooks, self._step_post_hooks, _all_step_pre_hooks, _all_step_post_hooks
        return any(hooks)

    def _changed_by(self, hooks: dict[int, Any], state_dict: dict[str, Any]) -> dict[str, Any]:
        """Return a state as ``hook(optimizer, state_dict)`` of each leaves it, in place or as what it returns."""
        for hook in tuple(hooks.values()):
            changed = hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        return state_dict

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, (optimizer, *args), kwargs)`` before each step; what it returns replaces both."""
        return add_hook(self._step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, (optimizer, *args), kwargs)`` after each step."""
        return add_hook(self._step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer)`` before each ``state_dict``."""
        return add_hook(self._state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` after each ``state_dict``; what it returns replaces the state."""
        return add_hook(self._state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` before a state is loaded; what it returns replaces the state."""
        return add_hook(self._load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer)`` after a state has been loaded."""
        return add_hook(self._load_state_dict_post_hooks, hook, prepend)
