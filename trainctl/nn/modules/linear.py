"""Dense layers."""

from __future__ import annotations

import math
from typing import Any

from trainctl.autograd.ops.creation import empty
from trainctl.autograd.tensor import Tensor
from trainctl.nn import functional as F
from trainctl.nn import init
from trainctl.nn.modules.module import Module
from trainctl.nn.parameter import Parameter


class Linear(Module):
    """``y = x @ weight.T + bias``: ``[*, in_features] -> [*, out_features]``.

    Args:
        in_features: size of the last dim of the input.
        out_features: size of the last dim of the output.
        bias: add one.
        device: where the parameters live.
        dtype: of the parameters.

    Example:
        >>> import trainctl
        >>> from trainctl import nn
        >>> nn.Linear(20, 30)(trainctl.ones(128, 20)).shape
        trainctl.Size([128, 30])
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(empty(out_features, in_features, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_features, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw both uniform in ``±1 / sqrt(in_features)``, as PyTorch does."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input @ weight.T + bias``."""
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Bilinear(Module):
    """``y = x1 @ weight @ x2 + bias`` for each output: ``[*, in1_features], [*, in2_features] -> [*, out_features]``.

    Args:
        in1_features: size of the last dim of the first input.
        in2_features: size of the last dim of the second input.
        out_features: size of the last dim of the output.
        bias: add one.
        device: where the parameters live.
        dtype: of the parameters.

    Raises:
        ValueError: ``in1_features`` is not positive.

    Example:
        >>> import trainctl
        >>> from trainctl import nn
        >>> nn.Bilinear(20, 30, 40)(trainctl.ones(128, 20), trainctl.ones(128, 30)).shape
        trainctl.Size([128, 40])
    """

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if in1_features <= 0:
            raise ValueError(f"in1_features must be > 0, but got (in1_features={in1_features})")
        self.in1_features, self.in2_features, self.out_features = in1_features, in2_features, out_features
        self.weight = Parameter(empty(out_features, in1_features, in2_features, device=device, dtype=dtype))
        self.register_parameter("bias", Parameter(empty(out_features, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw both uniform in ``±1 / sqrt(in1_features)``, as PyTorch does."""
        bound = 1 / math.sqrt(self.in1_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        """Return the bilinear form of the two inputs."""
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )
