"""What threads in compiled loops tell each other by: numbers in memory that are read and changed in one step.

Addresses and values are int64. All threads see all changes in the same order (sequential consistency). Beside them,
what else a loop needs to work for others: :func:`call_at`, :func:`pause`, :func:`give_way`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from trainctl.backend import jit

_ORDER = "seq_cst"
Build = Callable[[Any, Any, list[Any]], Any]


def _intrinsic(count: int, build: Build) -> Any:
    """Return Numba's intrinsic of ``count`` int64 arguments and an int64 result, which ``build`` writes in LLVM's terms."""
    extending: Any = importlib.import_module("numba.extending")
    types: Any = importlib.import_module("numba").types
    ir: Any = importlib.import_module("llvmlite.ir")

    def typed() -> Any:
        return types.int64(*[types.int64] * count), lambda _, builder, __, args: build(ir, builder, args)

    forms = (lambda _: typed(), lambda _, a: typed(), lambda _, a, b: typed(), lambda _, a, b, c: typed())
    return extending.intrinsic(forms[count])


def _at(ir: Any, builder: Any, address: Any) -> Any:
    return builder.inttoptr(address, ir.IntType(64).as_pointer())


def _call(ir: Any, builder: Any, kind: Any, name: str, args: list[Any]) -> None:
    cgutils: Any = importlib.import_module("numba.core.cgutils")
    builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)


@jit.Part
def load() -> Any:
    """``load(address)``: the number there."""
    return _intrinsic(1, lambda ir, builder, args: builder.load_atomic(_at(ir, builder, args[0]), _ORDER, 8))


@jit.Part
def store() -> Any:
    """``store(address, value)``: put a number there; return the one before."""

    def build(ir: Any, builder: Any, args: list[Any]) -> Any:
        return builder.atomic_rmw("xchg", _at(ir, builder, args[0]), args[1], _ORDER)

    return _intrinsic(2, build)


@jit.Part
def add() -> Any:
    """``add(address, value)``: add to the number there; return what it was."""

    def build(ir: Any, builder: Any, args: list[Any]) -> Any:
        return builder.atomic_rmw("add", _at(ir, builder, args[0]), args[1], _ORDER)

    return _intrinsic(2, build)


@jit.Part
def replace() -> Any:
    """``replace(address, old, new)``: put a number there if ``old`` is there; return whether it was, as 1 or 0."""

    def build(ir: Any, builder: Any, args: list[Any]) -> Any:
        pair = builder.cmpxchg(_at(ir, builder, args[0]), args[1], args[2], _ORDER, _ORDER)
        return builder.zext(builder.extract_value(pair, 1), ir.IntType(64))

    return _intrinsic(3, build)


@jit.Part
def call_at() -> Any:
    """``call_at(address, argument)``: call ``int64 f(int64)`` there."""

    def build(ir: Any, builder: Any, args: list[Any]) -> Any:
        whole = ir.IntType(64)
        function = builder.inttoptr(args[0], ir.FunctionType(whole, [whole]).as_pointer())
        return builder.call(function, [args[1]])

    return _intrinsic(2, build)


@jit.Part
def pause() -> Any:
    """``pause()``: tell the processor that this thread waits; return 0."""

    def build(ir: Any, builder: Any, args: list[Any]) -> Any:
        machine = importlib.import_module("llvmlite.binding").get_process_triple()
        nothing, hint = ir.VoidType(), ir.IntType(32)
        if machine.startswith(("x86_64", "i686")):
            _call(ir, builder, ir.FunctionType(nothing, []), "llvm.x86.sse2.pause", [])
        elif machine.startswith(("aarch64", "arm64")):
            _call(ir, builder, ir.FunctionType(nothing, [hint]), "llvm.aarch64.hint", [hint(1)])
        return ir.IntType(64)(0)

    return _intrinsic(0, build)


@jit.Part
def give_way() -> Any:
    """``give_way()``: let another thread that waits for this core have it (``sched_yield``); return 0."""

    def build(ir: Any, builder: Any, args: list[Any]) -> Any:
        _call(ir, builder, ir.FunctionType(ir.IntType(32), []), "sched_yield", [])
        return ir.IntType(64)(0)

    return _intrinsic(0, build)
