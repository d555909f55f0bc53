"""Layers whose sums are of products of integers, exact in int32, and are then brought to a grid or to float32."""

from __future__ import annotations

import math

import numpy

from trainctl.backend.affine import QParams, dequantize, quantize, requantize
from trainctl.backend.arrays import Array
from trainctl.backend.integers import by_blas, compiled, dynamic
from trainctl.backend.integers.finish import Finish, bias_codes
from trainctl.backend.integers.places import Places, Sizes
from trainctl.backend.integers.running import run
from trainctl.backend.integers.weights import IntegerWeights

__all__ = [
    "Finish", "IntegerWeights", "QParams", "bias_codes", "convolution", "dequantize", "dynamic_linear", "linear",
    "multiply", "quantize", "requantize",
]  # fmt: skip


def multiply(x: Array, x_zero_point: int, weights: IntegerWeights) -> Array:
    """Return ``(x - x_zero_point) @ (codes - zero_point).T`` in int32, which wraps.

    Args:
        x: codes ``[M, K]``.
        x_zero_point: the code of 0 in them.
        weights: ``[N, K]``; what has more dims is seen as that.
    """
    return by_blas.multiply(x, x_zero_point, weights)


def linear(x: Array, finish: Finish, out: Array | None = None) -> Array:
    """Return ``[*, N]`` from codes ``[*, K]`` and weights ``[N, K]``."""
    outputs = len(finish.weights.codes)
    rows = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
    if out is None:
        out = numpy.empty((*x.shape[:-1], outputs), finish.dtype)
    flat = out.reshape(len(rows), outputs)
    if flat.flags.c_contiguous and compiled.takes(finish, rows, flat):
        run(compiled.linear(rows, finish, flat))
    else:
        by_blas.linear(rows, finish, flat)
    if not numpy.may_share_memory(flat, out):
        out[...] = flat.reshape(out.shape)
    return out


def dynamic_linear(x: Array, weights: IntegerWeights, bias: Array | None = None) -> Array:
    """Return float32 ``[*, N]`` from float numbers ``[*, K]``, each row brought to a grid of its own first."""
    rows = x.reshape(math.prod(x.shape[:-1]), x.shape[-1]).astype(numpy.float32, copy=False)
    return dynamic.linear(rows, weights, bias).reshape(*x.shape[:-1], len(weights.codes))


def convolution(
    x: Array,
    finish: Finish,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    groups: int,
    out: Array | None = None,
) -> Array:
    """Return ``[N, O, *places]`` from codes ``[N, C, *spatial]`` and weights ``[O, C / groups, *kernel]``.

    What is padded is 0, which is the code ``x_zero_point``.

    Raises:
        ValueError: the kernel is larger than an image with its padding.
    """
    codes = finish.weights.codes
    places = Places(x.shape[2:], codes.shape[2:], stride, padding, dilation)
    if out is None:
        out = numpy.empty((len(x), len(codes), *places.counts), finish.dtype)
    image, target = numpy.moveaxis(x, 1, -1), numpy.moveaxis(out, 1, -1)
    if compiled.takes(finish, x, out):
        in_order = target if target.flags.c_contiguous else numpy.empty(target.shape, target.dtype)
        run(compiled.convolution(image, finish, places, groups, in_order))
        if in_order is not target:
            target[...] = in_order
    else:
        by_blas.convolution(image, finish, places, groups, target)
    return out
