"""Products of bytes inside compiled loops: a tile of sums is kept in registers while four of the depth pass by at a time.

A step takes 4 bytes of each row, and of each output the 4 weights that go with them. How, depends on the processor, but
not what comes out, as sums of 32 bits that wrap are the same in any order:

- one instruction, where there is AVX-512 VNNI or AVX-VNNI (``vpdpbusd``);
- products of pairs of 16-bit numbers with AVX-512 or AVX2 (``pmaddwd``).

Elsewhere the BLAS library's products of float32 are faster than anything LLVM makes of a loop over bytes.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

from trainctl.backend import jit

TOGETHER = 4  # bytes of the depth that a step takes


@functools.cache
def way() -> tuple[str, int] | None:
    """Return the instruction that a step is made with, and of how many sums a vector is; None if there is none."""
    registry: Any = importlib.import_module("numba.core.registry")
    _, _, features = registry.cpu_target.target_context.codegen().magic_tuple()
    has = {each[1:] for each in features.split(",") if each.startswith("+")}
    ways = (
        ("avx512.vpdpbusd.512", 16, {"avx512vnni", "avx512bw"}),
        ("avx512.vpdpbusd.256", 8, {"avxvnni"}),
        ("avx512.pmaddw.d.512", 16, {"avx512bw"}),
        ("avx2.pmadd.wd", 8, {"avx2"}),
    )
    return next(((name, lanes) for name, lanes, need in ways if need <= has and _is_known(name, lanes)), None)


def _is_known(name: str, lanes: int) -> bool:
    """Return whether LLVM takes an instruction as it is used here: its versions differ."""
    binding: Any = importlib.import_module("llvmlite.binding")
    given = [f"<{lanes} x i32>"] * 3 if "dpb" in name else [f"<{2 * lanes} x i16>"] * 2
    text = f"declare <{lanes} x i32> @llvm.x86.{name}({', '.join(given)})"
    try:
        binding.parse_assembly(text).verify()
    except RuntimeError:
        return False
    return True


def lanes() -> int:
    """Return how many outputs a vector holds the sums of."""
    return _way()[1]


def _way() -> tuple[str, int]:
    found = way()
    assert found is not None
    return found


def rows() -> int:
    """Return how many rows a tile has."""
    return lanes() // 2


@jit.Part
def vector() -> Any:
    """``vector()``: :func:`lanes` as a constant of compiled loops."""
    size = lanes()
    return importlib.import_module("numba").njit(inline="always")(lambda: size)


@jit.Part
def wide() -> Any:
    """Return Numba's intrinsic for tiles of two vectors a row: see :func:`_intrinsic`."""
    return _intrinsic(2)


@jit.Part
def narrow() -> Any:
    """Return Numba's intrinsic for tiles of one vector a row: see :func:`_intrinsic`."""
    return _intrinsic(1)


def _intrinsic(vectors: int) -> Any:
    """Return an intrinsic ``(image, base, at, place, runs, words, panels, panel, start, sums, left)``.

    Row ``r`` sees the bytes of ``image [*]`` from ``base + at[place + r]`` on: for each of ``runs``, an offset, ``words``
    times 4. The weights are those of ``panels [P, steps, lanes * 4]`` number ``panel`` and, if wide, the next one. The
    sums, to which ``start`` is added, are left in ``sums [rows, *]``; both have the panel's outputs from ``left`` on.
    """
    extending: Any = importlib.import_module("numba.extending")
    types: Any = importlib.import_module("numba").types
    size = types.int64

    def tile(
        _: Any, image: Any, base: Any, at: Any, place: Any, runs: Any, words: Any, panels: Any, panel: Any, start: Any,
        sums: Any, left: Any,
    ) -> Any:  # fmt: skip
        signature = types.void(image, size, at, size, runs, size, panels, size, start, sums, size)
        return signature, lambda *given: _build(vectors, *given)

    return extending.intrinsic(tile)


