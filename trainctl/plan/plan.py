"""A step that can be run again: every array in its place, every call bound to its arrays."""

from __future__ import annotations

import inspect
import math
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy

from trainctl.autograd.op import Op
from trainctl.autograd.state import quietly
from trainctl.autograd.tensor import Tensor
from trainctl.backend import program
from trainctl.backend.arrays import Array
from trainctl.backend.compiling import make_ready
from trainctl.plan.elementwise import Elementwise, blocked, elementwise, is_elementwise
from trainctl.plan.fusion import fused
from trainctl.plan.gradients import GradientSlot, taken_over
from trainctl.plan.joint import joined
from trainctl.plan.kernels import tile
from trainctl.plan.kernels.arithmetic import WRITES
from trainctl.plan.kernels.embedding import sum_rows
from trainctl.plan.layout import lay_out
from trainctl.plan.linking import linked, loops_in
from trainctl.plan.liveness import lifetimes, read_by, values_in, without_dead_work
from trainctl.plan.lowering import Context, Note, Run, Settings, lowered, lowered_effect
from trainctl.plan.memory import Life, array_in, block, place
from trainctl.plan.on_codes import on_codes
from trainctl.plan.products import blas_threads
from trainctl.plan.table_gradient import TableSlot
from trainctl.plan.trace import Apply, Effect, Gradient, Record, Returned, RowsGradient, Trace, Value, Write


