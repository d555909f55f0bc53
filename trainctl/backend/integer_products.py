"""Products of integers, exact in int32, and what is made of their sums."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy

from trainctl.backend.affine import QParams, quantize, requantize
from trainctl.backend.arrays import Array


@dataclass(frozen=True, eq=False)
class IntegerWeights:
    """The weights of a layer as codes, and what is made of them once.

    Attributes:
        codes: int8 or uint8, ``[N, K]``, or ``[O, C / groups, *kernel]``.
        qparams: their grid; with an axis it is 0.
    """

    codes: Array
    qparams: QParams

    @property
    def scale(self) -> Array:
        """The scale of each output, float32 ``[N]``."""
        return numpy.broadcast_to(self.qparams.scale, len(self.codes))

    def part(self, outputs: slice) -> IntegerWeights:
        """Return the weights of some outputs."""
        grid = self.qparams
        if grid.axis is not None:
            zero_point = numpy.broadcast_to(grid.zero_point, len(self.codes))[outputs]
            grid = QParams(grid.scale[outputs], zero_point, grid.dtype, axis=0)
        return IntegerWeights(self.codes[outputs], grid)


@dataclass(frozen=True, eq=False)
class Finish:
    """What is made of sums of products ``[M, N]``: codes of the grid ``y``, or float32 where that is None.

    Attributes:
        x: the grid of the input.
        weights: the weights.
        bias: int32 ``[N]``, in units of the product of both scales, as ONNX's QLinearConv has it; None: none.
        y: the grid of the output.
        relu: whether what is below 0 becomes 0.
    """

    x: QParams
    weights: IntegerWeights
    bias: Array | None = None
    y: QParams | None = None
    relu: bool = False

    def __call__(self, sums: Array) -> Array:
        """Return the output ``[M, N]``."""
        if self.bias is not None:
            sums = sums + self.bias
        scale = numpy.float32(self.x.scale) * self.weights.scale
        if self.y is None:
            values = sums.astype(numpy.float32) * scale
            return numpy.maximum(values, numpy.float32(0)) if self.relu else values
        codes = requantize(sums, scale / numpy.float32(self.y.scale), self.y)
        return numpy.maximum(codes, codes.dtype.type(self.y.zero_point)) if self.relu else codes


def bias_codes(bias: Any, x: QParams, weights: IntegerWeights) -> Array | None:
    """Return a float bias ``[N]`` as int32, in units of the product of both scales; None stays None."""
    if bias is None:
        return None
    return quantize(numpy.asarray(bias, numpy.float32), QParams(x.scale * weights.scale, 0, "int32", axis=0))


def multiply(x: Array, x_zero_point: int, weights: IntegerWeights) -> Array:
    """Return ``(x - x_zero_point) @ (codes - zero_point).T`` in int32.

    Args:
        x: codes ``[M, K]``.
        x_zero_point: the code of 0 in them.
        weights: ``[N, K]``; what has more dims is seen as that.
    """
    codes = weights.codes.reshape(len(weights.codes), -1)
    zero_point: Any = numpy.reshape(weights.qparams.zero_point, (-1, 1))
    left = x.astype(numpy.float64) - x_zero_point
    right = codes.astype(numpy.float64) - zero_point
    return (left @ right.T).astype(numpy.int64).astype(numpy.int32)


def linear(x: Array, finish: Finish) -> Array:
    """Return ``[*, N]`` from codes ``[*, K]`` and weights ``[N, K]``."""
    sums = multiply(x.reshape(-1, x.shape[-1]), int(finish.x.zero_point), finish.weights)
    return finish(sums).reshape(*x.shape[:-1], len(finish.weights.codes))


def convolution(
    x: Array,
    finish: Finish,
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int,
) -> Array:
    """Return ``[N, O, *places]`` from codes ``[N, C, *spatial]`` and weights ``[O, C / groups, *kernel]``.

    What is padded is 0, which is the code ``x_zero_point``.
    """
    codes = finish.weights.codes
    n, outputs = codes.ndim - 2, len(codes)
    edges = [(0, 0), (0, 0), *((size, size) for size in padding)]
    centred = numpy.pad(x.astype(numpy.int16) - numpy.int16(finish.x.zero_point), edges)
    kernel = [(size - 1) * step + 1 for size, step in zip(codes.shape[2:], dilation, strict=True)]
    seen: Any = numpy.lib.stride_tricks.sliding_window_view(centred, kernel, tuple(range(2, 2 + n)))
    seen = seen[(..., *(slice(None, None, step) for step in dilation))]
    seen = seen[(slice(None), slice(None), *(slice(None, None, step) for step in stride))]
    places = seen.shape[2 : 2 + n]
    rows = numpy.moveaxis(seen, 1, 1 + n).reshape(len(x) * int(numpy.prod(places)), groups, -1)
    each = outputs // groups
    parts = [finish.weights.part(slice(each * group, each * (group + 1))) for group in range(groups)]
    sums = numpy.concatenate([multiply(rows[:, group], 0, part) for group, part in enumerate(parts)], 1)
    joined = finish(sums).reshape(len(x), *places, outputs)
    return numpy.ascontiguousarray(numpy.moveaxis(joined, -1, 1))
