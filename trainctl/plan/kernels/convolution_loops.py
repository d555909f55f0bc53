"""Convolution on tiles (:mod:`trainctl.plan.kernels.tile`), without columns.

Channels last, what a row of a window sees is one run of memory, and the windows of a row of places are rows of an
overlapping matrix: the kernel's rows are products with such matrices, and a tile of their sum stays in registers.
"""

from __future__ import annotations

from typing import Any

from trainctl.backend import jit
from trainctl.plan.kernels.tile import tile

_CHAIN = 256  # places over which a sum runs on


@jit.kernel("void(f4[:,:,:,:,:], f4[:,:,:,:], f4[:,::1], f4[:,:,:,:], f4[::1])")
def convolve(windows: Any, packed: Any, spare: Any, out: Any, bias: Any) -> None:
    """Leave the windows' products with kernels in ``out [N, H, W, O]``; a bias of size 0 is none.

    ``windows [N, H, kernel's rows, W, kernel's width * C]``, ``packed [panels, kernel's rows, kernel's width * C, width]``.
    """
    rows, width = spare.shape
    for place in range(out.shape[0] * out.shape[1]):
        image, y = place // out.shape[1], place % out.shape[1]
        for number in range(packed.shape[0]):
            first = number * width
            count = min(width, out.shape[3] - first)
            for left in range(0, out.shape[2], rows):
                height = min(rows, out.shape[2] - left)
                seen = windows[image, y, :, left : left + height]
                target = out[image, y, left : left + height, first : first + count]
                if height == rows and count == width:
                    tile(seen, packed[number], target, height - 1, False, 2 * rows == width)
                else:
                    tile(seen, packed[number], spare, height - 1, False, 2 * rows == width)
                    for i in range(height):
                        row, found = target[i], spare[i]
                        for j in range(count):
                            row[j] = found[j]
                if bias.size > 0:
                    for i in range(height):
                        row = target[i]
                        for j in range(count):
                            row[j] += bias[first + j]


@jit.kernel("void(f4[:,:,:,:,:], f4[:,:,:,::1], f4[:,::1], f4[:,:], b1)")
def convolve_weight(windows: Any, gy: Any, spare: Any, total: Any, fresh: Any) -> None:
    """Leave the windows' products with ``gy [N, H, W, O]`` over all places in ``total [kernel * C, O]``, or add them.

    ``windows [N, kernel's rows, H, kernel's width * C, W]``; O is a multiple of a tile's width.
    """
    (rows, width), depth = spare.shape, windows.shape[3]
    step = max(1, _CHAIN // gy.shape[2])
    for image in range(gy.shape[0]):
        for r in range(windows.shape[1]):
            for top in range(0, depth, rows):
                height = min(rows, depth - top)
                for first in range(0, total.shape[1], width):
                    begin = r * depth + top
                    target = total[begin : begin + height, first : first + width]
                    for y in range(0, gy.shape[1], step):
                        seen = windows[image, r, y : y + step, top : top + height]
                        given = gy[image, y : y + step, :, first : first + width]
                        add = y > 0 or image > 0 or not fresh
                        if height == rows:
                            tile(seen, given, target, height - 1, add, 2 * rows == width)
                        else:
                            tile(seen, given, spare, height - 1, False, 2 * rows == width)
                            for i in range(height):
                                row, found = target[i], spare[i]
                                for j in range(width):
                                    row[j] = row[j] + found[j] if add else found[j]
