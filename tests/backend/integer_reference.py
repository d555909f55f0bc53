"""Layers of integers drawn at random, and what they give by another way: int64 sums tap by tap, rounding by floor."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from trainctl.backend import jit
from trainctl.backend.affine import QParams
from trainctl.backend.integer_products import Finish, IntegerWeights, convolution, linear

RANGES = {"uint8": (0, 255), "int8": (-128, 127)}


@contextmanager
def with_numpy_alone() -> Iterator[None]:
    """Compute without compiled loops inside the block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jit, "available", lambda: False)
        yield


def same(a: Any, b: Any) -> bool:
    """Whether two arrays are, to the bit."""
    return (a.dtype, a.shape) == (b.dtype, b.shape) and a.tobytes() == b.tobytes()


def half_even(values: Any) -> Any:
    """Float64 numbers, rounded to whole ones, ties to the even one."""
    below = np.floor(values)
    rest = values - below
    return below + ((rest > 0.5) | ((rest == 0.5) & (below % 2 == 1)))


def wrapped(sums: Any) -> Any:
    """Int64 as 32 bits hold it."""
    return (sums + 2**31) % 2**32 - 2**31


def product32(a: Any, b: Any) -> Any:
    """The product of float32 numbers, rounded once: float64 has it exactly."""
    return (np.float64(a) * np.float64(b)).astype(np.float32)


def finished(sums: Any, finish: Finish) -> Any:
    """What is made of int64 sums ``[M, N]``."""
    if finish.bias is not None:
        sums = sums + finish.bias.astype(np.int64)
    values = np.float64(wrapped(sums)).astype(np.float32)
    scale = product32(np.float32(finish.x.scale), np.broadcast_to(finish.weights.qparams.scale, sums.shape[1]))
    if finish.y is None:
        real = product32(values, scale)
        return np.where(real < 0, np.float32(0), real) if finish.relu else real
    factor = (np.float64(scale) / np.float64(finish.y.scale)).astype(np.float32)  # a quotient's double rounding is none
    codes = half_even(np.float64(product32(values, factor))) + int(finish.y.zero_point)
    codes = np.clip(codes, finish.y.quant_min, finish.y.quant_max)
    return (np.maximum(codes, int(finish.y.zero_point)) if finish.relu else codes).astype(finish.y.dtype)


@dataclass
class Case:
    """A layer on codes.

    Attributes:
        x: codes, laid out in memory in any way.
        finish: the layer.
        options: stride, padding, dilation and groups of a convolution; None: a linear layer.
    """

    x: Any
    finish: Finish
    options: tuple[Any, ...] | None

    def computed(self) -> Any:
        """What the engine gives."""
        return linear(self.x, self.finish) if self.options is None else convolution(self.x, self.finish, *self.options)

    def expected(self) -> Any:
        """What the definition gives."""
        weights = self.finish.weights
        zero_point = np.broadcast_to(weights.qparams.zero_point, len(weights.codes)).astype(np.int64)
        right = weights.codes.astype(np.int64) - zero_point.reshape(-1, *[1] * (weights.codes.ndim - 1))
        left = self.x.astype(np.int64) - int(self.finish.x.zero_point)
        if self.options is None:
            sums = left.reshape(-1, left.shape[-1]) @ right.T if left.size else np.zeros((0, len(right)), np.int64)
            if not left.shape[-1]:
                sums = np.zeros((int(np.prod(left.shape[:-1])), len(right)), np.int64)
            return finished(sums, self.finish).reshape(*left.shape[:-1], len(right))
        sums = convolved(left, right, *self.options)
        rows = np.moveaxis(sums, 1, -1)
        return np.moveaxis(finished(rows.reshape(-1, len(right)), self.finish).reshape(rows.shape), -1, 1)


