"""``compile``: a step that is recorded twice, compared, and from then on replayed."""

from __future__ import annotations

import functools
import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from trainctl.autograd.state import state
from trainctl.autograd.tensor import Tensor
from trainctl.backend.threads import usable_cores
from trainctl.plan.guards import Surroundings, Unhashable, signature
from trainctl.plan.plan import Plan
from trainctl.plan.recorder import Recorder
from trainctl.plan.trace import Trace

MOST_PLANS = 8  # a step has one for training, one for the last batch; more than a few means that no two calls agree
MOST_RECORDINGS = 5


class NotReplayed(UserWarning):
    """A step that was to be compiled runs eagerly; the text says why."""


def compile(
    fn: Callable[..., Any], *, threads: int | None = None, notify: Callable[[str], None] | None = None
) -> Compiled:
    """Return ``fn`` so that calls with arguments of the same shapes replay what the first ones did.

    ``fn`` is one step in ordinary code: ``zero_grad``, forward, loss, ``backward``, ``optimizer.step``; or inference
    under ``no_grad``. The first two calls for arguments of some shapes and dtypes run it and are compared; later ones
    run a plan of the same ops: no graph, no allocation, nothing computed that nobody reads. A step that cannot be
    replayed (it reads a value in Python, its shapes depend on data) runs as it is, and a :class:`NotReplayed`
    warning names the line once. Other Python effects of ``fn`` (a print, a list appended to) happen while it is
    recorded and not after.

    Args:
        fn: the step.
        threads: how many a plan may use; default: the cores this process may use.
        notify: called with the text instead of the warning.

    Example:
        >>> import trainctl
        >>> from trainctl import nn, optim
        >>> net = nn.Linear(2, 1)
        >>> optimizer = optim.SGD(net.parameters(), lr=0.1)
        >>> @trainctl.compile
        ... def step(x, y):
        ...     optimizer.zero_grad()
        ...     loss = nn.functional.mse_loss(net(x), y)
        ...     loss.backward()
        ...     optimizer.step()
        ...     return loss
        >>> losses = [step(trainctl.ones(4, 2), trainctl.zeros(4, 1)).item() for _ in range(4)]
        >>> losses[3] < losses[0], len(step.plans)
        (True, 1)
    """
    return Compiled(fn, threads or usable_cores(), notify)


class Compiled:
    """A function and its plans: see :func:`compile`.

    Attributes:
        plans: the plans in use, by the arguments' signature.
        reasons: why signatures without a plan have none.
    """

    def __init__(self, fn: Callable[..., Any], threads: int, notify: Callable[[str], None] | None = None) -> None:
        functools.update_wrapper(self, fn)
        self.fn, self.threads = fn, threads
        self._notify = notify or _warn
        self.plans: OrderedDict[Any, Plan] = OrderedDict()
        self.reasons: dict[Any, str] = {}
        self._traces: dict[Any, list[Trace]] = {}
        self._surroundings: dict[Any, Surroundings] = {}
        self._recordings: dict[Any, int] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the step: by a plan where there is one that holds."""
        if state.watcher is not None:  # somebody looks on: they are to see the ops
            return self.fn(*args, **kwargs)
        tensors: list[Tensor] = []
        try:
            key = signature(args, kwargs, tensors)
        except Unhashable as kind:
            self._give_up(str(kind), f"an argument is a {kind}, not a tensor, a number or a list of them")
            return self.fn(*args, **kwargs)
        plan = self.plans.get(key)
        if plan is not None:
            if not self._surroundings[key].changed() and plan.still_holds():
                return plan.replay(tensors)
            self._drop(key)
        if key in self.reasons:
            return self.fn(*args, **kwargs)
        return self._record(key, tensors, args, kwargs)

    def _record(self, key: Any, tensors: list[Tensor], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the step while looking on; make a plan once two recordings are the same."""
        recorder = Recorder(tensors)
        with recorder.recording():
            result = self.fn(*args, **kwargs)
        trace = recorder.finish(result)
        if trace.reason is not None:
            self._give_up(key, trace.reason)
            return result
        before = self._traces.setdefault(key, [])
        if before and trace.same_as(before[-1]):
            kept = [each.tensor for each in trace.values if each.tensor is not None]
            self._surroundings[key] = Surroundings(self.fn, trace.modules, kept)
            self.plans[key] = Plan(trace, self.threads)
            del self._traces[key]
            if len(self.plans) > MOST_PLANS:
                self._drop(next(iter(self.plans)))
        else:
            self._traces[key] = [trace]
            self._count(key, "it does other things from one call to the next")
        return result

    def _drop(self, key: Any) -> None:
        """Let go of a plan that no longer holds, or of the oldest of too many."""
        del self.plans[key], self._surroundings[key]
        self._count(key, "what it depends on changes from one call to the next")

    def _count(self, key: Any, reason: str) -> None:
        self._recordings[key] = self._recordings.get(key, 0) + 1
        if self._recordings[key] > MOST_RECORDINGS:
            self._give_up(key, reason)

    def _give_up(self, key: Any, reason: str) -> None:
        """Run eagerly from now on, and say so once."""
        if key not in self.reasons:
            name = getattr(self.fn, "__name__", "the step")
            if reason not in self.reasons.values():
                self._notify(f"{name} runs without a plan: {reason}")
            self.reasons[key] = reason
        self._traces.pop(key, None)


def _warn(text: str) -> None:
    warnings.warn(text, NotReplayed, stacklevel=5)
