"""Activations with a smooth (or once smooth) curve, in forms that neither overflow nor cancel."""

from __future__ import annotations

import math
from typing import Any

from trainctl.autograd.ops.arithmetic import add, clamp, div, mul, neg, rsub, sub
from trainctl.autograd.ops.cast import check_tensor
from trainctl.autograd.ops.comparison import where
from trainctl.autograd.ops.elementwise import abs, exp, sigmoid, sigmoid_array, square, tanh
from trainctl.autograd.ops.error_function import erf_array
from trainctl.autograd.ops.slope import Activation, activation, in_place, written
from trainctl.autograd.tensor import Tensor

FUNCTIONS = "celu celu_ selu selu_"
FUNCTIONAL = "celu celu_ elu elu_ gelu logsigmoid mish selu selu_ silu softplus softsign tanhshrink"

_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def log1p_exp_array(xp: Any, x: Any) -> Any:
    """Return ``log(1 + exp(x))`` without overflow."""
    return xp.maximum(x, 0) + xp.log1p(xp.exp(xp.negative(xp.abs(x))))


class Elu(Activation):
    """``positive * x`` for positive x, else ``negative * (exp(rate * x) - 1)``."""

    positive: float
    negative: float
    rate: float

    def forward(self, x: Any, out: Any = None) -> Any:
        xp = self.xp
        low = xp.expm1(self.rate * xp.minimum(x, 0)) * self.negative
        return xp.add(low, xp.maximum(x, 0) * self.positive, out=out)

    def slope(self, x: Any) -> Any:
        xp = self.xp
        low = xp.exp(self.rate * xp.minimum(x, 0)) * (self.negative * self.rate)
        return xp.where(x <= 0, low, x.dtype.type(self.positive))

    def bend(self, x: Tensor) -> Tensor:
        return where(x < 0, mul(exp(mul(clamp(x, max=0), self.rate)), self.negative * self.rate * self.rate), 0)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Return each element where it is positive, else ``alpha * (exp(x) - 1)`` (Clevert et al., 2016).

    Example:
        >>> import trainctl
        >>> elu(trainctl.tensor([-1.0, 1.0]))
        tensor([-0.6321,  1.0000])
    """
    return _elu("elu", input, inplace, negative=alpha)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """Return ``scale * elu(x, alpha)`` with the constants that keep mean 0 and variance 1 (Klambauer et al., 2017)."""
    return _elu("selu", input, inplace, positive=_SELU_SCALE, negative=_SELU_SCALE * _SELU_ALPHA)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Return each element where it is positive, else ``alpha * (exp(x / alpha) - 1)`` (Barron, 2017).

    Raises:
        RuntimeError: ``alpha`` is 0.
    """
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return _elu("celu", input, inplace, negative=alpha, rate=1 / alpha)


def _elu(
    name: str, input: Tensor, inplace: bool, positive: float = 1.0, negative: float = 1.0, rate: float = 1.0
) -> Tensor:
    if isinstance(negative, complex):
        raise RuntimeError(f"{name}: alpha has to be a real number, got {negative}")
    return activation(Elu, name, input, inplace, positive=positive, negative=negative, rate=rate)


celu_, elu_, selu_ = in_place(celu), in_place(elu), in_place(selu)


class Gelu(Activation):
    """``x`` times the probability that a standard normal variable is smaller."""

    def forward(self, x: Any, out: Any = None) -> Any:
        y = erf_array(self.xp, x * math.sqrt(0.5))
        y += 1
        y *= x
        return self.xp.multiply(y, 0.5, out=out)

    def slope(self, x: Any) -> Any:
        xp = self.xp
        probability = (erf_array(xp, x * math.sqrt(0.5)) + 1) * 0.5
        return probability + x * xp.exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))

    def bend(self, x: Tensor) -> Tensor:
        squares = square(x)
        density = mul(exp(mul(squares, -0.5)), 1 / math.sqrt(2 * math.pi))
        return mul(density, rsub(squares, 2))


class GeluTanh(Activation):
    """:class:`Gelu` by a hyperbolic tangent: ``x (1 + tanh(u)) / 2`` with ``u = a (x + b x^3)``."""

    a, b = math.sqrt(2 / math.pi), 0.044715

    def forward(self, x: Any, out: Any = None) -> Any:
        y = self.xp.tanh((x * x * self.b + 1) * x * self.a)
        y += 1
        y *= x
        return self.xp.multiply(y, 0.5, out=out)

    def slope(self, x: Any) -> Any:
        squares = x * x
        t = self.xp.tanh((squares * self.b + 1) * x * self.a)
        return (1 + t + x * (1 - t * t) * (squares * (3 * self.b) + 1) * self.a) * 0.5

    def bend(self, x: Tensor) -> Tensor:
        squares = square(x)
        t = tanh(mul(mul(add(mul(squares, self.b), 1), x), self.a))
        u1, u2 = mul(add(mul(squares, 3 * self.b), 1), self.a), mul(x, 6 * self.a * self.b)
        turn = mul(mul(x, 0.5), sub(u2, mul(mul(t, 2), square(u1))))
        return mul(rsub(square(t), 1), add(u1, turn))


