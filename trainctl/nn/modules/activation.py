"""Functions of each element, and of the elements along a dim."""

from __future__ import annotations

from typing import Any, Literal

from trainctl.autograd.ops.creation import empty
from trainctl.autograd.tensor import Tensor
from trainctl.nn import functional as F
from trainctl.nn import init
from trainctl.nn.modules.module import Module
from trainctl.nn.parameter import Parameter


class Identity(Module):
    """Returns its input; takes and ignores any arguments."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input``."""
        return input


class _InPlace(Module):
    """An activation without parameters; ``inplace`` writes the result into its input."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        """Return whether it works in place."""
        return "inplace=True" if self.inplace else ""

    def _with_inplace(self, text: str) -> str:
        return f"{text}, inplace=True" if self.inplace else text


class ReLU(_InPlace):
    """Each element where it is positive, else 0.

    Example:
        >>> import trainctl
        >>> ReLU()(trainctl.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return ``max(input, 0)``."""
        return F.relu(input, inplace=self.inplace)


class Sigmoid(Module):
    """``1 / (1 + exp(-x))`` for each element."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the sigmoid of ``input``."""
        return F.sigmoid(input)


class Tanh(Module):
    """The hyperbolic tangent of each element."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the hyperbolic tangent of ``input``."""
        return F.tanh(input)


class Softmax(Module):
    """``exp(x)`` over its sum along ``dim``."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """Return the softmax of ``input``."""
        return F.softmax(input, self.dim)

    def extra_repr(self) -> str:
        """Return the dim."""
        return f"dim={self.dim}"


class LogSoftmax(Softmax):
    """The logarithm of the softmax along ``dim``."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the log-softmax of ``input``."""
        return F.log_softmax(input, self.dim)


class ELU(_InPlace):
    """Each element where it is positive, else ``alpha * (exp(x) - 1)``."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = alpha

    def forward(self, input: Tensor) -> Tensor:
        """Return the ELU of ``input``."""
        return F.elu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        """Return alpha, and whether it works in place."""
        return self._with_inplace(f"alpha={self.alpha}")


class CELU(ELU):
    """Each element where it is positive, else ``alpha * (exp(x / alpha) - 1)``."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the CELU of ``input``."""
        return F.celu(input, self.alpha, self.inplace)


class SELU(_InPlace):
    """An ELU scaled so that mean 0 and variance 1 are kept; see :func:`trainctl.nn.functional.selu`."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the SELU of ``input``."""
        return F.selu(input, self.inplace)


class SiLU(_InPlace):
    """``x * sigmoid(x)``."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the SiLU of ``input``."""
        return F.silu(input, self.inplace)


class Mish(_InPlace):
    """``x * tanh(softplus(x))``."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the mish of ``input``."""
        return F.mish(input, self.inplace)


class Hardswish(_InPlace):
    """``x`` times its :class:`Hardsigmoid`."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the hardswish of ``input``."""
        return F.hardswish(input, self.inplace)

    def extra_repr(self) -> str:
        """Return nothing, as PyTorch's."""
        return ""


class Hardsigmoid(_InPlace):
    """``x / 6 + 1 / 2``, limited to [0, 1]."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the hardsigmoid of ``input``."""
        return F.hardsigmoid(input, self.inplace)

    def extra_repr(self) -> str:
        """Return nothing, as PyTorch's."""
        return ""


class GELU(Module):
    """``x`` times the standard normal distribution function of ``x``, or its approximation by ``tanh``.

    Example:
        >>> import trainctl
        >>> GELU()(trainctl.tensor([-1.0, 1.0]))
        tensor([-0.1587,  0.8413])
    """

    def __init__(self, approximate: Literal["none", "tanh"] = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        """Return the GELU of ``input``."""
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        """Return the approximation."""
        return f"approximate={self.approximate!r}"


class GLU(Module):
    """The first half along ``dim`` times the sigmoid of the second half."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """Return the gated half of ``input``."""
        return F.glu(input, self.dim)

    def extra_repr(self) -> str:
        """Return the dim."""
        return f"dim={self.dim}"


class Hardtanh(_InPlace):
    """Each element limited to ``[min_val, max_val]``; ``min_value`` and ``max_value`` are PyTorch's old names.

    Raises:
        AssertionError: ``max_val`` is not larger than ``min_val``.
    """

    def __init__(
        self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False,
        min_value: float | None = None, max_value: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__(inplace)
        self.min_val = min_val if min_value is None else min_value
        self.max_val = max_val if max_value is None else max_value
        if not self.max_val > self.min_val:
            raise AssertionError(f"max_val ({self.max_val}) must be greater than min_val ({self.min_val})")

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input``, limited."""
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        """Return the limits, and whether it works in place."""
        return self._with_inplace(f"min_val={self.min_val}, max_val={self.max_val}")


class ReLU6(Hardtanh):
    """Each element limited to [0, 6]."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)

    def extra_repr(self) -> str:
        """Return whether it works in place."""
        return "inplace=True" if self.inplace else ""


class LeakyReLU(_InPlace):
    """Each element where it is positive, else ``negative_slope`` times it."""

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.negative_slope = negative_slope

    def forward(self, input: Tensor) -> Tensor:
        """Return the leaky ReLU of ``input``."""
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        """Return the slope, and whether it works in place."""
        return self._with_inplace(f"negative_slope={self.negative_slope}")


class RReLU(_InPlace):
    """Each element where it is positive, else a share of it: random in training, else the mean of the bounds."""

    def __init__(self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.lower, self.upper = lower, upper

    def forward(self, input: Tensor) -> Tensor:
        """Return the randomised leaky ReLU of ``input``."""
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        """Return the bounds, and whether it works in place."""
        return self._with_inplace(f"lower={self.lower}, upper={self.upper}")


class PReLU(Module):
    """Each element where it is positive, else ``weight`` times it, learned: one for all, or one a channel ``[N, C, *]``."""

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(empty(num_parameters, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set every weight to ``init``."""
        init.constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        """Return the parametric ReLU of ``input``."""
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        """Return the number of weights."""
        return f"num_parameters={self.num_parameters}"


class Threshold(_InPlace):
    """Each element where it is above ``threshold``, else ``value``."""

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.threshold, self.value = threshold, value

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input``, its small elements replaced."""
        return F.threshold(input, self.threshold, self.value, self.inplace)

    def extra_repr(self) -> str:
        """Return the threshold and the value, and whether it works in place."""
        return self._with_inplace(f"threshold={self.threshold}, value={self.value}")


class Hardshrink(Module):
    """Each element outside ``[-lambd, lambd]``, else 0."""

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input``, its small elements 0."""
        return F.hardshrink(input, self.lambd)

    def extra_repr(self) -> str:
        """Return lambda."""
        return str(self.lambd)


class Softshrink(Hardshrink):
    """Each element moved towards 0 by ``lambd``."""

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input``, shrunk."""
        return F.softshrink(input, self.lambd)


class Softplus(Module):
    """``log(1 + exp(beta x)) / beta``, ``x`` itself where ``beta x`` is above ``threshold``."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, input: Tensor) -> Tensor:
        """Return the softplus of ``input``."""
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        """Return beta and the threshold."""
        return f"beta={self.beta}, threshold={self.threshold}"


class LogSigmoid(Module):
    """``log(sigmoid(x))``."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the logarithm of the sigmoid of ``input``."""
        return F.logsigmoid(input)


class Softsign(Module):
    """``x / (1 + |x|)``."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the softsign of ``input``."""
        return F.softsign(input)


class Tanhshrink(Module):
    """``x - tanh(x)``."""

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input`` without its hyperbolic tangent."""
        return F.tanhshrink(input)


class Softmin(Softmax):
    """The softmax of the negative elements along ``dim``."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the softmin of ``input``."""
        return F.softmin(input, self.dim)


class Softmax2d(Module):
    """The softmax over the channels of ``[N, C, H, W]`` or ``[C, H, W]``.

    Raises:
        ValueError: another number of dims.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return the softmax of ``input`` over its channels."""
        if input.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D, got {input.ndim}D instead")
        return F.softmax(input, -3)