@jit.Part
def each() -> Any:
    """``each(image, at, place, runs, taps, start, sums, left)``: the sums of outputs that see one channel each.

    As :func:`wide`, with weights ``taps [runs, *]`` and the channels, a vector of them, from ``left`` on.
    """
    extending: Any = importlib.import_module("numba.extending")
    types: Any = importlib.import_module("numba").types
    size = types.int64

    def each(
        _: Any, image: Any, at: Any, place: Any, runs: Any, taps: Any, start: Any, sums: Any, left: Any
    ) -> Any:  # fmt: skip
        return types.void(image, at, size, runs, taps, start, sums, size), _build_each

    return extending.intrinsic(each)


class Writer:
    """Writes what tiles have in common.

    Attributes:
        size, many: LLVM's types: 64-bit numbers, and vectors of sums.
        starts: for each array among the arguments, by number, where it begins.
        firsts: what is added for each row to where it begins.
        totals: places of the sums, by row and vector.
    """

    def __init__(self, context: Any, builder: Any, signature: Any, args: Any) -> None:
        self.ir: Any = importlib.import_module("llvmlite.ir")
        self.cgutils: Any = importlib.import_module("numba.core.cgutils")
        self.builder, self.byte = builder, self.ir.IntType(8)
        self.size, self.many = self.ir.IntType(64), self.ir.VectorType(self.ir.IntType(32), lanes())
        kinds = zip(range(len(args)), signature.args, args, strict=True)
        self.arrays = {n: context.make_array(kind)(context, builder, each) for n, kind, each in kinds if hasattr(kind, "ndim")}  # fmt: skip
        self.starts = {n: builder.bitcast(each.data, self.byte.as_pointer()) for n, each in self.arrays.items()}

    def times(self, number: Any, factor: int) -> Any:
        """Return a number times a constant."""
        return self.builder.mul(number, self.size(factor))

    def at(self, start: Any, offset: Any, kind: Any) -> Any:
        """Return the address of something so many bytes on."""
        return self.builder.bitcast(self.builder.gep(start, [offset]), kind.as_pointer())

    def load(self, start: Any, offset: Any, kind: Any) -> Any:
        """Return what is there."""
        return self.builder.load(self.at(start, offset, kind), align=1)

    def step_of(self, array: int) -> Any:
        """Return how far the first dim's elements of an array are apart."""
        return self.cgutils.unpack_tuple(self.builder, self.arrays[array].strides)[0]

    def count_in(self, array: int) -> Any:
        """Return how many elements the first dim of an array has."""
        return self.cgutils.unpack_tuple(self.builder, self.arrays[array].shape)[0]

    def everywhere(self, value: Any, many: Any) -> Any:
        """Return a vector of one value."""
        nowhere = self.ir.Constant(many, self.ir.Undefined)
        first = self.builder.insert_element(nowhere, value, self.ir.IntType(32)(0))
        zeros = self.ir.VectorType(self.ir.IntType(32), many.count)([0] * many.count)
        return self.builder.shuffle_vector(first, nowhere, zeros)

    def begin(self, at: int, place: Any, start: int, left: Any, vectors: int) -> None:
        """Read where rows begin, and what is added to sums from ``left`` on."""
        builder, size = self.builder, self.size
        rows_at = [self.times(builder.add(place, size(r)), 8) for r in range(rows())]
        self.firsts = [self.load(self.starts[at], each, size) for each in rows_at]
        self.totals = [[self.cgutils.alloca_once(builder, self.many) for _ in range(vectors)] for _ in self.firsts]
        for number in range(vectors):
            value = self.load(self.starts[start], self.times(builder.add(left, size(number * lanes())), 4), self.many)
            for row in self.totals:
                builder.store(value, row[number])

    def end(self, sums: int, left: Any) -> None:
        """Leave the sums in an array, from ``left`` on."""
        builder, step = self.builder, self.step_of(sums)
        for number, row in enumerate(self.totals):
            there = builder.add(self.times(step, number), self.times(left, 4))
            for n, total in enumerate(row):
                target = self.at(self.starts[sums], builder.add(there, self.size(n * lanes() * 4)), self.many)
                builder.store(builder.load(total), target, align=1)