def gelu(input: Tensor, *, approximate: str = "none") -> Tensor:
    """Return ``x * Phi(x)``, Phi the standard normal distribution function (Hendrycks and Gimpel, 2016).

    Args:
        input: floating-point elements.
        approximate: ``none`` or ``tanh``.

    Raises:
        RuntimeError: another approximation.

    Example:
        >>> import trainctl
        >>> gelu(trainctl.tensor([-1.0, 0.0, 1.0]))
        tensor([-0.1587,  0.0000,  0.8413])
    """
    if approximate not in ("none", "tanh"):
        raise RuntimeError(f"gelu: approximate argument must be either none or tanh, got {approximate}")
    return activation(Gelu if approximate == "none" else GeluTanh, "gelu", input)


class Silu(Activation):
    def forward(self, x: Any, out: Any = None) -> Any:
        y = self.xp.exp(self.xp.negative(x))
        y += 1
        return self.xp.true_divide(x, y, out=out)

    def slope(self, x: Any) -> Any:
        s = sigmoid_array(self.xp, x)
        return s * (1 + x * (1 - s))

    def bend(self, x: Tensor) -> Tensor:
        s = sigmoid(x)
        return mul(mul(s, rsub(s, 1)), add(mul(x, rsub(mul(s, 2), 1)), 2))


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """Return ``x * sigmoid(x)`` (also known as swish)."""
    check_tensor("silu", input, "input")
    if input.is_complex():
        return written("silu", lambda x: mul(x, sigmoid(x)), input, inplace)
    return activation(Silu, "silu", input, inplace)


class Mish(Activation):
    """With ``e = exp(x)`` and ``n = e (e + 2)`` the hyperbolic tangent of ``log(1 + e)`` is ``n / (n + 2)``."""

    def forward(self, x: Any, out: Any = None) -> Any:
        n, _, _ = self.parts(x)
        return self.xp.multiply(x, n / (n + 2), out=out)

    def parts(self, x: Any) -> Any:
        """Return (n, e, x), of x up to 20: from there mish is the identity."""
        x = self.xp.minimum(x, 20)
        e = self.xp.exp(x)
        return e * (e + 2), e, x

    def slope(self, x: Any) -> Any:
        n, e, x = self.parts(x)
        return n / (n + 2) + 4 * x * e * (e + 1) / ((n + 2) * (n + 2))

    def bend(self, x: Tensor) -> Tensor:
        s, t = sigmoid(x), tanh(softplus(x))
        flat = mul(s, rsub(square(t), 1))
        return mul(flat, add(mul(x, sub(rsub(s, 1), mul(mul(t, s), 2))), 2))


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """Return ``x * tanh(softplus(x))`` (Misra, 2019)."""
    return activation(Mish, "mish", input, inplace)


class Softplus(Activation):
    beta: float
    threshold: float

    def forward(self, x: Any, out: Any = None) -> Any:
        xp, z = self.xp, x * self.beta
        return xp.where(z > self.threshold, x, log1p_exp_array(xp, z) / self.beta)

    def slope(self, x: Any) -> Any:
        xp, z = self.xp, x * self.beta
        return xp.where(z > self.threshold, x.dtype.type(1), sigmoid_array(xp, z))

    def bend(self, x: Tensor) -> Tensor:
        z = mul(x, self.beta)
        s = sigmoid(z)
        return where(z > self.threshold, 0, mul(mul(s, rsub(s, 1)), self.beta))


def softplus(input: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    """Return ``log(1 + exp(beta x)) / beta``; ``x`` itself where ``beta x`` is above ``threshold``."""
    return activation(Softplus, "softplus", input, beta=beta, threshold=threshold)


class LogSigmoid(Activation):
    def forward(self, x: Any, out: Any = None) -> Any:
        xp = self.xp
        return xp.subtract(xp.minimum(x, 0), xp.log1p(xp.exp(xp.negative(xp.abs(x)))), out=out)

    def slope(self, x: Any) -> Any:
        return sigmoid_array(self.xp, -x)

    def bend(self, x: Tensor) -> Tensor:
        return neg(mul(sigmoid(x), sigmoid(neg(x))))


def logsigmoid(input: Tensor) -> Tensor:
    """Return ``log(sigmoid(x))`` without cancellation."""
    return activation(LogSigmoid, "logsigmoid", input)


def softsign(input: Tensor) -> Tensor:
    """Return ``x / (1 + |x|)``."""
    check_tensor("softsign", input, "input")
    return div(input, add(abs(input), 1))


def tanhshrink(input: Tensor) -> Tensor:
    """Return ``x - tanh(x)``."""
    check_tensor("tanhshrink", input, "input")
    return sub(input, tanh(input))
