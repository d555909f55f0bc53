"""``Module``: parameters, buffers and submodules under one name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

from trainctl.autograd.clearing import clear_grad
from trainctl.autograd.hooks import RemovableHandle, add_hook
from trainctl.autograd.state import quietly, state
from trainctl.autograd.tensor import Tensor
from trainctl.backend.dtypes import dtype
from trainctl.nn.modules.blame import blame
from trainctl.nn.modules.members import Members
from trainctl.nn.modules.state_dict import LoadResult, collect_state, load_state


class Module(Members):
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

    def __init__(self) -> None:
        put = super().__setattr__
        self._start()
        put("training", True)
        put("_forward_hooks", {})
        put("_forward_pre_hooks", {})
        put("_backward_hooks", {})
        put("_backward_pre_hooks", {})

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
            ):
                return self._call_with_hooks(args, kwargs)
            if state.watcher is not None:
                return state.watcher.call(self, self.forward, args, kwargs)
            return self.forward(*args, **kwargs)
        except Exception as error:
            blame(error, self, args)
            raise

    _call_quietly = quietly(_call)

    def _call_with_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        for hook, with_kwargs in tuple(self._forward_pre_hooks.values()):
            result = hook(self, args, kwargs) if with_kwargs else hook(self, args)
            if result is not None and with_kwargs:
                args, kwargs = result
            elif result is not None:
                args = result if isinstance(result, tuple) else (result,)
        backward = None
        if self._backward_hooks or self._backward_pre_hooks:
            from trainctl.nn.modules.backward_hook import BackwardHook

            backward = BackwardHook(self)
            args = backward.before(args)
        output = self.forward(*args, **kwargs)
        for hook, with_kwargs in tuple(self._forward_hooks.values()):
            result = hook(self, args, kwargs, output) if with_kwargs else hook(self, args, output)
            output = output if result is None else result
        return output if backward is None else backward.after(output)

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
        """Call ``hook(module, args, output)`` after ``forward``; what it returns replaces the output."""
        return add_hook(self._forward_hooks, (hook, with_kwargs), prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` in backward; what it returns replaces ``grad_input``."""
        return add_hook(self._backward_hooks, hook, prepend)

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` before the module's backward; what it returns replaces ``grad_output``."""
        return add_hook(self._backward_pre_hooks, hook, prepend)

    # -- state ----------------------------------------------------------------------------------------

    def state_dict(self, *, prefix: str = "", keep_vars: bool = False) -> dict[str, Tensor]:
        """Return path -> tensor for all parameters and persistent buffers, sharing their memory."""
        return collect_state(self, prefix, keep_vars)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> LoadResult:
        """Copy tensors into the parameters and buffers of the same path.

        Args:
            state_dict: path -> tensor.
            strict: the paths must be exactly this module's.
            assign: take the tensors themselves over instead of copying their elements.

        Raises:
            RuntimeError: missing or unexpected paths, or shapes that differ; all of them are listed and
                nothing has been changed.
        """
        return load_state(self, state_dict, strict, assign)

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

    def _apply(self, fn: Callable[[Tensor], Tensor]) -> Self:
        """Replace the elements of every parameter and buffer by ``fn`` of them."""
        for module in self.children():
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

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        own = self.extra_repr().splitlines()
        children = [f"({name}): " + repr(module).replace("\n", "\n  ") for name, module in self._modules.items()]
        if not children and len(own) < 2:
            return f"{self._get_name()}({''.join(own)})"
        return f"{self._get_name()}(\n  " + "\n  ".join([*own, *children]) + "\n)"
