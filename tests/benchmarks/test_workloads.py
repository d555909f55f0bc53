"""The workloads that speed is measured on compute the same everywhere, here at a fraction of their sizes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import trainctl
from benchmarks import jax_steps, plan_profile
from benchmarks.workloads import WORKLOADS, training, weights_of

STEPS = 3
SMALL = {
    "mlp": {"widths": (12, 8)},
    "cnn": {"channels": 4, "size": 8, "hidden": 8},
    "resnet8": {"channels": (4, 8, 8), "size": 8},
    "lstm": {"vocabulary": 20, "width": 6, "hidden": 8, "time": 5},
    "transformer": {"width": 8, "heads": 2, "hidden": 12, "time": 5},
    "recommender": {"users": 30, "items": 20, "width": 4, "hidden": 8},
    "big_mlp": {"widths": (12, 16, 16)},
}


def small(name):
    return replace(WORKLOADS[name], batch_size=4, **SMALL[name])


def losses(step):
    return [step().item() for _ in range(STEPS)]


@pytest.fixture(params=WORKLOADS)
def workload(request):
    return small(request.param)


@pytest.fixture
def eager(workload):
    return training(workload, trainctl)


def test_plan_agrees_with_eager(workload, eager):
    planned = training(workload, trainctl)
    planned.step = trainctl.compile(planned.step, threads=2)
    np.testing.assert_allclose(losses(planned), losses(eager), rtol=1e-5)
    assert len(planned.step.plans) == 1


def test_torch_agrees_with_eager(workload, eager):
    torch = pytest.importorskip("torch", reason="needs the extra `parity`")
    theirs = training(workload, torch, weights_of(eager.model))
    np.testing.assert_allclose(losses(theirs), losses(eager), rtol=1e-4)


@pytest.mark.parametrize("name", ["mlp", "cnn", "big_mlp"])
def test_jax_agrees_with_eager(name):
    pytest.importorskip("jax", reason="needs the extra `bench`")
    eager = training(small(name), trainctl)
    step = jax_steps.step_of(small(name), weights_of(eager.model))
    np.testing.assert_allclose(losses(step), losses(eager), rtol=1e-4)


def test_the_loss_falls(eager):
    first, *_, last = [eager().item() for _ in range(10)]
    assert last < first


def test_a_profile_names_every_op_of_a_plan():
    job = training(small("mlp"), trainctl)
    job.step = trainctl.compile(job.step, threads=1)
    losses(job)
    (plan,) = job.step.plans
    labels = {plan_profile.label(run).partition(" ")[0] for run in plan.runs}
    assert {"Linear", "choose", "MatMul", "FusedStep"} <= labels
    runs = list(plan.runs)
    *rows, everything = plan_profile.rows_of(plan, job, rounds=2)
    assert everything["times"] == sum(row["times"] for row in rows) == len(runs)
    assert plan.runs == runs