class Plan:
    """A trace, ready to be replayed on new inputs.

    Args:
        trace: what the step did.
        settings: how it is to be made.

    Attributes:
        runs: the calls of a replay, in order.
        linked: the same, neighbours that are compiled loops' as one.
        work: the same with the records that each few of them do, for whoever wants to know.
        block_size: bytes of memory that all intermediate arrays share.
        memory: those bytes.
        own: arrays with memory of their own: inputs, gradients, results.
    """

    def __init__(self, trace: Trace, settings: Settings) -> None:
        self.trace = trace
        records = without_dead_work(on_codes(trace))
        lay_out(records)
        self.records = fused(records, trace.result, settings.compiled)
        by_tiles = settings.compiled and tile.pays()  # on one thread as fast as BLAS on two, and no worker spins
        share = 1 if settings.deterministic or by_tiles else blas_threads(self.records, settings.threads)
        self.context = Context(settings.threads, settings.compiled, share)
        self.kept = [(each.tensor, each.array) for each in trace.values if each.tensor is not None]
        self._arrays: dict[Value, Array] = {}
        self.own: dict[Value, Array] = {}
        self._place_arrays()
        self.runs: list[Run] = []
        self.work: list[tuple[list[Record], list[Run]]] = []
        self._slots: list[GradientSlot | TableSlot] = []
        self._assumed = self._assumptions()
        self._lower_all()
        self.linked = self._linked() if settings.compiled else self.runs
        self._uses_numpy = any(getattr(run, "uses_numpy", True) for run in self.linked)
        self._released = _Released()
        for slot in self._slots:
            slot.settle()

    # -- being replayed -------------------------------------------------------------------------------

    def still_holds(self) -> bool:
        """Return whether every tensor that the step reads without being given it is where it was, every switch as it was."""
        for tensor, array in self.kept:
            if tensor._array is not array:
                return False
        for switch, element in self.trace.switches:
            if switch._array.item() != element:
                return False
        for leaf, empty in self._assumed:
            if (leaf._grad is None) is not empty:
                return False
        return all(slot.is_free() for slot in self._slots)

    def replay(self, inputs: Sequence[Tensor]) -> Any:
        """Run the step on tensors of the recorded shapes and dtypes; return what the step returns."""
        for array, tensor in zip(self._inputs, inputs, strict=True):
            if array is not None:
                array[...] = tensor._array
        if self._uses_numpy:
            self._run_with_numpy()
        else:
            for run in self.linked:
                run()
        return self._returned(self.trace.result, inputs)

    @quietly
    def _run_with_numpy(self) -> None:
        with self.context.computing():
            for run in self.linked:
                run()

    def _returned(self, result: Any, inputs: Sequence[Tensor]) -> Any:
        if isinstance(result, Returned):
            return self._output(result, inputs)
        if isinstance(result, (tuple, list)):
            return type(result)(self._returned(each, inputs) for each in result)
        if isinstance(result, dict):
            return {key: self._returned(each, inputs) for key, each in result.items()}
        return result

    def _output(self, returned: Returned, inputs: Sequence[Tensor]) -> Tensor:
        """Return a tensor of the caller's own: what it holds stays as it is in later replays."""
        value = returned.value
        given = inputs[value.place] if value.place >= 0 else value.tensor
        if given is not None:
            return given if returned.is_given else given.detach()
        output = Tensor._wrap(self._arrays[value].copy(order="K"))
        if returned.requires_grad:
            output._requires_grad, output._grad_fn = True, self._released
        return output

    # -- memory ---------------------------------------------------------------------------------------

    def _place_arrays(self) -> None:
        """Give every value its array: arguments and gradients each their own, the rest a place in one block."""
        for value in self.trace.values:
            if value.origin in ("kept", "constant") and value.base is None:
                self._arrays[value] = value.array
        used = {each.root for record in self.records for each in read_by(record)} | {
            each.root for each in values_in(self.trace.result)
        }
        self._inputs: list[Array | None] = []
        for value in (each for each in self.trace.values if each.origin == "input"):
            array = _own_array(value) if value in used else None
            self._inputs.append(array)
            if array is not None:
                self._arrays[value] = self.own[value] = array
        lasting = {each.value for each in self.records if isinstance(each, Gradient) and each.value is not None}
        lasting |= {each for each in values_in(self.trace.result) if each.origin == "made"}
        lives = lifetimes(self.records, is_elementwise)
        taken = self._taken_over()
        for value in {each.root for each in lasting} & lives.keys():
            array = taken.get(value)
            self._arrays[value] = self.own[value] = _own_array(value) if array is None else array
            del lives[value]
        values = list(lives)
        offsets, self.block_size = place([Life(_size(each), *lives[each]) for each in values])
        self.memory = block(self.block_size)
        for value, offset in zip(values, offsets, strict=True):
            self._arrays[value] = array_in(self.memory, offset, value.shape, value.dtype, value.strides)

    def _taken_over(self) -> dict[Value, Array | None]:
        """Return the memory of gradients that leaves have from the recorded step and the plan writes anew."""
        given = [each for each in self.records if isinstance(each, Gradient) and each.value is not None]
        times = Counter(each.value.root for each in given if each.value is not None)
        return {
            each.value: taken_over(each.leaf, each.value)
            for each in given
            if each.value is not None and each.how == "take" and times[each.value] == 1
        }

    # -- calls ----------------------------------------------------------------------------------------

    def _lower_all(self) -> None:
        """Make the calls; neighbours that are elementwise over as many elements become one."""
        group: list[tuple[Record, Elementwise]] = []

        def flush() -> None:
            if group:
                self._add([record for record, _ in group], [blocked([each for _, each in group], self.context)])
                group.clear()

        for record in self.records:
            each = self._elementwise(record)
            if each is None:
                runs = self._lower(record)
                if runs:
                    flush()
                    self._add([record], runs)
                continue
            if group and group[0][1].out.size != each.out.size:
                flush()
            group.append((record, each))
        flush()

    def _linked(self) -> list[Run]:
        pool = self.context.pool
        make_ready([*program.loops(pool.threads), *loops_in(self.runs)])
        return joined(linked(self.runs, pool), pool)

    def _add(self, records: list[Record], runs: list[Run]) -> None:
        self.work.append((records, runs))
        self.runs.extend(runs)

    def _elementwise(self, record: Record) -> Elementwise | None:
        if not isinstance(record, Apply) or isinstance(record, Write) or record.is_view:
            return None
        arrays = [self._arrays[each] if isinstance(each, Value) else each for each in record.inputs]
        outs = [self._arrays.get(each) for each in record.outputs]
        return elementwise(record, arrays, outs, self.context.compiled)

    def _lower(self, record: Record) -> list[Run]:
        if isinstance(record, Effect):
            return [lowered_effect(record, self.context)]
        if isinstance(record, RowsGradient):
            return self._rows_gradient(record)
        if isinstance(record, Gradient):
            return [self._gradient(record)]
        node = record.node()
        arrays = [self._arrays[each] if isinstance(each, Value) else each for each in record.inputs]
        if isinstance(record, Write):
            changed = record.inputs[0].root.tensor
            bump = [] if changed is None else [Note(changed._bump_version)]
            runs = lowered(record, arrays, arrays[:1], self.context) if record.op in WRITES else None
            return [*(runs or [partial(_overwrite, node, arrays)]), *bump]
        if record.is_view:
            self._see(record, node, arrays)
            return []
        outs = [self._arrays.get(each) for each in record.outputs]
        return lowered(record, arrays, outs, self.context) or [_call(node, arrays, outs)]

    def _see(self, record: Apply, node: Op, arrays: list[Any]) -> None:
        """Make a view's arrays, once and for all."""
        with numpy.errstate(all="ignore"):
            result = node.forward(*arrays)
        results = result if isinstance(result, tuple) else (result,)
        for value, array in zip(record.outputs, results, strict=True):
            self._arrays.setdefault(value, _readable(array))

    def _gradient(self, record: Gradient) -> Run:
        leaf = record.leaf
        if record.value is None:
            return Note(partial(setattr, leaf, "_grad", None))
        array = self._arrays[record.value]
        if record.how == "add":
            return partial(_add_gradient, leaf, array)
        self._slots.append(GradientSlot(leaf, array))
        return Note(self._slots[-1].give)

    def _rows_gradient(self, record: RowsGradient) -> list[Run]:
        rows, runs = sum_rows(record.source, [self._arrays[each] for each in record.source.inputs])
        self._slots.append(TableSlot(record.leaf, rows))
        return [*runs, Note(self._slots[-1].give)]

    def _assumptions(self) -> list[tuple[Tensor, bool]]:
        """Return the leaves whose gradient must be there, or not be there, before the step, as it was while recording."""
        seen: dict[int, tuple[Tensor, bool]] = {}
        cleared: set[int] = set()
        for record in self.records:
            if not isinstance(record, Gradient):
                continue
            key = id(record.leaf)
            if key not in cleared and record.value is not None:
                seen.setdefault(key, (record.leaf, record.how == "take"))
            cleared.add(key)
        return list(seen.values())


