"""A replayed step allocates nothing and calls little Python: counted, as times are not the same twice."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest

from tests.plan.array_memory import array_sizes
from tests.plan.test_deterministic import ConvNet, Encoder, Perceptron, Recurrent, step_of
from trainctl.backend import jit
from trainctl.plan.kernels import tile
from trainctl.plan.profile import calls_of

LARGE = 1024  # bytes: a result, and figures that Python works out, are smaller

MODELS = (Perceptron, Recurrent, ConvNet, Encoder)
MOST_PYTHON_CALLS = 116  # of functions written in Python, in a replay of the perceptron

COMPILED = pytest.mark.skipif(
    not (jit.available() and tile.pays()), reason="needs compiled loops: NumPy's calls alone work with arrays between"
)


def replaying(kind):
    """Return a call that replays a step, and its plan."""
    step, batch, _ = step_of(kind, threads=1)
    for _ in range(6):  # what is made when it is first needed is there then
        step(*batch)
    (plan,) = step.plans
    return partial(step, *batch), plan


def large_arrays(call):
    """Return the sizes of the large arrays that a call allocates."""
    with array_sizes() as sizes:
        call()
        return [each for each in sizes if each >= LARGE]


@contextmanager
def watched(plan, guilty):
    """Add the ops of a plan's calls that allocate while it is replayed inside the block."""

    def run_alone(run, ops):
        if large_arrays(run):
            guilty.update(ops)

    linked, calls = plan.linked, zip(calls_of(plan), plan.work, strict=True)
    plan.linked = [partial(run_alone, run, call.ops) for call, (_, runs) in calls for run in runs]
    try:
        yield
    finally:
        plan.linked = linked


@COMPILED
@pytest.mark.parametrize("kind", MODELS)
def test_a_replay_allocates_no_array_of_a_kilobyte(kind):
    call, plan = replaying(kind)
    guilty = set()
    with watched(plan, guilty):
        call()
    assert guilty == set()
    assert large_arrays(call) == []  # nor does what is around the calls


@COMPILED
def test_an_allocation_would_be_seen():
    call, plan = replaying(Perceptron)
    assert large_arrays(call) == []
    plan.linked = [*plan.linked, lambda: np.ones((16, 16), np.float32) + 1]
    assert large_arrays(call) == [1024, 1024]


def test_eager_steps_allocate():
    step, batch, _ = step_of(Perceptron)
    assert len(large_arrays(lambda: step.fn(*batch))) > 10


def python_calls(call):
    """Return how many functions written in Python a call runs."""
    names = []

    def note(frame, event, _):
        if event == "call":
            names.append(frame.f_code.co_qualname)

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return names


@COMPILED
def test_a_replay_calls_little_python():
    call, plan = replaying(Perceptron)
    names = python_calls(call)
    assert 0 < len(names) <= MOST_PYTHON_CALLS, names
    plan.linked = [*plan.linked, *[lambda: None] * MOST_PYTHON_CALLS]
    assert len(python_calls(call)) == len(names) + MOST_PYTHON_CALLS  # one more would be seen
