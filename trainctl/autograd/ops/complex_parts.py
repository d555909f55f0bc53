"""Complex numbers from their parts, and their parts."""

from __future__ import annotations

import math
from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import div, mul, zeros_as
from trainctl.autograd.ops.cast import check_broadcast, check_tensor, to_float
from trainctl.autograd.ops.comparison import eq, where
from trainctl.autograd.ops.creation import ones_like
from trainctl.autograd.ops.elementwise import abs, cos, sin, square
from trainctl.autograd.ops.index_write import setitem
from trainctl.autograd.tensor import Tensor
from trainctl.backend import dtypes

METHODS = "angle isreal"
PROPERTIES = "real imag"
SETTERS = "real=set_real imag=set_imag"
FUNCTIONS = "angle complex imag isreal polar real view_as_complex view_as_real"


class Complex(Op):
    def forward(self, real: Any, imag: Any, out: Any = None) -> Any:
        kind = dtypes.FROM_ARRAY[real.dtype].to_complex().array_dtype
        z = self.xp.empty(self.xp.broadcast_shapes(real.shape, imag.shape), kind) if out is None else out
        z.real[...], z.imag[...] = real, imag
        return z

    def backward(self, gy: Tensor) -> Any:
        return real(gy), imag(gy)


def complex(real: Tensor, imag: Tensor) -> Tensor:
    """Return complex numbers with these parts, both float32 or both float64; shapes broadcast.

    Raises:
        RuntimeError: another dtype, or two.

    Example:
        >>> import trainctl
        >>> complex(trainctl.tensor([1.0]), trainctl.tensor([2.0]))
        tensor([1.+2.j])
    """
    _check_parts("complex", "real", real, "imag", imag)
    return Complex.apply(real, imag)


def polar(abs: Tensor, angle: Tensor) -> Tensor:
    """Return complex numbers of this absolute value and angle (radians), both float32 or both float64.

    Raises:
        RuntimeError: another dtype, or two.
    """
    _check_parts("polar", "abs", abs, "angle", angle)
    return Complex.apply(mul(abs, cos(angle)), mul(abs, sin(angle)))


def _check_parts(op: str, first: str, x: Any, second: str, y: Any) -> None:
    check_tensor(op, x, first)
    check_tensor(op, y, second)
    if x._array.dtype != y._array.dtype or x.dtype not in (dtypes.float32, dtypes.float64):
        raise RuntimeError(
            f"{op}: expected both inputs to be float32 or both float64, got {x.dtype.name} and {y.dtype.name}"
        )
    check_broadcast(x._array.shape, y._array.shape)


class Real(Op):
    is_view = True

    def forward(self, z: Any, out: Any = None) -> Any:
        return z.real

    def backward(self, gy: Tensor) -> Any:
        return gy  # the walk makes it complex


def real(input: Tensor) -> Tensor:
    """Return the real parts, a view; of a real tensor the tensor itself."""
    check_tensor("real", input, "input")
    return Real.apply(input) if input._array.dtype.kind == "c" else input


def set_real(input: Tensor, value: Any) -> None:
    """Write ``value`` (a tensor or number, broadcast) over the real parts, in place."""
    setitem(real(input), ..., value)


class Imag(Op):
    is_view = True

    def forward(self, z: Any, out: Any = None) -> Any:
        return z.imag

    def backward(self, gy: Tensor) -> Any:
        return mul(gy, 1j)


def imag(input: Tensor) -> Tensor:
    """Return the imaginary parts, a view.

    Raises:
        RuntimeError: the tensor is real.
    """
    check_tensor("imag", input, "input")
    _check_complex("imag", input)
    return Imag.apply(input)


def set_imag(input: Tensor, value: Any) -> None:
    """Write ``value`` (a tensor or number, broadcast) over the imaginary parts, in place.

    Raises:
        RuntimeError: the tensor is real.
    """
    setitem(imag(input), ..., value)


def _check_complex(op: str, input: Tensor) -> None:
    if input._array.dtype.kind != "c":
        raise RuntimeError(f"{op} is only for complex tensors, got {input.dtype.name}")


class ViewAsReal(Op):
    is_view = True

    def forward(self, z: Any, out: Any = None) -> Any:
        return z[..., None].view(z.real.dtype)

    def backward(self, gy: Tensor) -> Any:
        return view_as_complex(gy.contiguous())


def view_as_real(input: Tensor) -> Tensor:
    """Return a complex tensor ``[*]`` as a view ``[*, 2]`` of real and imaginary parts.

    Raises:
        RuntimeError: the tensor is real.
    """
    check_tensor("view_as_real", input, "input")
    _check_complex("view_as_real", input)
    return ViewAsReal.apply(input)


class ViewAsComplex(Op):
    is_view = True

    def forward(self, x: Any, out: Any = None) -> Any:
        kind = dtypes.FROM_ARRAY[x.dtype].to_complex().array_dtype
        return x.view(kind)[..., 0] if x.size else self.xp.empty(x.shape[:-1], kind)

    def backward(self, gy: Tensor) -> Any:
        return view_as_real(gy)


def view_as_complex(input: Tensor) -> Tensor:
    """Return float32 or float64 pairs ``[*, 2]``, next to each other in memory, as a complex view ``[*]``.

    Raises:
        RuntimeError: another dtype, size or layout.
    """
    check_tensor("view_as_complex", input, "input")
    shape, steps = input._array.shape, input.stride()
    if input.dtype not in (dtypes.float32, dtypes.float64):
        raise RuntimeError(f"view_as_complex is only supported for float32 and float64 tensors, got {input.dtype.name}")
    if not shape or shape[-1] != 2:
        raise RuntimeError(f"view_as_complex: the tensor must have a last dimension of size 2, got {list(shape)}")
    if input._array.size and steps[-1] != 1:
        raise RuntimeError(f"view_as_complex: the tensor must have a last dimension with stride 1, got {list(steps)}")
    if input._array.size and (input.storage_offset() % 2 or any(each % 2 for each in steps[:-1])):
        raise RuntimeError(
            "view_as_complex: the tensor must have a storage_offset, and strides of all but the last dimension, "
            f"divisible by 2, got {input.storage_offset()} and {list(steps)}; clone() it first"
        )
    return ViewAsComplex.apply(input)


class Angle(Op):
    saves = (0,)

    def forward(self, x: Any, out: Any = None) -> Any:
        xp = self.xp
        if x.dtype.kind == "c":
            return xp.arctan2(x.imag, x.real, out=out)
        return xp.where(xp.isnan(x), x, xp.where(x < 0, x.dtype.type(math.pi), x.dtype.type(0)))

    def backward(self, gy: Tensor) -> Any:
        (z,) = self.saved
        if not z.is_complex():
            return zeros_as(gy)
        return where(z == 0, 0, mul(mul(z, 1j), div(gy, square(abs(z)))))


def angle(input: Tensor) -> Tensor:
    """Return the angle of each element (radians): of real numbers 0, or pi for negative ones."""
    check_tensor("angle", input, "input")
    return Angle.apply(to_float(input))


def isreal(input: Tensor) -> Tensor:
    """Return whether each element's imaginary part is 0."""
    check_tensor("isreal", input, "input")
    return eq(imag(input), 0) if input.is_complex() else ones_like(input, dtype=dtypes.bool_)
