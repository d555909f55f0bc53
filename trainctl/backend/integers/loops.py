"""Compiled loops of integer layers: sums of a few rows at a time, which are finished while they are in the cache."""

from __future__ import annotations

from typing import Any

import numpy

from trainctl.backend import jit
from trainctl.backend.integers.tile import each, narrow, vector, wide

SUMS, CODES, FLOATS, RECTIFIED = range(
    4
)  # what is made of sums: nothing, codes, float32, the same without what is below 0
# A layer: how many groups it has, and the inputs and outputs of each; where each run of bytes begins that a row sees; the
# weights in panels, one group after another, or, of layers whose outputs see one channel each, as [runs, channels]; what
# is added to sums, and what they are multiplied by, in the order of the panels' outputs, as often as rows follow each other
# without a gap; the output's zero point, and the lowest and highest code counted from it; what is made of the sums.
_LAYER = "Tuple((UniTuple(i8, 3), i8[::1], i1[:,:,::1], i1[:,::1], i4[::1], f4[::1], UniTuple(f4, 3), i8))"
_OUT = "Tuple((u1[:,::1], f4[:,::1], i4[:,::1]))"  # the output, as codes, float32 or sums; the other two are empty
_ROUND = numpy.float32(3 << 22)  # added to a number of at most 22 bits it leaves the nearest whole one, ties to even


@jit.kernel("void(u1[::1], i8, i8[::1], i8, i8[::1], i8, i1[:,:,::1], i4[::1], i4[:,::1], i8)")
def multiply(
    image: Any, base: Any, at: Any, count: Any, runs: Any, words: Any, panels: Any, start: Any, sums: Any, first: Any
) -> None:
    """Leave the sums of rows in ``sums``, from panel ``first`` on; ``count`` is a whole number of tiles.

    Other arguments as of :func:`trainctl.backend.integers.tile.wide`.
    """
    width, tall = vector(), vector() // 2
    whole = panels.shape[0] // 2 * 2
    for top in range(0, count, tall):
        target = sums[top : top + tall]
        for panel in range(0, whole, 2):
            left = (first + panel) * width
            wide(image, base, at, top, runs, words, panels, panel, start, target, left)
        if whole < panels.shape[0]:
            left = (first + whole) * width
            narrow(image, base, at, top, runs, words, panels, whole, start, target, left)


@jit.inline
def to_codes(sums: Any, multiplier: Any, limits: Any, out: Any) -> None:
    """Leave the codes of sums; ``limits``: the zero point, and the lowest and highest code counted from it."""
    zero_point, low, high = limits
    for i in range(out.size):
        value = numpy.float32(sums[i]) * multiplier[i]
        value = value if value > low else low  # of NaN too
        value = value if value < high else high
        out[i] = numpy.uint8(numpy.int32((value + _ROUND) - _ROUND + zero_point))


@jit.inline
def to_floats(sums: Any, multiplier: Any, out: Any) -> None:
    """Leave the float32 numbers of sums."""
    for i in range(out.size):
        out[i] = numpy.float32(sums[i]) * multiplier[i]


@jit.inline
def to_rectified(sums: Any, multiplier: Any, out: Any) -> None:
    """Leave the float32 numbers of sums that are above 0, and 0 for others."""
    for i in range(out.size):
        value = numpy.float32(sums[i]) * multiplier[i]
        out[i] = numpy.float32(0) if value <= 0 else value


@jit.kernel(f"void(i4[:,::1], i8, i8, {_LAYER}, {_OUT})", exact=True)
def finish(sums: Any, count: Any, first: Any, layer: Any, out: Any) -> None:
    """Leave what is made of ``count`` rows of sums in the rows of the output from ``first`` on."""
    (groups, _, outputs), _, _, _, start, multiplier, limits, how = layer
    codes, floats, whole = out
    width = start.size // groups
    together = multiplier.size // start.size
    given = sums.reshape(sums.size)
    for top in range(0, count, together):
        some = min(together, count - top)
        size = outputs * some
        for g in range(groups):
            left = g * width
            at, to = top * start.size + left, ((first + top) * groups + g) * outputs
            seen, factors = given[at : at + size], multiplier[left : left + size]
            if how == CODES:
                to_codes(seen, factors, limits, codes.reshape(codes.size)[to : to + size])
            elif how == FLOATS:
                to_floats(seen, factors, floats.reshape(floats.size)[to : to + size])
            elif how == RECTIFIED:
                to_rectified(seen, factors, floats.reshape(floats.size)[to : to + size])
            else:
                target = whole.reshape(whole.size)[to : to + size]
                for i in range(size):
                    target[i] = seen[i]


