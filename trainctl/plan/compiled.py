"""``compile``: a step that is recorded twice, compared, and from then on replayed."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from trainctl.autograd.state import state
from trainctl.autograd.tensor import Tensor
from trainctl.backend import jit
from trainctl.backend.threads import usable_cores
from trainctl.plan.guards import Surroundings, Unhashable, signature
from trainctl.plan.lowering import Settings
from trainctl.plan.plan import Plan
from trainctl.plan.recorder import Recorder
from trainctl.plan.trace import Trace

MOST_PLANS = 8  # a step has one for training, one for the last batch; more than a few means that no two calls agree
MOST_RECORDINGS = 8  # without a replay in between


class NotReplayed(UserWarning):
    """A step that was to be compiled runs eagerly; the text says why."""


def compile(
    fn: Callable[..., Any],
    *,
    threads: int | None = None,
    kernels: str | None = None,
    deterministic: bool = False,
    notify: Callable[[str], None] | None = None,
    undo: Callable[[], Callable[[], None]] | None = None,
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
        kernels: ``numba`` for compiled loops, ``numpy`` for its calls alone; default: Numba's where it is installed.
        deterministic: the same bits whatever the number of threads. Without it a plan may let the BLAS library share
            its products out, which then differ by rounding; only plans of small products do, which it makes faster.
        notify: called with the text instead of the warning.
        undo: called before the step is recorded; what it returns puts everything back that the step changes. The
            recordings then count for nothing and the plan takes the step from the first call on, so that a run's
            results do not depend on where it began.

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
    settings = Settings(threads or usable_cores(), jit.available() and kernels != "numpy", deterministic)
    return Compiled(fn, settings, notify or _warn, undo)


class Compiled:
    """A function and its plans: see :func:`compile`.

    Attributes:
        plans: the plans in use, the newest at the end. A signature of arguments may have several: one for
            training, say, and one for evaluation.
        reasons: why signatures without a plan have none.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        settings: Settings,
        notify: Callable[[str], None],
        undo: Callable[[], Callable[[], None]] | None,
    ) -> None:
        functools.update_wrapper(self, fn)
        self.fn, self._settings = fn, settings
        self._notify, self._undo = notify, undo
        self.plans: list[Plan] = []
        self.reasons: dict[Any, str] = {}
        self._known: dict[Any, list[tuple[Surroundings, Plan]]] = {}
        self._traces: dict[Any, Trace] = {}
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
        for surroundings, plan in self._known.get(key, ()):
            if not surroundings.changed() and plan.still_holds():
                self._recordings[key] = 0
                return plan.replay(tensors)
        if key in self.reasons:
            return self.fn(*args, **kwargs)
        if self._undo is not None:
            self._rehearse(key, tensors, args, kwargs, self._undo())
            return self(*args, **kwargs)
        return self._record(key, tensors, args, kwargs)

    def _rehearse(
        self, key: Any, tensors: list[Tensor], args: tuple[Any, ...], kwargs: dict[str, Any], restore: Any
    ) -> None:
        """Record the step twice without a trace in the world."""
        for _ in range(2):
            try:
                self._record(key, tensors, args, kwargs)
            finally:
                restore()
            if key in self.reasons:
                return

    def _record(self, key: Any, tensors: list[Tensor], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the step while looking on; make a plan once two recordings are the same."""
        recorder = Recorder(tensors)
        with recorder.recording():
            result = self.fn(*args, **kwargs)
        trace = recorder.finish(result)
        if trace.reason is not None:
            self._give_up(key, trace.reason)
            return result
        before = self._traces.get(key)
        if before is not None and trace.same_as(before):
            del self._traces[key]
            self._add(key, trace)
        else:
            self._traces[key] = trace
        self._recordings[key] = self._recordings.get(key, 0) + 1
        if self._recordings[key] > MOST_RECORDINGS:
            self._give_up(key, "it, or what it depends on, is another from one call to the next")
        return result

    def _add(self, key: Any, trace: Trace) -> None:
        """Make a plan, and let the oldest go where they are too many."""
        kept = [each.tensor for each in trace.values if each.tensor is not None]
        plan = Plan(trace, self._settings)
        self._known.setdefault(key, []).insert(0, (Surroundings(self.fn, trace.modules, kept), plan))
        self.plans.append(plan)
        if len(self.plans) > MOST_PLANS:
            oldest = self.plans.pop(0)
            for known in self._known.values():
                known[:] = [each for each in known if each[1] is not oldest]

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
