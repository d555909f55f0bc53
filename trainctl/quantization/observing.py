"""What ``prepare`` puts around a module to see its numbers, and ``convert`` takes away again."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.tensor import Tensor
from trainctl.nn.modules.module import Module
from trainctl.quantization.fake_quantize import FakeQuantizeBase
from trainctl.quantization.observers.base import ObserverBase


def is_activation_post_process(module: Any) -> bool:
    """Return whether a module is an observer or fake quantization."""
    return isinstance(module, (ObserverBase, FakeQuantizeBase))


def observe_output(module: Any, args: Any, output: Any) -> Any:
    """Show a module's output to its observer; a hook."""
    return module.activation_post_process(output) if isinstance(output, Tensor) else None


def observe_input(module: Any, args: Any) -> Any:
    """Show a module's first argument to its observer; a hook."""
    return (module.activation_post_process(args[0]), *args[1:]) if args else None


def round_input(module: Any, args: Any) -> Any:
    """Send a module's first argument through its ``input_fake_quant``; a hook."""
    return (module.input_fake_quant(args[0]), *args[1:]) if args else None


_HOOKS = {observe_output, observe_input, round_input}
_ATTACHED = ("activation_post_process", "input_fake_quant")


def attach(module: Module, observer: Module, before: bool = False) -> None:
    """Have an observer see what a module returns (``before``: what it takes), before any other hook does."""
    module.add_module("activation_post_process", observer)
    if before:
        module.register_forward_pre_hook(observe_input, prepend=True)
    else:
        module.register_forward_hook(observe_output, prepend=True)


def is_attached(module: Module) -> bool:
    """Return whether an observer sees a module already."""
    return any(each[0] in _HOOKS - {round_input} for each in _hooks(module))


def detach(module: Module) -> None:
    """Take a module's observers and their hooks away; its own ``activation_post_process`` of another kind stays."""
    for name in _ATTACHED:
        if is_activation_post_process(getattr(module, name, None)):
            delattr(module, name)
    for table in (module._forward_pre_hooks, module._forward_hooks):
        for number, entry in list(table.items()):
            if entry[0] in _HOOKS:
                del table[number]


def hand_hooks_on(old: Module, new: Module) -> None:
    """Give a module the hooks of the one that it takes the place of, but for the observers'."""
    for name in ("_forward_pre_hooks", "_forward_hooks"):
        kept = {number: entry for number, entry in getattr(old, name).items() if entry[0] not in _HOOKS}
        getattr(new, name).update(kept)


def _hooks(module: Module) -> list[Any]:
    return [*module._forward_pre_hooks.values(), *module._forward_hooks.values()]


def device_of(module: Module) -> Any:
    """Return the one device of a module's tensors, None if it has none.

    Raises:
        AssertionError: there are several.
    """
    devices = {each.device for each in (*module.parameters(), *module.buffers())}
    if len(devices) > 1:
        raise AssertionError(
            f"quantization only works with cpu or single-device CUDA modules, but got devices {devices}"
        )
    return next(iter(devices), None)
