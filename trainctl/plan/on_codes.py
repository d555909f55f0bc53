"""Numbers that were codes, and become codes of the same grid again, stay codes: also while they are pooled or moved.

``Q(DQ(codes))`` is ``codes``, bit for bit, and the largest of several numbers has the largest of their codes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy

from trainctl.autograd.ops.pooling_along import MaxAlong
from trainctl.autograd.ops.quantized import DequantizeLinear, QuantizeLinear
from trainctl.autograd.ops.shape import Clone
from trainctl.backend.affine import QParams
from trainctl.plan.fused_ops import LargestCodes
from trainctl.plan.liveness import read_by, values_in
from trainctl.plan.trace import Apply, Record, Trace, Value, Write

_FAR = 1e30  # scales from here on, or as small, may leave the range of float32 on the way


def on_codes(trace: Trace) -> Trace:
    """Return a trace without the numbers between codes of one grid."""
    if not any(isinstance(each, Apply) and each.op is QuantizeLinear for each in trace.records):
        return trace
    return replace(trace, records=_Rewriting(trace).records())


class _Rewriting:
    """Records in which codes take the place of others.

    Args:
        trace: the records.
    """

    def __init__(self, trace: Trace) -> None:
        self._given, self._next = trace.records, len(trace.values)
        applied = [each for each in trace.records if isinstance(each, Apply)]
        self._maker = {value: each for each in applied for value in each.outputs}
        self._reads = Counter(value for each in trace.records for value in read_by(each))
        self._reads.update(values_in(trace.result))
        self._returned = {each.root for each in values_in(trace.result)}
        self._written = {each.inputs[0].root for each in applied if isinstance(each, Write)}
        self._same: dict[Value, Value] = {}  # the codes that stand for others
        self._after: dict[int, list[Record]] = {}  # new records, by the one that they follow

    def records(self) -> list[Record]:
        """Return the records; who reads codes that were made anew reads those that there were."""
        gone = {id(each) for each in self._given if self._is_undone(each)}
        result: list[Record] = []
        for record in self._given:
            if id(record) not in gone:
                result.append(self._renamed(record))
            result += self._after.get(id(record), [])
        return result

    def _is_undone(self, record: Record) -> bool:
        if not isinstance(record, Apply) or record.op is not QuantizeLinear or isinstance(record, Write):
            return False
        (codes,) = record.outputs
        if codes.root in self._returned or codes.root in self._written or not isinstance(record.inputs[0], Value):
            return False
        grid: QParams = record.params["qparams"]
        if grid.axis is not None or not 1 / _FAR < grid.scale < _FAR:
            return False
        found = self._codes_of(record.inputs[0], grid)
        if found is None:
            return False
        self._same[codes] = found
        return True

    def _codes_of(self, value: Value, grid: QParams) -> Value | None:
        """Return the codes of numbers on a grid, if there are such, or can be without the numbers."""
        maker = self._maker.get(value)
        if maker is None or isinstance(maker, Write) or value.root in self._written:
            return None
        source = maker.inputs[0]
        if maker.op is DequantizeLinear:
            same = maker.params["qparams"] == grid and source.root not in self._written
            return self._same.get(source, source) if same else None
        if not (maker.is_view or maker.op is Clone or _is_largest(maker)) or len(maker.inputs) != 1:
            return None
        if self._reads[value] != 1 or len(maker.outputs) != 1 or not isinstance(source, Value):
            return None
        codes = self._codes_of(source, grid)
        return None if codes is None else self._moved(maker, value, codes)

    def _moved(self, maker: Apply, value: Value, codes: Value) -> Value:
        """Return the codes to which an op brings others; its record comes after that of the numbers."""
        steps = tuple(step // value.dtype.itemsize * codes.dtype.itemsize for step in value.strides)
        base = codes.root if maker.is_view else None
        made = Value(self._next, value.shape, codes.dtype, steps, "made", base=base)
        self._next += 1
        pooled = self._maker.get(codes)
        op, params, source = maker.op, maker.params, codes
        if (
            isinstance(pooled, Apply)
            and pooled.op is op is MaxAlong
            and pooled.params["dim"] == -1
            and params["dim"] == -2
        ):
            op, params, source = LargestCodes, {"along": pooled.params, "down": params}, pooled.inputs[0]
        self._maker[made] = Apply(op, params, (source,), (made,), maker.module, maker.is_view)
        self._after.setdefault(id(maker), []).append(self._maker[made])
        return made

    def _renamed(self, record: Record) -> Record:
        if not isinstance(record, Apply) or not any(
            each in self._same for each in record.inputs if isinstance(each, Value)
        ):
            return record
        inputs = tuple(self._same.get(each, each) if isinstance(each, Value) else each for each in record.inputs)
        if record.is_view:
            for each in record.outputs:
                each.base = inputs[0].root
        return type(record)(record.op, record.params, inputs, record.outputs, record.module, record.is_view)


def _is_largest(record: Apply) -> bool:
    return record.op is MaxAlong and not record.params["chooses"] and record.inputs[0].dtype == numpy.float32
