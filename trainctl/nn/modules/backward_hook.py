"""Backward hooks of a module: two identity nodes around its forward that see the gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.creation import zeros_like
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


class OutputBoundary(Boundary):
    """A boundary whose watcher sees None for the outputs that no gradient reaches, as PyTorch's hooks do."""

    materializes_gradients = False


class BackwardHook:
    """The hooks of one call of a module.

    Args:
        module: the module.
        before_backward: hooks that see the gradients of its outputs.
        in_backward: hooks that see those of its inputs, too.
    """

    def __init__(self, module: Module, before_backward: tuple[Any, ...], in_backward: tuple[Any, ...]) -> None:
        self.module, self.before_backward, self.in_backward = module, before_backward, in_backward
        self.grad_output: tuple[Any, ...] = ()
        self.has_inputs = False

    def before(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Put a boundary on the tensor arguments: behind it, the gradients of the inputs are known."""
        places = [i for i, each in enumerate(args) if isinstance(each, Tensor) and each.requires_grad]
        if not places:
            return args
        self.has_inputs = True
        passed = Boundary.apply(*(args[i] for i in places), watcher=self._inputs(args, places))
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
        passed = OutputBoundary.apply(*(outputs[i] for i in places), watcher=self._outputs(len(outputs), places))
        replaced = list(outputs)
        for place, each in zip(places, passed, strict=True):
            replaced[place] = each
        return tuple(replaced) if isinstance(output, tuple) else replaced[0]

    def _outputs(self, count: int, places: list[int]) -> Any:
        def watch(gys: tuple[Any, ...]) -> tuple[Any, ...]:
            grads = _spread(gys, count, places)
            for hook in self.before_backward:
                changed = hook(self.module, grads)
                grads = grads if changed is None else changed if isinstance(changed, tuple) else (changed,)
            self.grad_output = grads
            if not self.has_inputs:
                self._run((None,))
            return tuple(grads[i] for i in places)

        return watch

    def _inputs(self, args: tuple[Any, ...], places: list[int]) -> Any:
        constants = {i: zeros_like(each) for i, each in enumerate(args) if isinstance(each, Tensor) and i not in places}

        def watch(gys: tuple[Any, ...]) -> tuple[Any, ...]:
            spread = _spread(gys, len(args), places)
            grads = self._run(tuple(constants.get(i, each) for i, each in enumerate(spread)))
            return tuple(grads[i] for i in places)

        return watch

    def _run(self, grad_input: tuple[Any, ...]) -> tuple[Any, ...]:
        for hook in self.in_backward:
            changed = hook(self.module, grad_input, self.grad_output)
            if changed is None:
                continue
            changed = changed if isinstance(changed, tuple) else (changed,)
            if len(changed) != len(grad_input):
                raise RuntimeError(
                    f"Backward hook returned an invalid number of grad_input, got {len(changed)}, "
                    f"but expected {len(grad_input)}"
                )
            grad_input = changed
        return grad_input


def _spread(values: tuple[Any, ...], count: int, places: list[int]) -> tuple[Any, ...]:
    spread: list[Any] = [None] * count
    for place, value in zip(places, values, strict=True):
        spread[place] = value
    return tuple(spread)
