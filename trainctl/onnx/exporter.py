"""``trainctl.onnx.export``: a model as ONNX, checked against the model itself."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainctl.autograd.tensor import Tensor
from trainctl.onnx import parity, protos
from trainctl.onnx.errors import OnnxExporterError
from trainctl.onnx.graph import HIGHEST, LOWEST, Graph, NeedsOpset
from trainctl.onnx.lowering import Lowering
from trainctl.onnx.parity import Report
from trainctl.onnx.sizes import Axis, Size
from trainctl.onnx.tracing import Traced, tensors_in, trace, values_in
from trainctl.storage.files import replace_file

DynamicAxes = Mapping[str, Mapping[int, str] | Sequence[int]]

BATCH = "batch"


@dataclass
class Exported:
    """A model as ONNX.

    Attributes:
        data: the file's bytes.
        opset: the version of the operator set.
        inputs: names of the inputs.
        outputs: names of the outputs.
        nodes: how many operators it has.
        report: how it compared with the model itself; None where that was not asked for.
    """

    data: bytes
    opset: int
    inputs: list[str]
    outputs: list[str]
    nodes: int
    report: Report | None = None


@dataclass
class Written:
    """A graph, and what it was written from."""

    graph: Graph
    lowering: Lowering
    traced: list[Traced]
    outputs: list[str]
    proto: Any = field(default=None)


def export(
    model: Any,
    args: Any = (),
    f: str | Path | None = None,
    *,
    kwargs: Mapping[str, Any] | None = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    dynamic_axes: DynamicAxes | None = None,
    opset_version: int | None = None,
    metadata: Mapping[str, str] | None = None,
    tolerance: float | None = None,
    verify: bool = True,
) -> Exported:
    """Write a model as ONNX and compare ONNX Runtime's outputs with the model's own.

    The model runs on ``args`` in evaluation mode, some times with other sizes; what depends on values in Python is refused.

    Args:
        model: a module.
        args: what it is called with: a tensor, or a tuple; a dict as the last one are arguments by name.
        f: the file; None: none is written.
        kwargs: more arguments by name.
        input_names: default: the names in ``forward``.
        output_names: default: ``output``, or ``output_0`` and so on, or the keys of a dict.
        dynamic_axes: of each input the dims of any size, ``{"input": {0: "batch"}}`` or ``{"input": [0]}``; default: the
            first dim, of all inputs that have the same; ``{}``: none.
        opset_version: default: the oldest, from 17 on, that has all operators the model wants.
        metadata: what the file is to say of itself.
        tolerance: by how much outputs may differ, relative to the largest number of the output; default: 1e-5, for a
            quantized model one step of the last quantization.
        verify: compare.

    Returns:
        The file's bytes, and what was measured.

    Raises:
        OnnxExporterError: ONNX cannot say it.
        ParityError: the outputs differ by more than ``tolerance``; nothing is written.
        UsageError: a package is missing.

    Example:
        >>> import trainctl
        >>> export(trainctl.nn.Linear(3, 2), (), "linear.onnx")
        Traceback (most recent call last):
        trainctl.onnx.errors.OnnxExporterError: the model is called without a tensor
    """
    args, kwargs = _called_with(args, kwargs)
    given = tensors_in((args, kwargs))
    if not given:
        raise OnnxExporterError("the model is called without a tensor", hint="give an example of its input as args")
    protos.package()
    names = _input_names(model, args, kwargs, input_names)
    axes = _axes(names, list(given.values()), dynamic_axes)
    traced = [trace(model, *_with_sizes(args, kwargs, axes, number)) for number in range(_count(axes))]
    written = _written(model, traced, axes, names, output_names, opset_version)
    proto = written.proto = _model(written, names, metadata or {})
    protos.checked(proto)
    data = protos.to_bytes(proto)
    found = Exported(data, written.graph.opset, names, written.outputs, len(written.graph.nodes))
    if verify:
        found.report = parity.compare(model, args, kwargs, written, data, tolerance)
    if f is not None:
        replace_file(Path(f), data)
    return found


# -- what goes in -------------------------------------------------------------------------------------


def _called_with(args: Any, kwargs: Mapping[str, Any] | None) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return arguments by position and by name, as ``torch.onnx.export`` takes them."""
    if isinstance(args, Tensor) or not isinstance(args, (tuple, list)):
        args = (args,)
    args, named = tuple(args), dict(kwargs or {})
    if args and isinstance(args[-1], Mapping):
        args, named = args[:-1], {**args[-1], **named}
    return args, named


