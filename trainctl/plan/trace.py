"""What one step did: the arrays it met, and what it did with them, in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from trainctl.autograd.op import Op
from trainctl.autograd.tensor import Tensor
from trainctl.backend.arrays import Array

Origin = Literal["input", "kept", "constant", "made"]


@dataclass(eq=False, slots=True)
class Value:
    """An array of the step.

    Attributes:
        number: its place in the order of appearance.
        shape: its sizes.
        dtype: its element type.
        strides: its steps in memory, in bytes.
        origin: an argument (``input``), of a tensor that was there before the step (``kept``: a weight),
            made from shapes and options alone (``constant``), or ``made`` by an op.
        array: the array itself, of a kept one and of a constant.
        place: of an input: the number of the tensor among the arguments.
        tensor: of a kept one: the tensor that holds it.
        base: of a view: what it is a view of, itself no view.
    """

    number: int
    shape: tuple[int, ...]
    dtype: Any
    strides: tuple[int, ...]
    origin: Origin
    array: Array = None
    place: int = -1
    tensor: Tensor | None = None
    base: Value | None = None

    @property
    def layout(self) -> tuple[Any, ...]:
        """Everything that two recordings of one step have in common."""
        return self.number, self.shape, self.dtype, self.strides

    @property
    def root(self) -> Value:
        """The value whose memory this is."""
        return self if self.base is None else self.base


@dataclass(eq=False, slots=True)
class Apply:
    """An op on values and numbers."""

    op: type[Op]
    params: dict[str, Any]
    inputs: tuple[Any, ...]
    outputs: tuple[Value, ...]
    module: str = ""
    is_view: bool = False

    def node(self) -> Op:
        """Return a new application of the op."""
        node = self.op()
        node.params = self.params
        node.__dict__.update(self.params)
        return node


@dataclass(eq=False, slots=True)
class Write(Apply):
    """An op whose output goes over its first input."""


@dataclass(eq=False, slots=True)
class Gradient:
    """A change of a leaf's ``grad``: see :meth:`trainctl.autograd.observer.Observer.saw_gradient`."""

    leaf: Tensor
    value: Value | None
    how: str


@dataclass(eq=False, slots=True)
class RowsGradient(Gradient):
    """A table's gradient, which is sums of rows, taken by its leaf without being made dense.

    Attributes:
        source: the op that would make it.
    """

    source: Apply


@dataclass(eq=False, slots=True)
class Effect:
    """Something outside ops that is done again as it stands: an optimizer's step."""

    call: Callable[[], Any]
    what: str


@dataclass(frozen=True, slots=True)
class Returned:
    """A tensor among what a step returned.

    Attributes:
        value: its elements.
        requires_grad: whether it is part of a graph (one that was used), or a leaf of one.
        is_given: it is an argument or a kept tensor itself, not another one around its elements.
    """

    value: Value
    requires_grad: bool
    is_given: bool


Record = Apply | Gradient | Effect


@dataclass(eq=False)
class Trace:
    """A recorded step.

    Attributes:
        records: what was done, in order.
        values: every array, in order of appearance.
        result: what the step returned, with :class:`Returned` in place of tensors.
        modules: the modules that were called.
        switches: tensors of one element that were read to decide what to do, each with the element.
        reason: why it cannot be replayed, with the line that is the cause; None if it can.
    """

    records: list[Record] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    result: Any = None
    modules: list[Any] = field(default_factory=list)
    switches: list[tuple[Tensor, Any]] = field(default_factory=list)
    reason: str | None = None

    def same_as(self, other: Trace) -> bool:
        """Return whether another recording did the same: ops, numbers, and which value goes where."""
        if len(self.records) != len(other.records) or len(self.values) != len(other.values):
            return False
        return all(map(_same_record, self.records, other.records)) and _same(self.result, other.result)


def _same_record(a: Record, b: Record) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, Apply) and isinstance(b, Apply):
        return a.op is b.op and all(map(_same, (a.params, a.inputs, a.outputs), (b.params, b.inputs, b.outputs)))
    if isinstance(a, Gradient) and isinstance(b, Gradient):
        return a.leaf is b.leaf and a.how == b.how and _same(a.value, b.value)
    return isinstance(a, Effect) and isinstance(b, Effect) and a.what == b.what


def _same(a: Any, b: Any) -> bool:
    """Return whether two things of two recordings stand for the same."""
    if isinstance(a, Value) and isinstance(b, Value):
        return a.layout == b.layout and a.origin == b.origin and a.tensor is b.tensor and _same_constant(a, b)
    if type(a) is not type(b):
        return False
    if isinstance(a, Op):  # one op may be another's parameter
        return _same(a.params, b.params)
    if isinstance(a, Returned):
        return (a.requires_grad, a.is_given) == (b.requires_grad, b.is_given) and _same(a.value, b.value)
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    return a is b or bool(a == b) or (a != a and b != b)


def _same_constant(a: Value, b: Value) -> bool:
    return a.origin != "constant" or a.array.tobytes() == b.array.tobytes()
