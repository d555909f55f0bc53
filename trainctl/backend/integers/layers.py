"""Integer layers as compiled loops (:mod:`trainctl.backend.integers.loops`) take them."""

from __future__ import annotations

import numpy

from trainctl.backend.arrays import Array
from trainctl.backend.integers import loops, tile
from trainctl.backend.integers.finish import Finish
from trainctl.backend.integers.weights import IntegerWeights

ROWS = 32  # whose sums are in the cache together


def signed(weights: IntegerWeights) -> tuple[Array, Array]:
    """Return codes as int8 ``[N, K]``, and their zero points."""
    key = "signed"
    if key not in weights.factors:
        codes, shift = weights.codes.reshape(len(weights.codes), weights.depth), 0
        if codes.dtype == numpy.uint8:
            codes, shift = (codes ^ numpy.uint8(128)).view(numpy.int8), 128
        weights.factors[key] = codes, weights.zero_point - shift
    return weights.factors[key]


def panels(codes: Array, groups: int, run: int) -> Array:
    """Return int8 weights ``[O, K]``, runs of ``run`` one after another, in panels ``[P, steps, lanes * 4]``.

    Runs are filled up with zeros to whole words of 4, and the outputs of a group to whole panels.
    """
    outputs, depth = codes.shape
    width, each, count = tile.lanes(), outputs // groups, depth // max(1, run)
    many, words = -(-each // width), -(-run // tile.TOGETHER)
    room = numpy.zeros((groups, many * width, count, words * tile.TOGETHER), numpy.int8)
    room[:, :each, :, :run] = codes.reshape(groups, each, count, run)
    apart = room.reshape(groups, many, width, count * words, tile.TOGETHER).transpose(0, 1, 3, 2, 4)
    return numpy.ascontiguousarray(apart).reshape(groups * many, count * words, width * tile.TOGETHER)


class Layer:
    """A layer as the loops take it.

    Args:
        finish: the layer; its weights are ``[O, K]``.
        flip: 128 if the inputs are int8, else 0.
        runs: where each run of bytes begins that a row sees.
        run: how many bytes each has.
        groups: of inputs and outputs.
        sums: whether sums are all that is wanted.

    Attributes:
        arguments: what the loops take for the layer.
        flip: the same.
        zero_code: what stands for 0 in the inputs, once they are uint8.
    """

    def __init__(self, finish: Finish, flip: int, runs: Array, run: int, groups: int = 1, sums: bool = False) -> None:
        codes, _ = signed(finish.weights)
        outputs = len(codes)
        each = outputs // groups
        self.flip, self.zero_code, self.depth = flip, int(finish.x.zero_point) + flip, codes.shape[1]
        packed, taps = _packed(finish.weights, groups, run)
        if taps.size:  # to the finish it is one group, whose outputs are the channels
            width, each, groups = taps.shape[1], outputs, 1
        else:
            width = len(packed) // groups * tile.lanes()
        start = finish.offset - self.zero_code * codes.sum(1, dtype=numpy.int64)
        multiplier = numpy.zeros(outputs, numpy.float32) if sums else finish.multiplier
        self.arguments = (
            (groups, run, each),
            runs,
            packed,
            taps,
            _spread(start.astype(numpy.int32), groups, width),
            _spread(multiplier, groups, width),
            _limits(finish),
            loops.SUMS if sums else _how(finish),
        )

    def sums(self) -> Array:
        """Return scratch for the sums of some rows."""
        return numpy.empty((ROWS, self.arguments[4].size), numpy.int32)


def _packed(weights: IntegerWeights, groups: int, run: int) -> tuple[Array, Array]:
    """Return panels, and ``[runs, channels]``: whichever is not for such a layer is empty."""
    key = "panels", groups, run
    if key not in weights.factors:
        codes, _ = signed(weights)
        if run == 1 and groups == len(codes) > 1:
            taps = numpy.zeros((codes.shape[1], -(-groups // tile.lanes()) * tile.lanes()), numpy.int8)
            taps[:, :groups] = codes.T
            weights.factors[key] = numpy.empty((0, 0, 0), numpy.int8), taps
        else:
            weights.factors[key] = panels(codes, groups, run), numpy.empty((0, 0), numpy.int8)
    return weights.factors[key]


def _spread(values: Array, groups: int, width: int) -> Array:
    """Return what belongs to outputs in the order of the panels', with zeros between groups."""
    room = numpy.zeros((groups, width), values.dtype)
    room[:, : len(values) // groups] = values.reshape(groups, -1)
    return room.reshape(-1)


def _limits(finish: Finish) -> tuple[float, float, float]:
    if finish.y is None:
        return 0.0, 0.0, 0.0
    zero_point = int(finish.y.zero_point)
    return float(zero_point), float(finish.lowest - zero_point), float(finish.y.quant_max - zero_point)


def _how(finish: Finish) -> int:
    if finish.y is not None:
        return loops.CODES
    return loops.RECTIFIED if finish.relu else loops.FLOATS
