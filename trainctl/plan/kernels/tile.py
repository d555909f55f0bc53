"""Matrix products of float32 inside compiled loops: a tile of the result is kept in registers while both factors pass by.

Each element is a sum of chains of fused multiply-adds, each over 256 of the inner dim, however the work is cut: a product
has the same bits for any number of threads and any width of vectors. On a processor with AVX-512 it runs at the speed of
OpenBLAS's kernels for it (and at twice that of those for AVX2), and small products, for which a library first has to
rearrange its factors, at 1.5 to 3 times theirs: here the right factor is rearranged once, by :func:`pack`.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

import numpy

from trainctl.backend import jit
from trainctl.backend.arrays import Array

_NARROW = 512  # columns: rows that lie further apart in memory push one another out of the cache, unless
_LINE = 64  # bytes: they lie an odd number of its lines apart
_DEPTH = 256  # of the inner dim that is worked on at once: a panel's part of this depth fits the first level of cache


@functools.cache
def lanes() -> int:
    """Return how many float32 numbers a vector register is used for: 16 with AVX-512, else 8."""
    llvm: Any = importlib.import_module("llvmlite.binding")
    return 16 if llvm.get_host_cpu_features().get("avx512f") else 8


@jit.Part
def square() -> Any:
    """``square()``: :func:`lanes` as a constant of compiled loops."""
    size = lanes()
    return importlib.import_module("numba").njit(inline="always")(lambda: size)


@functools.cache
def pays() -> bool:
    """Return whether large products are at least as fast here as in BLAS; with AVX2 its hand-written kernels win."""
    return lanes() == 16


def shape_for(columns: int) -> tuple[int, int]:
    """Return rows and columns of the tiles for a result: 8 by 32 with AVX-512, for at most 16 columns 8 by 16."""
    return lanes() // 2, lanes() if columns <= lanes() else 2 * lanes()


def corner(columns: int) -> Array:
    """Return scratch for the tiles that stick out of a result of so many columns; its shape is that of a tile."""
    return numpy.empty(shape_for(columns), numpy.float32)


def panels(depth: int, columns: int) -> Array:
    """Return room for a right factor ``[depth, columns]`` in panels as wide as a tile."""
    width = shape_for(columns)[1]
    return numpy.empty((-(-columns // width), depth, width), numpy.float32)


def patch(columns: int) -> int:
    """Return of how many elements a panel's part is that is worked on at once."""
    return _DEPTH * shape_for(columns)[1]


