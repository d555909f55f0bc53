"""The three products of a convolution: its output, and the gradients of its input and its kernels.

Each is a product of the kernels with what their windows see (im2col). Images are worked on a few at a time: their
columns then stay in the cache and never take much memory.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

from trainctl.autograd.op import Op
from trainctl.autograd.ops.arithmetic import conj
from trainctl.autograd.ops.indexing import getitem
from trainctl.autograd.ops.reduction import sum
from trainctl.autograd.ops.windows import Sizes, add_windows, blocks, inside, output_size, pad_spatial, windows, without
from trainctl.autograd.tensor import Tensor


class Windowed(Op):
    """What the three products of a convolution share; ``G`` is ``groups``, ``K`` the elements of a kernel.

    Each image is a product of its own, or, where images are too small for that, all images of a block are one:
    ``n`` below is their number, or 1.
    """

    stride: Sizes
    padding: Sizes
    dilation: Sizes
    groups: int

    def places(self, spatial: Sizes, kernel: Sizes) -> Sizes:
        """Return the number of places of the window along each dim."""
        return tuple(map(output_size, spatial, kernel, self.stride, self.padding, self.dilation))

    def blocks(
        self, x_shape: Sizes, kernel: Sizes, places: Sizes, itemsize: int
    ) -> Iterator[tuple[slice, list[slice]]]:
        """Yield ranges of images, each with the ranges of its rows, whose columns stay in the cache."""
        return blocks(self.xp, x_shape[0], places, x_shape[1] * math.prod(kernel) * itemsize)

    def columns(self, x: Any, kernel: Sizes, places: Sizes) -> Iterator[tuple[Any, Any]]:
        """Yield block by block its part of an array ``[N, *, *places]`` and its columns ``[n, G, C/G * K, places]``."""
        n = len(kernel)
        for images, ranges in self.blocks(x.shape, kernel, places, x.itemsize):
            seen = windows(self.xp, pad_spatial(self.xp, x[images], self.padding), kernel, self.stride, self.dilation)
            seen = seen[(..., *map(slice, places))]
            for rows in ranges:
                yield (images, slice(None), rows), self.grouped(seen[(..., rows, *[slice(None)] * (n - 1))], n)

    def grouped(self, y: Any, n: int) -> Any:
        """Return ``[N, *channels, *places]`` as ``[n, G, channels / G, places]``; ``n`` spatial dims."""
        if _are_small(y.shape[-n:]):
            y = self.xp.moveaxis(y, 0, -n - 1)[None]
            n += 1
        channels = math.prod(y.shape[1:-n])
        return y.reshape(y.shape[0], self.groups, channels // self.groups, math.prod(y.shape[-n:]))

    def ungrouped(self, y: Any, batch: int, channels: Sizes, places: Sizes) -> Any:
        """Undo :meth:`grouped`."""
        if not _are_small(places):
            return y.reshape(batch, *channels, *places)
        return self.xp.moveaxis(y.reshape(*channels, batch, *places), len(channels), 0)


def _are_small(places: Sizes) -> bool:
    return math.prod(places) < 128


class Convolution(Windowed):
    """``[N, C, *spatial], [O, C / groups, *kernel], [O] (or nothing) -> [N, O, *places]``."""

    saves = (0, 1)

    def forward(self, x: Any, weight: Any, *bias: Any, out: Any = None) -> Any:
        places = self.places(x.shape[2:], weight.shape[2:])
        if out is None:
            out = self.xp.empty((x.shape[0], weight.shape[0], *places), x.dtype)
        if weight.shape[1] == 1 and self.groups > 1:
            depthwise(self, x, weight, out)
        elif self._is_pointwise(weight) and not _are_small(places):
            rows = out.reshape(*out.shape[:2], math.prod(places))
            self.xp.matmul(weight.reshape(weight.shape[:2]), x.reshape(*x.shape[:2], rows.shape[2]), out=rows)
        else:
            return self._products(x, weight, bias, out)
        if bias:
            out += bias[0].reshape(-1, *(1,) * len(places))
        return out

    def _products(self, x: Any, weight: Any, bias: Any, out: Any) -> Any:
        filters = weight.reshape(self.groups, weight.shape[0] // self.groups, math.prod(weight.shape[1:]))
        n = out.ndim - 2
        for block, columns in self.columns(x, weight.shape[2:], out.shape[2:]):
            part = out[block]
            if part.flags.c_contiguous and not _are_small(part.shape[2:]):  # whole images, each a product
                self.xp.matmul(filters, columns, out=self.grouped(part, n))
            else:
                y = self.xp.matmul(filters, columns)
                part[...] = self.ungrouped(y, part.shape[0], part.shape[1:2], part.shape[2:])
            if bias:
                part += bias[0].reshape(-1, *(1,) * n)
        return out

    def _is_pointwise(self, weight: Any) -> bool:
        """Return whether an image is its own columns."""
        single = math.prod(weight.shape[2:]) == self.groups == math.prod(self.stride) == 1
        return single and not any(self.padding)

    def backward(self, gy: Tensor) -> Any:
        x, weight = self.saved
        before, kernel = x._array.shape, weight._array.shape
        gx = ConvolutionInputGradient.apply(gy, conj(weight), **self.params, shape=before) if self.needs(0) else None
        gw = ConvolutionWeightGradient.apply(conj(x), gy, **self.params, kernel=kernel) if self.needs(1) else None
        if len(self.edges) == 2:
            return gx, gw
        return gx, gw, sum(gy, (0, *range(2, gy._array.ndim))) if self.needs(2) else None


def depthwise(op: Windowed, x: Any, weight: Any, out: Any) -> None:
    """Convolve each channel alone, into ``out``: too little work for a product of matrices."""
    xp, kernel, places = op.xp, weight.shape[2:], out.shape[2:]
    weight = weight.reshape(op.groups, -1, *kernel, *(1,) * len(kernel))
    see = _runs if math.prod(op.stride) == 1 else _strided
    for images, _ in blocks(xp, x.shape[0], places, 4 * out.shape[1] * x.itemsize):
        seen = see(op, x[images], kernel)  # [N, C, *kernel, *places]
        total: Any = None
        for at in itertools.product(*map(range, kernel)):
            element, factor = seen[(slice(None), slice(None), None, *at)], weight[(slice(None), slice(None), *at)]
            if total is None:
                total = xp.multiply(element, factor)
                term = xp.empty_like(total)
            else:
                total += xp.multiply(element, factor, out=term)
        out[images] = total.reshape(-1, out.shape[1], *seen.shape[-len(places) :])[(..., *map(slice, places))]


def depthwise_weights(op: Windowed, x: Any, gy: Any, kernel: Sizes) -> Any:
    """Return the gradient of kernels that see one channel each, for stride 1: each element is a product of two runs."""
    xp, places = op.xp, gy.shape[2:]
    gw = xp.zeros((op.groups, gy.shape[1] // op.groups, *kernel), gy.dtype)
    for images, _ in blocks(xp, x.shape[0], places, 4 * gy.shape[1] * x.itemsize):
        seen = _runs(op, x[images], kernel)  # [N, C, *kernel, *places]
        count, channels = seen.shape[:2]
        room = xp.zeros((count, channels, gw.shape[1], *seen.shape[-len(places) :]), gy.dtype)
        room[(..., *map(slice, places))] = gy[images].reshape(*room.shape[:3], *places)
        rows = room.reshape(*room.shape[:3], -1)
        for at in itertools.product(*map(range, kernel)):
            run = seen[(slice(None), slice(None), *at)].reshape(count, channels, -1, 1)
            gw[(slice(None), slice(None), *at)] += xp.sum(xp.matmul(rows, run), axis=0)[..., 0]
    return gw


def _strided(op: Windowed, x: Any, kernel: Sizes) -> Any:
    return windows(op.xp, pad_spatial(op.xp, x, op.padding), kernel, op.stride, op.dilation)


def _runs(op: Windowed, x: Any, kernel: Sizes) -> Any:
    """Return the windows for stride 1 with places in the padding's columns, too.

    What an element of the kernel sees is then one run through memory, which is several times faster to work on. The
    last run ends beyond the padded image, so there is one more row.
    """
    padded = tuple(size + 2 * p for size, p in zip(x.shape[2:], op.padding, strict=True))
    room = op.xp.zeros((*x.shape[:2], padded[0] + 1, *padded[1:]), x.dtype)
    room[inside(x.shape[2:], op.padding)] = x
    steps = room.strides[2:]
    apart = tuple(step * d for step, d in zip(steps, op.dilation, strict=True))
    rows = padded[0] - op.dilation[0] * (kernel[0] - 1)
    shape = (*x.shape[:2], *kernel, rows, *padded[1:])
    return op.xp.as_strided(room, shape, (*room.strides[:2], *apart, *steps))


class ConvolutionInputGradient(Windowed):
    """The gradient of the input: also the transposed convolution."""

    saves = (0, 1)
    shape: Sizes

    def forward(self, gy: Any, weight: Any, out: Any = None) -> Any:
        if out is None:
            out = self.xp.empty(self.shape, gy.dtype)
        node = self._as_convolution(gy, weight)
        return self._products(gy, weight, out) if node is None else node.forward(gy, self._mirrored(weight), out=out)

    def _as_convolution(self, gy: Any, weight: Any) -> Convolution | None:
        """Return the convolution with mirrored kernels that this is for stride 1, where that is less work."""
        kernel, node = weight.shape[2:], Convolution()
        node.xp, node.stride, node.dilation, node.groups = self.xp, self.stride, self.dilation, self.groups
        options = zip(self.dilation, kernel, self.padding, strict=True)
        node.padding = tuple(d * (k - 1) - p for d, k, p in options)
        if weight.shape[0] > 2 * self.shape[1] or math.prod(self.stride) > 1 or min(node.padding) < 0:
            return None
        return node if node.places(gy.shape[2:], kernel) == self.shape[2:] else None

    def _mirrored(self, weight: Any) -> Any:
        """Return the kernels read backwards, inputs and outputs exchanged: ``[C, O / groups, *kernel]``."""
        count, depth, *kernel = weight.shape
        split = weight.reshape(self.groups, count // self.groups, depth, *kernel)
        split = self.xp.swapaxes(split[(..., *[slice(None, None, -1)] * len(kernel))], 1, 2)
        return split.reshape(self.groups * depth, count // self.groups, *kernel)

    def _products(self, gy: Any, weight: Any, out: Any) -> Any:
        xp, kernel, n = self.xp, weight.shape[2:], gy.ndim - 2
        filters = weight.reshape(self.groups, weight.shape[0] // self.groups, math.prod(weight.shape[1:]))
        padded = tuple(size + 2 * p for size, p in zip(self.shape[2:], self.padding, strict=True))
        for images, ranges in self.blocks(self.shape, kernel, gy.shape[2:], gy.itemsize):
            gx = xp.zeros((*out[images].shape[:2], *padded), gy.dtype)
            for rows in ranges:
                part = gy[images, :, rows]
                seen = xp.matmul(xp.swapaxes(filters, 1, 2), self.grouped(part, n))
                seen = self.ungrouped(seen, len(part), (self.shape[1], *kernel), part.shape[2:])
                add_windows(seen, gx, self.stride, self.dilation, rows.start)
            out[images] = gx[inside(self.shape[2:], self.padding)]
        return out

    def backward(self, ggx: Tensor) -> Any:
        gy, weight = self.saved
        params = without(self.params, "shape")
        ggy = _convolve_to(gy._array.shape, ggx, conj(weight), params) if self.needs(0) else None
        kernel = weight._array.shape
        return ggy, ConvolutionWeightGradient.apply(ggx, conj(gy), **params, kernel=kernel) if self.needs(1) else None


class ConvolutionWeightGradient(Windowed):
    saves = (0, 1)
    kernel: Sizes

    def forward(self, x: Any, gy: Any, out: Any = None) -> Any:
        xp, groups, n = self.xp, self.groups, x.ndim - 2
        if self.kernel[1] == 1 and groups > 1 and math.prod(self.stride) == 1:
            gw = depthwise_weights(self, x, gy, self.kernel[2:]).reshape(self.kernel)
            return gw if out is None else xp.copyto(out, gw) or out
        gw = xp.zeros((groups, self.kernel[0] // groups, math.prod(self.kernel[1:])), gy.dtype)
        for block, columns in self.columns(x, self.kernel[2:], gy.shape[2:]):
            rows = self.grouped(gy[block], n)
            gw += xp.sum(xp.matmul(rows, xp.swapaxes(columns, -1, -2)), axis=0)
        gw = gw.reshape(self.kernel)
        return gw if out is None else xp.copyto(out, gw) or out

    def backward(self, ggw: Tensor) -> Any:
        x, gy = self.saved
        params = without(self.params, "kernel")
        gx = ConvolutionInputGradient.apply(conj(gy), ggw, **params, shape=x._array.shape) if self.needs(0) else None
        return gx, _convolve_to(gy._array.shape, conj(x), ggw, params) if self.needs(1) else None


def _convolve_to(shape: Sizes, x: Tensor, weight: Tensor, params: dict[str, Any]) -> Tensor:
    """Return the convolution at the places of an array of this shape.

    A transposed convolution with ``output_padding`` has more room than its input had places.
    """
    y = Convolution.apply(x, weight, **params)
    return y if y._array.shape == shape else getitem(y, (..., *map(slice, shape[2:])))
