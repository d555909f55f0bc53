"""Arithmetic on elements in compiled loops, with the bits of NumPy's: no call of the interpreter stands between them.

Neighbours go block by block through large arrays in :mod:`trainctl.plan.elementwise`, which takes the loops from
:data:`LOOPS`; the rest is done here. A number, or an array without dims, is an array of one element to a loop.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy

from trainctl.autograd.op import Op
from trainctl.autograd.ops.activation import ReLU, ReLUGradient
from trainctl.autograd.ops.arithmetic import Add, Div, Mul, Neg, Sub
from trainctl.autograd.ops.assign import Assign, Overwrite
from trainctl.autograd.ops.elementwise import Sqrt
from trainctl.autograd.ops.random import Dropout
from trainctl.autograd.ops.shape import Clone
from trainctl.backend import jit
from trainctl.backend.arrays import Array
from trainctl.plan.fused_ops import Follow
from trainctl.plan.kernels.copying import copy_elements
from trainctl.plan.lowering import Context, Run, cut, lowers, plain_float
from trainctl.plan.memory import memory_order
from trainctl.plan.trace import Apply

_PART = 1 << 16  # elements that one thread takes at a time
_TWO, _THREE = "void(f4[::1], f4[::1])", "void(f4[::1], f4[::1], f4[::1])"


@jit.kernel(_THREE, exact=True)
def add(x: Any, y: Any, z: Any) -> None:
    """Leave each sum."""
    if x.size != z.size:
        a = x[0]
        for i in range(z.size):
            z[i] = a + y[i]
    elif y.size != z.size:
        b = y[0]
        for i in range(z.size):
            z[i] = x[i] + b
    else:
        for i in range(z.size):
            z[i] = x[i] + y[i]


@jit.kernel(_THREE, exact=True)
def subtract(x: Any, y: Any, z: Any) -> None:
    """Leave each difference."""
    if x.size != z.size:
        a = x[0]
        for i in range(z.size):
            z[i] = a - y[i]
    elif y.size != z.size:
        b = y[0]
        for i in range(z.size):
            z[i] = x[i] - b
    else:
        for i in range(z.size):
            z[i] = x[i] - y[i]


@jit.kernel(_THREE, exact=True)
def multiply(x: Any, y: Any, z: Any) -> None:
    """Leave each product."""
    if x.size != z.size:
        a = x[0]
        for i in range(z.size):
            z[i] = a * y[i]
    elif y.size != z.size:
        b = y[0]
        for i in range(z.size):
            z[i] = x[i] * b
    else:
        for i in range(z.size):
            z[i] = x[i] * y[i]


@jit.kernel(_THREE, exact=True)
def divide(x: Any, y: Any, z: Any) -> None:
    """Leave each quotient."""
    if x.size != z.size:
        a = x[0]
        for i in range(z.size):
            z[i] = a / y[i]
    elif y.size != z.size:
        b = y[0]
        for i in range(z.size):
            z[i] = x[i] / b
    else:
        for i in range(z.size):
            z[i] = x[i] / y[i]


@jit.kernel(_TWO, exact=True)
def negate(x: Any, y: Any) -> None:
    """Leave each element with the other sign."""
    for i in range(y.size):
        y[i] = -x[i]


@jit.kernel(_TWO, exact=True)
def square_root(x: Any, y: Any) -> None:
    """Leave each square root."""
    for i in range(y.size):
        y[i] = numpy.sqrt(x[i])


@jit.kernel("void(f4[::1], f4[::1])", exact=True)
def rectify(x: Any, y: Any) -> None:
    """Leave each element where it is positive or NaN, else 0."""
    for i in range(x.size):
        y[i] = numpy.float32(0) if x[i] <= 0 else x[i]


@jit.kernel("void(f4[::1], f4[::1], f4[::1])", exact=True)
def rectify_gradient(gy: Any, y: Any, gx: Any) -> None:
    """Leave ``gy`` where ``y`` is not 0, and ``gy`` times 0 elsewhere."""
    for i in range(gy.size):
        gx[i] = gy[i] * numpy.float32(y[i] != 0)


LOOPS: dict[type[Op], jit.Kernel] = {
    Add: add, Clone: copy_elements, Div: divide, Dropout: multiply, Mul: multiply, Neg: negate, ReLU: rectify,
    ReLUGradient: rectify_gradient, Sqrt: square_root, Sub: subtract,
}  # fmt: skip


# What may be done in place by its lowering.
WRITES = frozenset({*LOOPS, Assign, Follow, Overwrite})


def operands(arrays: list[Any], out: Any) -> list[Any] | None:
    """Return arrays, and then ``out``, as loops take them: each one run through memory, or one element.

    None where they do not lie alike, or are not all float32.
    """
    given = [numpy.full(1, each, numpy.float32) if type(each) in (bool, int, float) else each for each in arrays]
    if not plain_float(*given, out):
        return None
    order = memory_order(out.shape, out.strides)
    if not out.transpose(order).flags.c_contiguous:
        return None
    found = []
    for each in (*given, out):
        if each.size == 1 and (each.ndim == 0 or each.shape == (1,)):
            found.append(each.reshape(1))
        elif each.shape == out.shape and (each.strides == out.strides or out.size == 1):
            found.append(each.transpose(order).reshape(-1))
        else:
            return None
    return found


@jit.kernel("void(i8[::1], i8[::1], i8[::1])", exact=True)
def count(x: Any, y: Any, z: Any) -> None:
    """Leave each sum of whole numbers."""
    for i in range(z.size):
        z[i] = x[i] + y[i]


def _counted(arrays: list[Any], out: Any) -> list[Run] | None:
    """Return the call that adds single whole numbers, such as the batches that a layer has seen."""
    given = [numpy.full(1, each, numpy.int64) if type(each) is int else each for each in (*arrays, out)]
    if any(not isinstance(each, numpy.ndarray) or each.dtype != numpy.int64 or each.size != 1 for each in given):
        return None
    return [partial(count, *(each.reshape(1) for each in given))]


@lowers(*(op for op in LOOPS if op is not Clone))
def arithmetic(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """One pass."""
    (out,) = outs
    if not context.compiled or out is None or not out.size:
        return None
    if record.op is Add and out.dtype == numpy.int64:
        return _counted(arrays, out)
    given, loop = operands(arrays, out), LOOPS[record.op]
    if given is None:
        return None
    some = cut(out.size, _PART)
    return [context.in_parts([partial(loop, *(_some(each, part, out.size) for each in given)) for part in some])]


def _some(array: Array, part: slice, count: int) -> Array:
    """Return a part of an array, or its only element."""
    return array[part] if array.size == count else array
