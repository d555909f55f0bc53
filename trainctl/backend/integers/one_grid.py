"""A product of float numbers with codes, all of the numbers brought to one grid first: PyTorch's dynamic quantization."""

from __future__ import annotations

from typing import Any

import numpy

from trainctl.backend.affine import QParams
from trainctl.backend.arrays import Array
from trainctl.backend.integer_products import linear
from trainctl.backend.integers.finish import Finish
from trainctl.backend.integers.weights import IntegerWeights
from trainctl.backend.quantized_array import chosen, codes_of
from trainctl.backend.quantized_dtypes import quint8


def linear_of_one_grid(x: Array, weights: IntegerWeights, bias: Any, relu: bool, highest: int) -> Array:
    """Return float32 ``[*, N]`` from float numbers ``[*, K]``, all on the grid that spans them with codes to ``highest``.

    Example:
        >>> weights = IntegerWeights(numpy.int8([[1, 2]]), QParams(0.5, 0, "int8"))
        >>> linear_of_one_grid(numpy.float32([[127.0, 0.0]]), weights, None, False, 127)
        array([[63.5]], dtype=float32)
    """
    x = x.astype(numpy.float32, copy=False)
    scale, zero_point = chosen(x, 0, highest) if x.size else (1.0, 0)
    y = linear(codes_of(x, quint8, scale, zero_point), Finish(QParams(scale, zero_point), weights))
    if bias is not None:
        y += bias
    return numpy.maximum(y, numpy.float32(0)) if relu else y