def as_panels(b: Array) -> Array | None:
    """Return the whole panels in a right factor itself, where its rows lie so that they can be read as they are."""
    (depth, columns), width = b.shape, shape_for(b.shape[1])[1]
    lines = b.strides[0] // _LINE
    if b.strides[1] != b.itemsize or b.strides[0] < 0 or not (columns <= _NARROW or lines % 2):
        return None
    steps = (width * b.itemsize, *b.strides)
    return numpy.lib.stride_tricks.as_strided(b, (columns // width, depth, width), steps)


@jit.Part
def turn() -> Any:
    """``turn(a, b)``: leave a square of as many numbers a side as a register holds in ``b``; its columns lie together."""
    extending: Any = importlib.import_module("numba.extending")
    types: Any = importlib.import_module("numba").types

    def turn(_: Any, a: Any, b: Any) -> Any:
        return types.void(a, b), _build_turn

    return extending.intrinsic(turn)


def _build_turn(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """Write the transposition: rows that are 1, 2, 4 ... apart exchange every other 1, 2, 4 ... of their numbers."""
    ir: Any = importlib.import_module("llvmlite.ir")
    cgutils: Any = importlib.import_module("numba.core.cgutils")
    width, whole = lanes(), ir.IntType(64)
    vector, indices = ir.VectorType(ir.FloatType(), width), ir.VectorType(ir.IntType(32), width)
    given, turned = (
        context.make_array(each)(context, builder, arg) for each, arg in zip(signature.args, args, strict=True)
    )
    step, target = (cgutils.unpack_tuple(builder, each.strides)[place] for each, place in ((given, 1), (turned, 0)))

    def row(array: Any, offset: Any, number: int) -> Any:
        start = builder.bitcast(array.data, ir.IntType(8).as_pointer())
        return builder.bitcast(builder.gep(start, [builder.mul(offset, whole(number))]), vector.as_pointer())

    rows = [builder.load(row(given, step, number), align=4) for number in range(width)]
    for apart in (1 << power for power in range(width.bit_length() - 1)):
        low = ir.Constant(indices, [i if not i & apart else width + i - apart for i in range(width)])
        high = ir.Constant(indices, [i + apart if not i & apart else width + i for i in range(width)])
        for first in (number for number in range(width) if not number & apart):
            pair = rows[first], rows[first + apart]
            rows[first], rows[first + apart] = (builder.shuffle_vector(*pair, each) for each in (low, high))
    for number, each in enumerate(rows):
        builder.store(each, row(turned, target, number), align=4)
    return context.get_dummy_value()


@jit.kernel("void(f4[:,:], f4[:,:,::1], i8)")
def pack(b: Any, packed: Any, first: int) -> None:
    """Leave the columns of ``b`` in panels, of which the first given is number ``first``; zeros beyond the last column."""
    width, size = packed.shape[2], square()
    for number in range(packed.shape[0]):
        panel, start = packed[number], (first + number) * width
        count, deep, wide = min(width, b.shape[1] - start), 0, 0
        if b.strides[0] == b.itemsize:  # columns lie together: squares of them are turned
            deep, wide = b.shape[0] // size * size, count // size * size
            for top in range(0, deep, size):
                for left in range(0, wide, size):
                    given = b[top : top + size, start + left : start + left + size]
                    turn(given, panel[top : top + size, left : left + size])
        if count < width:
            panel[:, count:] = 0
        for k in range(b.shape[0]):
            row, seen = panel[k], b[k, start : start + count]
            for left in range(wide if k < deep else 0, count // size * size, size):
                for j in range(size):
                    row[left + j] = seen[left + j]
            for j in range(count // size * size, count):
                row[j] = seen[j]


@jit.Part
def wide() -> Any:
    """Return Numba's intrinsic for tiles of two registers a row: see :func:`tile`."""
    return _intrinsic(2)


@jit.Part
def narrow() -> Any:
    """Return Numba's intrinsic for tiles of one register a row: see :func:`tile`."""
    return _intrinsic(1)


@jit.inline
def tile(a: Any, b: Any, c: Any, last: Any, add: Any, is_narrow: Any) -> Any:
    """Leave a tile of ``a @ b`` in ``c``, or add it to what is there.

    ``a`` has rows up to number ``last``, which stands in for those that a tile has beyond it. With three dims, ``a`` and
    ``b`` are stacks of matrices whose products are summed.
    """
    if is_narrow:
        narrow(a, b, c, last, add)
    else:
        wide(a, b, c, last, add)


def _intrinsic(registers: int) -> Any:
    """Return an intrinsic ``(a, b, c, last, add)``.

    The loop is written in LLVM's own terms: no form of it in Python makes the compiler keep the sums in registers.
    """
    extending: Any = importlib.import_module("numba.extending")
    types: Any = importlib.import_module("numba").types

    def tile(_: Any, a: Any, b: Any, c: Any, last: Any, add: Any) -> Any:
        build = functools.partial(_build, registers)
        return types.void(a, b, c, types.int64, types.boolean), lambda *given: build(*given)

    return extending.intrinsic(tile)


def _build(registers: int, context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """Write the loop over the inner dim: a row of ``b``, in registers, times one number of each row of ``a``."""
    ir: Any = importlib.import_module("llvmlite.ir")
    cgutils: Any = importlib.import_module("numba.core.cgutils")
    width, rows = lanes(), range(lanes() // 2)
    number, vector = ir.FloatType(), ir.VectorType(ir.FloatType(), width)
    whole, places = ir.IntType(64), [each * width * 4 for each in range(registers)]
    left, right, result = (
        context.make_array(each)(context, builder, arg) for each, arg in zip(signature.args[:3], args[:3], strict=True)
    )
    left_steps, right_steps, (row_step, _) = (
        cgutils.unpack_tuple(builder, each.strides) for each in (left, right, result)
    )
    sizes = cgutils.unpack_tuple(builder, left.shape)
    count = sizes[0] if len(sizes) == 3 else whole(1)

    def at(place: Any, offset: Any, kind: Any) -> Any:
        return builder.bitcast(builder.gep(place, [offset]), kind.as_pointer())

    def load(place: Any, offset: Any) -> Any:
        loaded = builder.load(at(place, offset, vector))
        loaded.align = 4
        return loaded

    def everywhere(value: Any) -> Any:
        first = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.IntType(32)(0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width)
        return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), zeros)

    def bytes_of(array: Any) -> Any:
        return builder.bitcast(array.data, ir.IntType(8).as_pointer())

    def sums_from(block: Any, values: Any) -> Any:
        """Return what the sums are in a block that is entered from another one with these."""
        found = [[builder.phi(vector) for _ in places] for _ in rows]
        for r in rows:
            for phi, value in zip(found[r], values[r], strict=True):
                phi.add_incoming(value, block)
        return found

    def counter(block: Any, first: Any) -> Any:
        found = builder.phi(first.type)
        found.add_incoming(first, block)
        return found

    def repeat(counters: Any, limit: Any, sums: Any, values: Any, start: Any, end: Any) -> None:
        """End a loop: go round again, with these sums and each counter one step on, while there is more to do."""
        block = builder.block
        for phi, step in counters:
            moved = builder.add(phi, step) if phi.type == whole else builder.gep(phi, [step])
            phi.add_incoming(moved, block)
            done = moved
        for r in rows:
            for each, value in zip(sums[r], values[r], strict=True):
                each.add_incoming(value, block)
        branch = builder.cbranch(builder.icmp_signed("<", done, limit), start, end)
        branch.set_metadata("llvm.loop", _not_unrolled(builder.module))

    offsets = [
        builder.mul(left_steps[-2], builder.select(builder.icmp_signed("<", whole(r), args[3]), whole(r), args[3]))
        for r in rows
    ]
    none = ir.Constant(vector, [0.0] * width)
    before = builder.block
    outer, inner, next_one, after = map(builder.append_basic_block, ("matrices", "inner", "next", "stored"))
    stack_steps = [each[0] if len(sizes) == 3 else whole(0) for each in (left_steps, right_steps)]
    firsts = bytes_of(left), bytes_of(right)
    builder.branch(outer)

    builder.position_at_end(outer)
    matrices = [counter(before, each) for each in firsts]
    number_of = counter(before, whole(0))
    outer_sums = sums_from(before, [[none] * registers] * len(rows))
    builder.branch(inner)

    builder.position_at_end(inner)
    column, row = (counter(outer, each) for each in matrices)
    k = counter(outer, whole(0))
    sums = sums_from(outer, outer_sums)
    seen = [load(row, whole(place)) for place in places]
    fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fma.v{width}f32")
    factors = [everywhere(builder.load(at(column, each, number))) for each in offsets]
    results = [
        [builder.call(fma, [factors[r], each, total]) for each, total in zip(seen, sums[r], strict=True)] for r in rows
    ]
    repeat([(column, left_steps[-1]), (row, right_steps[-2]), (k, whole(1))], sizes[-1], sums, results, inner, next_one)

    builder.position_at_end(next_one)
    counters = [*zip(matrices, stack_steps, strict=True), (number_of, whole(1))]
    repeat(counters, count, outer_sums, results, outer, after)

    builder.position_at_end(after)
    for r in rows:
        target = builder.gep(bytes_of(result), [builder.mul(row_step, whole(r))])
        for value, place in zip(results[r], places, strict=True):
            there = builder.select(args[4], load(target, whole(place)), none)
            builder.store(builder.fadd(there, value), at(target, whole(place), vector)).align = 4
    return context.get_dummy_value()


def _not_unrolled(module: Any) -> Any:
    """Return the mark of a loop that is to stay as it is: unrolled, its addresses would not fit the registers."""
    ir: Any = importlib.import_module("llvmlite.ir")
    disable = module.add_metadata([ir.MetaDataString(module, "llvm.loop.unroll.disable")])
    mark = ir.MDValue(module, [disable], name=str(len(module.metadata)))
    mark.operands = (mark, disable)  # a loop's mark begins with itself
    return mark


@jit.inline
def _by_panel(a: Any, panel: Any, spare: Any, c: Any, is_first: Any, bias: Any) -> None:
    """Leave ``a`` times a panel in ``c``, or add it where it is not the first of the inner dim; add a bias, if any."""
    rows, width = spare.shape
    for top in range(0, c.shape[0], rows):
        height = min(rows, c.shape[0] - top)
        part, target = a[top : top + height], c[top : top + height]
        if height == rows and c.shape[1] == width:
            tile(part, panel, target, height - 1, not is_first, 2 * rows == width)
        else:
            tile(part, panel, spare, height - 1, False, 2 * rows == width)
            for i in range(height):
                row, found = target[i], spare[i]
                for j in range(row.size):
                    row[j] = found[j] + (numpy.float32(0) if is_first else row[j])
        if bias.size > 0:
            for i in range(height):
                row = target[i]
                for j in range(row.size):
                    row[j] += bias[j]


@jit.kernel("void(f4[:,:], f4[:,:,:], f4[:,:], f4[::1])")
def multiply(a: Any, packed: Any, c: Any, bias: Any) -> None:
    """Leave ``a @ b + bias`` in ``c``, with ``b`` in panels; a bias of size 0 is none."""
    width, depth = packed.shape[2], a.shape[1]
    spare = numpy.empty((square() // 2, width), numpy.float32)
    for start in range(0, depth, _DEPTH):
        end = min(start + _DEPTH, depth)
        for number in range(packed.shape[0]):
            seen = slice(number * width, min((number + 1) * width, c.shape[1]))
            shift = bias[seen] if end == depth else bias[:0]
            _by_panel(a[:, start:end], packed[number, start:end], spare, c[:, seen], start == 0, shift)


@jit.kernel("void(f4[:,:], f4[:,:], f4[::1], f4[:,:], f4[::1])")
def multiply_once(a: Any, b: Any, room: Any, c: Any, bias: Any) -> None:
    """Do what :func:`multiply` does with a ``b`` that is packed on the way, a :func:`patch` at a time."""
    width, depth = room.size // _DEPTH, a.shape[1]
    spare = numpy.empty((square() // 2, width), numpy.float32)
    for left in range(0, c.shape[1], width):
        seen = slice(left, min(left + width, c.shape[1]))
        for start in range(0, depth, _DEPTH):
            end = min(start + _DEPTH, depth)
            panel = room[: (end - start) * width].reshape((1, end - start, width))
            pack(b[start:end, seen], panel, 0)
            shift = bias[seen] if end == depth else bias[:0]
            _by_panel(a[:, start:end], panel[0], spare, c[:, seen], start == 0, shift)