class _Released(Op):
    """The maker of an output whose graph was used inside the step."""

    def backward(self, *gys: Tensor) -> Any:
        """Say that there is no second time, as the graph would."""
        self._saved = None
        return self.saved


def _call(node: Op, arrays: list[Any], outs: list[Any]) -> Run:
    """Return a call of ``forward`` on arrays that leaves its results in ``outs`` (None: nobody reads it)."""
    if len(outs) == 1 and outs[0] is not None and _takes_out(node, outs[0]):
        return partial(_into, partial(node.forward, *arrays, out=outs[0]), outs[0])
    return partial(_copied, partial(node.forward, *arrays), outs)


def _takes_out(node: Op, out: Array) -> bool:
    """Return whether ``forward`` can be handed this array: some reshape it, which works in order alone."""
    return "out" in inspect.signature(type(node).forward).parameters and (node.takes_out or out.flags.c_contiguous)


def _into(forward: Run, out: Array) -> None:
    result = forward()
    if result is not out:
        numpy.copyto(out, result)


def _copied(forward: Run, outs: list[Any]) -> None:
    result = forward()
    for out, each in zip(outs, result if type(result) is tuple else (result,), strict=True):
        if out is not None:
            numpy.copyto(out, each)


def _overwrite(node: Op, arrays: list[Any]) -> None:
    target = arrays[0]
    if node.takes_out:
        node.forward(*arrays, out=target)
    else:
        numpy.copyto(target, node.forward(*arrays), casting="same_kind")


def _add_gradient(leaf: Tensor, array: Array) -> None:
    there = leaf._grad
    assert there is not None
    numpy.add(there._array, array, out=there._array)
    there._bump_version()


def _readable(view: Array) -> Array:
    """Return a view as loops take it: NumPy marks a stretched one so that nobody writes to it, which no replay does."""
    if view.flags.writeable or 0 not in view.strides or not view.size:
        return view
    return numpy.lib.stride_tricks.as_strided(view, view.shape, view.strides, writeable=True)


def _size(value: Value) -> int:
    return math.prod(value.shape) * value.dtype.itemsize


def _own_array(value: Value) -> Array:
    """Return memory of a value's own, laid out as it was recorded."""
    return array_in(block(_size(value)), 0, value.shape, value.dtype, value.strides)
