"""What is made of a vector of sums inside compiled loops: written in LLVM's own terms, each operation rounded as it stands."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

from trainctl.backend import jit
from trainctl.backend.integers.tile import Writer, lanes

_ROUND = float(3 << 22)  # added to a number of at most 22 bits it leaves the nearest whole one, ties to even


def _intrinsic(make: Callable[[Writer, Any, Any, Any], Any]) -> Any:
    """Return an intrinsic ``(sums, row, left, multiplier, limits, out, to, size)``.

    It leaves what is made of the sums from ``[row, left]`` on in ``out``, from element ``to`` on: of a vector of them, or
    only ``size``. ``limits``: the zero point of codes, and the lowest and the highest one counted from it.

    Args:
        make: writes it: from a vector of sums, one of multipliers, and the limits.
    """
    extending: Any = importlib.import_module("numba.extending")
    types: Any = importlib.import_module("numba").types
    size = types.int64

    def finish(
        _: Any, sums: Any, row: Any, left: Any, multiplier: Any, limits: Any, out: Any, to: Any, count: Any
    ) -> Any:
        signature = types.void(sums, size, size, multiplier, limits, out, size, size)
        return signature, lambda *given: _build(make, *given)

    return extending.intrinsic(finish)


def _build(make: Any, context: Any, builder: Any, signature: Any, args: Any) -> Any:
    writer = Writer(context, builder, signature, args)
    _, row, left, _, limits, _, to, count = args
    ir, size = writer.ir, writer.size
    floats = ir.VectorType(ir.FloatType(), lanes())
    at = builder.add(builder.mul(row, writer.step_of(0)), writer.times(left, 4))
    sums = writer.load(writer.starts[0], at, writer.many)
    factors = writer.load(writer.starts[3], writer.times(left, 4), floats)
    bounds = [writer.everywhere(each, floats) for each in writer.cgutils.unpack_tuple(builder, limits)]
    value = make(writer, sums, factors, bounds)
    item = value.type.element
    start = builder.bitcast(writer.starts[5], item.as_pointer())
    target = builder.bitcast(builder.gep(start, [to]), value.type.as_pointer())
    is_whole = builder.icmp_signed(">=", count, size(lanes()))
    with builder.if_else(is_whole, likely=True) as (whole, rest):
        with whole:
            builder.store(value, target, align=1)
        with rest:
            room = writer.cgutils.alloca_once(builder, value.type)
            builder.store(value, room)
            given = builder.bitcast(room, item.as_pointer())
            with writer.cgutils.for_range(builder, count) as loop:
                found = builder.load(builder.gep(given, [loop.index]))
                builder.store(found, builder.gep(start, [builder.add(to, loop.index)]))
    return context.get_dummy_value()


def _codes(writer: Writer, sums: Any, factors: Any, bounds: Any) -> Any:
    builder, ir = writer.builder, writer.ir
    zero_point, low, high = bounds
    magic = ir.Constant(factors.type, [_ROUND] * lanes())
    value = builder.fmul(builder.sitofp(sums, factors.type), factors)
    value = builder.select(builder.fcmp_ordered(">", value, low), value, low)  # of NaN, too, the lowest
    value = builder.select(builder.fcmp_ordered("<", value, high), value, high)
    whole = builder.fsub(builder.fadd(value, magic), magic)
    codes = builder.fptosi(builder.fadd(whole, zero_point), writer.many)
    return builder.trunc(codes, ir.VectorType(writer.byte, lanes()))


def _floats(writer: Writer, sums: Any, factors: Any, bounds: Any) -> Any:
    return writer.builder.fmul(writer.builder.sitofp(sums, factors.type), factors)


def _rectified(writer: Writer, sums: Any, factors: Any, bounds: Any) -> Any:
    value, none = _floats(writer, sums, factors, bounds), writer.ir.Constant(factors.type, [0.0] * lanes())
    return writer.builder.select(writer.builder.fcmp_ordered("<=", value, none), none, value)


def _sums(writer: Writer, sums: Any, factors: Any, bounds: Any) -> Any:
    return sums


as_codes, as_floats, as_rectified, as_sums = (
    jit.Part(functools.partial(_intrinsic, make)) for make in (_codes, _floats, _rectified, _sums)
)
