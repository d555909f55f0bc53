"""A model's forward, written down as ops, once for each choice of the dynamic sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy

from trainctl.autograd.grad_mode import no_grad
from trainctl.autograd.tensor import Tensor
from trainctl.backend.quantized_array import QuantizedArray
from trainctl.onnx.errors import OnnxExporterError
from trainctl.plan.recorder import Recorder
from trainctl.plan.trace import Returned, Trace, Value, Write


class Tracer(Recorder):
    """Writes one forward down, with the path of the module that each op is in.

    Args:
        model: whose forward it is.
        inputs: the tensors that it is given.
        keep: keep what each op gave, in ``results``.
    """

    def __init__(self, model: Any, inputs: Sequence[Tensor], keep: bool = False) -> None:
        self.results: dict[int, Any] | None = {} if keep else None
        self.states: list[Value] = []  # parameters and buffers that the forward writes to
        self.grids: dict[int, QuantizedArray] = {}  # of values that are codes
        self._paths = {id(module): path for path, module in model.named_modules()}
        super().__init__(inputs)

    def saw(self, node: Any, inputs: tuple[Any, ...], outputs: tuple[Tensor, ...]) -> None:
        """Write an op down; one that draws gives something else each time."""
        super().saw(node, inputs, outputs)
        if node.draws:
            self.refuse(f"{type(node).__name__} draws random numbers")
        self._keep(self.trace.records[-1], outputs)

    def saw_write(self, node: Any, x: Tensor, others: tuple[Any, ...]) -> None:
        """Write an op down whose output goes over its first input, which may be an argument or new zeros."""
        if id(x._array) in self._fresh:
            self.refuse("it writes to a tensor of empty() or of Python's numbers; zeros() may be written to")
        target = self._operand(x)
        if target.root.origin == "kept":
            self.states.append(target.root)
        values = (target, *map(self._operand, others))
        self.trace.records.append(Write(type(node), node.params, values, (), self._module()))

    def _operand(self, each: Any) -> Any:
        """Return what stands for an operand; a tensor made of Python's numbers is a constant, which traces compare."""
        if isinstance(each, Tensor) and id(each._array) in self._fresh and id(each._array) not in self._values:
            self._check_array(each._array)
            return self._add(each._array, "constant")
        return super()._operand(each)

    def _returned(self, result: Any) -> Any:
        return super()._returned(tuple(result) if isinstance(result, tuple) else result)

    def _keep(self, record: Any, outputs: tuple[Tensor, ...]) -> None:
        if self.results is not None:
            for value, output in zip(record.outputs, outputs, strict=True):
                array = output._array
                self.results[value.number] = array.values if isinstance(array, QuantizedArray) else array.copy()

    def _add(self, array: Any, origin: Any, **fields: Any) -> Value:
        value = super()._add(array, origin, **fields)
        if isinstance(array, QuantizedArray):
            self.grids[value.number] = array.like(array.codes[:0])
        if origin == "constant":
            value.array = array.copy()  # it may yet be written to
        return value

    def _check_array(self, array: Any) -> None:
        if not isinstance(array, QuantizedArray):
            super()._check_array(array)

    def _check_params(self, node: Any) -> None:
        if not node.replays:
            self.refuse(f"the sizes of what {type(node).__name__} gives depend on values")

    def _module(self) -> str:
        return self._paths.get(id(self._path[-1]), type(self._path[-1]).__name__) if self._path else ""


@dataclass
class Traced:
    """A traced forward.

    Attributes:
        trace: what it did.
        inputs: the tensors it was given.
        outputs: the tensors it gave, by name.
        results: what each op gave, by the number of the value, where that was to be kept.
        grids: arrays without elements that know the grid of each value that is codes.
    """

    trace: Trace
    inputs: list[Tensor]
    outputs: dict[str, Tensor]
    results: dict[int, Any] | None = None
    grids: dict[int, QuantizedArray] = field(default_factory=dict)


def values_in(result: Any) -> list[Value]:
    """Return the values that a traced forward returned, in the order of :func:`tensors_in`."""
    if isinstance(result, Returned):
        return [result.value]
    parts = result.values() if isinstance(result, Mapping) else result if isinstance(result, (tuple, list)) else ()
    return [value for each in parts for value in values_in(each)]


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Put a model into evaluation mode and put each module's own flag back afterwards."""
    flags = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, flag in flags:
            module.training = flag


def trace(model: Any, args: Any, kwargs: Mapping[str, Any], keep: bool = False) -> Traced:
    """Run ``model(*args, **kwargs)`` in evaluation mode and return what it did.

    Raises:
        OnnxExporterError: it does something that a graph cannot say.
    """
    args, kwargs = copied(args), copied(kwargs)
    inputs = list(tensors_in((args, kwargs)).values())
    tracer = Tracer(model, inputs, keep)
    with evaluating(model), no_grad(), tracer.recording():
        result = model(*args, **kwargs)
        found = tracer.finish(result)
    if found.reason is not None:
        raise OnnxExporterError(
            f"{found.reason}, which a graph cannot follow",
            hint="compute with tensors alone (where, clamp, masks) instead of Python values of their elements",
        )
    if tracer.states:
        raise OnnxExporterError(
            f"the model's forward writes to its {_name_of(model, tracer.states[0])}, which an ONNX model cannot keep",
            hint="keep the state outside: take it as an input and return it",
        )
    return Traced(found, inputs, tensors_in(result), tracer.results, tracer.grids)


def _name_of(model: Any, value: Value) -> str:
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if tensor._array is value.array:
            return f"state {name}"
    return "own tensor"


def tensors_in(tree: Any, name: str = "") -> dict[str, Tensor]:
    """Return the tensors of a tree of tuples, lists and dicts, each by its path.

    Example:
        >>> import trainctl
        >>> list(tensors_in({"x": trainctl.ones(1), "h": (trainctl.ones(1), trainctl.ones(1))}))
        ['x', 'h_0', 'h_1']
    """
    if isinstance(tree, Tensor):
        return {name: tree}
    if isinstance(tree, Mapping):
        parts = [(str(key), each) for key, each in tree.items()]
    else:
        parts = [(str(key), each) for key, each in enumerate(tree)] if isinstance(tree, (tuple, list)) else []
    found: dict[str, Tensor] = {}
    for key, each in parts:
        found |= tensors_in(each, f"{name}_{key}" if name else key)
    return found


def copied(tree: Any, replace: Mapping[int, Tensor] | None = None) -> Any:
    """Return a tree with copies of its tensors, or with what ``replace`` has for their ids.

    The model may write to its arguments, and a batch of one array twice would be one input.
    """
    if isinstance(tree, Tensor):
        return replace[id(tree)] if replace is not None else Tensor._wrap(tree._array.copy())
    if isinstance(tree, Mapping):
        return {key: copied(each, replace) for key, each in tree.items()}
    if isinstance(tree, (tuple, list)):
        parts = [copied(each, replace) for each in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    return tree


def resized(array: Any, dim: int, size: int) -> Any:
    """Return an array with ``size`` slices along ``dim``: its own, from the first again where it has fewer."""
    return numpy.take(array, numpy.arange(size) % max(array.shape[dim], 1), axis=dim)
