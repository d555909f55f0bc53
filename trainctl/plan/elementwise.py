"""Runs of elementwise ops: a block of elements goes through all of them before the next, so that it stays in the cache."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy

from trainctl.autograd.op import Op
from trainctl.autograd.ops.activation import ReLU, ReLUGradient
from trainctl.autograd.ops.arithmetic import Add, Clamp, Div, Maximum, Minimum, Mul, Neg, Sub
from trainctl.autograd.ops.cast import Cast
from trainctl.autograd.ops.elementwise import Abs, Cos, Exp, Log, Rsqrt, Sigmoid, Sin, Sqrt, Tanh
from trainctl.autograd.ops.random import Dropout
from trainctl.autograd.ops.shape import Clone
from trainctl.autograd.ops.slope import Activation, Slope
from trainctl.autograd.ops.special import Expm1, Log1p
from trainctl.backend.arrays import Array
from trainctl.backend.jit import Kernel
from trainctl.plan.kernels.arithmetic import LOOPS, operands
from trainctl.plan.lowering import Context, Run, cut, one_by_one
from trainctl.plan.memory import memory_order
from trainctl.plan.trace import Apply, Record

_OPS = (
    Abs, Activation, Add, Cast, Clamp, Clone, Cos, Div, Dropout, Exp, Expm1, Log, Log1p, Maximum, Minimum, Mul, Neg,
    ReLU, ReLUGradient, Rsqrt, Sigmoid, Sin, Slope, Sqrt, Sub, Tanh,
)  # fmt: skip

_SMALL = 1 << 14  # elements from which several blocks are worth their calls
_BLOCK = 1 << 13  # elements: a few arrays of them fit into the first two levels of cache
_PART = 1 << 16  # elements that one thread takes at a time


def is_elementwise(record: Record) -> bool:
    """Return whether a record may become part of a run of elementwise ops."""
    return isinstance(record, Apply) and issubclass(record.op, _OPS)


class Elementwise:
    """One op on arrays that lie alike, each seen as one run through memory, and the compiled loop that does it, if any."""

    def __init__(self, node: Op, arrays: list[Any], out: Array, loop: Kernel | None) -> None:
        self.node, self.arrays, self.out, self.loop = node, arrays, out, loop

    def call(self, elements: slice) -> Run:
        """Return a call for some of the elements."""
        if self.loop is not None:
            seen = [each if len(each) == 1 else each[elements] for each in (*self.arrays, self.out)]
            return partial(self.loop, *seen)
        arrays = [each[elements] if _has_elements(each) else each for each in self.arrays]
        return partial(_into, self.node.forward, arrays, self.out[elements])


def elementwise(record: Apply, arrays: list[Any], outs: list[Any], compiled: bool) -> Elementwise | None:
    """Return a record's work as a run through memory, None if it is none or too small to be cut."""
    if len(outs) != 1 or outs[0] is None or outs[0].size < _SMALL or not issubclass(record.op, _OPS):
        return None
    out = outs[0]
    if compiled and record.op in LOOPS:
        given = operands(arrays, out)
        if given is not None:
            return Elementwise(record.node(), given[:-1], given[-1], LOOPS[record.op])
    if any(_has_elements(each) and (each.shape, each.strides) != (out.shape, _like(each, out)) for each in arrays):
        return None
    order = memory_order(out.shape, out.strides)
    if not out.transpose(order).flags.c_contiguous:
        return None
    flat = [each.transpose(order).reshape(-1) if _has_elements(each) else each for each in arrays]
    return Elementwise(record.node(), flat, out.transpose(order).reshape(-1), None)


def blocked(group: list[Elementwise], context: Context) -> Run:
    """Return one call for several ops on as many elements each, block by block, spread over the threads."""
    size = group[0].out.size
    parts: list[Run] = []
    for part in cut(size, _PART):
        calls = [
            each.call(slice(part.start + block.start, part.start + block.stop))
            for block in cut(part.stop - part.start, _BLOCK if len(group) > 1 else _PART)
            for each in group
        ]
        parts.append(one_by_one(calls))
    return context.in_parts(parts)


def _into(forward: Any, arrays: list[Any], out: Array) -> None:
    result = forward(*arrays, out=out)
    if result is not out:
        numpy.copyto(out, result)


def _has_elements(each: Any) -> bool:
    return isinstance(each, numpy.ndarray) and each.ndim > 0


def _like(each: Array, out: Array) -> tuple[int, ...]:
    """Return the strides of ``out`` as they would be for elements of another size."""
    return tuple(step // out.itemsize * each.itemsize for step in out.strides)
