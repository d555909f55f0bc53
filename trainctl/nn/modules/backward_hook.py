"""Backward hooks of a module: two identity nodes around its forward that see the gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainctl.autograd.op import Op
from trainctl.autograd.tensor import Tensor

if TYPE_CHECKING:
    from trainctl.nn.modules.module import Module


class Boundary(Op):
    """Passes tensors through and shows their gradients, together, to ``watcher``."""

    watcher: Any

    def forward(self, *arrays: Any, out: Any = None) -> Any:
        """Return the arrays themselves, as views."""
        return tuple(each.view() for each in arrays)

    def backward(self, *gys: Tensor) -> Any:
        """Return what the watcher makes of the gradients."""
        return self.watcher(gys)


class BackwardHook:
    """The hooks of one call of a module."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.grad_output: tuple[Any, ...] = ()
        self.has_inputs = False

    def before(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Put a boundary on the tensor arguments: behind it, the gradients of the inputs are known."""
        places = [i for i, each in enumerate(args) if isinstance(each, Tensor) and each.requires_grad]
        if not places:
            return args
        self.has_inputs = True
        passed = Boundary.apply(*(args[i] for i in places), watcher=self._inputs(len(args), places))
        replaced = list(args)
        for place, each in zip(places, passed, strict=True):
            replaced[place] = each
        return tuple(replaced)

    def after(self, output: Any) -> Any:
        """Put a boundary on the outputs."""
        outputs = output if isinstance(output, tuple) else (output,)
        places = [i for i, each in enumerate(outputs) if isinstance(each, Tensor) and each.requires_grad]
        if not places:
            return output
        passed = Boundary.apply(*(outputs[i] for i in places), watcher=self._outputs(len(outputs), places))
        replaced = list(outputs)
        for place, each in zip(places, passed, strict=True):
            replaced[place] = each
        return tuple(replaced) if isinstance(output, tuple) else replaced[0]

    def _outputs(self, count: int, places: list[int]) -> Any:
        def watch(gys: tuple[Any, ...]) -> tuple[Any, ...]:
            grads = _spread(gys, count, places)
            for hook in tuple(self.module._backward_pre_hooks.values()):
                changed = hook(self.module, grads)
                grads = grads if changed is None else changed if isinstance(changed, tuple) else (changed,)
            self.grad_output = grads
            if not self.has_inputs:
                self._run((None,))
            return tuple(grads[i] for i in places)

        return watch

    def _inputs(self, count: int, places: list[int]) -> Any:
        def watch(gys: tuple[Any, ...]) -> tuple[Any, ...]:
            grads = self._run(_spread(gys, count, places))
            return tuple(grads[i] for i in places)

        return watch

    def _run(self, grad_input: tuple[Any, ...]) -> tuple[Any, ...]:
        for hook in tuple(self.module._backward_hooks.values()):
            changed = hook(self.module, grad_input, self.grad_output)
            grad_input = grad_input if changed is None else changed if isinstance(changed, tuple) else (changed,)
        return grad_input


def _spread(values: tuple[Any, ...], count: int, places: list[int]) -> tuple[Any, ...]:
    spread: list[Any] = [None] * count
    for place, value in zip(places, values, strict=True):
        spread[place] = value
    return tuple(spread)
