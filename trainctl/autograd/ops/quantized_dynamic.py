"""Products whose input is brought to a grid when it is seen, all of it to one, as PyTorch does."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.op import Op
from trainctl.backend.integer_products import IntegerWeights
from trainctl.backend.integers.one_grid import linear_of_one_grid


class LinearOfOneGrid(Op):
    """Float numbers ``[*, K]`` with weights ``[N, K]`` and a float32 bias: ``[*, N]``.

    Attributes:
        weights: the weights.
        relu: what is below 0 becomes 0.
        highest: the highest of the input's codes; 127 keeps PyTorch's sums of pairs within 16 bits.
    """

    differentiable = False
    decides_dtype = True
    weights: IntegerWeights
    relu: bool = False
    highest: int = 127

    def forward(self, x: Any, bias: Any = None) -> Any:
        """Return the output, float32."""
        return linear_of_one_grid(x, self.weights, bias, self.relu, self.highest)
