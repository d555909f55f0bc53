"""Where each array of a plan lies: buffers placed by lifetime in one block of memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy

ALIGNMENT = 64  # bytes: a cache line, and the widest vector register


@dataclass(frozen=True, slots=True)
class Life:
    """What a buffer needs.

    Attributes:
        size: bytes.
        start: the first step that uses it.
        end: the last one.
    """

    size: int
    start: int
    end: int


def place(lives: Sequence[Life]) -> tuple[list[int], int]:
    """Return an offset for each buffer and the size of the block; buffers that live at once never overlap.

    The largest come first, each at the lowest place that is free during its life (greedy by size: Pisarchyk and
    Lee, 2020).

    Example:
        >>> place([Life(64, 0, 1), Life(64, 2, 3), Life(64, 1, 2)])
        ([0, 0, 64], 128)
    """
    offsets = [0] * len(lives)
    placed: list[int] = []
    total = 0
    for number in sorted(range(len(lives)), key=lambda i: (-lives[i].size, lives[i].start)):
        life = lives[number]
        beside = sorted(
            (offsets[i], offsets[i] + _aligned(lives[i].size))
            for i in placed
            if lives[i].start <= life.end and life.start <= lives[i].end
        )
        offset = 0
        for start, end in beside:
            if start - offset >= life.size:
                break
            offset = max(offset, end)
        offsets[number] = offset
        total = max(total, offset + _aligned(life.size))
        placed.append(number)
    return offsets, total


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def block(size: int) -> Any:
    """Return ``size`` bytes of memory that begin at a multiple of the alignment."""
    raw = numpy.empty(size + ALIGNMENT, numpy.uint8)
    start = -raw.__array_interface__["data"][0] % ALIGNMENT
    return raw[start : start + size]


def array_in(memory: Any, offset: int, shape: tuple[int, ...], dtype: Any, strides: tuple[int, ...]) -> Any:
    """Return an array over a part of a block, its dimensions in memory in the order that ``strides`` says."""
    size = math.prod(shape) * dtype.itemsize
    order = memory_order(shape, strides)
    flat = memory[offset : offset + size].view(dtype)
    return flat.reshape([shape[i] for i in order]).transpose(numpy.argsort(order) if order else None)


def stand_in(value: Any) -> Any:
    """Return an array laid out as a value that is no view; of memory that nobody touches, so it costs none."""
    if value.array is not None:
        return value.array
    size = math.prod(value.shape) * value.dtype.itemsize
    return array_in(numpy.empty(size, numpy.uint8), 0, value.shape, value.dtype, value.strides)


def memory_order(shape: tuple[int, ...], strides: tuple[int, ...]) -> list[int]:
    """Return the dimensions from the slowest to the fastest.

    Example:
        >>> memory_order((2, 3), (4, 8))
        [1, 0]
    """
    # A dimension of size 1 (its stride means nothing) stays where it stands.
    places = [i for i, size in enumerate(shape) if size != 1]
    ranked = iter(sorted(places, key=lambda i: -abs(strides[i])))
    return [i if shape[i] == 1 else next(ranked) for i in range(len(shape))]


def strides_in(shape: tuple[int, ...], itemsize: int, order: Sequence[int]) -> tuple[int, ...]:
    """Return the strides of an array whose dimensions lie in memory in this order, slowest first.

    Example:
        >>> strides_in((2, 3, 4, 5), 4, (0, 2, 3, 1))
        (240, 4, 60, 12)
    """
    strides, step = [0] * len(shape), itemsize
    for dim in reversed(order):
        strides[dim] = step
        step *= shape[dim]
    return tuple(strides)
