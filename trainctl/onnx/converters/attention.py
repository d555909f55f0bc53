"""The softmax of attention, with its mask."""

from __future__ import annotations

import math

from trainctl.autograd.ops import attention
from trainctl.onnx.operands import Applied


def masked_softmax(a: Applied) -> str:
    """Softmax along the last dim where the mask allows; 0 elsewhere, also in a row that it forbids altogether."""
    g, mask = a.graph, a.inputs[1]
    if mask is None:
        return g.op("Softmax", a.x, axis=-1)
    zero, nothing = a.number(0), a.number(-math.inf)
    if mask.dtype.kind == "b":
        allowed = mask.name
        scores = g.op("Where", allowed, a.x, nothing)
    else:
        allowed = g.op("Not", g.op("IsInf", mask.name, detect_positive=0))
        scores = g.op("Add", a.x, mask.name)
    return g.op("Where", allowed, g.op("Softmax", scores, axis=-1), zero)


CONVERTERS = {attention.MaskedSoftmax: masked_softmax}
