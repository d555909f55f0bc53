"""What converters are handed: an op with its tensors, whose names come into being when they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from trainctl.autograd.op import Op
from trainctl.backend.quantized_array import QuantizedArray
from trainctl.onnx.errors import OnnxExporterError
from trainctl.onnx.graph import Graph
from trainctl.onnx.sizes import Size
from trainctl.plan.trace import Apply


@dataclass(eq=False)
class Operand:
    """A tensor as a converter sees it.

    Attributes:
        shape: its sizes, of which some may follow the inputs.
        dtype: NumPy's.
        array: its elements where they are known.
        source: the op that made it.
        is_derived: it is made from a parameter, whose name is to stay.
        number: of the traced value.
        grid: of a quantized tensor, which stands in the graph as the numbers that its codes stand for.
        read: gives its name, for which it becomes part of the graph.
    """

    shape: tuple[Any, ...]
    dtype: Any
    number: int
    array: Any = None
    source: Applied | None = None
    is_derived: bool = False
    grid: QuantizedArray | None = None
    read: Callable[[], str] = field(default=lambda: "", repr=False)

    @property
    def ndim(self) -> int:
        """How many dims it has."""
        return len(self.shape)

    @property
    def name(self) -> str:
        """Its name in the graph."""
        return self.read()


@dataclass(eq=False)
class Applied:
    """An op on operands; its parameters are read as attributes, as those of :class:`trainctl.autograd.op.Op` are.

    Attributes:
        graph: where to write it.
        op: its class.
        params: its parameters.
        inputs: operands, numbers, or None.
        outputs: operands without names.
        record: the traced op itself.
    """

    graph: Graph
    op: type[Op]
    params: dict[str, Any]
    inputs: tuple[Any, ...]
    outputs: tuple[Operand, ...]
    record: Apply

    def __getattr__(self, name: str) -> Any:
        if name in self.__dict__.get("params", {}):
            return self.params[name]
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.op, name)

    @property
    def x(self) -> str:
        """The name of the first input."""
        return self.name(0)

    def name(self, number: int) -> Any:
        """Return the name of an input, a number in the dtype of the tensors beside it; None if there is none."""
        if number >= len(self.inputs) or self.inputs[number] is None:
            return None
        each = self.inputs[number]
        return each.name if isinstance(each, Operand) else self.number(each, self._dtype)

    @property
    def _dtype(self) -> Any:
        return next(each.dtype for each in self.inputs if isinstance(each, Operand))

    def number(self, value: Any, dtype: Any = None) -> str:
        """Return the name of a 0-d tensor, by default in the dtype of the output."""
        dtype = self.outputs[0].dtype if dtype is None else dtype
        if isinstance(value, Size):
            return self.graph.squeeze(self.graph.cast(self.graph.size(value), dtype), [0])
        return self.graph.constant(value, dtype)

    def unsupported(self, why: str) -> OnnxExporterError:
        """Return the error for something about this op that cannot be said."""
        return OnnxExporterError(f"{self.graph.place}: {self.op.__name__}: {why}")


Converter = Callable[[Applied], Any]


def is_number(each: Any) -> bool:
    """Return whether an op's input is a Python number."""
    return not isinstance(each, Operand)
