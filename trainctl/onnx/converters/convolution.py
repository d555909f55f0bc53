"""Convolutions, their transposes, and windows as columns."""

from __future__ import annotations

import math

import numpy

from trainctl.autograd.ops import convolution_products, unfold
from trainctl.onnx.operands import Applied
from trainctl.onnx.sizes import Size


def convolution(a: Applied) -> str:
    """``Conv``; the sizes are the same on both sides."""
    return a.graph.op("Conv", a.x, a.name(1), a.name(2), **_options(a), group=a.groups)


def _options(a: Applied) -> dict[str, list[int]]:
    return {"strides": list(a.stride), "pads": [*a.padding, *a.padding], "dilations": list(a.dilation)}


def transposed(a: Applied) -> str:
    """``ConvTranspose``: what a convolution's gradient does; ``shape`` says how large the output is."""
    kernel = a.inputs[1].shape[2:]
    sizes = zip(a.inputs[0].shape[2:], kernel, a.stride, a.padding, a.dilation, strict=True)
    least = [(size - 1) * step - 2 * pad + spread * (k - 1) + 1 for size, k, step, pad, spread in sizes]
    extra = [wanted - each for wanted, each in zip(a.shape[2:], least, strict=True)]
    if any(isinstance(each, Size) for each in extra):
        raise a.unsupported("an output whose size does not follow the input's")
    padding = extra if any(extra) else None
    return a.graph.op(
        "ConvTranspose", a.x, a.name(1), **_options(a), group=a.groups, output_padding=padding
    )  # fmt: skip


def _one_hot(a: Applied, channels: int) -> str:
    """Return filters that each take one element of the window, for each channel."""
    count = math.prod(a.kernel)
    filters = numpy.tile(numpy.eye(count, dtype=a.outputs[0].dtype), (channels, 1))
    return a.graph.constant(filters.reshape(channels * count, 1, *a.kernel))


def unfolded(a: Applied) -> str:
    """Windows as columns ``[N, C * elements, places]``: a convolution whose filters take one element each."""
    channels = a.inputs[0].shape[1]
    y = a.graph.op("Conv", a.x, _one_hot(a, channels), **_options(a), group=channels)
    return a.graph.reshape(y, a.outputs[0].shape)


def folded(a: Applied) -> str:
    """Columns added back to an image."""
    g, columns = a.graph, a.inputs[0].shape
    sizes = zip(a.spatial, a.kernel, a.stride, a.padding, a.dilation, strict=True)
    places = [(size + 2 * pad - spread * (k - 1) - 1) // step + 1 for size, k, step, pad, spread in sizes]
    rest = zip(a.spatial, a.kernel, a.stride, a.padding, a.dilation, places, strict=True)
    extra = [size - ((n - 1) * step - 2 * pad + spread * (k - 1) + 1) for size, k, step, pad, spread, n in rest]
    channels = columns[1] // math.prod(a.kernel)
    seen = g.reshape(a.x, [columns[0], columns[1], *places])
    padding = extra if any(extra) else None
    return g.op("ConvTranspose", seen, _one_hot(a, channels), **_options(a), group=channels, output_padding=padding)


CONVERTERS = {
    convolution_products.Convolution: convolution,
    convolution_products.ConvolutionInputGradient: transposed,
    unfold.Unfold: unfolded,
    unfold.Fold: folded,
}
