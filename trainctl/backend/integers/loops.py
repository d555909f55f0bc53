"""Compiled loops of integer layers: sums of a few rows at a time, which are finished while they are in the cache."""

from __future__ import annotations

from typing import Any

import numpy

from trainctl.backend import jit
from trainctl.backend.integers.finishing import as_codes, as_floats, as_rectified, as_sums
from trainctl.backend.integers.tile import each, narrow, vector, wide

SUMS, CODES, FLOATS, RECTIFIED = range(
    4
)  # what is made of sums: nothing, codes, float32, the same without what is below 0
# A layer: how many groups it has, and the inputs and outputs of each; where each run of bytes begins that a row sees; the
# weights in panels, one group after another, or, of layers whose outputs see one channel each, as [runs, channels]; what
# is added to sums, and what they are multiplied by, in the order of the panels' outputs; the output's zero point, and the
# lowest and highest code counted from it; what is made of the sums.
_LAYER = "Tuple((UniTuple(i8, 3), i8[::1], i1[:,:,::1], i1[:,::1], i4[::1], f4[::1], UniTuple(f4, 3), i8))"
_OUT = "Tuple((u1[:,::1], f4[:,::1], i4[:,::1]))"  # the output, as codes, float32 or sums; the other two are empty


@jit.kernel(f"void(i4[:,::1], i8, i8, {_LAYER}, {_OUT})", exact=True)
def finish(sums: Any, count: Any, first: Any, layer: Any, out: Any) -> None:
    """Leave what is made of ``count`` rows of sums in the rows of the output from ``first`` on."""
    (groups, _, outputs), _, _, _, start, multiplier, limits, how = layer
    codes, floats, whole = out
    width, lanes = start.size // groups, vector()
    vectors = (outputs + lanes - 1) // lanes
    last = outputs - (vectors - 1) * lanes
    to = first * groups * outputs
    for r in range(count):
        for g in range(groups):
            left = g * width
            for v in range(vectors):
                size = last if v == vectors - 1 else lanes
                if how == CODES:
                    as_codes(sums, r, left, multiplier, limits, codes, to, size)
                elif how == FLOATS:
                    as_floats(sums, r, left, multiplier, limits, floats, to, size)
                elif how == RECTIFIED:
                    as_rectified(sums, r, left, multiplier, limits, floats, to, size)
                else:
                    as_sums(sums, r, left, multiplier, limits, whole, to, size)
                left += lanes
                to += size


@jit.kernel("void(u1[::1], i8, i8[::1], i8, i8, i8[::1], i8, i1[:,:,::1], i4[::1], i4[:,::1], i8)")
def multiply(
    image: Any, base: Any, at: Any, row: Any, count: Any, runs: Any, words: Any, panels: Any, start: Any, sums: Any,
    first: Any,
) -> None:  # fmt: skip
    """Leave the sums of rows from number ``row`` on in ``sums``, from panel ``first`` on; ``count``: a few whole tiles.

    Other arguments as of :func:`trainctl.backend.integers.tile.wide`.
    """
    width, tall = vector(), vector() // 2
    whole = panels.shape[0] // 2 * 2
    for panel in range(0, panels.shape[0], 2):  # whose weights stay in the cache
        left = (first + panel) * width
        for top in range(0, count, tall):
            target = sums[top : top + tall]
            if panel < whole:
                wide(image, base, at, row + top, runs, words, panels, panel, start, target, left)
            else:
                narrow(image, base, at, row + top, runs, words, panels, panel, start, target, left)


@jit.kernel("void(u1[::1], i8[::1], i8, i8, i8[::1], i1[:,::1], i4[::1], i4[:,::1])")
def multiply_each(image: Any, at: Any, row: Any, count: Any, runs: Any, taps: Any, start: Any, sums: Any) -> None:
    """Leave the sums of rows of which each output sees one channel, by weights ``taps [runs, channels]``."""
    tall = vector() // 2
    for top in range(0, count, tall):
        for left in range(0, taps.shape[1], vector()):
            each(image, at, row + top, runs, taps, start, sums[top : top + tall], left)


@jit.kernel("void(u1[:,:,:,:], u1[:,:,::1], UniTuple(i8, 3), i8)")
def place(given: Any, padded: Any, above: Any, flip: Any) -> None:
    """Copy an image ``[D, H, W, C]`` into its place in a padded one; ``flip``: 128 if the codes are int8's."""
    depth, height, across, channels = given.shape
    change = numpy.uint8(flip)
    for z in range(depth):
        for y in range(height):
            target = padded[above[0] + z, above[1] + y, above[2] : above[2] + across * channels]
            found = given[z, y]
            if found.strides[1] == 1:
                for x in range(across):
                    for c in range(channels):
                        target[x * channels + c] = found[x, c] ^ change
            else:
                for c in range(channels):
                    for x in range(across):
                        target[x * channels + c] = found[x, c] ^ change


@jit.kernel(
    f"void(u1[:,:,:,:,:], u1[::1], UniTuple(i8, 3), UniTuple(i8, 3), UniTuple(i8, 2), i8[::1], UniTuple(i8, 2), {_LAYER},"
    f" i4[:,::1], {_OUT})"
)
def compute(
    images: Any, room: Any, shape: Any, above: Any, code: Any, starts: Any, rows: Any, layer: Any, sums: Any, out: Any
) -> None:
    """Leave a layer's output for what the rows of each of ``images [N, D, H, W, C]`` see.

    Args:
        images: codes, which may lie in any way; the last two dims may be one. If there are none, ``room`` is the image.
        room: for an image with its padding, and for what is read beyond its end.
        shape: of that image, ``[D, H, W * C]``.
        above: how much of it is before the image, along each dim.
        code: 128 if the codes are int8's, else 0; and what stands for 0 then.
        starts: where each row begins in that image, of as many as whole tiles have.
        rows: the number of the first row in the output, and how many each image has.
        layer: see :data:`_LAYER`.
        sums: scratch, some tiles of rows.
        out: see :data:`_OUT`.
    """
    (groups, inputs, _), runs, panels, taps, start, _, _, _ = layer
    many, words, tall = panels.shape[0] // groups, panels.shape[1] // max(1, runs.size), vector() // 2
    is_placed = images.shape[0] == 0
    if not is_placed:
        room[:] = numpy.uint8(code[1])
    for number in range(max(1, images.shape[0])):
        if not is_placed:
            place(images[number], room[: shape[0] * shape[1] * shape[2]].reshape(shape), above, code[0])
        for top in range(0, rows[1], sums.shape[0]):
            some = min(sums.shape[0], rows[1] - top)
            tiles = (some + tall - 1) // tall * tall
            if taps.size > 0:
                multiply_each(room, starts, top, tiles, runs, taps, start, sums)
            else:
                for g in range(groups):
                    seen = panels[g * many : (g + 1) * many]
                    multiply(room, g * inputs, starts, top, tiles, runs, words, seen, start, sums, g * many)
            finish(sums, some, rows[0] + number * rows[1] + top, layer, out)
