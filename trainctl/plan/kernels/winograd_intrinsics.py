"""The maps of :mod:`trainctl.plan.kernels.winograd_transforms` on vectors of channels, for compiled loops.

Written in LLVM's own terms, for no form of them in Python keeps a square of vectors in registers.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from trainctl.backend import jit
from trainctl.plan.kernels import winograd_transforms as maps
from trainctl.plan.kernels.tile import lanes


class _Vector:
    """A vector of a loop that is being compiled, as a number: what is done to it is written down as instructions."""

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder, self.value = builder, value

    def __add__(self, other: _Vector) -> _Vector:
        return _Vector(self.builder, self.builder.fadd(self.value, other.value, flags=("contract",)))

    def __sub__(self, other: _Vector) -> _Vector:
        return _Vector(self.builder, self.builder.fsub(self.value, other.value, flags=("contract",)))

    def __mul__(self, factor: float) -> _Vector:
        kind = self.value.type
        constant = kind([factor] * kind.count)
        return _Vector(self.builder, self.builder.fmul(self.value, constant, flags=("contract",)))


def _squares(change: maps.Map, size: int) -> Callable[[], Any]:
    """Return what makes an intrinsic ``(source, at, row, column, target, to, down, right)``.

    It reads vectors that lie ``row`` and ``column`` apart in ``source``, from number ``at`` on, and leaves their map in
    ``target`` likewise: all are numbers of elements.
    """

    def make() -> Any:
        extending: Any = importlib.import_module("numba.extending")
        types: Any = importlib.import_module("numba").types

        def square(_: Any, source: Any, at: Any, row: Any, column: Any, target: Any, to: Any, down: Any, right: Any) -> Any:
            whole = types.int64
            signature = types.void(source, whole, whole, whole, target, whole, whole, whole)
            return signature, lambda *given: _build(change, size, *given)

        return extending.intrinsic(square)

    return make


def _build(change: maps.Map, size: int, context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """Write the loads, the map and the stores."""
    ir: Any = importlib.import_module("llvmlite.ir")
    vector = ir.VectorType(ir.FloatType(), lanes())
    source, at, row, column, target, to, down, right = args

    def place(array: int, value: Any, first: Any, steps: Any, i: int, j: int) -> Any:
        data = context.make_array(signature.args[array])(context, builder, value).data
        offset = builder.add(first, builder.add(_times(builder, steps[0], i), _times(builder, steps[1], j)))
        return builder.bitcast(builder.gep(data, [offset]), vector.as_pointer())

    def load(i: int, j: int) -> _Vector:
        loaded = builder.load(place(0, source, at, (row, column), i, j))
        loaded.align = 4
        return _Vector(builder, loaded)

    found = maps.over_both(change, [[load(i, j) for j in range(size)] for i in range(size)])
    for i, line in enumerate(found):
        for j, each in enumerate(line):
            builder.store(each.value, place(4, target, to, (down, right), i, j)).align = 4
    return context.get_dummy_value()


def _times(builder: Any, step: Any, count: int) -> Any:
    return builder.mul(step, step.type(count))


input_square = jit.Part(_squares(maps.of_input, maps.POINTS))
kernel_square = jit.Part(_squares(maps.of_kernel, maps.KERNEL))
output_square = jit.Part(_squares(maps.to_output, maps.POINTS))
gradient_square = jit.Part(_squares(maps.of_gradient, maps.TILE))
kernel_gradient_square = jit.Part(_squares(maps.to_kernel, maps.POINTS))
