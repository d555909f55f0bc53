"""Softmax and its logarithm."""

from __future__ import annotations

from typing import Any

from trainctl.autograd.dims import numpy_names, wrap_dim
from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import mul, neg, sub
from trainctl.autograd.ops.cast import cast, refuse
from trainctl.autograd.ops.elementwise import exp
from trainctl.autograd.ops.reduction import sum
from trainctl.autograd.ops.shape import reshape
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes
from trainctl.backend.dtypes import dtype as DType

METHODS = "softmax log_softmax"
FUNCTIONS = "softmax log_softmax"


class Softmax(Op):
    saves_output = True
    dim: int

    def forward(self, x: Any, out: Any = None) -> Any:
        xp = self.xp
        y = xp.subtract(x, xp.max(x, axis=self.dim, keepdims=True), out=out)
        xp.exp(y, out=y)
        y /= xp.sum(y, axis=self.dim, keepdims=True)
        return y

    def backward(self, gy: Tensor) -> Any:
        (y,) = self.saved
        return SoftmaxGradient.apply(gy, y, dim=self.dim)


class SoftmaxGradient(Op):
    """``y * (gy - sum(gy * y))``."""

    saves = (0, 1)
    dim: int

    def forward(self, gy: Any, y: Any, out: Any = None) -> Any:
        xp = self.xp
        gx = xp.multiply(gy, y, out=out)
        gx -= y * xp.sum(gx, axis=self.dim, keepdims=True)
        return gx

    def backward(self, ggx: Tensor) -> Any:
        gy, y = self.saved
        apart = sub(gy, sum(mul(gy, y), self.dim, True))
        gy_y = sub(mul(ggx, apart), mul(gy, sum(mul(ggx, y), self.dim, True)))
        return SoftmaxGradient.apply(ggx, y, dim=self.dim), gy_y


@numpy_names
def softmax(input: Tensor, dim: int, dtype: DType | None = None) -> Tensor:
    """Return ``exp(input)`` over its sum along ``dim``; with ``dtype``, of ``input`` cast to it.

    Raises:
        IndexError: no such dim.
        NotImplementedError: not a floating-point type.
    """
    return _along(Softmax, input, dim, dtype)


class LogSoftmax(Op):
    saves_output = True
    dim: int

    def forward(self, x: Any, out: Any = None) -> Any:
        xp = self.xp
        y = xp.subtract(x, x.max(self.dim, keepdims=True), out=out)
        y -= xp.log(xp.exp(y).sum(self.dim, keepdims=True))
        return y

    def backward(self, gy: Tensor) -> Any:
        (y,) = self.saved
        return LogSoftmaxGradient.apply(gy, y, dim=self.dim)


class LogSoftmaxGradient(Op):
    """``gy - exp(y) * sum(gy)``."""

    saves = (0, 1)
    dim: int

    def forward(self, gy: Any, y: Any, out: Any = None) -> Any:
        xp = self.xp
        gx = xp.exp(y, out=out)
        gx *= gy.sum(self.dim, keepdims=True)
        return xp.subtract(gy, gx, out=gx)

    def backward(self, ggx: Tensor) -> Any:
        gy, y = self.saved
        weighted = mul(ggx, exp(y))
        return sub(ggx, sum(weighted, self.dim, True)), neg(mul(weighted, sum(gy, self.dim, True)))


@numpy_names
def log_softmax(input: Tensor, dim: int, dtype: DType | None = None) -> Tensor:
    """Return the logarithm of :func:`softmax`, without overflow."""
    return _along(LogSoftmax, input, dim, dtype)


def _along(cls: type[Op], input: Tensor, dim: int, dtype: DType | None) -> Tensor:
    if dtype is not None:
        input = cast(input, dtype)
    refuse("buic", cls.__name__.lower(), input)
    ndim = input._array.ndim
    dim = wrap_dim(dim, ndim)
    if input._array.size == 0:
        return input.clone()
    if input._array.dtype == dtypes.float16.array_dtype:  # sums of half precision are too coarse
        return cast(_along(cls, input, dim, dtypes.float32), dtypes.float16)
    return cls.apply(input, dim=dim) if ndim else reshape(cls.apply(reshape(input, 1), dim=0), ())
