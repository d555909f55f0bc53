"""Metrics of classes against plain Python, on random scores with ties, absent classes and single classes."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import trainctl
from tests.train.metrics import reference
from trainctl import nn
from trainctl.errors import ConfigError
from trainctl.train.metrics import (
    F1,
    Accuracy,
    ConfusionMatrix,
    Metric,
    PerClass,
    Precision,
    Recall,
    RocAuc,
    TopKAccuracy,
)
from trainctl.train.metrics.base import SummedMetric

KINDS = {"precision": Precision, "recall": Recall, "f1": F1}
CUTS = (0, 1, 8, 9, 30)


def draw_classes(seed: int, samples: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Scores in steps, so that some are equal; of five classes some seeds never have the last ones as targets."""
    draw = np.random.default_rng(seed)
    scores = draw.integers(-3, 4, (samples, 5)).astype(np.float32) / 2
    return scores, draw.integers(0, 1 + seed % 5, samples)


def measured(metric: Metric, output: np.ndarray, target: np.ndarray, loss: object = None) -> float:
    """The figure over several batches, one of them of one sample; the same over one batch in another order."""
    metric.bind(loss or nn.CrossEntropyLoss())
    metric.reset()
    for start, stop in itertools.pairwise(CUTS):
        metric.update(trainctl.from_numpy(output[start:stop]), trainctl.from_numpy(target[start:stop]))
    figure = metric.compute()
    metric.reset()
    metric.update(trainctl.from_numpy(output[::-1].copy()), trainctl.from_numpy(target[::-1].copy()))
    assert metric.compute() == figure or math.isnan(figure)
    return figure


@pytest.mark.parametrize("seed", range(10))
def test_accuracy_and_top_k(seed: int):
    scores, target = draw_classes(seed)
    assert measured(Accuracy(), scores, target) == reference.accuracy(scores, target)
    for k in (1, 2, 5):
        assert measured(TopKAccuracy(k), scores, target) == reference.top_k(scores, target, k)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
@pytest.mark.parametrize("zero", [0.0, 1.0])
def test_averages_over_classes(kind: str, average: str, zero: float):
    for seed in range(10):
        scores, target = draw_classes(seed)
        figure = measured(KINDS[kind](average=average, zero_division=zero), scores, target)
        right = reference.averaged(kind, average, reference.answers(scores), target.tolist(), 5, zero)
        assert figure == pytest.approx(right, rel=1e-15), seed


@pytest.mark.parametrize("kind", KINDS)
def test_of_two_classes_binary_is_the_second(kind: str):
    for seed in range(5):
        scores, target = draw_classes(seed)
        scores, target = scores[:, :2], target % 2
        figure = measured(KINDS[kind](average="binary"), scores, target)
        assert figure == reference.averaged(kind, "binary", reference.answers(scores), target.tolist(), 2, 0.0)


@pytest.mark.parametrize("seed", range(10))
def test_yes_or_no_by_logits_and_by_probabilities(seed: int):
    draw = np.random.default_rng(seed)
    logits, target = draw.normal(size=30).round(1), draw.integers(0, 2, 30)
    answered = (logits > 0).astype(int).tolist()
    probabilities = 1 / (1 + np.exp(-logits))
    for output, loss in ((logits, nn.BCEWithLogitsLoss()), (probabilities, nn.BCELoss())):
        for shape in ((30,), (30, 1)):
            shaped = output.reshape(shape).astype(np.float32)
            assert measured(Accuracy(), shaped, target, loss) == np.mean(np.array(answered) == target)
            for kind, cls in KINDS.items():
                expected = reference.averaged(kind, "binary", answered, target.tolist(), 2, 0.0)
                assert measured(cls(), shaped, target.reshape(shape).astype(np.float32), loss) == expected
            area = reference.auc(shaped.reshape(-1).tolist(), (target == 1).tolist())
            assert measured(RocAuc(), shaped, target, loss) == area


def test_the_threshold_is_a_probability():
    logits, target = np.array([0.0, 1.0, 2.0, -5.0] * 8, np.float32)[:30], np.ones(30, np.int64)
    for threshold, answered in ((0.0, 1.0), (0.6, np.mean(logits > 0.5)), (1.0, 0.0)):
        assert measured(Accuracy(threshold), logits, target, nn.BCEWithLogitsLoss()) == answered


