"""Squares of vectors for compiled loops: copied, or taken through a map of :mod:`trainctl.plan.kernels.winograd_transforms`.

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


def _squares(change: maps.Map, size: int, adds: bool = False) -> Callable[[], Any]:
    """Return what makes an intrinsic ``(source, at, row, column, target, to, down, right)``.

    It reads vectors that lie ``row`` and ``column`` apart in ``source``, from number ``at`` on, and leaves their map in
    ``target`` likewise: all are numbers of elements. One that ``adds`` has two arguments more: an array and a place in
    it, of a vector that is added to all results.
    """

    def make() -> Any:
        extending: Any = importlib.import_module("numba.extending")
        types: Any = importlib.import_module("numba").types
        places = [types.int64] * 3

        def plain(
            _: Any, source: Any, at: Any, row: Any, column: Any, target: Any, to: Any, down: Any, right: Any
        ) -> Any:
            return types.void(source, *places, target, *places), lambda *given: _build(change, size, *given)

        def adding(
            _: Any, source: Any, at: Any, row: Any, column: Any, target: Any, to: Any, down: Any, right: Any,
            added: Any, where: Any,
        ) -> Any:  # fmt: skip
            signature = types.void(source, *places, target, *places, added, types.int64)
            return signature, lambda *given: _build(change, size, *given)

        return extending.intrinsic(adding if adds else plain)

    return make


def _build(change: maps.Map, size: int, context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """Write the loads, the map and the stores."""
    ir: Any = importlib.import_module("llvmlite.ir")
    vector = ir.VectorType(ir.FloatType(), lanes())
    _, at, row, column, _, to, down, right = args[:8]

    def place(array: int, offset: Any) -> Any:
        data = context.make_array(signature.args[array])(context, builder, args[array]).data
        return builder.bitcast(builder.gep(data, [offset]), vector.as_pointer())

    def vector_at(array: int, offset: Any) -> _Vector:
        loaded = builder.load(place(array, offset))
        loaded.align = 4
        return _Vector(builder, loaded)

    def offset(first: Any, steps: tuple[Any, Any], i: int, j: int) -> Any:
        return builder.add(
            first, builder.add(builder.mul(steps[0], first.type(i)), builder.mul(steps[1], first.type(j)))
        )

    square = [[vector_at(0, offset(at, (row, column), i, j)) for j in range(size)] for i in range(size)]
    for i, line in enumerate(maps.over_both(change, square)):
        for j, each in enumerate(line):
            result = each + vector_at(8, args[9]) if len(args) > 8 else each
            builder.store(result.value, place(4, offset(to, (down, right), i, j))).align = 4
    return context.get_dummy_value()


copy_vector = jit.Part(_squares(list, 1))
input_square = jit.Part(_squares(maps.of_input, maps.POINTS))
kernel_square = jit.Part(_squares(maps.of_kernel, maps.KERNEL))
output_square = jit.Part(_squares(maps.to_output, maps.POINTS, adds=True))
gradient_square = jit.Part(_squares(maps.of_gradient, maps.TILE))
kernel_gradient_square = jit.Part(_squares(maps.to_kernel, maps.POINTS))
