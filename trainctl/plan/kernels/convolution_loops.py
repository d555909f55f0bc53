"""Convolution on tiles (:mod:`trainctl.plan.kernels.tile`), without columns.

Channels last, what a row of a window sees is one run of memory, and the windows of a row of places are rows of an
overlapping matrix: a kernel's row is a product with it, and the tile of the result stays where it is until all are added.

``windows`` is ``[N, rows of places, rows of the kernel, places in a row, width of the kernel * C]``.
"""

from __future__ import annotations

from typing import Any

from trainctl.backend import jit
from trainctl.plan.kernels.tile import tile

_WINDOWS = "f4[:,:,:,:,:], "


@jit.kernel(f"void({_WINDOWS}f4[:,:,::1], f4[:,::1], f4[:,:,:,::1], f4[::1])")
def convolve(windows: Any, packed: Any, spare: Any, out: Any, bias: Any) -> None:
    """Leave the windows' products with kernels, packed, in ``out [N, H, W, O]``; a bias of size 0 is none."""
    (rows, width), depth = spare.shape, windows.shape[4]
    for place in range(out.shape[0] * out.shape[1]):
        image, y = place // out.shape[1], place % out.shape[1]
        for number in range(packed.shape[0]):
            first = number * width
            count = min(width, out.shape[3] - first)
            for left in range(0, out.shape[2], rows):
                height = min(rows, out.shape[2] - left)
                target = out[image, y, left : left + height, first : first + count]
                for r in range(windows.shape[2]):
                    seen = windows[image, y, r, left : left + height]
                    panel = packed[number, r * depth : (r + 1) * depth]
                    if height == rows and count == width:
                        tile(seen, panel, target, height - 1, r > 0, rows == width)
                    else:
                        tile(seen, panel, spare, height - 1, r > 0, rows == width)
                if height < rows or count < width:
                    for i in range(height):
                        row, found = target[i], spare[i]
                        for j in range(count):
                            row[j] = found[j]
                if bias.size > 0:
                    for i in range(height):
                        row = target[i]
                        for j in range(count):
                            row[j] += bias[first + j]


@jit.kernel(f"void({_WINDOWS}f4[:,:,:,::1], f4[:,::1], f4[:,:], b1)")
def convolve_weight(windows: Any, gy: Any, spare: Any, total: Any, fresh: Any) -> None:
    """Leave the windows' products with ``gy [N, H, W, O]`` over all places in ``total [kernel * C, O]``, or add them.

    O is a multiple of a tile's width.
    """
    (rows, width), depth = spare.shape, windows.shape[4]
    for image in range(gy.shape[0]):
        for r in range(windows.shape[2]):
            for top in range(0, depth, rows):
                height = min(rows, depth - top)
                for first in range(0, total.shape[1], width):
                    begin = r * depth + top
                    target = total[begin : begin + height, first : first + width]
                    for y in range(gy.shape[1]):
                        seen = windows[image, y, r, :, top : top + height].T
                        given = gy[image, y, :, first : first + width]
                        if height == rows:
                            tile(seen, given, target, height - 1, y > 0 or image > 0 or not fresh, rows == width)
                        else:
                            tile(seen, given, spare, height - 1, y > 0, rows == width)
                    if height < rows:
                        for i in range(height):
                            row, found = target[i], spare[i]
                            for j in range(width):
                                row[j] = found[j] if fresh and image == 0 else row[j] + found[j]
