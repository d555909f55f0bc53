"""The steps of SGD, Adam and AdamW: one pass over the memory of each parameter and its state.

Learning rate, decay, step count and the state itself are looked up at every step, so schedules, loaded states and
new groups are seen. The bits are those of the optimizer's own step: each operation is rounded as it is there. What a
rule here does not cover (a first step, another dtype, ``amsgrad``) takes the optimizer's own update.
"""

from __future__ import annotations

import operator
import weakref
from array import array
from functools import partial
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy
from numpy.lib.array_utils import byte_bounds

from trainctl.autograd.state import quietly
from trainctl.autograd.tensor import Tensor
from trainctl.backend import jit
from trainctl.backend.arrays import Array
from trainctl.optim.hooked import with_hooks
from trainctl.optim.optimizer import Optimizer
from trainctl.optim.updates import count_step
from trainctl.plan.kernels.optimizer_rules import RULES, Rule
from trainctl.plan.kernels.optimizer_witness import Options, Witness
from trainctl.plan.linking import linked
from trainctl.plan.lowering import Context, MadeLater, Parts, Run, Workspace, cut, one_by_one, plain_float
from trainctl.plan.table_gradient import TableGradient
from trainctl.plan.trace import Effect

_PART = 1 << 16  # elements that one thread takes at a time
_ARRAY = operator.attrgetter("_array")