@jit.kernel("void(u1[::1], i8[::1], i8, i8[::1], i1[:,::1], i4[::1], i4[:,::1])")
def multiply_each(image: Any, at: Any, count: Any, runs: Any, taps: Any, start: Any, sums: Any) -> None:
    """Leave the sums of rows of which each output sees one channel, by weights ``taps [runs, channels]``."""
    tall = vector() // 2
    for top in range(0, count, tall):
        for left in range(0, taps.shape[1], vector()):
            each(image, at, top, runs, taps, start, sums[top : top + tall], left)


@jit.kernel(f"void(u1[::1], i8[::1], i8, i8, i8, {_LAYER}, i4[:,::1], {_OUT})")
def rows_of(image: Any, starts: Any, step: Any, first: Any, count: Any, layer: Any, sums: Any, out: Any) -> None:
    """Leave a layer's output for what rows see of an image.

    Args:
        image: codes.
        starts: where each row begins.
        step: the distance of rows; where it is not 0 there are no starts.
        first: the number of the first row in the output.
        count: how many rows there are.
        layer: see :data:`_LAYER`.
        sums: scratch, some tiles of rows.
        out: see :data:`_OUT`.
    """
    (groups, inputs, _), runs, panels, taps, start, _, _, _ = layer
    many, words = panels.shape[0] // groups, panels.shape[1] // max(1, runs.size)
    at, tall = numpy.empty(sums.shape[0], numpy.int64), vector() // 2
    for top in range(0, count, sums.shape[0]):
        some = min(sums.shape[0], count - top)
        tiles = (some + tall - 1) // tall * tall
        for r in range(tiles):
            row = min(top + r, count - 1)
            at[r] = row * step if step != 0 else starts[row]
        if taps.size > 0:
            multiply_each(image, at, tiles, runs, taps, start, sums)
        else:
            for g in range(groups):
                seen = panels[g * many : (g + 1) * many]
                multiply(image, g * inputs, at, tiles, runs, words, seen, start, sums, g * many)
        finish(sums, some, first + top, layer, out)


@jit.kernel("void(u1[:,:,:,:], u1[:,:,:,::1], UniTuple(i8, 3), i8)")
def place(given: Any, padded: Any, above: Any, flip: Any) -> None:
    """Copy an image ``[D, H, W, C]`` into its place in a padded one; ``flip``: 128 if the codes are int8's."""
    depth, height, across, channels = given.shape
    change = numpy.uint8(flip)
    for z in range(depth):
        for y in range(height):
            target = padded[above[0] + z, above[1] + y, above[2] : above[2] + across]
            found = given[z, y]
            if found.strides[1] == 1:
                for x in range(across):
                    for c in range(channels):
                        target[x, c] = found[x, c] ^ change
            else:
                for c in range(channels):
                    for x in range(across):
                        target[x, c] = found[x, c] ^ change


@jit.kernel(
    f"void(u1[:,:,:,:,:], u1[::1], UniTuple(i8, 4), UniTuple(i8, 3), UniTuple(i8, 2), i8[::1], i8, {_LAYER}, i4[:,::1], {_OUT})"
)
def convolve(
    images: Any, room: Any, shape: Any, above: Any, code: Any, starts: Any, first: Any, layer: Any, sums: Any, out: Any
) -> None:
    """Leave a convolution of ``images [N, D, H, W, C]`` in rows, the first of which is number ``first``.

    Args:
        images: codes, which may lie in any way.
        room: for an image of ``shape`` with its padding, and for what is read beyond its end.
        shape: of that image.
        above: how much of it is before the image, along each dim.
        code: 128 if the codes are int8's, else 0; and what stands for 0 then.
        starts: where each place's window begins in that image.
        first: the number of the first row.
        layer: as of :func:`rows_of`, like the rest.
        sums: scratch.
        out: the output.
    """
    room[:] = numpy.uint8(code[1])
    padded = room[: shape[0] * shape[1] * shape[2] * shape[3]].reshape(shape)
    for number in range(images.shape[0]):
        place(images[number], padded, above, code[0])
        rows_of(room, starts, 0, first + number * starts.size, starts.size, layer, sums, out)


@jit.kernel(f"void(u1[:,:], u1[:,::1], i8, i8, {_LAYER}, i4[:,::1], {_OUT})")
def linear(x: Any, room: Any, flip: Any, first: Any, layer: Any, sums: Any, out: Any) -> None:
    """Leave a linear layer's output for rows ``x [M, K]``, copied to ``room`` some at a time; ``flip`` as of :func:`place`."""
    flat, change = room.reshape(room.size), numpy.uint8(flip)
    for top in range(0, x.shape[0], room.shape[0]):
        some = min(room.shape[0], x.shape[0] - top)
        for i in range(some):
            line, found = room[i], x[top + i]
            for k in range(found.size):
                line[k] = found[k] ^ change
        rows_of(flat, layer[1], room.shape[1], first + top, some, layer, sums, out)
