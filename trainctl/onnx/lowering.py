"""From traces to a graph: each traced op is handed to the converter of its class.

What a model writes in place becomes a new value here: the memory's other views are made again where they are next read.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy

from trainctl.autograd.op import Op
from trainctl.backend.quantized_array import QuantizedArray
from trainctl.onnx.errors import OnnxExporterError
from trainctl.onnx.graph import Graph
from trainctl.onnx.operands import Applied, Converter, Operand
from trainctl.onnx.sizes import Different, Size, merged
from trainctl.onnx.tracing import values_in
from trainctl.plan.trace import Apply, Trace, Value, Write


class Lowering:
    """Writes traces of one model, which differ in sizes alone, into a graph.

    Args:
        graph: where to.
        traces: the traces.
        converters: what writes each class of op.
        grids: of the values that are quantized tensors.
    """

    def __init__(
        self,
        graph: Graph,
        traces: list[Trace],
        converters: dict[type[Op], Converter],
        grids: dict[int, QuantizedArray] | None = None,
    ) -> None:
        self.graph, self.traces, self.converters = graph, traces, converters
        self.grids = grids or {}
        self.names: dict[int, str] = {}  # of the values that are in the graph
        self.made: list[tuple[int, str]] = []  # each value that an op made, with the name it had then
        self._operands: dict[int, Operand] = {}
        self._version: dict[int, int] = {}  # of each memory: how often it was written to
        self._seen: dict[int, int] = {}  # the version at which a value's name was right
        self._views: dict[int, Applied] = {}

    def run(self) -> None:
        """Write every op.

        Raises:
            OnnxExporterError: an op has no converter, or the traces differ in more than sizes.
        """
        self._check_records()
        wanted = self._wanted()
        for number, records in enumerate(zip(*(each.records for each in self.traces), strict=True)):
            if number in wanted:
                self._record(number, list(records))

    def _wanted(self) -> set[int]:
        """Return the numbers of the records that the result depends on, by the memory they read and write."""
        trace, found = self.traces[0], set()
        live = {value.root.number for value in values_in(trace.result)}
        for number, record in reversed(list(enumerate(trace.records))):
            if isinstance(record, Apply):
                written = record.inputs[:1] if isinstance(record, Write) else record.outputs
                if not any(value.root.number in live for value in written):
                    continue
                live |= {each.root.number for each in record.inputs if isinstance(each, Value)}
            found.add(number)
        return found

    def _check_records(self) -> None:
        lengths = {len(each.records) for each in self.traces}
        ways = {tuple(getattr(r, "op", None) for r in each.records) for each in self.traces}
        if len(lengths) == 1 and len(ways) == 1:
            return
        for records in zip(*(each.records for each in self.traces), strict=False):
            if len({getattr(each, "op", None) for each in records}) > 1:
                raise self._other_way(records[0], records[-1])
        longest = max(self.traces, key=lambda each: len(each.records))
        raise self._other_way(longest.records[min(lengths)], None)

    def _other_way(self, a: Any, b: Any) -> OnnxExporterError:
        what = [getattr(each, "op", type(each)).__name__ if each else "nothing" for each in (a, b)]
        return OnnxExporterError(
            f"{getattr(a, 'module', '') or 'the model'}: it does other things for other sizes: {what[0]}, {what[1]}",
            hint="give that dim a fixed size: leave it out of dynamic_axes",
        )

    # -- values ---------------------------------------------------------------------------------------

    def operand(self, number: int) -> Operand:
        """Return a value as converters see it."""
        if number not in self._operands:
            values = [each.values[number] for each in self.traces]
            first = values[0]
            shape = self._agreed([each.shape for each in values], "")
            operand = self._new_operand(shape, first)
            if first.origin == "kept":
                operand.array, operand.is_derived = first.array, id(first.array) in self.graph.state_names
            elif first.origin == "constant" and all(_same_array(each.array, first.array) for each in values):
                operand.array = first.array
            self._operands[number] = operand
        return self._operands[number]

    def _new_operand(self, shape: tuple[Any, ...], value: Value) -> Operand:
        number, grid = value.number, self.grids.get(value.number)
        dtype = value.dtype if grid is None else numpy.dtype(numpy.float32)
        return Operand(shape, dtype, number, grid=grid, read=partial(self.read, number))

    def _agreed(self, values: list[Any], place: str) -> Any:
        try:
            return merged(values)
        except Different as error:
            raise OnnxExporterError(
                f"{place or 'the model'}: with other sizes it does something else: {error}",
                hint="give that dim a fixed size: leave it out of dynamic_axes",
            ) from None

    def read(self, number: int) -> str:
        """Return the name of a value as it is now, after what was written to its memory."""
        value = self.traces[0].values[number]
        version = self._version.get(value.root.number, 0)
        if number in self.names and self._seen.get(number, 0) == version:
            return self.names[number]
        if version and number in self._views:
            applied = self._views[number]
            name = self._converted(applied)[_place(applied, number)]
        elif number in self.names:
            name = self.names[number]
        else:
            name = self._outside(number, value)
        self.names[number], self._seen[number] = name, version
        return name

    def _outside(self, number: int, value: Value) -> str:
        """Return the name of a tensor that no op made."""
        if value.origin == "input":
            return self.graph.inputs[value.place]
        operand = self._operands[number]
        if operand.source is not None and operand.array is None:
            raise operand.source.unsupported("ONNX does not give this output")
        if isinstance(operand.array, QuantizedArray):
            return self.graph.constant(operand.array.values)
        if operand.array is not None:
            if id(operand.array) in self.graph.few_bits:
                from trainctl.onnx.converters.few_bits import write_weight

                written = write_weight(self.graph, *self.graph.few_bits[id(operand.array)])
                if written is not None:
                    return written
            state = self.graph.state_names.get(id(operand.array))
            if state is not None:
                return self.graph.state(state, operand.array)
            return self.graph.constant(operand.array)
        return self._following(operand, [each.values[number].array for each in self.traces])

    def _following(self, operand: Operand, arrays: list[Any]) -> str:
        """Return a constant whose size follows the inputs: one number everywhere, or numbers at even steps."""
        flat = [numpy.ravel(each) for each in arrays]
        first = flat[0][:1]
        if first.size and all((each == first).all() for each in flat):
            return self.graph.op("Expand", self.graph.constant(first[0]), self.graph.shape(operand.shape))
        longest = max(flat, key=len)
        if operand.ndim == 1 and operand.dtype.kind in "iu" and len(longest) > 1:
            start, step = longest[0], longest[1] - longest[0]
            if all((each == start + step * numpy.arange(len(each))).all() for each in flat):
                numbers = [self.graph.constant(each, numpy.int64) for each in (start, step)]
                end = self.graph.size(operand.shape[0] * int(step) + int(start))
                counted = self.graph.op("Range", numbers[0], self.graph.squeeze(end, [0]), numbers[1])
                return counted if operand.dtype == numpy.int64 else self.graph.cast(counted, operand.dtype)
        raise OnnxExporterError(
            f"{self.graph.place}: a tensor is made anew for each size of the input, [{_told(operand.shape)}], and its "
            "elements are neither all the same nor a range",
            hint="random numbers and empty() cannot be exported; make other tensors once, as buffers, and take a part",
        )

    # -- ops ------------------------------------------------------------------------------------------

    def _record(self, number: int, records: list[Any]) -> None:
        first = records[0]
        if not isinstance(first, Apply):
            raise OnnxExporterError(f"the forward does {getattr(first, 'what', first)}, which is no op on tensors")
        self.graph.module, self.graph.record = first.module, number
        applied = self._applied(records)
        if isinstance(first, Write):
            self._write(applied)
            return
        for output in applied.outputs:
            self._operands[output.number] = output
        if first.is_view:
            self._views |= dict.fromkeys((each.number for each in applied.outputs), applied)
        if self._known(applied):
            return
        for value, name in zip(first.outputs, self._converted(applied), strict=True):
            if name:
                self.names[value.number] = name
                self.made.append((value.number, name))
                self._seen[value.number] = self._version.get(value.root.number, 0)

    def _applied(self, records: list[Any]) -> Applied:
        first, place = records[0], records[0].module
        inputs = []
        for each in zip(*(record.inputs for record in records), strict=True):
            if isinstance(each[0], Value):
                if len({getattr(value, "number", None) for value in each}) > 1:
                    raise self._other_way(first, first)
                inputs.append(self.operand(each[0].number))
            else:
                inputs.append(self._agreed(list(each), place))
        outputs = []
        for index, value in enumerate(first.outputs):
            shape = self._agreed([record.outputs[index].shape for record in records], place)
            outputs.append(self._new_operand(shape, value))
        if isinstance(first, Write):
            outputs = [inputs[0]]
        params = self._agreed([record.params for record in records], place)
        applied = Applied(self.graph, first.op, params, tuple(inputs), tuple(outputs), first)
        for output in () if isinstance(first, Write) else outputs:
            output.source = applied
        return applied

    def _known(self, applied: Applied) -> bool:
        """Compute what depends on nothing but known arrays; return whether it need not be in the graph."""
        tensors = [each for each in applied.inputs if isinstance(each, Operand)]
        if any(each.array is None for each in tensors) or not tensors:
            return False
        if any(isinstance(size, Size) for each in applied.outputs for size in each.shape):
            return False
        if self._version and any(self._version.get(self._root(each), 0) for each in tensors):
            return False
        arrays = [each.array if isinstance(each, Operand) else each for each in applied.inputs]
        result = applied.record.node().forward(*arrays)
        is_derived = any(each.is_derived for each in tensors)
        for output, array in zip(applied.outputs, result if type(result) is tuple else (result,), strict=True):
            output.array, output.is_derived = array, is_derived
        return not is_derived or self._converter(applied.op) is None

    def _root(self, operand: Operand) -> int:
        return self.traces[0].values[operand.number].root.number

    def _converted(self, applied: Applied) -> tuple[str, ...]:
        from trainctl.onnx.converters.quantized_tensors import on_grid

        converter = self._converter(applied.op)
        if converter is None:
            raise OnnxExporterError(
                f"{self.graph.place}: ONNX has no operator for {applied.op.__name__}",
                hint="write this part with other operations, or leave it out of the exported model",
            )
        found = converter(applied)
        if applied.outputs[0].grid is not None and not applied.record.is_view:
            found = on_grid(applied, found)
        return found if isinstance(found, tuple) else (found,) + ("",) * (len(applied.outputs) - 1)

    def _converter(self, op: type[Op]) -> Converter | None:
        return next((self.converters[each] for each in op.__mro__ if each in self.converters), None)

    # -- what is written in place ---------------------------------------------------------------------

    def _write(self, applied: Applied) -> None:
        """Make what a write leaves: of its target, and of each tensor that the target is a view of."""
        number = applied.inputs[0].number
        root = self.traces[0].values[number].root.number
        name, chain = self._converted(applied)[0], self._chain(number, root)
        before = {each: self.read(each) for each in (*(view.inputs[0].number for view in chain), root)}
        self._version[root] = version = self._version.get(root, 0) + 1
        for view in [*chain, None]:
            self._operands[number].array = None
            self.names[number], self._seen[number] = name, version
            if view is not None:
                number = view.inputs[0].number
                name = self._put_back(view, before[number], name)

    def _chain(self, number: int, root: int) -> list[Applied]:
        """Return the views that lead from a value to the memory's owner."""
        chain = []
        while number != root:
            chain.append(self._views[number])
            number = chain[-1].inputs[0].number
        return chain

    def _put_back(self, view: Applied, source: str, name: str) -> str:
        """Return a view's source with the view's elements replaced."""
        from trainctl.onnx.converters.views import INVERSES

        inverse = INVERSES.get(view.op)
        if inverse is None:
            raise OnnxExporterError(
                f"{self.graph.place}: it writes into a view by {view.op.__name__}",
                hint="compute a new tensor instead of writing into a part of one",
            )
        return inverse(view, source, name)


def _place(applied: Applied, number: int) -> int:
    return next(place for place, each in enumerate(applied.outputs) if each.number == number)


def _same_array(a: Any, b: Any) -> bool:
    return a is b or (a.shape == b.shape and a.tobytes() == b.tobytes())


def _told(shape: tuple[Any, ...]) -> str:
    return ", ".join(f"({each})" if isinstance(each, Size) else str(each) for each in shape)