def test_labels_are_questions_of_their_own():
    draw = np.random.default_rng(0)
    logits, target = draw.normal(size=(30, 3)).astype(np.float32), draw.integers(0, 2, (30, 3))
    target[:, 2] = 0
    loss, yes = nn.BCEWithLogitsLoss(), logits > 0
    assert measured(Accuracy(), logits, target, loss) == np.mean(yes == target)
    each = [
        reference.averaged("f1", "binary", yes[:, label].astype(int).tolist(), target[:, label].tolist(), 2, 0.0)
        for label in range(3)
    ]
    assert measured(F1(), logits, target, loss) == pytest.approx(np.mean(each), rel=1e-15)
    micro = reference.averaged("f1", "binary", yes.reshape(-1).astype(int).tolist(), target.reshape(-1).tolist(), 2, 0)
    assert measured(F1(average="micro"), logits, target, loss) == micro
    areas = [reference.auc(logits[:, label].tolist(), (target[:, label] == 1).tolist()) for label in range(2)]
    assert measured(RocAuc(), logits, target, loss) == pytest.approx(np.mean(areas), rel=1e-15)
    table = measured_table(ConfusionMatrix(), logits, target, loss)["values"]
    assert table[0] == [int(((target == 0) & ~yes)[:, 0].sum()), int(((target == 0) & yes)[:, 0].sum())]


def measured_table(metric: Metric, output: np.ndarray, target: np.ndarray, loss: object) -> dict:
    metric.bind(loss)
    metric.reset()
    metric.update(trainctl.from_numpy(output), trainctl.from_numpy(target))
    return metric.compute()


@pytest.mark.parametrize("average", ["macro", "weighted"])
def test_the_area_of_several_classes_is_one_against_the_rest(average: str):
    for seed in range(1, 10):
        scores, target = draw_classes(seed)
        odds = np.exp(scores.astype(np.float64))
        logs = np.log(odds / odds.sum(axis=1, keepdims=True)).round(12)  # ties stay ties
        found = [number for number in range(5) if 0 < (target == number).sum() < 30]
        if not found:
            assert math.isnan(measured(RocAuc(average), scores, target))
            continue
        areas = [reference.auc(logs[:, number].tolist(), (target == number).tolist()) for number in found]
        weights = [(target == number).sum() if average == "weighted" else 1 for number in found]
        assert measured(RocAuc(average), scores, target) == pytest.approx(np.average(areas, weights=weights), abs=5e-3)


def test_maps_and_sequences_count_every_place_but_ignored_ones():
    draw = np.random.default_rng(0)
    scores, target = draw.normal(size=(30, 4, 6)).astype(np.float32), draw.integers(0, 4, (30, 6))
    target[draw.random((30, 6)) < 0.3] = -1
    flat, right = scores.transpose(0, 2, 1).reshape(-1, 4), target.reshape(-1)
    flat, right = flat[right != -1], right[right != -1]
    loss = nn.CrossEntropyLoss(ignore_index=-1)
    assert measured(Accuracy(), scores, target, loss) == reference.accuracy(flat, right)
    assert measured(TopKAccuracy(2), scores, target, loss) == reference.top_k(flat, right, 2)
    expected = reference.averaged("f1", "macro", reference.answers(flat), right.tolist(), 4, 0.0)
    assert measured(F1(), scores, target, loss) == pytest.approx(expected, rel=1e-15)
    assert sum(map(sum, measured_table(ConfusionMatrix(), scores, target, loss)["values"])) == len(right)


def test_soft_targets_are_right_where_they_are_largest():
    scores = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1] * 6]
    target = np.eye(3, dtype=np.float32)[[0, 1, 1, 0, 2] * 6] * 0.8 + 0.1
    assert measured(Accuracy(), scores, target) == 0.6


def test_every_class_has_its_row():
    scores, target = draw_classes(3)
    answered = reference.answers(scores)
    table = measured_table(PerClass(), scores, target, nn.CrossEntropyLoss())
    matrix = measured_table(ConfusionMatrix(), scores, target, nn.CrossEntropyLoss())["values"]
    for number in range(5):
        hits, count, right = reference.marks(answered, target.tolist(), number)
        expected = [hits / count if count else None, hits / right if right else None]
        assert table["values"][number][:2] == expected
        assert (matrix[number][number], sum(matrix[number])) == (hits, right)


