"""An exported model against the model itself: ONNX Runtime's outputs and our own, over several sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy

from trainctl.autograd.grad_mode import no_grad
from trainctl.autograd.tensor import Tensor
from trainctl.onnx import protos
from trainctl.onnx.errors import ParityError
from trainctl.onnx.runtime import Session
from trainctl.onnx.sizes import Axis
from trainctl.onnx.tracing import copied, evaluating, resized, tensors_in, trace

if TYPE_CHECKING:
    from trainctl.onnx.exporter import Written
    from trainctl.onnx.graph import Graph

BATCHES = (1, 2, 7)
"""Sizes of the first dynamic dim that are compared, beside the traced ones."""


TOLERANCE = 1e-5
"""By how much a float model's outputs may differ, relative to the largest number of the output."""

ROW_TOLERANCE = 1 / 255
"""Likewise where rows are put on grids of their own: one step of such a grid."""


@dataclass
class Report:
    """What was compared.

    Attributes:
        error: the largest difference, relative to the largest number of the output that it is in.
        tolerance: how large it may be; None where ``step`` says so.
        steps: the largest difference in steps of the last quantization, which may be 1; None of a float model, and
            where a tolerance was given.
        sizes: the sizes of the first dynamic dim that were compared.
        skipped: those that the model itself refuses.
    """

    error: float = 0.0
    tolerance: float | None = None
    steps: float | None = None
    sizes: list[int] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)

    def __str__(self) -> str:
        if self.steps is not None:
            return f"largest difference {self.steps:.2g} steps of the last quantization; 1 is allowed"
        return f"largest difference {self.error:.2g} of the output's size; {self.tolerance:g} is allowed"


def with_sizes(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], sizes: Sequence[tuple[int, int, int]]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments with inputs ``(number, dim, size)`` made as large as that, by their own elements again."""
    tensors = list(tensors_in((args, kwargs)).values())
    arrays = [each._array for each in tensors]
    for number, dim, size in sizes:
        arrays[number] = resized(arrays[number], dim, size)
    replace = {id(tensor): Tensor._wrap(array) for tensor, array in zip(tensors, arrays, strict=True)}
    return copied(args, replace), copied(kwargs, replace)


def compare(
    model: Any,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    written: Written,
    data: bytes,
    tolerance: float | None = None,
) -> Report:
    """Compare the outputs over several sizes.

    Args:
        model: the model itself.
        args: what it is called with.
        kwargs: likewise, by name.
        written: what was written.
        data: the file's bytes.
        tolerance: how large a difference may be, relative to the output's largest number; default: :data:`TOLERANCE`, or
            one step of the last quantization.

    Raises:
        ParityError: they differ by more; the message names the first node that does.
    """
    axes, session = written.graph.axes, Session(data)
    step = None if tolerance is not None else last_step(written.graph, written.outputs)
    report = Report(0.0, None if step else _allowed(written.graph, tolerance), 0.0 if step else None)
    for batch, wanted in _sizes(axes):
        called = with_sizes(args, kwargs, wanted)
        ours = _own(model, called)
        if ours is None:
            report.skipped += [] if batch is None else [batch]
            continue
        inputs = dict(zip(written.graph.inputs, map(_array, tensors_in(called).values()), strict=True))
        theirs = session.run(inputs)
        report.sizes += [] if batch is None else [batch]
        for name, tensor in zip(written.outputs, ours, strict=True):
            place = f"{name} at {axes[0].name} {batch}" if axes else name
            _check_shape(place, tensor, theirs[name])
            if not _note(report, _array(tensor), theirs[name], step):
                where = _first_difference(model, called, written, inputs, report)
                raise ParityError(f"{place}: ONNX Runtime's output is another: {report}. {where}", hint=_HINT)
    return report


_HINT = "--tolerance X allows more; tell us which model it was if X is large"


def _own(model: Any, called: tuple[tuple[Any, ...], dict[str, Any]]) -> list[Tensor] | None:
    """Return the model's own outputs, None where it refuses the sizes."""
    args, kwargs = copied(called)
    with evaluating(model), no_grad():
        try:
            return list(tensors_in(model(*args, **kwargs)).values())
        except (IndexError, RuntimeError, ValueError):  # such as an index that needs more rows
            return None


def _allowed(graph: Graph, tolerance: float | None) -> float:
    if tolerance is not None:
        return tolerance
    return ROW_TOLERANCE if any(node.kind == "MatMulInteger" for node in graph.nodes) else TOLERANCE


