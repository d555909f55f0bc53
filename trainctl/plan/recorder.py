"""Looks on while a step runs and writes down what it does."""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy

from trainctl.autograd.observer import Observer
from trainctl.autograd.op import Op
from trainctl.autograd.ops.shape import Clone
from trainctl.autograd.state import state
from trainctl.autograd.tensor import Tensor
from trainctl.plan.trace import Apply, Effect, Gradient, Returned, Trace, Value, Write

_PACKAGE = str(Path(__file__).parents[1])
_recording = threading.RLock()


class Recorder(Observer):
    """Writes a step down as a :class:`trainctl.plan.trace.Trace`.

    What an op gives depends on its arrays and parameters alone, so applying it again is enough. A tensor that is
    made during the step by anything else (from values read in Python, from an array library) would be stale in a
    replay: an op that meets one makes the step unreplayable, unless it was announced as constant.

    Args:
        inputs: the tensors among the step's arguments.
    """

    def __init__(self, inputs: Iterable[Tensor]) -> None:
        self.trace = Trace()
        self._inputs = list(inputs)
        self._values: dict[int, Value] = {}
        self._fresh: set[int] = set()  # arrays put into tensors since; an id leaves both tables with its array
        self._watched: dict[int, Any] = {}  # a weak reference to each
        self._old_gradients: dict[int, Any] = {}
        self._modules: dict[int, Any] = {}
        self._path: list[Any] = []
        self._walked: set[Op] = set()
        for place, tensor in enumerate(self._inputs):
            self._check_array(tensor._array)
            self._add(tensor._array, "input", place=place)

    # -- what happens ---------------------------------------------------------------------------------

    def call(self, module: Any, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a module's forward and note that the step depends on the module."""
        self._modules[id(module)] = module
        self._path.append(module)
        try:
            return forward(*args, **kwargs)
        finally:
            self._path.pop()

    def saw(self, node: Op, inputs: tuple[Any, ...], outputs: tuple[Tensor, ...]) -> None:
        """Write an op down."""
        self._check_params(node)
        values = tuple(map(self._operand, inputs))
        memory = next((each.root for each in values if isinstance(each, Value)), None)
        is_view = memory is not None and _is_view(node, inputs, outputs)
        made = tuple(self._made(each, memory if is_view else None) for each in outputs)
        self.trace.records.append(Apply(type(node), node.params, values, made, self._module(), is_view))

    def saw_backward(self, node: Op, gys: list[Any], gxs: tuple[Any, ...]) -> None:
        """Note that a node's graph has been used."""
        self._walked.add(node)
        if node._hooks or node._output_hooks:
            self.refuse("a hook on a gradient runs Python code in it")

    def saw_write(self, node: Op, x: Tensor, others: tuple[Any, ...]) -> None:
        """Write an op down whose output goes over its first input."""
        self._check_params(node)
        target = self._operand(x)
        if isinstance(target, Value) and target.root.origin == "input":
            self.refuse("an argument is changed in place")
        if isinstance(target, Value) and target.root.origin == "constant":
            self.refuse("a tensor made from its shape alone is then written to")
        values = (target, *map(self._operand, others))
        self.trace.records.append(Write(type(node), node.params, values, (), self._module()))

    def saw_gradient(self, leaf: Tensor, gx: Tensor | None, how: str) -> None:
        """Write a change of ``leaf.grad`` down; it has just happened."""
        if leaf._hooks or leaf._grad_hooks:
            self.refuse("a hook on a leaf's gradient runs Python code in it")
        if self._operand(leaf).root.origin != "kept":
            self.refuse("an argument, or a tensor made in the step, gets a gradient of its own")
        value = None if gx is None else self._operand(gx)
        if how == "take" and gx is not None and gx._requires_grad:
            self.refuse("backward(create_graph=True) leaves gradients that are part of a graph")
        if how == "copy" and leaf._grad is not None:
            copied = self._add(leaf._grad._array, "made")
            self.trace.records.append(Apply(Clone, {}, (value,), (copied,), self._module()))
            value, how = copied, "take"
        if how == "add" and leaf._grad is not None and id(leaf._grad._array) not in self._values:
            self._old_gradients[id(leaf._grad._array)] = leaf._grad._array
        self.trace.records.append(Gradient(leaf, value, how))

    def saw_constant(self, array: Any) -> None:
        """Note an array that depends on nothing but shapes and options."""
        if id(array) not in self._values and type(array) is numpy.ndarray:
            self._add(array, "constant")

    def saw_alias(self, tensor: Tensor) -> None:
        """Note a tensor before its array is put into another one."""
        if id(tensor._array) not in self._fresh:
            self._operand(tensor)

    def saw_read(self, what: str) -> None:
        """A value read in Python may decide anything."""
        self.refuse(f"{what} reads a value")

    def saw_switch(self, switch: Tensor) -> None:
        """Note what the step is only right for; a switch that it sets itself may be another the next time."""
        written = {each.inputs[0].root for each in self.trace.records if isinstance(each, Write)}
        value = self._values.get(id(switch._array))
        if id(switch._array) in self._fresh or (
            value is not None and (value.origin == "made" or value.root in written)
        ):
            self.refuse("a switch that is read is made in the step")
        self.trace.switches.append((switch, switch._array.item()))

    def effect(self, call: Callable[[], Any], what: str) -> Any:
        """Run something outside ops without looking, and write down that it is to be run again."""
        state.watcher = None
        try:
            result = call()
        finally:
            state.watcher = self
        self.trace.records.append(Effect(call, what))
        return result

    def refuse(self, reason: str) -> None:
        """Note why the step cannot be replayed, with the user's line that is the cause; the first reason counts."""
        if self.trace.reason is None:
            self.trace.reason = f"{_users_line()}: {reason}"

    # -- the end --------------------------------------------------------------------------------------

    def finish(self, result: Any) -> Trace:
        """Return the trace of a step that returned ``result``."""
        self.trace.result = self._returned(result)
        self.trace.modules = list(self._modules.values())
        self._watched.clear()
        return self.trace

    def _returned(self, result: Any) -> Any:
        if isinstance(result, Tensor):
            if result.requires_grad and result.grad_fn is not None and result.grad_fn not in self._walked:
                self.refuse("its result is still part of a graph; call backward() inside, or run it under no_grad()")
            value = self._operand(result)
            given = value.tensor if value.origin == "kept" else self._inputs[value.place] if value.place >= 0 else None
            return Returned(value, result.requires_grad, result is given)
        if type(result) in (tuple, list):
            return type(result)(map(self._returned, result))
        if type(result) is dict:
            return {key: self._returned(each) for key, each in result.items()}
        if result is not None and not isinstance(result, (bool, int, float, complex, str)):
            self.refuse(f"it returns a {type(result).__name__}, not tensors, numbers or lists of them")
        return result

    # -- values ---------------------------------------------------------------------------------------

    def _operand(self, each: Any) -> Any:
        """Return what stands for an operand: a value for a tensor, a number for itself."""
        if not isinstance(each, Tensor):
            if hasattr(each, "dtype") and hasattr(each, "ndim"):
                self.refuse("an op is given an array that is no tensor")
            return each
        array = each._array
        found = self._values.get(id(array))
        if found is not None:
            return found
        self._check_array(array)
        if id(array) in self._old_gradients:
            self.refuse("gradients that an earlier step left are read")
        if id(array) in self._fresh:
            self.refuse("a tensor is made from what is outside the step's tensors")
        return self._add(array, "kept", tensor=each)

    def _made(self, output: Tensor, base: Value | None) -> Value:
        known = self._values.get(id(output._array))
        if known is not None and base is not None:
            return known  # an op that hands its input through
        self._check_array(output._array)
        return self._add(output._array, "made", base=base)

    def _add(self, array: Any, origin: Any, **fields: Any) -> Value:
        held = array if origin in ("kept", "constant") else None
        value = Value(len(self.trace.values), array.shape, array.dtype, array.strides, origin, held, **fields)
        self.trace.values.append(value)
        self._values[id(array)] = value
        self._watch(array)
        return value

    def _watch(self, array: Any) -> None:
        """Forget an array's id when the array goes: the next one may get it.

        One reference an array, and none that outlives the recording: where an array goes that has several, CPython 3.11
        allocates before it clears them, and a collection of garbage just then that frees one of them is fatal.
        """
        key = id(array)
        if key in self._watched:
            return

        def forget(_: Any) -> None:
            self._values.pop(key, None)
            self._fresh.discard(key)
            self._watched.pop(key, None)

        self._watched[key] = weakref.ref(array, forget)

    def _check_array(self, array: Any) -> None:
        if type(array) is not numpy.ndarray:
            self.refuse(f"plans are for arrays of the CPU's own types, not for {type(array).__name__}")

    def _check_params(self, node: Op) -> None:
        if not node.replays:
            self.refuse(f"what {type(node).__name__} gives depends on values in a shape or in Python")
        if any(isinstance(each, (Tensor, numpy.ndarray)) for each in node.params.values()):
            self.refuse(f"{type(node).__name__} takes an array as a parameter")

    def _module(self) -> str:
        return type(self._path[-1]).__name__ if self._path else ""

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Look on inside the block; one recording at a time, as it watches all tensors that are made."""
        original = Tensor.__dict__["_wrap"]

        def wrap(cls: type[Tensor], array: Any) -> Tensor:
            tensor = original.__func__(cls, array)
            if type(tensor._array) is numpy.ndarray and id(tensor._array) not in self._values:
                self._fresh.add(id(tensor._array))
                self._watch(tensor._array)
            return tensor

        with _recording:
            before, state.watcher = state.watcher, self
            setattr(Tensor, "_wrap", classmethod(wrap))  # noqa: B010 - a method is replaced: mypy forbids the assignment
            try:
                yield
            except BaseException:
                self._watched.clear()
                raise
            finally:
                setattr(Tensor, "_wrap", original)  # noqa: B010 - see above
                state.watcher = before


def _is_view(node: Op, inputs: tuple[Any, ...], outputs: tuple[Tensor, ...]) -> bool:
    """Return whether the outputs are the first input's memory.

    An op may also hand its input, or a part of it, on without being called a view.
    """
    if node.is_view:
        return True
    first = next((each._array for each in inputs if isinstance(each, Tensor)), None)
    if type(first) is not numpy.ndarray:
        return False
    return any(numpy.may_share_memory(first, each._array) for each in outputs if type(each._array) is numpy.ndarray)


def _users_line() -> str:
    """Return the innermost line outside the package as ``file:line``."""
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return "?" if frame is None else f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
