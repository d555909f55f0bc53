"""Neighbours in a trace that are cheaper together."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy

from trainctl.autograd.ops.embedding import SumRows
from trainctl.plan.liveness import read_by, values_in
from trainctl.plan.neighbours import Neighbours
from trainctl.plan.norm_fusion import gradients_rectified, outputs_rectified, running_statistics
from trainctl.plan.pool_fusion import pooled
from trainctl.plan.trace import Apply, Gradient, Record, RowsGradient, Value

_FEW = 4  # a gradient is kept as rows where the table has at least so many times the rows that can be used


def fused(records: list[Record], result: Any, compiled: bool) -> list[Record]:
    """Return records that do the same with less work.

    Args:
        records: of a trace, their values laid out.
        result: what the step returns.
        compiled: whether loops may be Numba's; what is fused has no others.
    """
    if not compiled:
        return records
    for fuse in (pooled, outputs_rectified, gradients_rectified, running_statistics):
        near = Neighbours(records, result)
        fuse(near)
        records = near.records()
    readers = Counter(value.root for record in records for value in read_by(record))
    readers.update(value.root for value in values_in(result))
    return _gradients_of_rows(records, readers)


def _gradients_of_rows(records: list[Record], readers: Counter[Value]) -> list[Record]:
    """Leave the gradient of a table as rows where nobody but its leaf takes it."""
    changed: list[Record] = []
    for record in records:
        source = changed[-1] if changed else None
        if isinstance(record, Gradient) and isinstance(source, Apply) and _takes_rows(record, source, readers):
            changed[-1] = RowsGradient(record.leaf, record.value, "take", source)
        else:
            changed.append(record)
    return changed


def _takes_rows(record: Gradient, source: Apply, readers: Counter[Value]) -> bool:
    """Return whether a leaf, and nobody else, takes what the record before has summed of few rows."""
    if source.op is not SumRows or record.how != "take" or record.value is not source.outputs[0]:
        return False
    x, index = source.inputs
    is_few = source.params["rows"] >= _FEW * math.prod(index.shape)
    return is_few and x.dtype == numpy.float32 and readers[record.value.root] == 1