def _input_names(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any], given: Sequence[str] | None) -> list[str]:
    parameters = list(inspect.signature(model.forward).parameters.values())
    by_position = [each.name for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    by_position += [f"input_{number}" for number in range(len(by_position), len(args))]
    tree = {**dict(zip(by_position, args, strict=False)), **kwargs}
    names = list(tensors_in(tree))
    if given is None:
        return names
    if len(given) != len(names) or len(set(given)) != len(given):
        raise OnnxExporterError(f"input_names: expected {len(names)} different names, got {list(given)}")
    return list(given)


def _axes(names: list[str], tensors: list[Tensor], wanted: DynamicAxes | None) -> list[Axis]:
    """Return the dynamic dims, with the sizes to trace."""
    if wanted is None:
        first = next((each.shape[0] for each in tensors if each.ndim), None)
        wanted = {n: {0: BATCH} for n, each in zip(names, tensors, strict=True) if each.ndim and each.shape[0] == first}
    found: list[tuple[str, int, int, int]] = []
    for place, (name, tensor) in enumerate(zip(names, tensors, strict=True)):
        dims = wanted.get(name, {})
        named = dims if isinstance(dims, Mapping) else {dim: f"{name}_dim_{dim}" for dim in dims}
        for dim, axis in named.items():
            if not -tensor.ndim <= dim < tensor.ndim:
                raise OnnxExporterError(f"dynamic_axes: {name} has {tensor.ndim} dims, and no dim {dim}")
            found.append((axis, place, dim % tensor.ndim, max(tensor.shape[dim], 2)))
    order = list(dict.fromkeys(axis for axis, *_ in found))
    base = {axis: max(size for name, *_, size in found if name == axis) for axis in order}
    sizes = {axis: (base[axis], *(base[axis] + (other == axis) for other in order), base[axis] + 3) for axis in order}
    return [Axis(axis, place, dim, sizes[axis]) for axis, place, dim, _ in found]


def _count(axes: list[Axis]) -> int:
    return len(axes[0].sizes) if axes else 2  # what is drawn or counted shows itself the second time


def _with_sizes(
    args: tuple[Any, ...], kwargs: dict[str, Any], axes: list[Axis], number: int
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments with the sizes of a trace."""
    return parity.with_sizes(args, kwargs, [(axis.input, axis.dim, axis.sizes[number]) for axis in axes])


# -- the graph ----------------------------------------------------------------------------------------


def _written(
    model: Any,
    traced: list[Traced],
    axes: list[Axis],
    inputs: list[str],
    output_names: Sequence[str] | None,
    opset: int | None,
) -> Written:
    """Write the graph, with a newer operator set where one is needed and none was asked for."""
    if opset is not None and not LOWEST <= opset <= HIGHEST:
        raise OnnxExporterError(f"opset_version: expected {LOWEST} to {HIGHEST}, got {opset}")
    version = opset or LOWEST
    outputs = _output_names(traced[0], output_names)
    while True:
        graph = Graph(version, opset is not None, axes, inputs)
        try:
            return _lowered(model, traced, graph, outputs)
        except NeedsOpset as newer:
            version = newer.version


def _lowered(model: Any, traced: list[Traced], graph: Graph, outputs: list[str]) -> Written:
    from trainctl.onnx.converters import CONVERTERS
    from trainctl.onnx.converters.few_bits import few_bit_weights

    for name in outputs:
        graph.unique(name)
    states = [*model.named_parameters(), *model.named_buffers()]
    graph.state_names = {id(tensor._array): name for name, tensor in reversed(states)}
    graph.few_bits = few_bit_weights(model)
    lowering = Lowering(graph, [each.trace for each in traced], CONVERTERS, traced[0].grids)
    lowering.run()
    graph.module, graph.record = "", len(traced[0].trace.records)
    values = values_in(traced[0].trace.result)
    for value in values:
        lowering.operand(value.number)
    made = [lowering.read(value.number) for value in values]  # all of them before the first gets another name
    for before, name in zip(made, outputs, strict=True):
        graph.output(graph.renamed.get(before, before), name)
    graph.pruned(outputs)
    return Written(graph, lowering, traced, outputs)


def _output_names(traced: Traced, given: Sequence[str] | None) -> list[str]:
    paths = list(traced.outputs)
    if not paths:
        raise OnnxExporterError("the model returns no tensor")
    if given is not None:
        if len(given) != len(paths) or len(set(given)) != len(given):
            raise OnnxExporterError(f"output_names: expected {len(paths)} different names, got {list(given)}")
        return list(given)
    return ["output" if not path else f"output_{path}" if path[0].isdigit() else path for path in paths]


def _model(written: Written, names: list[str], metadata: Mapping[str, str]) -> Any:
    graph, first = written.graph, written.traced[0]
    sizes = {Size(axis.sizes): axis.name for axis in graph.axes}
    inputs, outputs = [], []
    for number, (name, tensor) in enumerate(zip(names, first.inputs, strict=True)):
        shape: list[Any] = list(tensor.shape)
        for axis in graph.axes:
            if axis.input == number:
                shape[axis.dim] = axis.name
        inputs.append((name, tensor._array.dtype, shape))
    for name, value in zip(written.outputs, values_in(first.trace.result), strict=True):
        operand = written.lowering.operand(value.number)
        outputs.append((name, operand.dtype, protos.named(operand.shape, sizes)))
    return protos.model_of(graph, inputs, outputs, dict(sorted(metadata.items())), "model")
