"""Activations: functions of each element that networks put between layers."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.cast import refuse
from trainctl.autograd.tensor import Tensor

METHODS = "relu"
IN_PLACE = "relu"
FUNCTIONS = "relu"


class ReLU(Op):
    saves_output = True

    def forward(self, x: Any, out: Any = None) -> Any:
        return self.xp.maximum(x, 0, out=out)

    def backward(self, gy: Tensor) -> Any:
        (y,) = self.saved
        return ReLUGradient.apply(gy, y)


class ReLUGradient(Op):
    """``gy`` where the output was not 0: positive, or NaN."""

    saves = (1,)

    def forward(self, gy: Any, y: Any, out: Any = None) -> Any:
        return self.xp.multiply(gy, y != 0, out=out)

    def backward(self, ggx: Tensor) -> Any:
        (y,) = self.saved
        return ReLUGradient.apply(ggx, y), None


def relu(input: Tensor) -> Tensor:
    """Return each element where it is positive, else 0.

    Raises:
        RuntimeError: bool or complex elements.
    """
    refuse("bc", "relu", input)
    return ReLU.apply(input)
