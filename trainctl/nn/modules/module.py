"""``Module``: parameters, buffers and submodules under one name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Self

from trainctl.autograd.clearing import clear_grad
from trainctl.autograd.hooks import RemovableHandle, add_hook
from trainctl.autograd.ops.creation import empty_like
from trainctl.autograd.state import quietly, state
from trainctl.autograd.tensor import Tensor
from trainctl.backend.dtypes import dtype
from trainctl.nn.modules.blame import blame
from trainctl.nn.modules.module_hooks import call_with_hooks, of_all
from trainctl.nn.modules.module_hooks import register_module_forward_hook as register_module_forward_hook
from trainctl.nn.modules.module_hooks import register_module_forward_pre_hook as register_module_forward_pre_hook
from trainctl.nn.modules.module_hooks import register_module_full_backward_hook as register_module_full_backward_hook
from trainctl.nn.modules.module_hooks import (
    register_module_full_backward_pre_hook as register_module_full_backward_pre_hook,
)
from trainctl.nn.modules.state_dict import Stateful


class Module(Stateful):
    """Base of every layer and model: subclass it, assign parameters and layers in ``__init__``, write ``forward``.

    Attributes:
        training: whether the module is in training mode (dropout drops, batch norm counts).

    Example:
        >>> import trainctl
        >>> from trainctl import nn
        >>> class Net(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.fc = nn.Linear(4, 2)
        ...
        ...     def forward(self, x):
        ...         return self.fc(x).relu()
        >>> net = Net()
        >>> [name for name, _ in net.named_parameters()]
        ['fc.weight', 'fc.bias']
        >>> net(trainctl.ones(3, 4)).shape
        trainctl.Size([3, 2])
    """

    training: bool

    call_super_init: ClassVar[bool] = False  # pass what __init__ gets on to the next class, for cooperating bases

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not self.call_super_init and (args or kwargs):
            self._refuse(args, kwargs)
        put = super().__setattr__
        self._start()
        put("training", True)
        put("_forward_hooks", {})
        put("_forward_pre_hooks", {})
        put("_backward_hooks", {})
        put("_backward_pre_hooks", {})
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    def _refuse(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        name = type(self).__name__
        if kwargs:
            raise TypeError(f"{name}.__init__() got an unexpected keyword argument '{next(iter(kwargs))}'")
        raise TypeError(f"{name}.__init__() takes 1 positional argument but {len(args) + 1} were given")

    # -- calls and hooks ------------------------------------------------------------------------------

    def forward(self, *input: Any, **kwargs: Any) -> Any:
        """Compute the output; every subclass writes its own."""
        raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run ``forward`` and the hooks around it."""
        call = self._call if state.quiet else self._call_quietly
        return call(*args, **kwargs)

    def _call(self, *args: Any, **kwargs: Any) -> Any:
        tables = self.__dict__
        try:
            if (
                tables["_forward_hooks"]
                or tables["_forward_pre_hooks"]
                or tables["_backward_hooks"]
                or tables["_backward_pre_hooks"]
                or of_all
            ):
                return call_with_hooks(self, args, kwargs)
            if state.watcher is not None:
                return state.watcher.call(self, self.forward, args, kwargs)
            return self.forward(*args, **kwargs)
        except Exception as error:
            blame(error, self, args)
            raise

    _call_quietly = quietly(_call)

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before ``forward``; what it returns replaces the arguments."""
        return add_hook(self._forward_pre_hooks, (hook, with_kwargs), prepend)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after ``forward``; what it returns replaces the output.

        Args:
            hook: the function.
            prepend: call it before the hooks that are there already.
            with_kwargs: call ``hook(module, args, kwargs, output)``.
            always_call: call it after an error, too, with None for the output.
        """
        return add_hook(self._forward_hooks, (hook, with_kwargs, always_call), prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` in backward; what it returns replaces ``grad_input``."""
        return add_hook(self._backward_hooks, hook, prepend)

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` before the module's backward; what it returns replaces ``grad_output``."""
        return add_hook(self._backward_pre_hooks, hook, prepend)

    # -- modes, dtypes, devices -------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Set training mode (or, with False, evaluation mode) here and below."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Self:
        """Set evaluation mode here and below."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Set ``requires_grad`` of every parameter; False freezes the module."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop every parameter's gradient (or set it to 0)."""
        for parameter in self.parameters():
            clear_grad(parameter, set_to_none)

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call ``fn`` on every module below and then on this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Replace the elements of every parameter and buffer by ``fn`` of them."""
        for module in self.children() if recurse else ():
            module._apply(fn)
        for parameter in self._parameters.values():
            if parameter is not None:
                parameter.data = fn(parameter.data)
                if parameter.grad is not None:
                    parameter.grad = fn(parameter.grad.data)
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Convert floating-point parameters and buffers to a dtype, and move all to a device: as ``Tensor.to``.

        Raises:
            TypeError: the dtype is neither floating point nor complex.
        """
        for each in (*args, *kwargs.values()):
            if isinstance(each, dtype) and each.category < 2:
                raise TypeError(
                    f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={each}"
                )

        def convert(tensor: Tensor) -> Tensor:
            moved = tensor.to(*args, **kwargs)
            return moved if tensor.is_floating_point() or tensor.is_complex() or moved.dtype == tensor.dtype else tensor

        return self._apply(convert)

    def float(self) -> Self:
        """Convert floating-point parameters and buffers to float32."""
        return self._apply(lambda tensor: tensor.float() if tensor.is_floating_point() else tensor)

    def double(self) -> Self:
        """Convert floating-point parameters and buffers to float64."""
        return self._apply(lambda tensor: tensor.double() if tensor.is_floating_point() else tensor)

    def half(self) -> Self:
        """Convert floating-point parameters and buffers to float16."""
        return self._apply(lambda tensor: tensor.half() if tensor.is_floating_point() else tensor)

    def bfloat16(self) -> Self:
        """Convert floating-point parameters and buffers to bfloat16."""
        return self._apply(lambda tensor: tensor.bfloat16() if tensor.is_floating_point() else tensor)

    def type(self, dst_type: dtype) -> Self:
        """Convert all parameters and buffers, whatever they are, to a dtype."""
        return self._apply(lambda tensor: tensor.to(dst_type))

    def to_empty(self, *, device: Any, recurse: bool = True) -> Self:
        """Move the module to a device without the elements of its parameters and buffers, which are then any."""
        return self._apply(lambda tensor: empty_like(tensor, device=device), recurse)

    def share_memory(self) -> Self:
        """Return the module itself: threads, which is what this library works with, share all memory."""
        return self

    def cpu(self) -> Self:
        """Move all parameters and buffers to the CPU."""
        return self._apply(lambda tensor: tensor.cpu())

    def cuda(self, device: Any = None) -> Self:
        """Move all parameters and buffers to a GPU."""
        return self._apply(lambda tensor: tensor.cuda(device))

    # -- text -----------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """Return what the layer's line says between the parentheses."""
        return ""

    def __repr__(self) -> str:
        own = self.extra_repr().splitlines()
        children = [f"({name}): " + repr(module).replace("\n", "\n  ") for name, module in self._modules.items()]
        if not children and len(own) < 2:
            return f"{self._get_name()}({''.join(own)})"
        return f"{self._get_name()}(\n  " + "\n  ".join([*own, *children]) + "\n)"
