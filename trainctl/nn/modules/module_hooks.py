"""A module's call with its hooks around it, and the hooks of all modules."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from trainctl.autograd.hooks import RemovableHandle, add_hook
from trainctl.nn.modules.backward_hook import BackwardHook

if TYPE_CHECKING:
    from trainctl.nn.modules.module import Module


# The hooks of all modules: (kind, hook), in one dict, for every call of a module asks whether there are any.
of_all: dict[int, tuple[str, Any]] = {}


def _of_all(kind: str) -> list[Any]:
    return [hook for each, hook in of_all.values() if each == kind]


def register_module_forward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, args)`` before the ``forward`` of any module; what it returns replaces the arguments."""
    return add_hook(of_all, ("forward_pre", (hook, False)))


def register_module_forward_hook(
    hook: Callable[..., Any], *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call ``hook(module, args, output)`` after the ``forward`` of any module; what it returns replaces the output.

    Example:
        >>> import trainctl
        >>> with register_module_forward_hook(lambda module, args, output: print(module, list(output.shape))):
        ...     _ = trainctl.nn.Sequential(trainctl.nn.ReLU(), trainctl.nn.Flatten())(trainctl.ones(2, 1, 3))
        ReLU() [2, 1, 3]
        Flatten(start_dim=1, end_dim=-1) [2, 3]
        Sequential(
          (0): ReLU()
          (1): Flatten(start_dim=1, end_dim=-1)
        ) [2, 3]
    """
    return add_hook(of_all, ("forward", (hook, with_kwargs, always_call)))


def register_module_full_backward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, grad_output)`` before the backward of any module; what it returns replaces the gradients."""
    return add_hook(of_all, ("backward_pre", hook))


def register_module_full_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, grad_input, grad_output)`` in the backward of any module, as the module's own hooks."""
    return add_hook(of_all, ("backward", hook))


def call_with_hooks(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run a module's ``forward`` between its hooks; those to be called always run after an error, too."""
    after = [*_of_all("forward"), *module._forward_hooks.values()]
    called: list[Any] = []
    try:
        return _run(module, args, kwargs, after, called)
    except Exception:
        for each in after[len(called) :]:
            if each[2]:
                _call_after_an_error(module, args, kwargs, each)
        raise


def _run(module: Module, args: Any, kwargs: Any, after: list[Any], called: list[Any]) -> Any:
    args, kwargs = _before(module, args, kwargs)
    backward = None
    before_backward = (*_of_all("backward_pre"), *module._backward_pre_hooks.values())
    in_backward = (*_of_all("backward"), *module._backward_hooks.values())
    if before_backward or in_backward:
        backward = BackwardHook(module, before_backward, in_backward)
        args = backward.before(args)
    output = module.forward(*args, **kwargs)
    for each in after:
        called.append(each)
        hook, with_kwargs, _ = each
        result = hook(module, args, kwargs, output) if with_kwargs else hook(module, args, output)
        output = output if result is None else result
    return output if backward is None else backward.after(output)


def _before(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments as the hooks before ``forward`` leave them.

    Raises:
        RuntimeError: a hook that is given the keyword arguments returns something else than a pair.
    """
    for hook, with_kwargs in (*_of_all("forward_pre"), *module._forward_pre_hooks.values()):
        result = hook(module, args, kwargs) if with_kwargs else hook(module, args)
        if result is None:
            continue
        if not with_kwargs:
            args = result if isinstance(result, tuple) else (result,)
        elif isinstance(result, tuple) and len(result) == 2:
            args, kwargs = result
        else:
            raise RuntimeError(
                f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {result}."
            )
    return args, kwargs


def _call_after_an_error(module: Module, args: Any, kwargs: Any, each: tuple[Any, bool, bool]) -> None:
    hook, with_kwargs, _ = each
    try:
        _ = hook(module, args, kwargs, None) if with_kwargs else hook(module, args, None)
    except Exception as error:  # the first error is the one to report
        warnings.warn(f"module forward hook with ``always_call=True`` raised an exception: {error}", stacklevel=2)
