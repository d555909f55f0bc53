"""Looks on during one forward pass: which module call made each tensor, and which calls read it."""

from __future__ import annotations

import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from trainctl.autograd.grad_mode import no_grad
from trainctl.autograd.hooks import add_hook
from trainctl.autograd.observer import Observer
from trainctl.autograd.op import Op
from trainctl.autograd.ops.random import get_rng_state, set_rng_state
from trainctl.autograd.state import state
from trainctl.autograd.tensor import Tensor
from trainctl.nn.modules.module import Module
from trainctl.nn.modules.module_hooks import of_all


class Call:
    """One call of a module.

    Attributes:
        module: the module.
        outer: the call in which it happened.
        taken: what the tensors among its arguments held then.
    """

    def __init__(self, module: Module, outer: Call | None, taken: list[Value]) -> None:
        self.module, self.outer, self.taken = module, outer, taken

    def chain(self) -> Iterator[Call]:
        """Yield the call and those around it, the innermost first."""
        call: Call | None = self
        while call is not None:
            yield call
            call = call.outer


class Value:
    """What a tensor holds until it is next written to.

    Attributes:
        ndim: how many dims it has.
        maker: the first call that returned it.
        alone: it was that call's whole output.
        readers: the innermost call around each op that read it; None where that is the caller of the model.
    """

    def __init__(self, ndim: int) -> None:
        self.ndim = ndim
        self.maker: Call | None = None
        self.alone = False
        self.readers: list[Call | None] = []

    def consumer(self) -> Call | None:
        """Return the innermost call that was given the value and in which all reading of it happened, else None."""
        if not self.readers or None in self.readers:
            return None
        chains = [list(reader.chain()) for reader in self.readers if reader is not None]
        for call in chains[0]:
            if any(each is self for each in call.taken) and all(call in chain for chain in chains):
                return call
        return None


class Dataflow(Observer):
    """Notes what each module call takes, reads and returns.

    Tensors are told apart by identity, and what one holds, by when it was last written to; so a module that hands its
    argument on is given a tensor of its own to return.

    Args:
        model: the model.
    """

    def __init__(self, model: Module) -> None:
        self.values: list[Value] = []
        self.calls: Counter[Module] = Counter()
        self.borrowed: set[Module] = set()  # their parameters are read outside their own calls
        self._owners: dict[int, list[Module]] = defaultdict(list)
        for module in model.modules():
            for parameter in module._parameters.values():
                self._owners[id(parameter)].append(module)
        self._current: Call | None = None
        self._held: dict[int, Value] = {}
        self._tensors: list[Tensor] = []  # all that are known, so that no other gets the id of one
        self._thread = threading.get_ident()

    def run(self, model: Module, inputs: Any) -> Any:
        """Call the model in evaluation mode and leave it, and the random stream, as they were; return its output."""
        modes = [(module, module.training) for module in model.modules()]
        stream = get_rng_state()
        args, kwargs = _as_arguments(inputs)
        for tensor in _tensors_in([args, kwargs]):
            self._make(tensor)
        try:
            model.eval()
            with no_grad(), self._looking_on():
                result = model(*args, **kwargs)
        finally:
            for module, mode in modes:
                module.training = mode
            set_rng_state(stream)
        for tensor in _tensors_in(result):
            self._read(tensor)
        return result

    @contextmanager
    def _looking_on(self) -> Iterator[None]:
        before = add_hook(of_all, ("forward_pre", (self._enter, True)))
        after = add_hook(of_all, ("forward", (self._leave, True, False)))
        watcher, state.watcher = state.watcher, self
        try:
            yield
        finally:
            self._current = None
            state.watcher = watcher
            before.remove()
            after.remove()

    # -- calls ------------------------------------------------------------------------------------------

    def _enter(self, module: Module, args: Any, kwargs: Any) -> None:
        if threading.get_ident() != self._thread:
            return
        taken = [self._value(tensor) for tensor in _tensors_in([args, kwargs])]
        self._current = Call(module, self._current, [each for each in taken if each is not None])
        self.calls[module] += 1

    def _leave(self, module: Module, args: Any, kwargs: Any, output: Any) -> Any:
        call = self._current
        if call is None or threading.get_ident() != self._thread:
            return None
        replaced = None
        for tensor in _tensors_in(output):
            value = self._value(tensor) or self._make(tensor)
            if any(value is each for each in call.taken):
                self._read(tensor)
                if tensor is output:
                    replaced = Tensor._wrap(tensor._array)
                    value = self._make(replaced)
            if value.maker is None:
                value.maker, value.alone = call, isinstance(output, Tensor)
        self._current = call.outer
        return replaced

    # -- tensors ----------------------------------------------------------------------------------------

    def saw(self, node: Op, inputs: tuple[Any, ...], outputs: tuple[Tensor, ...]) -> None:
        """Note an op."""
        for each in inputs:
            if isinstance(each, Tensor):
                self._read(each)
        for each in outputs:
            self._make(each)

    def saw_write(self, node: Op, x: Tensor, others: tuple[Any, ...]) -> None:
        """Note an op whose output goes over what shares the memory of its first input."""
        for each in others:
            if isinstance(each, Tensor):
                self._read(each)
        memory = _memory(x)
        for each in [each for each in self._tensors if _memory(each) == memory] or [x]:
            self._read(each)
            self._make(each)

    def saw_read(self, what: str) -> None:
        """Note that elements were read in Python: of any tensor that somebody holds."""
        for each in self._tensors:
            if sys.getrefcount(each) > 3:  # the list's, the loop's and the argument's
                self._read(each)

    def _value(self, tensor: Tensor) -> Value | None:
        return self._held.get(id(tensor))

    def _make(self, tensor: Tensor) -> Value:
        if id(tensor) not in self._held:
            self._tensors.append(tensor)
        value = self._held[id(tensor)] = Value(tensor.ndim)
        self.values.append(value)
        return value

    def _read(self, tensor: Tensor) -> None:
        call = self._current
        owners = self._owners.get(id(tensor), ())
        if owners and (call is None or call.module not in owners):
            self.borrowed.update(owners)
        value = self._value(tensor)
        if value is not None:
            value.readers.append(call)
        elif not owners:  # made outside ops, as detach() does: any tensor of that memory
            for each in [each for each in self._tensors if each._array is tensor._array]:
                self._held[id(each)].readers.append(call)


def _memory(tensor: Tensor) -> int:
    """Return what tensors of the same memory have in common."""
    array: Any = getattr(tensor._array, "bits", tensor._array)
    while getattr(array, "base", None) is not None:
        array = array.base
    return id(array)


def _as_arguments(inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(inputs, Mapping):
        return (), dict(inputs)
    return tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,), {}


def _tensors_in(tree: Any, seen: set[int] | None = None) -> list[Tensor]:
    """Return the tensors in lists, tuples, dicts and the attributes of objects."""
    if isinstance(tree, Tensor):
        return [tree]
    seen = set() if seen is None else seen
    if id(tree) in seen or isinstance(tree, (Module, type)):
        return []
    seen.add(id(tree))
    parts = tree if isinstance(tree, (list, tuple, set)) else vars(tree) if hasattr(tree, "__dict__") else ()
    parts = tree if isinstance(tree, Mapping) else parts
    inside = parts.values() if isinstance(parts, Mapping) else parts
    return [tensor for each in inside for tensor in _tensors_in(each, seen)]
