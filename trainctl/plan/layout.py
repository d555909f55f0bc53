"""How the arrays of a plan lie in memory.

Images go channels last: what a window sees is then a few long runs, and each product of a convolution has the
channels as its columns. Their shapes stay ``[N, C, H, W]``; only the strides differ.
"""

from __future__ import annotations

import numpy

from trainctl.autograd.ops.convolution_products import Convolution, ConvolutionInputGradient, ConvolutionWeightGradient
from trainctl.autograd.ops.quantized import QuantizedConvolution
from trainctl.backend.arrays import Array
from trainctl.plan.memory import stand_in, strides_in
from trainctl.plan.trace import Apply, Record, Value, Write

CHANNELS_LAST = (0, 2, 3, 1)


def lay_out(records: list[Record]) -> None:
    """Choose the strides of the values made here, and find out which views are still views with them."""
    for value in _images(records):
        value.strides = strides_in(value.shape, value.dtype.itemsize, CHANNELS_LAST)
    _settle_views(records)


def _images(records: list[Record]) -> set[Value]:
    """Return the values that hold images which a convolution made, or something made from such."""
    found: set[Value] = set()
    for record in records:
        if not isinstance(record, Apply) or record.is_view or record.op is ConvolutionWeightGradient:
            continue
        if _is_plain_convolution(record) or any(each in found for each in record.inputs if isinstance(each, Value)):
            batch = next(each.shape[0] for each in record.inputs if isinstance(each, Value) and len(each.shape) == 4)
            found.update(each for each in record.outputs if len(each.shape) == 4 and each.shape[0] == batch)
    written = {record.inputs[0].root for record in records if isinstance(record, Write)}
    return {each for each in found if each.base is None and each not in written}


def _is_plain_convolution(record: Apply) -> bool:
    if record.op is QuantizedConvolution:
        return len(record.inputs[0].shape) == 4
    if record.op not in (Convolution, ConvolutionInputGradient) or record.params["groups"] != 1:
        return False
    return len(record.inputs[0].shape) == 4 and record.inputs[0].dtype.kind == "f"


def _settle_views(records: list[Record]) -> None:
    """Make a copy of each view that the memory's new layout does not allow."""
    seen: dict[Value, Array] = {}
    for record in records:
        if not isinstance(record, Apply) or not record.is_view:
            continue
        source = record.inputs[0]
        if source not in seen:
            seen[source] = stand_in(source)
        arrays = [seen[source], *record.inputs[1:]]
        with numpy.errstate(all="ignore"):
            result = record.node().forward(*arrays)
        results = result if isinstance(result, tuple) else (result,)
        record.is_view = all(numpy.may_share_memory(each, seen[source]) for each in results)
        for value, array in zip(record.outputs, results, strict=True):
            if value is source:
                continue
            value.base = source.root if record.is_view else None
            value.strides, seen[value] = array.strides, array
