"""An ONNX graph while it is built: nodes, initializers and dynamic sizes, under names that say where they are from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy

from trainctl.onnx.errors import OnnxExporterError
from trainctl.onnx.sizes import Axis, Size, affine, product

LOWEST, HIGHEST = 17, 21
"""The versions of the operator set that can be written."""


class NeedsOpset(Exception):
    """What is to be said needs a newer operator set than the one being written."""

    def __init__(self, version: int) -> None:
        super().__init__(version)
        self.version = version


@dataclass(eq=False)
class Node:
    """One operator.

    Attributes:
        kind: its name in the operator set.
        name: where it is from: the module's path, and the operator.
        inputs: names; empty for one that is left out.
        outputs: names.
        attributes: its settings.
        record: the number of the traced op that it is for.
    """

    kind: str
    name: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]
    record: int


@dataclass
class Graph:
    """What is built.

    Args:
        opset: the version of the operator set.
        is_fixed: the version was asked for; else a newer one may be taken.
        axes: the dynamic dims.
        inputs: names of the inputs.
        state_names: names of parameters and buffers by the id of their array.
        few_bits: weights that are kept in few bits, likewise: the key, the layer, the name in it.
        halves: initializers of 4 bits.

    Attributes:
        nodes: in an order in which they can be run.
        initializers: the arrays that are part of the model.
        module: the path of the module whose ops are being written.
        record: the number of the op being written.
        sums: by the name of what is a sum over windows: the mean, and the window's size.
        renamed: names that have become those of outputs.
    """

    opset: int
    is_fixed: bool
    axes: list[Axis]
    inputs: list[str]
    state_names: dict[int, str] = field(default_factory=dict)
    few_bits: dict[int, tuple[str, Any, str]] = field(default_factory=dict)
    halves: set[str] = field(default_factory=set)
    nodes: list[Node] = field(default_factory=list)
    initializers: dict[str, numpy.ndarray] = field(default_factory=dict)
    module: str = ""
    record: int = -1
    sums: dict[str, tuple[str, int]] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    _outputs: set[str] = field(default_factory=set)
    _taken: dict[str, int] = field(default_factory=dict)
    _states: dict[str, str] = field(default_factory=dict)
    _constants: dict[Any, str] = field(default_factory=dict)
    _sizes: dict[Any, str] = field(default_factory=dict)
    _makers: dict[str, Node] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.inputs:
            self.unique(name)

    def has(self, version: int) -> bool:
        """Return whether the operator set is this one or newer, which it becomes where none was asked for.

        Raises:
            NeedsOpset: the graph has to be written again.
        """
        if self.opset < version and not self.is_fixed:
            raise NeedsOpset(version)
        return self.opset >= version

    def need(self, version: int, what: str) -> None:
        """Raise if the operator set is older than ``what`` needs."""
        if not self.has(version):
            raise OnnxExporterError(
                f"{self.place}: {what} needs opset {version}, and {self.opset} was asked for", hint=f"--opset {version}"
            )

    @property
    def place(self) -> str:
        """The module that is being written, in words."""
        return self.module or "the model's forward"

    def unique(self, name: str) -> str:
        """Return a name that is not taken yet, which it is from now on."""
        count = self._taken.get(name, 0)
        self._taken[name] = count + 1
        return name if count == 0 else self.unique(f"{name}_{count}")

    # -- nodes ----------------------------------------------------------------------------------------

    def op(self, kind: str, *inputs: str | None, **attributes: Any) -> str:
        """Add an operator of one output and return its output's name."""
        return self.ops(kind, 1, *inputs, **attributes)[0]

    def ops(self, kind: str, count: int, *inputs: str | None, **attributes: Any) -> tuple[str, ...]:
        """Add an operator of several outputs and return their names."""
        for name, each in attributes.items():
            if any(isinstance(part, Size) for part in (each if isinstance(each, (tuple, list)) else [each])):
                raise OnnxExporterError(
                    f"{self.place}: {kind} has a fixed {name}, and here it follows the input's size: {each}",
                    hint="give that dim a fixed size: leave it out of dynamic_axes",
                )
        name = self.unique(f"{self.module.replace('.', '/')}/{kind}".lstrip("/"))
        outputs = [self.unique(f"{name}_output" if count == 1 else f"{name}_output_{i}") for i in range(count)]
        given = [each or "" for each in inputs]
        while given and not given[-1]:
            given.pop()
        kept = {key: each for key, each in attributes.items() if each is not None}
        node = Node(kind, name, given, outputs, kept, self.record)
        self.nodes.append(node)
        self._makers |= dict.fromkeys(outputs, node)
        return tuple(outputs)

    def maker(self, name: str) -> Node | None:
        """Return the node that has an output of this name."""
        return self._makers.get(name)

    def producer(self, name: str) -> Node | None:
        """Return the node that has an output of this name in the finished graph."""
        return next((node for node in self.nodes if name in node.outputs), None)

    # -- constants ------------------------------------------------------------------------------------

    def constant(self, value: Any, dtype: Any = None, name: str = "constant") -> str:
        """Return the name of an initializer with these elements; one that is there already serves again."""
        array = numpy.asarray(value, dtype)
        key = array.dtype.str, array.shape, array.tobytes()
        if key not in self._constants:
            self._constants[key] = self.initializer(name, array)
        return self._constants[key]

    def initializer(self, name: str, array: Any) -> str:
        """Add an array under a name of its own, and return the name."""
        name = self.unique(name)
        self.initializers[name] = numpy.array(array, order="C")  # never 1-d in place of 0-d
        return name

    def state(self, name: str, array: Any, dtype: Any = None, bits: int | None = None) -> str:
        """Return the initializer that a parameter or buffer is, which it becomes once; with ``bits`` 4 in half bytes."""
        if name not in self._states:
            self._states[name] = self.initializer(name, numpy.asarray(array, dtype))
            if bits == 4:
                self.halves.add(self._states[name])
        return self._states[name]

    # -- sizes ----------------------------------------------------------------------------------------

    def shape(self, sizes: Sequence[Any]) -> str:
        """Return a shape as an int64 tensor."""
        parts = list(sizes)
        if not any(isinstance(each, Size) for each in parts):
            return self.constant(parts, numpy.int64, "shape")
        return self.op("Concat", *(self.size(each) for each in parts), axis=0)

    def size(self, value: Any) -> str:
        """Return a number as an int64 tensor ``[1]``.

        Raises:
            OnnxExporterError: it follows the dynamic sizes in some way that is neither a sum nor a product.
        """
        if not isinstance(value, Size):
            return self.constant([value], numpy.int64, "size")
        if value not in self._sizes:
            before, self.module = self.module, ""
            self._sizes[value] = self._computed(value)
            self.module = before
        return self._sizes[value]

    def _computed(self, value: Size) -> str:
        if not self.axes:
            raise OnnxExporterError(f"{self.place}: a number is another one each time the model runs: {value}")
        found = affine(value, self.axes)
        if found is not None:
            rest, slopes = found
            name = ""
            for axis, slope in slopes.items():
                part = self._dim(axis)
                part = part if slope == 1 else self.op("Mul", part, self.size(slope))
                name = self.op("Add", name, part) if name else part
            return self.op("Add", name, self.size(rest)) if rest else name
        factors = product(value, self.axes)
        if factors is None:
            raise OnnxExporterError(
                f"{self.place}: a size is neither a sum nor a product of the dynamic sizes: {value}",
                hint="give fewer dims a dynamic size",
            )
        constant, names = factors
        name = self._dim(names[0])
        for each in names[1:]:
            name = self.op("Mul", name, self._dim(each))
        return name if constant == 1 else self.op("Mul", name, self.size(constant))

    def _dim(self, name: str) -> str:
        if name not in self._sizes:
            axis = next(each for each in self.axes if each.name == name)
            self._sizes[name] = self.op("Shape", self.inputs[axis.input], start=axis.dim, end=axis.dim + 1)
        return self._sizes[name]

    # -- what many converters want --------------------------------------------------------------------

    def reshape(self, x: str, shape: Sequence[Any]) -> str:
        """Return ``x`` in another shape; a single size that follows the input is what is left over."""
        varying = [number for number, each in enumerate(shape) if isinstance(each, Size)]
        if 0 in shape:
            return self.op("Reshape", x, self.shape(shape), allowzero=1)
        if len(varying) == 1:
            sizes = [-1 if number in varying else each for number, each in enumerate(shape)]
            return self.op("Reshape", x, self.constant(sizes, numpy.int64, "shape"))
        return self.op("Reshape", x, self.shape(shape))

    def reduce(self, kind: str, x: str, dims: Iterable[int], keepdim: bool) -> str:
        """Return a reduction over dims, none of them if there are none."""
        dims = list(dims)
        if not dims:
            return self.op("Identity", x) if kind not in ("ReduceL1", "ReduceL2") else self.op("Abs", x)
        if kind == "ReduceSum" or self.opset >= 18:
            return self.op(kind, x, self.constant(dims, numpy.int64, "axes"), keepdims=int(keepdim))
        return self.op(kind, x, axes=dims, keepdims=int(keepdim))

    def squeeze(self, x: str, dims: Iterable[int]) -> str:
        """Return ``x`` without these dims of size 1."""
        dims = list(dims)
        return self.op("Squeeze", x, self.constant(dims, numpy.int64, "axes")) if dims else x

    def unsqueeze(self, x: str, dims: Iterable[int]) -> str:
        """Return ``x`` with new dims of size 1 at these places of the result."""
        dims = list(dims)
        return self.op("Unsqueeze", x, self.constant(dims, numpy.int64, "axes")) if dims else x

    def slice(self, x: str, dim: int, start: Any, end: Any, step: int = 1) -> str:
        """Return ``x[start:end:step]`` along a dim."""
        steps = None if step == 1 else self.size(step)
        return self.op("Slice", x, self.size(start), self.size(end), self.size(dim), steps)

    def transpose(self, x: str, dims: Sequence[int]) -> str:
        """Return ``x`` with its dims in another order."""
        return x if list(dims) == list(range(len(dims))) else self.op("Transpose", x, perm=list(dims))

    def cast(self, x: str, dtype: Any) -> str:
        """Return ``x`` in another dtype."""
        from trainctl.onnx.protos import element_type

        return self.op("Cast", x, to=element_type(dtype))

    def output(self, name: str, wanted: str) -> None:
        """Give a value the name of an output; what is no node's, or an output already, gets a node of its own."""
        node = self._makers.get(name)
        if node is None or name in self._outputs:
            node = self.maker(self.op("Identity", name))
            assert node is not None
            name = node.outputs[0]
        self._outputs.add(wanted)
        for each in self.nodes:
            each.inputs = [wanted if part == name else part for part in each.inputs]
            each.outputs = [wanted if part == name else part for part in each.outputs]
        self._makers[wanted] = node
        self.renamed[name] = wanted

    def pruned(self, outputs: Iterable[str]) -> None:
        """Drop the nodes and initializers that no output needs."""
        wanted, kept = set(outputs), []
        for node in reversed(self.nodes):
            if wanted.intersection(node.outputs):
                wanted.update(node.inputs)
                kept.append(node)
        self.nodes = kept[::-1]
        self.initializers = {name: array for name, array in self.initializers.items() if name in wanted}
