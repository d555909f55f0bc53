"""The weights of dense layers and convolutions by output channel and by input channel, whatever their groups."""

from __future__ import annotations

from typing import Any

import numpy

Array = numpy.ndarray[Any, Any]


def weight_of(layer: Any) -> Array:
    """Return a layer's weight in float64."""
    array: Array = layer.weight.detach().double().cpu().numpy()
    return array


def by_output(layer: Any, weight: Array) -> Array:
    """Return ``[O, *]``.

    Example:
        >>> from trainctl import nn
        >>> layer = nn.ConvTranspose2d(4, 6, 3, groups=2)
        >>> by_output(layer, weight_of(layer)).shape, by_input(layer, weight_of(layer)).shape
        ((6, 18), (4, 3, 9))
    """
    whole, outputs, _ = _in_groups(layer, weight)
    rows = numpy.moveaxis(whole, outputs, 1)
    return rows.reshape(rows.shape[0] * rows.shape[1], rows.shape[2] * rows.shape[3])


def by_input(layer: Any, weight: Array) -> Array:
    """Return ``[inputs, outputs that see each, kernel elements]``."""
    whole, _, inputs = _in_groups(layer, weight)
    columns = numpy.moveaxis(whole, inputs, 1)
    return columns.reshape(columns.shape[0] * columns.shape[1], *columns.shape[2:])


def scaled(layer: Any, weight: Array, outputs: Any = None, inputs: Any = None) -> Array:
    """Return a weight times a factor for each output, ``[O]``, and for each input."""
    whole, *dims = _in_groups(layer, weight)
    for factor, dim in zip((outputs, inputs), dims, strict=True):
        if factor is not None:
            shape = [whole.shape[0], 1, 1, 1]
            shape[dim] = whole.shape[dim]
            whole = whole * factor.reshape(shape)
    return whole.reshape(weight.shape)


def response(layer: Any, constants: Array) -> Array:
    """Return what a layer makes, without its bias, of inputs that have one value each, ``[inputs]``: ``[O]``."""
    return by_output(layer, scaled(layer, weight_of(layer), inputs=constants)).sum(1)


def _in_groups(layer: Any, weight: Array) -> tuple[Array, int, int]:
    """Return a weight as ``[groups, *, *, kernel]``, and the dims of its outputs and its inputs within a group."""
    groups = getattr(layer, "groups", 1)
    kernel = int(numpy.prod(weight.shape[2:]))
    whole = weight.reshape(groups, weight.shape[0] // groups, weight.shape[1], kernel)
    return (whole, 2, 1) if getattr(layer, "transposed", False) else (whole, 1, 2)