def _build_each(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """Write the loop over taps: a vector of channels of each row, times their weights."""
    writer = Writer(context, builder, signature, args)
    image, _, _, runs, taps, _, _, _ = range(8)
    place, left = args[2], args[7]
    few, size = writer.ir.VectorType(writer.byte, lanes()), writer.size
    writer.begin(1, place, 5, left, 1)
    start = builder.gep(writer.starts[image], [left])
    weights = writer.cgutils.alloca_once_value(builder, builder.gep(writer.starts[taps], [left]))
    with writer.cgutils.for_range(builder, writer.count_in(runs)) as run:
        column = builder.gep(start, [writer.load(writer.starts[runs], writer.times(run.index, 8), size)])
        here = builder.load(weights)
        factors = builder.sext(writer.load(here, size(0), few), writer.many)
        for first, (total,) in zip(writer.firsts, writer.totals, strict=True):
            seen = builder.zext(writer.load(column, first, few), writer.many)
            builder.store(builder.add(builder.load(total), builder.mul(seen, factors)), total)
        builder.store(builder.gep(here, [writer.step_of(taps)]), weights)
    writer.end(6, left)
    return context.get_dummy_value()


def _build(vectors: int, context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """Write the loops over runs and words: 4 bytes of each row times the weights of each vector."""
    writer = Writer(context, builder, signature, args)
    base, place, words, panel, left = (args[n] for n in (1, 3, 5, 7, 10))
    size, for_range, (name, count) = writer.size, writer.cgutils.for_range, _way()
    writer.begin(2, place, 8, left, vectors)
    image, panel_step = builder.gep(writer.starts[0], [base]), writer.step_of(6)
    weights = writer.cgutils.alloca_once_value(builder, builder.gep(writer.starts[6], [builder.mul(panel, panel_step)]))
    step = (_by_bytes if "dpb" in name else _by_pairs)(name, writer)
    with for_range(builder, writer.count_in(4)) as run:
        run_start = builder.gep(image, [writer.load(writer.starts[4], writer.times(run.index, 8), size)])
        with for_range(builder, words) as word:
            here, column = builder.load(weights), builder.gep(run_start, [writer.times(word.index, TOGETHER)])
            seen = [writer.load(here, writer.times(panel_step, n), writer.many) for n in range(vectors)]
            add = step(seen)
            for first, row in zip(writer.firsts, writer.totals, strict=True):
                add(writer.load(column, first, writer.ir.IntType(32)), row)
            builder.store(builder.gep(here, [size(count * TOGETHER)]), weights)
    writer.end(9, left)
    return context.get_dummy_value()


Add = Callable[[Any, list[Any]], None]


def _by_bytes(name: str, writer: Writer) -> Callable[[list[Any]], Add]:
    """Return what takes vectors of weights, and gives what adds their products with 4 bytes to totals."""
    builder, many = writer.builder, writer.many
    kind = writer.ir.FunctionType(many, [many] * 3)
    function = writer.cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.{name}")

    def step(weights: list[Any]) -> Add:
        def add(four: Any, totals: list[Any]) -> None:
            value = writer.everywhere(four, many)
            for weight, total in zip(weights, totals, strict=True):
                builder.store(builder.call(function, [builder.load(total), value, weight]), total)

        return add

    return step


def _by_pairs(name: str, writer: Writer) -> Callable[[list[Any]], Add]:
    """Return the same; even and odd bytes, widened to 16 bits, are each a vector of pairs."""
    ir, builder, many = writer.ir, writer.builder, writer.many
    halves = ir.VectorType(ir.IntType(16), 2 * many.count)
    kind = ir.FunctionType(many, [halves] * 2)
    function = writer.cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.{name}")
    eight, low = (ir.Constant(halves, [value] * halves.count) for value in (8, 255))

    def step(weights: list[Any]) -> Add:
        whole = [builder.bitcast(each, halves) for each in weights]
        even = [builder.ashr(builder.shl(each, eight), eight) for each in whole]
        odd = [builder.ashr(each, eight) for each in whole]

        def add(four: Any, totals: list[Any]) -> None:
            value = builder.bitcast(writer.everywhere(four, many), halves)
            first, second = builder.and_(value, low), builder.lshr(value, eight)
            for number, total in enumerate(totals):
                pairs = builder.call(function, [first, even[number]]), builder.call(function, [second, odd[number]])
                builder.store(builder.add(builder.load(total), builder.add(*pairs)), total)

        return add

    return step
