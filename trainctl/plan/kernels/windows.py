"""Max pooling of images over both dims, with a ReLU before it: :class:`trainctl.plan.fused_ops.MaxOver` and its gradient."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy

from trainctl.backend import jit
from trainctl.backend.arrays import Array
from trainctl.plan.fused_ops import MaxOver, ReturnFrom
from trainctl.plan.kernels import tile
from trainctl.plan.kernels.direct_convolution import channels_last
from trainctl.plan.kernels.window_vectors import give, meet
from trainctl.plan.lowering import Context, Run, cut, lowers, plain_float
from trainctl.plan.trace import Apply

_PART = 1 << 16  # elements that one thread takes at a time


@jit.kernel("void(f4[:,:,:,::1], f4[:,:,:,::1], u1[:,:,:,::1], UniTuple(i8, 2), b1, b1, i8)")
def max_over(x: Any, y: Any, choice: Any, kernel: Any, rectifies: Any, chooses: Any, lanes: Any) -> None:
    """Leave the largest element of each window of ``x [N, H, W, C]`` in ``y``, its number in ``choice``.

    The first of equal ones, or the last NaN. Unless it ``chooses``, ``choice`` is scratch of one vector.
    """
    _, height, width, channels = x.shape
    vectors = channels // lanes
    for place in range(y.shape[0] * y.shape[1]):
        number, i = place // y.shape[1], place % y.shape[1]
        for j in range(y.shape[2]):
            to = (place * y.shape[2] + j) * channels
            at = ((number * height + i * kernel[0]) * width + j * kernel[1]) * channels
            for v in range(vectors):
                c = v * lanes
                chosen = to + c if chooses else 0
                for r in range(kernel[0]):
                    for q in range(kernel[1]):
                        seen = at + (r * width + q) * channels + c
                        meet(x, seen, y, to + c, choice, chosen, r * kernel[1] + q, r + q == 0, rectifies)


@jit.kernel("void(f4[:,:,:,::1], u1[:,:,:,::1], f4[:,:,:,::1], f4[:,:,:,::1], UniTuple(i8, 2), b1, i8)")
def return_from(gy: Any, choice: Any, y: Any, gx: Any, kernel: Any, masks: Any, lanes: Any) -> None:
    """Leave ``gy`` where the choice was, and 0 elsewhere, in ``gx``; if it ``masks``, times whether ``y`` is not 0."""
    _, height, width, channels = gx.shape
    vectors = channels // lanes
    for place in range(gy.shape[0] * gy.shape[1]):
        number, i = place // gy.shape[1], place % gy.shape[1]
        for j in range(gy.shape[2]):
            at = (place * gy.shape[2] + j) * channels
            to = ((number * height + i * kernel[0]) * width + j * kernel[1]) * channels
            for r in range(kernel[0]):
                for q in range(kernel[1]):
                    for v in range(vectors):
                        c = v * lanes
                        there = to + (r * width + q) * channels + c
                        give(gy, choice, y, at + c, gx, there, r * kernel[1] + q, masks)
    for number in range(gx.shape[0]):  # rows and columns that no window sees
        for i in range(height):
            for j in range(gy.shape[2] * kernel[1] if i < gy.shape[1] * kernel[0] else 0, width):
                line = gx[number, i, j]
                for c in range(channels):
                    line[c] = 0


def _last(image: Array) -> Array:
    """Return ``[N, C, H, W]`` as ``[N, H, W, C]``."""
    return image.transpose(0, 2, 3, 1)


def _parts(image: Array) -> list[slice]:
    return cut(len(image), max(1, _PART // max(1, image[0].size)))


@lowers(MaxOver)
def maximum(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """One pass."""
    (x,), (out, *others), options = arrays, outs, record.params
    chooses = options["chooses"]
    if not context.compiled or not plain_float(x, out) or (chooses and others[0] is None):
        return None
    choice = _last(others[0]) if chooses else numpy.empty((1, 1, 1, tile.lanes()), numpy.uint8)
    image, result = _last(x), _last(out)
    if not all(each.flags.c_contiguous for each in (image, result, choice)) or image.shape[3] % tile.lanes():
        return None
    last = options["kernel"], options["rectifies"], chooses, tile.lanes()
    runs: list[Run] = [
        partial(max_over, image[p], result[p], choice[p] if chooses else choice.copy(), *last) for p in _parts(image)
    ]
    return [context.in_parts(runs)]


@lowers(ReturnFrom)
def returned(record: Apply, arrays: list[Any], outs: list[Any], context: Context) -> list[Run] | None:
    """One pass."""
    (gy, choice, y), (out,) = arrays, outs
    if not context.compiled or not plain_float(gy, out) or (y is not None and not plain_float(y)):
        return None
    given, copied = channels_last(_last(gy), context)
    best = given if y is None else _last(y)
    chosen, result = _last(choice), _last(out)
    if not all(each.flags.c_contiguous for each in (best, chosen, result)) or result.shape[3] % tile.lanes():
        return None
    last = record.params["kernel"], y is not None, tile.lanes()
    runs: list[Run] = [partial(return_from, given[p], chosen[p], best[p], result[p], *last) for p in _parts(result)]
    return [*copied, context.in_parts(runs)]