@pytest.mark.parametrize("metric", [Accuracy(), TopKAccuracy(2), Precision(), Recall(), F1(), RocAuc()])
def test_a_score_that_is_not_a_number_makes_the_figure_none(metric: Metric):
    scores, target = draw_classes(4)
    assert not math.isnan(measured(metric, scores, target))
    scores[17, 3] = np.nan
    assert math.isnan(measured(metric, scores, target))
    scores[17] = [np.inf, 1, 0, -np.inf, 0]
    if not isinstance(metric, RocAuc):  # whose softmax of an infinite score is none
        assert not math.isnan(measured(metric, scores, target))


@pytest.mark.parametrize("metric", [Accuracy(), TopKAccuracy(2), Precision(), Recall(), F1(), RocAuc()])
def test_without_samples_there_is_no_figure(metric: Metric):
    metric.bind(nn.CrossEntropyLoss())
    metric.reset()
    assert math.isnan(metric.compute())
    metric.update(trainctl.zeros(0, 3), trainctl.zeros(0, dtype=trainctl.int64))
    assert math.isnan(metric.compute())


@pytest.mark.parametrize("metric", [Accuracy(), TopKAccuracy(2), Precision(), ConfusionMatrix(), RocAuc()])
@pytest.mark.parametrize(
    ("output", "target"), [((4, 3), (5,)), ((4, 3, 2), (4,)), ((4, 3), (4, 2)), ((), ()), ((4,), ())]
)
def test_shapes_that_are_no_classification_are_refused(metric: Metric, output: tuple, target: tuple):
    with pytest.raises(ConfigError, match=f"{metric.label} expects") as caught:
        metric.update(trainctl.zeros(output), trainctl.zeros(target))
    assert str(list(output)) in str(caught.value)
    assert str(list(target)) in str(caught.value)


@pytest.mark.parametrize(
    ("output", "target", "words"),
    [
        (
            np.zeros((2, 3)),
            np.array([0, 3]),
            "accuracy expects classes 0 to 2, as the model has scores, got the target 3",
        ),
        (np.zeros((2, 3)), np.array([0, -1]), "the target -1"),
        (np.zeros((2, 3)), np.array([0.0, 1.0]), "accuracy expects class numbers as targets"),
        (np.zeros(2), np.array([0.0, 0.5]), "targets of 0 and 1"),
    ],
)
def test_targets_that_mean_nothing_are_refused(output: np.ndarray, target: np.ndarray, words: str):
    with pytest.raises(ConfigError, match=words):
        Accuracy().update(trainctl.from_numpy(output), trainctl.from_numpy(target))


def test_more_answers_than_classes_and_averages_that_do_not_fit_are_refused():
    scores, target = trainctl.zeros(2, 3), trainctl.zeros(2, dtype=trainctl.int64)
    with pytest.raises(ConfigError, match="top_k_accuracy expects 4 classes or more for k: 4"):
        TopKAccuracy(4).update(scores, target)
    f1 = F1(average="binary")
    f1.update(scores, target)
    with pytest.raises(ConfigError, match="f1 expects two classes for `average: binary`, got 3 classes"):
        f1.compute()
    with pytest.raises(ConfigError, match="f1 expects 3 classes as before, got 2 classes in a later batch"):
        f1.update(scores[:, :2], target)


@pytest.mark.parametrize("make", [lambda: TopKAccuracy(0), lambda: Accuracy(1.5), lambda: F1(zero_division=2.0)])
def test_arguments_out_of_range_are_refused(make):
    with pytest.raises(ValueError, match=r"should be .*, got"):
        make()


def test_sums_of_records_give_the_figure():
    """What two models are compared by is what the metric itself counts."""
    scores, target = draw_classes(4)
    for metric in (Accuracy(), TopKAccuracy(2), Precision(), Recall(average="weighted"), F1(average="micro")):
        figure = measured(metric, scores, target)
        assert isinstance(metric, SummedMetric)
        records = metric.records(trainctl.from_numpy(scores), trainctl.from_numpy(target))
        assert metric.figure(metric.rows(records).sum(axis=0).astype(np.float64)) == figure
    logits, labels = scores - 0.25, (scores.round() % 2 == 0).astype(np.int64)
    metric = F1()
    figure = measured(metric, logits, labels, nn.BCEWithLogitsLoss())
    records = metric.records(trainctl.from_numpy(logits), trainctl.from_numpy(labels))
    assert metric.figure(metric.rows(records).sum(axis=0).astype(np.float64)) == figure


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
