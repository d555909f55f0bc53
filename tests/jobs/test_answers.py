from __future__ import annotations

import numpy as np
import pytest

import trainctl
from trainctl.cli.answer_files import Details, fields
from trainctl.jobs.answers import answers_of
from trainctl.jobs.prediction import Prediction


def written(output: object, link: str | None, **details) -> list[dict]:
    answers = answers_of(output, link)
    rows = [fields(Prediction("f", row, None, answer), Details(**details)) for row, answer in enumerate(answers)]
    return [{key: value for key, value in row.items() if key != "row"} for row in rows]


def test_yes_or_no_has_the_probability_of_yes():
    for shape in ((2,), (2, 1)):
        output = trainctl.tensor([2.0, -2.0]).reshape(*shape)
        assert written(output, "sigmoid") == [
            {"class": 1, "probability": 0.880797078},
            {"class": 0, "probability": 0.119202922},
        ]
    assert written(trainctl.tensor([0.75]), "probability", classes=["no", "yes"]) == [
        {"class": 1, "label": "yes", "probability": 0.75}
    ]


def test_labels_are_answered_one_by_one():
    assert written(trainctl.tensor([[0.0, 9.0, -9.0]]), "sigmoid") == [
        {"classes": [0, 1, 0], "probabilities": [0.5, 0.999876605, 0.000123395]}
    ]


def test_log_probabilities_and_margins():
    [row] = written(trainctl.tensor([[0.25, 0.75]]).log(), "log", proba=True)
    assert (row["class"], row["probability"]) == (1, pytest.approx(0.75))
    assert row["probabilities"] == pytest.approx([0.25, 0.75])
    assert written(trainctl.tensor([[0.25, 0.75]]), "margin") == [{"class": 1}]


def test_values():
    assert written(trainctl.tensor([[0.1], [2.0]]), "value") == [{"value": 0.100000001}, {"value": 2.0}]
    assert written(trainctl.tensor([[0.5, 1.5]]), None) == [{"values": [0.5, 1.5]}]
    assert written(trainctl.tensor([[0.5, float("nan")]]), None) == [{"values": [0.5, None], "error": "not finite"}]


def test_places_have_a_class_each():
    scores = trainctl.zeros(1, 2, 3)
    scores[0, 1, 2] = 100.0
    [row] = written(scores, "softmax")
    assert row["classes"] == [0, 0, 1]
    assert np.shape(row["probabilities"]) == (2, 3)


def test_several_outputs_by_name():
    output = {"age": trainctl.tensor([[30.0]]), "size": trainctl.tensor([[float("inf")]])}
    assert written(output, "softmax") == [
        {"outputs": {"age": {"value": 30.0}, "size": {"value": None, "error": "not finite"}}, "error": "not finite"}
    ]


def test_equal_scores_are_the_first_class_and_the_first_on_top():
    [row] = written(trainctl.zeros(1, 3), "softmax", top=2)
    assert row["class"] == 0
    assert [each["class"] for each in row["top"]] == [0, 1]


def test_an_empty_batch_has_no_answers():
    assert answers_of(trainctl.zeros(0, 3), "softmax") == []
