from __future__ import annotations

import math

import numpy as np
import pytest

import trainctl
from trainctl.errors import ConfigError
from trainctl.train.metrics import Accuracy, Metric


def test_accuracy_adds_up_over_batches():
    draw = np.random.default_rng(0)
    scores, classes = draw.normal(size=(50, 4)).astype(np.float32), draw.integers(0, 4, 50)
    accuracy = Accuracy()
    for rows in (slice(0, 20), slice(20, 21), slice(21, 50)):
        accuracy.update(trainctl.from_numpy(scores[rows]), trainctl.from_numpy(classes[rows]))
    assert accuracy.compute() == np.mean(scores.argmax(1) == classes)
    accuracy.reset()
    assert math.isnan(accuracy.compute())


def test_accuracy_of_maps_counts_every_place():
    scores = trainctl.zeros(2, 3, 4, 5)
    scores[:, 1] = 1.0
    classes = trainctl.ones(2, 4, 5, dtype=trainctl.int64)
    classes[0] = 0
    accuracy = Accuracy()
    accuracy.update(scores, classes)
    assert (accuracy.compute(), accuracy.total) == (0.5, 40)


@pytest.mark.parametrize(
    ("output", "target"), [((4,), (4,)), ((4, 3), (5,)), ((4, 3), (4, 3)), ((4, 3, 2), (4,)), ((), ())]
)
def test_shapes_that_are_no_classification_are_refused(output: tuple[int, ...], target: tuple[int, ...]):
    with pytest.raises(ConfigError, match="accuracy expects scores") as caught:
        Accuracy().update(trainctl.zeros(output), trainctl.zeros(target))
    assert str(list(output)) in str(caught.value)
    assert str(list(target)) in str(caught.value)


def test_a_metric_without_its_methods_says_which():
    class Half(Metric):
        pass

    for call, name in (
        (Half().reset, "reset"),
        (lambda: Half().update(None, None), "update"),
        (Half().compute, "compute"),
    ):
        with pytest.raises(NotImplementedError, match=f"Half has no {name}"):
            call()