class Update:
    """The update of one parameter, bound to where its elements, its gradient and its state are.

    Args:
        rule: what is done.
        parameter: the parameter.
        grad: its gradient.
        kept: its state.
        workspace: scratch for blocks.
        compiled: whether the loops may be Numba's.

    Attributes:
        parts: calls that do it together, each with the number of elements that it works on; they are independent.
    """

    def __init__(
        self, rule: Rule, parameter: Tensor, grad: Tensor, kept: list[Tensor], workspace: Workspace, compiled: bool
    ) -> None:
        self.rule, self.rows = rule, _rows_of(grad)
        self._kept = [parameter._array, *(each._array for each in kept)]
        self.arrays = list(self._kept)
        if self.rows is None:
            self._grad = weakref.ref(grad._array)
            self.arrays.insert(1, borrowed(grad._array))
        self.numbers = numpy.zeros(9, numpy.float32)
        self._memory = memoryview(self.numbers)  # type: ignore[arg-type]  # NumPy's stubs leave the protocol out
        self._numbers: tuple[float, ...] = ()
        self.fits = plain_float(*self.arrays) and all(
            each.shape == self.arrays[0].shape and each.flags.c_contiguous for each in self.arrays
        )
        self.parts: list[tuple[int, Run]] = []
        if self.fits:
            self.parts = self._dense(workspace, compiled) if self.rows is None else self._of_rows()

    def set(self, numbers: tuple[float, ...]) -> None:
        """Let the loops find the numbers of a step."""
        if numbers != self._numbers:
            self._numbers = numbers
            self._memory[: len(numbers)] = array(
                "f", numbers
            )  # rounds as NumPy does, and is silent where that overflows

    def holds(self, rule: Rule, parameter: Tensor, grad: Tensor, kept: list[Tensor]) -> bool:
        """Return whether everything is where it was."""
        if rule is not self.rule or _rows_of(grad) is not self.rows:
            return False
        if self.rows is None and self._grad() is not grad._array:
            return False
        return all(map(operator.is_, map(_ARRAY, (parameter, *kept)), self._kept))

    def is_on(self, grad: Array) -> bool:
        """Return whether this is the gradient that is read."""
        return self.rows is None and self._grad() is grad

    def _dense(self, workspace: Workspace, compiled: bool) -> list[tuple[int, Run]]:
        flat = [each.reshape(-1) for each in self.arrays]
        if compiled:
            call = self.rule.loop
            return [
                (part.stop - part.start, partial(call, *(each[part] for each in flat), self.numbers))
                for part in cut(flat[0].size, _PART)
            ]
        return [
            (part.stop - part.start, partial(self._block, [each[part] for each in flat], workspace))
            for part in cut(flat[0].size, _PART)
        ]

    def _block(self, arrays: list[Array], workspace: Workspace) -> None:
        scratch, size = workspace.take(), arrays[0].size
        self.rule.blocks(*arrays, self.numbers, *(scratch if size == _PART else scratch[:, :size]))
        workspace.give_back(scratch)

    def _of_rows(self) -> list[tuple[int, Run]]:
        assert self.rows is not None
        (w, *kept), call, width = self.arrays, self.rule.row_loop, max(1, self.arrays[0].shape[1])
        return [
            (
                (part.stop - part.start) * width,
                partial(call, w[part], self.rows.sums, self.rows.place[part], *(e[part] for e in kept), self.numbers),
            )
            for part in cut(w.shape[0], max(1, _PART // width))
        ]


class FusedStep(MadeLater):
    """An optimizer's step as passes over memory, spread over the pool; hooks run around it as ever.

    Args:
        optimizer: whose step it is.
        context: of the plan.

    Attributes:
        parts: the calls of the last step, independent of each other.
        run: the same as one call, None where the optimizer's own step was taken.
    """

    def __init__(self, optimizer: Optimizer, context: Context) -> None:
        self.optimizer, self.context = optimizer, context
        self.uses_numpy = not context.compiled
        self._rules = RULES[type(optimizer)]
        self._workspace = Workspace(lambda: numpy.empty((2, _PART), numpy.float32))
        self._updates: dict[int, Update] = {}
        self._planned: list[Update] = []
        self._bound_to: list[tuple[Tensor, dict[str, Any], dict[str, Any], Update]] = []
        self._witness: Witness | None = None
        self._options, self._has_new_options = Options(optimizer), True
        self.parts: Run = Parts([], context.pool)
        self.run: Run | None = None
        self._step = with_hooks(self._without_hooks)

    def __call__(self) -> None:
        """Take one step."""
        self._step(self.optimizer)

    def loops(self) -> list[jit.Kernel]:
        """Return the loops for the parameters' state as it is now; which gradients will be rows is not known yet."""
        given = [
            (group, self.optimizer.state.get(p, {})) for group in self.optimizer.param_groups for p in group["params"]
        ]
        rules = (rule for rule in self._rules if any(rule.state_of(*each) is not None for each in given))
        return [rule.loop for rule in rules] if self.context.compiled else []

    def _without_hooks(self, optimizer: Optimizer, *args: Any, **kwargs: Any) -> None:
        """Take the step that hooks are around."""
        given = [
            (p, p._grad, group) for group in optimizer.param_groups for p in group["params"] if p._grad is not None
        ]
        states = [optimizer.state.get(p, {}) for p, _, _ in given]
        bound = list(map(self._bound, given, states))
        planned = [each for each in bound if each is not None]
        if planned != self._planned:
            self._planned, self._witness, self.run = planned, None, self._together(planned)
        if args or kwargs or self.run is None:
            type(optimizer).step(optimizer, *args, **kwargs)
            return
        for (parameter, grad, group), state, update in zip(given, states, bound, strict=True):
            if update is None:
                _own_update(optimizer, parameter, grad, group)
            else:
                update.set(update.rule.numbers(group, count_step(state) if update.rule.counts else 0))
                parameter._bump_version()
        self._has_new_options = True  # the numbers are those of this step's options now
        self.run()
        self._watch(given, states)

    def _watch(self, given: list[tuple[Tensor, Tensor, dict[str, Any]]], states: list[dict[str, Any]]) -> None:
        """Take note of what the step looked at, so that the next one can be told to be the same."""
        if self._witness is not None and self._witness.holds():
            return
        self._witness = None
        every = sum(len(group["params"]) for group in self.optimizer.param_groups)
        if len(self._planned) == every and all(update.rows is None for update in self._planned):
            self._witness = Witness(self.optimizer)
            self._bound_to = [
                (parameter, group, state, update)
                for (parameter, _, group), state, update in zip(given, states, self._planned, strict=True)
            ]

    # -- as a part of what leaves the gradients -----------------------------------------------------------

    def is_as_before(self) -> bool:
        """Return whether a step would be the one before, on new gradients in the same places and with other numbers."""
        optimizer = self.optimizer
        if self._witness is None or optimizer._stepping or optimizer._has_step_hooks() or not self._witness.holds():
            return False
        if not self._options.hold():
            self._options, self._has_new_options = Options(optimizer), True
        if self._has_new_options and not self._rules_hold():
            return False
        return self._options.are_constant

    def _rules_hold(self) -> bool:
        return all(
            next((rule for rule in self._rules if rule.state_of(group, state) is not None), None) is update.rule
            for _, group, state, update in self._bound_to
        )

    def takes(self, gradients: dict[int, Array]) -> bool:
        """Return whether the last step took these gradients, by their parameters' ids, and no others."""
        return all(
            parameter_id in gradients and update.is_on(gradients[parameter_id])
            for parameter_id, update in ((id(parameter), update) for parameter, _, _, update in self._bound_to)
        )

    def prepare(self) -> None:
        """Let the loops find the numbers of the step to come."""
        for _, group, state, update in self._bound_to:
            if update.rule.counts:
                update.set(update.rule.numbers(group, float(state["step"]._array + 1)))
            elif self._has_new_options:
                update.set(update.rule.numbers(group, 0))
        self._has_new_options = False

    def settle(self) -> None:
        """Take note that the step was taken."""
        for parameter, _, state, update in self._bound_to:
            parameter._bump_version()
            if update.rule.counts:
                count_step(state)

    def _bound(self, given: tuple[Tensor, Tensor, dict[str, Any]], state: dict[str, Any]) -> Update | None:
        """Return the update of a parameter where it is now, None where no rule holds."""
        parameter, grad, group = given
        for rule in self._rules:
            kept = rule.state_of(group, state)
            if kept is not None:
                update = self._updates.get(id(parameter))
                if update is None or not update.holds(rule, parameter, grad, kept):
                    update = Update(rule, parameter, grad, kept, self._workspace, self.context.compiled)
                    self._updates[id(parameter)] = update
                return update if update.fits else None
        return None

    def _together(self, updates: list[Update]) -> Run | None:
        """Return a call for updates, small ones several at a time; None if two of them share memory."""
        ranges = sorted(byte_bounds(each.arrays[0]) for each in updates if each.arrays[0].size)
        if any(end > start for (_, end), (start, _) in pairwise(ranges)):
            return None
        tasks: list[Run] = []
        small: list[Run] = []
        room = 0
        for size, run in (part for each in updates for part in each.parts):
            small.append(run)
            room += size
            if room >= _PART:
                tasks.append(one_by_one(small))
                small, room = [], 0
        if small:
            tasks.append(one_by_one(small))
        self.parts = self.context.in_parts(tasks)
        (run,) = linked([self.parts], self.context.pool)
        return run


def optimizer_step(record: Effect, context: Context) -> Run | None:
    """Return a call for an optimizer's step, None where its own is all there is."""
    call = record.call
    if not isinstance(call, partial) or len(call.args) != 1 or call.keywords:
        return None
    (optimizer,) = call.args
    is_step = type(optimizer) in RULES and record.what == f"{type(optimizer).__name__}.step"
    return FusedStep(optimizer, context) if is_step else None


@quietly
def _own_update(optimizer: Optimizer, parameter: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
    state = optimizer.state.get(parameter, {})
    optimizer.update(parameter, grad, group, state)
    if state:
        optimizer.state[parameter] = state


def borrowed(array: Array) -> Array:
    """Return the same memory without holding it: who counts the references to ``array`` finds no new one."""
    return numpy.asarray(SimpleNamespace(__array_interface__=array.__array_interface__))


def _rows_of(grad: Any) -> Any:
    return grad.rows if type(grad) is TableGradient else None
