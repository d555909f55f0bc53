"""What the fused recurrent layers share.

A layer in one direction is one op. Its sequences are *packed*: the rows of a step are those sequences that still
run at that step, the longest first, so that row ``i`` of any step belongs to sequence ``i``. A padded batch is the
case where every step has all rows. The states ``[B, H]`` are updated in place, step by step, in the rows that run:
what is left at the end is each sequence's last state, in either direction and whatever the lengths. Backward does
the same with the states' gradients, over the steps in reverse.

Whatever does not depend on the step before is done for all rows at once, outside the loop over time. All gates of a
step are one tanh, for ``sigmoid(x) = tanh(x / 2) / 2 + 1 / 2``; the inner half is put into the weights, exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from trainctl.autograd.engine import grad
from trainctl.autograd.grad_mode import enable_grad
from trainctl.autograd.op import Op
from trainctl.autograd.ops.joining import cat
from trainctl.autograd.ops.linalg import matmul
from trainctl.autograd.ops.reduction import sum
from trainctl.autograd.ops.shape import clone, transpose
from trainctl.autograd.state import state
from trainctl.autograd.tensor import Tensor


class Recurrence(Op):
    """Base of the loops over time.

    Attributes:
        steps: the rows of each step, in the order in which the steps are taken.
    """

    materializes_gradients = False
    steps: tuple[slice, ...]

    def last_gradient(self, given: Any, width: int, kind: Any) -> Any:
        """Return a new array ``[B, width]`` with the gradient of the last states, zeros where there is none."""
        batch = max(rows.stop - rows.start for rows in self.steps)
        return self.xp.zeros((batch, width), kind) if given is None else self.xp.array(given)


class RecurrentLayer(Recurrence):
    """Base of the layers: inputs are x, the first states, the weights; outputs y, the last states, and what is kept.

    Attributes:
        kinds: how many kinds of state there are.
    """

    kinds: ClassVar[int] = 1

    if TYPE_CHECKING:  # the fused gradients, and one step in other ops
        gradients: Callable[..., Any]
        step: Callable[[Tensor, Sequence[Tensor], Sequence[Any]], tuple[Tensor, ...]]

    def products(self, x: Any, weight: Any, *biases: Any, scale: Any = None) -> Any:
        """Return ``x @ weight.T`` for all rows, plus the biases that are not None, each gate times its ``scale``."""
        given = [each for each in biases if each is not None]
        bias = given[0] + given[1] if len(given) == 2 else given[0] if given else None
        if scale is not None:  # cheaper here than on all rows
            weight, bias = weight * scale[:, None], None if bias is None else bias * scale
        rows = self.xp.matmul(x, weight.T)
        if bias is not None:
            rows += bias
        return rows

    def scale(self, gates: int, size: int, kind: Any) -> Any:
        """Return ``scale`` in ``tanh(x * scale) * scale + (1 - scale)``: 1/2 for a sigmoid, 1 for the third gate, a tanh."""
        scale = self.xp.full(gates * size, 0.5, kind)
        scale[2 * size : 3 * size] = 1
        return scale

    def backward(self, *gys: Tensor | None) -> Any:
        """Return the gradients of the inputs: fused, or, where they are complex or will be differentiated, step by step."""
        if state.grad or self.meta[0][1].kind == "c":
            return self.recorded_gradients(gys)
        return self.gradients(*gys[: 1 + self.kinds])

    def recorded_gradients(self, gys: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
        """Return the gradients by a graph of small ops, which has gradients itself."""
        with enable_grad():
            inputs: list[Any] = [None if each is None else clone(each) for each in self.saved[: len(self.edges)]]
            unrolled = self.unrolled(*inputs)
        outputs, given = zip(*((y, gy) for y, gy in zip(unrolled, gys, strict=False) if gy is not None), strict=True)
        wanted = [number for number in range(len(inputs)) if self.needs(number)]
        found = grad(outputs, [inputs[number] for number in wanted], given, create_graph=state.grad, allow_unused=True)
        by_number = dict(zip(wanted, found, strict=True))
        return tuple(by_number.get(number) for number in range(len(inputs)))

    def unrolled(self, x: Tensor, *others: Any) -> tuple[Tensor, ...]:
        """Return y and the last states in terms of other ops."""
        states, weights, outputs = list(others[: self.kinds]), others[self.kinds :], {}
        for rows in self.steps:
            count = rows.stop - rows.start
            new = self.step(x[rows], [each[:count] for each in states], weights)
            states = [cat([first, each[count:]]) for first, each in zip(new, states, strict=True)]
            outputs[rows.start] = new[0]
        return cat([outputs[start] for start in sorted(outputs)]), *states

    def weight_gradient(self, number: int, gates: Tensor, rows: Tensor) -> Tensor | None:
        """Return the gradient of input ``number``, the weight that made ``gates`` of ``rows``, if it is wanted."""
        return matmul(transpose(gates, 0, 1), rows) if self.needs(number) else None

    def bias_gradient(self, gates: Tensor, *numbers: int) -> Tensor | None:
        """Return the gradient of the inputs ``numbers``, biases that were added to ``gates``, if one is wanted."""
        return sum(gates, 0) if any(map(self.needs, numbers)) else None