def convolved(x: Any, weight: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """The convolution of int64 ``[N, C, *spatial]``: for each tap, the places that it sees."""
    n = len(stride)
    x = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)])
    along = zip(x.shape[2:], weight.shape[2:], stride, dilation, strict=True)
    counts = [(size - (k - 1) * d - 1) // s + 1 for size, k, s, d in along]
    sums = np.zeros((len(x), len(weight), *counts), np.int64)
    each, outputs = weight.shape[1], len(weight) // groups
    for tap in itertools.product(*map(range, weight.shape[2:])):
        where = [
            slice(t * d, t * d + (c - 1) * s + 1, s) for t, d, c, s in zip(tap, dilation, counts, stride, strict=True)
        ]
        seen = x[(slice(None), slice(None), *where)]
        for output in range(len(weight)):
            first = output // outputs * each
            factors = weight[(output, slice(None), *tap)].reshape(1, each, *[1] * n)
            sums[:, output] += (seen[:, first : first + each] * factors).sum(1)
    return sums


def drawn(random: np.random.Generator) -> Case:
    """A small layer of any kind."""
    options, x_shape, weight_shape = _convolution(random) if random.random() < 0.6 else _linear(random)
    x_type, weight_type, y_type = (str(random.choice(["uint8", "int8"])) for _ in range(3))
    x = _laid_out(random, random.integers(*RANGES[x_type], x_shape, endpoint=True).astype(x_type))
    low, high = RANGES[weight_type]
    codes = random.integers(low, high, weight_shape, endpoint=True).astype(weight_type)
    outputs = weight_shape[0]
    if random.random() < 0.2:
        codes[...] = random.choice([low, high])
    zero_points = random.integers(low, high, outputs, endpoint=True) * (random.random() < 0.4)
    scales = 10.0 ** random.uniform(-4, 0, outputs)
    per_tensor = random.random() < 0.3 or not outputs
    grid = QParams(0.01, int(random.integers(low, high)), weight_type) if per_tensor else QParams(scales, zero_points, weight_type, axis=0)  # fmt: skip
    most = float(random.choice([100, 1e5, 2.0**31 - 1]))
    bias = random.uniform(-most, most, outputs).astype(np.int32) if random.random() < 0.7 else None
    weights = IntegerWeights(codes, grid)
    finish = Finish(_grid(random, x_type), weights, bias, _output_grid(random, y_type, x_shape), random.random() < 0.4)
    return Case(x, finish, options)


def _grid(random: np.random.Generator, dtype: str) -> QParams:
    low, high = RANGES[dtype]
    zero_point = int(random.choice([low, high, 0, random.integers(low, high)]))
    return QParams(10.0 ** random.uniform(-3, 0), zero_point, dtype)


def _output_grid(random: np.random.Generator, dtype: str, x_shape: tuple[int, ...]) -> QParams | None:
    if random.random() < 0.3:
        return None
    low, high = RANGES[dtype]
    limits = (low, high) if random.random() < 0.8 else (low + 1, high - 30)
    zero_point = int(random.choice([*limits, random.integers(*limits)]))
    return QParams(10.0 ** random.uniform(-2, 2), zero_point, dtype, *limits)


def _size(random: np.random.Generator, most: int, least: int = 1) -> int:
    """A size, often one of the least."""
    return int(random.integers(least, least + 2) if random.random() < 0.2 else random.integers(least, most + 1))


def _linear(random: np.random.Generator) -> tuple[None, tuple[int, ...], tuple[int, ...]]:
    depth = _size(random, 70, 0) if random.random() < 0.9 else int(random.integers(250, 700))
    lead = [(), (_size(random, 40, 0),), (_size(random, 5, 0), _size(random, 4))][int(random.integers(3))]
    return None, (*lead, depth), (_size(random, 70), depth)


def _convolution(random: np.random.Generator) -> tuple[tuple[Any, ...], tuple[int, ...], tuple[int, ...]]:
    n = int(random.choice([1, 2, 2, 2, 3]))
    groups = int(random.choice([1, 1, 1, 2, 3, 5]))
    each = 1 if groups > 1 and random.random() < 0.5 else _size(random, 20 if groups == 1 else 3)
    outputs = groups * _size(random, 34 if groups == 1 else 3)
    kernel = [int(random.choice([1, 1, 2, 3, 3])) for _ in range(n)]
    stride, dilation = ([int(random.choice([1, 1, 1, 2, 3])) for _ in range(n)] for _ in range(2))
    padding = [int(random.integers(0, 3)) for _ in range(n)]
    reach = [max(1, (k - 1) * d + 1 - 2 * p) for k, d, p in zip(kernel, dilation, padding, strict=True)]
    spatial = [int(random.integers(least, least + (12 if n < 3 else 4))) for least in reach]
    options = tuple(stride), tuple(padding), tuple(dilation), groups
    return options, (_size(random, 3, 0), groups * each, *spatial), (outputs, each, *kernel)


def _laid_out(random: np.random.Generator, x: Any) -> Any:
    """The same codes, perhaps not in order in memory."""
    match int(random.integers(5)):
        case 0:
            return x.T.copy().T
        case 1 if x.ndim > 2:
            return np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1)
        case 2 if x.ndim:
            return np.repeat(x, 2, -1)[..., ::2]
        case 3:
            return x[..., ::-1].copy()[..., ::-1]
        case _:
            return x
