from __future__ import annotations

import math

import numpy as np
import pytest

import trainctl
from trainctl import nn
from trainctl.nn.outputs import OutputLoss
from trainctl.train.batches import OutputMetric
from trainctl.train.drops import Drop, Observed, worst_drop
from trainctl.train.metrics import MAE, Accuracy, Metric


def observed(name: str, loss: object, metrics: dict[str, Metric], *batches: tuple[object, object]) -> Observed:
    found = Observed(name, loss, metrics)
    for output, target in batches:
        found(output, target)
    return found


def answers(right: list[bool]) -> tuple[object, object]:
    """Scores of two classes, of which the second is right."""
    scores = np.array([[0.0, 1.0] if each else [1.0, 0.0] for each in right], np.float32)
    return trainctl.from_numpy(scores), trainctl.ones(len(right), dtype=trainctl.int64)


def drop_of(ours: list[bool], theirs: list[bool]) -> Drop:
    both = [
        observed("accuracy", nn.CrossEntropyLoss(), {"accuracy": Accuracy()}, answers(each)) for each in (ours, theirs)
    ]
    return worst_drop(*both)


def test_the_same_answers_cannot_be_worse():
    assert drop_of([True, False, True], [True, False, True]) == Drop(2 / 3, 2 / 3, 0.0, 0.0)


def test_the_bound_is_the_bootstraps():
    """One answer in a thousand is lost: drawn with replacement, that one comes k times with Poisson's probability."""
    found = drop_of([False] + [True] * 999, [True] * 1000)
    assert found.drop == pytest.approx(0.001)
    assert found.bound == pytest.approx(0.003)  # P(k <= 2) = 0.92 < 0.95 <= P(k <= 3)


def test_what_is_better_has_a_negative_drop():
    found = drop_of([True] * 500, [False] * 100 + [True] * 400)
    assert found.drop == pytest.approx(-0.2)
    assert -0.2 < found.bound < -0.15


def test_a_loss_is_worse_where_it_is_greater():
    output, target = trainctl.randn(200, 1), trainctl.zeros(200, 1)
    theirs = observed("loss", nn.MSELoss(), {}, (output, target))
    ours = observed("loss", nn.MSELoss(), {}, (2 * output, target))
    found = worst_drop(ours, theirs)
    assert found.drop == pytest.approx(3 * found.baseline, rel=1e-5)
    assert found.drop < found.bound < 2 * found.drop


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_is_infinitely_worse(value: float):
    target = trainctl.zeros(3, 1)
    theirs = observed("loss", nn.MSELoss(), {}, (trainctl.ones(3, 1), target))
    ours = observed("loss", nn.MSELoss(), {}, (trainctl.full((3, 1), value), target))
    assert worst_drop(ours, theirs).bound == math.inf
    assert math.isnan(worst_drop(ours, ours).bound)


def test_the_same_numbers_each_time():
    draw = np.random.default_rng(0)
    ours, theirs = ((draw.random(300) < share).tolist() for share in (0.9, 0.92))
    assert drop_of(ours, theirs) == drop_of(ours, theirs)


def test_batches_do_not_matter():
    draw = np.random.default_rng(1)
    ours, theirs = ((draw.random(64) < share).tolist() for share in (0.8, 0.9))
    whole = drop_of(ours, theirs)
    parts = []
    for each in (ours, theirs):
        batches = [answers(each[start : start + 7]) for start in range(0, 64, 7)]
        parts.append(observed("accuracy", nn.CrossEntropyLoss(), {"accuracy": Accuracy()}, *batches))
    assert worst_drop(*parts) == whole


class Largest(Metric):
    """A metric that no sums lead to."""

    def reset(self) -> None:
        self.largest = -math.inf

    def update(self, output: object, target: object) -> None:
        self.largest = max(self.largest, output.max().item())

    def compute(self) -> float:
        return self.largest


def test_a_metric_without_sums_is_measured_again():
    target = trainctl.zeros(50, 1)
    both = [
        observed("largest", nn.MSELoss(), {"largest": Largest()}, (trainctl.arange(50.0).reshape(50, 1) - less, target))
        for less in (2, 0)
    ]
    found = worst_drop(*both)
    assert found.drop == 2
    assert found.bound == 2  # whatever is drawn, it is drawn for both


def test_several_outputs():
    loss = OutputLoss({"a": nn.L1Loss(), "b": nn.MSELoss()}, {"b": 0.5})
    metrics = {"mae": OutputMetric(MAE(), "a")}
    target = {"a": trainctl.zeros(20, 1), "b": trainctl.zeros(20, 1)}
    x = trainctl.randn(20, 1)
    theirs, ours = ({"a": scale * x, "b": scale * x} for scale in (1, 2))
    found = worst_drop(*(observed("loss", loss, metrics, (each, target)) for each in (ours, theirs)))
    assert found.value == pytest.approx(loss(ours, target).item(), rel=1e-6)
    assert found.baseline == pytest.approx(loss(theirs, target).item(), rel=1e-6)
    for name in metrics:
        figures = worst_drop(*(observed(name, loss, metrics, (each, target)) for each in (ours, theirs)))
        assert figures.drop == pytest.approx(x.abs().mean().item(), rel=1e-6)
