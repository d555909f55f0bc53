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

_NARROW = 512  # columns: rows that lie further apart in memory push one another out of the cache
_DEPTH = 256  # of the inner dim that is worked on at once: a panel's part of this depth fits the first level of cache


@functools.cache
def lanes() -> int:
    """Return how many float32 numbers a vector register is used for: 16 with AVX-512, else 8."""
    llvm: Any = importlib.import_module("llvmlite.binding")
    return 16 if llvm.get_host_cpu_features().get("avx512f") else 8


@functools.cache
def pays() -> bool:
    """Return whether large products are at least as fast here as in BLAS; with AVX2 its hand-written kernels win."""
    return lanes() == 16


def shape_for(columns: int) -> tuple[int, int]:
    """Return rows and columns of the tiles for a result: 8 by 32 with AVX-512, for at most 16 columns 16 by 16."""
    return (lanes(), lanes()) if columns <= lanes() else (lanes() // 2, 2 * lanes())


def corner(columns: int) -> Array:
    """Return scratch for the tiles that stick out of a result of so many columns; its shape is that of a tile."""
    return numpy.empty(shape_for(columns), numpy.float32)


def panels(depth: int, columns: int) -> Array:
    """Return room for a right factor ``[depth, columns]`` in panels as wide as a tile."""
    width = shape_for(columns)[1]
    return numpy.empty((-(-columns // width), depth, width), numpy.float32)


def as_panels(b: Array) -> Array | None:
    """Return a right factor itself, seen as panels, where its rows are whole panels and not too far apart to be so read."""
    (depth, columns), width = b.shape, shape_for(b.shape[1])[1]
    if not b.flags.c_contiguous or columns % width or columns > _NARROW:
        return None
    steps = (width * b.itemsize, *b.strides)
    return numpy.lib.stride_tricks.as_strided(b, (columns // width, depth, width), steps)


@jit.kernel("void(f4[:,::1], f4[:,:,::1], i8)", "void(f4[:,:], f4[:,:,::1], i8)")
def pack(b: Any, packed: Any, first: int) -> None:
    """Leave the columns of ``b`` in panels, of which the first given is number ``first``; zeros beyond the last column."""
    width = packed.shape[2]
    for number in range(packed.shape[0]):
        panel, start = packed[number], (first + number) * width
        count = min(width, b.shape[1] - start)
        if b.strides[0] < b.strides[1]:  # columns lie together: a few rows of the panel at a time
            for top in range(0, b.shape[0], 16):
                for j in range(count):
                    for k in range(top, min(top + 16, b.shape[0])):
                        panel[k, j] = b[k, start + j]
        else:
            for k in range(b.shape[0]):
                row, given = panel[k], b[k]
                for j in range(count):
                    row[j] = given[start + j]
        for k in range(b.shape[0]):
            for j in range(count, width):
                panel[k, j] = 0


@jit.Part
def wide() -> Any:
    """Return Numba's intrinsic for tiles of two registers a row: see :func:`tile`."""
    return _intrinsic(lambda: lanes() // 2, 2)


@jit.Part
def tall() -> Any:
    """Return Numba's intrinsic for tiles of one register a row: see :func:`tile`."""
    return _intrinsic(lanes, 1)


@jit.inline
def tile(a: Any, b: Any, c: Any, last: Any, add: Any, is_tall: Any) -> Any:
    """Leave a tile of ``a @ b`` in ``c``, or add it to what is there.

    ``a`` has rows up to number ``last``, which stands in for those that a tile has beyond it.
    """
    if is_tall:
        tall(a, b, c, last, add)
    else:
        wide(a, b, c, last, add)


def _intrinsic(rows: Any, registers: int) -> Any:
    """Return an intrinsic ``(a, b, c, last, add)`` for tiles of some rows.

    The loop is written in LLVM's own terms: no form of it in Python makes the compiler keep the sums in registers.
    """
    extending: Any = importlib.import_module("numba.extending")
    types: Any = importlib.import_module("numba").types

    def tile(_: Any, a: Any, b: Any, c: Any, last: Any, add: Any) -> Any:
        build = functools.partial(_build, rows(), registers)
        return types.void(a, b, c, types.int64, types.boolean), lambda *given: build(*given)

    return extending.intrinsic(tile)


def _build(tile_rows: int, registers: int, context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """Write the loop over the inner dim: a row of ``b``, in registers, times one number of each row of ``a``."""
    ir: Any = importlib.import_module("llvmlite.ir")
    cgutils: Any = importlib.import_module("numba.core.cgutils")
    width, rows = lanes(), range(tile_rows)
    number, vector = ir.FloatType(), ir.VectorType(ir.FloatType(), width)
    whole, places = ir.IntType(64), [each * width * 4 for each in range(registers)]
    arrays = [
        context.make_array(each)(context, builder, arg) for each, arg in zip(signature.args, args[:3], strict=False)
    ]
    starts = [builder.bitcast(each.data, ir.IntType(8).as_pointer()) for each in arrays]
    steps = [cgutils.unpack_tuple(builder, each.strides, 2) for each in arrays]
    depth = cgutils.unpack_tuple(builder, arrays[0].shape, 2)[1]

    def at(place: Any, offset: Any, kind: Any) -> Any:
        return builder.bitcast(builder.gep(place, [offset]), kind.as_pointer())

    def load(place: Any, offset: Any) -> Any:
        loaded = builder.load(at(place, offset, vector))
        loaded.align = 4
        return loaded

    def row_of(array: int, row: Any) -> Any:
        return builder.gep(starts[array], [builder.mul(steps[array][0], row)])

    def everywhere(value: Any) -> Any:
        first = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.IntType(32)(0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width)
        return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), zeros)

    lefts = [row_of(0, builder.select(builder.icmp_signed("<", whole(r), args[3]), whole(r), args[3])) for r in rows]
    targets = [row_of(2, whole(r)) for r in rows]
    none = ir.Constant(vector, [0.0] * width)
    before, loop, after = builder.block, builder.append_basic_block("inner"), builder.append_basic_block("stored")
    builder.branch(loop)

    builder.position_at_end(loop)
    k = builder.phi(whole)
    k.add_incoming(whole(0), before)
    sums = [[builder.phi(vector) for _ in places] for _ in rows]
    right = row_of(1, k)
    seen = [load(right, whole(place)) for place in places]
    fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fma.v{width}f32")
    results = []
    for r in rows:
        factor = everywhere(builder.load(at(lefts[r], builder.mul(steps[0][1], k), number)))
        results.append([builder.call(fma, [factor, seen[h], sums[r][h]]) for h in range(registers)])
        for h in range(registers):
            sums[r][h].add_incoming(none, before)
            sums[r][h].add_incoming(results[r][h], loop)
    following = builder.add(k, whole(1))
    k.add_incoming(following, loop)
    builder.cbranch(builder.icmp_signed("<", following, depth), loop, after)

    builder.position_at_end(after)
    for r in rows:
        for result, place in zip(results[r], places, strict=True):
            there = builder.select(args[4], load(targets[r], whole(place)), none)
            builder.store(builder.fadd(there, result), at(targets[r], whole(place), vector)).align = 4
    return context.get_dummy_value()


@jit.kernel("void(f4[:,:], f4[:,:,:], f4[:,::1], f4[:,:], f4[::1])")
def multiply(a: Any, packed: Any, spare: Any, c: Any, bias: Any) -> None:
    """Leave ``a @ b + bias`` in ``c``, with ``b`` packed and ``spare`` a :func:`corner`; a bias of size 0 is none."""
    (rows, width), depth = spare.shape, a.shape[1]
    for start in range(0, depth, _DEPTH):
        end = min(start + _DEPTH, depth)
        for number in range(packed.shape[0]):
            panel, left = packed[number, start:end], number * width
            count = min(width, c.shape[1] - left)
            for top in range(0, c.shape[0], rows):
                height = min(rows, c.shape[0] - top)
                part, target = a[top : top + height, start:end], c[top : top + height, left : left + count]
                if height == rows and count == width:
                    tile(part, panel, target, height - 1, start > 0, rows == width)
                else:
                    tile(part, panel, spare, height - 1, False, rows == width)
                    for i in range(height):
                        row, found = target[i], spare[i]
                        for j in range(count):
                            row[j] = found[j] + (row[j] if start > 0 else numpy.float32(0))
                if end == depth and bias.size > 0:
                    for i in range(height):
                        row = target[i]
                        for j in range(count):
                            row[j] += bias[left + j]