def _note(report: Report, ours: Any, theirs: Any, step: float | None) -> bool:
    """Take an output into the report, and return whether it is as it has to be."""
    error = difference(ours, theirs)
    report.error = max(report.error, error)
    if step is None:
        return error <= (report.tolerance or 0.0)
    size = float(numpy.abs(ours[numpy.isfinite(ours)]).max(initial=0.0)) or 1.0 if ours.dtype.kind == "f" else 1.0
    steps = error * size / step
    report.steps = max(report.steps or 0.0, steps)
    return steps <= 1 + 1e-4  # the difference of two numbers of a grid is itself rounded


def last_step(graph: Graph, outputs: Sequence[str]) -> float | None:
    """Return the largest scale among the last QuantizeLinear nodes on the ways to the outputs; None if there is none."""
    found, seen, open_ = [], set(), list(outputs)
    while open_:
        node = graph.producer(open_.pop())
        if node is None or node.name in seen:
            continue
        seen.add(node.name)
        if node.kind == "QuantizeLinear":
            found.append(float(numpy.max(graph.initializers[node.inputs[1]])))
        else:
            open_ += node.inputs
    return max(found, default=None)


def _check_shape(place: str, ours: Tensor, theirs: Any) -> None:
    if tuple(ours.shape) != theirs.shape:
        raise ParityError(
            f"{place}: ONNX Runtime gives shape {list(theirs.shape)}, the model itself {list(ours.shape)}: its ops follow "
            "the sizes of the input in a way that no graph can",
            hint="squeeze(dim) instead of squeeze(), flatten(1) instead of reshape(-1): name the dims",
        )


def _array(tensor: Tensor) -> Any:
    return tensor._array


def _sizes(axes: list[Axis]) -> list[tuple[int | None, list[tuple[int, int, int]]]]:
    """Return for each comparison the size of the first dynamic dim and those of all."""
    if not axes:
        return [(None, [])]
    first, last = axes[0].name, len(axes[0].sizes) - 1
    traced = [(axes[0].sizes[n], [(each.input, each.dim, each.sizes[n]) for each in axes]) for n in (0, last)]
    others = [
        (size, [(each.input, each.dim, size if each.name == first else each.sizes[0]) for each in axes])
        for size in BATCHES
    ]
    return [*others, *(each for each in traced if each[0] not in BATCHES)]


def difference(ours: Any, theirs: Any) -> float:
    """Return the largest difference relative to the largest finite number of ``ours``; inf for another shape or type.

    Example:
        >>> difference(numpy.float32([1, 100]), numpy.float32([2, 100]))
        0.01
    """
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return float("inf")
    if ours.dtype.kind != "f":
        return 0.0 if (ours == theirs).all() else float("inf")
    ours, theirs = ours.astype(numpy.float64), theirs.astype(numpy.float64)
    finite = numpy.isfinite(ours)
    if not numpy.array_equal(ours[~finite], theirs[~finite], equal_nan=True):
        return float("inf")
    size = float(numpy.abs(ours[finite]).max(initial=0.0)) or 1.0
    apart = numpy.abs(ours[finite] - theirs[finite])
    return float("inf") if numpy.isnan(apart).any() else float(apart.max(initial=0.0)) / size


def _first_difference(
    model: Any, called: tuple[Any, Any], written: Written, inputs: Mapping[str, Any], report: Report
) -> str:
    """Return in words which node is the first whose output differs from the op's that it was written for."""
    allowed = TOLERANCE if report.tolerance is None else min(report.tolerance, TOLERANCE)
    results = trace(model, *called, keep=True).results or {}
    proto = protos.with_outputs(written.proto, [node.outputs for node in written.graph.nodes])
    session = Session(protos.to_bytes(proto))
    names = set(session.outputs)
    made = [(value, written.graph.renamed.get(name, name)) for value, name in written.lowering.made]
    wanted = [(value, name) for value, name in made if name in names]
    theirs = session.run(inputs, list(dict.fromkeys(name for _, name in wanted)))
    for value, name in wanted:
        node = written.graph.producer(name)
        if node is not None and value in results and not difference(results[value], theirs[name]) <= allowed:
            return f"The first node that differs is {node.name} ({node.kind})"
    return "No single node differs: it is in what ONNX Runtime joins"
