"""Targets of every kind against what a model gives and a loss takes."""

from __future__ import annotations

import pytest

from tests.build.made import NUMBERS, load, made
from trainctl.build import check
from trainctl.data.spec import ArraySpec
from trainctl.errors import ConfigError

NUMBER, PAIR = ArraySpec(()), ArraySpec((2,))
BINARY = ArraySpec((), "int64", high=2)
TOKENS = ArraySpec((5,), "int64", high=7)
LABELS = ArraySpec((4,))
COUNT = ArraySpec((), "int64")

LINEAR = "  - Linear: {{out_features: {}}}"
TAGGER = "  - Unflatten: {dim: 1, unflattened_size: [6, 1]}\n  - Linear: {out_features: 5}\n"


@pytest.mark.parametrize(
    ("target", "model", "loss"),
    [
        (PAIR, LINEAR.format(2), "MSELoss"),
        (ArraySpec((2,), "float64"), LINEAR.format(2), "L1Loss"),
        (NUMBER, LINEAR.format(1) + "\n  - Flatten: {start_dim: 0}", "HuberLoss"),
        (ArraySpec((1,)), LINEAR.format(1), "BCEWithLogitsLoss"),
        (BINARY, LINEAR.format(2), "CrossEntropyLoss"),
        (LABELS, LINEAR.format(4), "BCEWithLogitsLoss"),
        (LABELS, LINEAR.format(4), "MultiLabelSoftMarginLoss"),
        (LABELS, LINEAR.format(4), "CrossEntropyLoss"),
        (ArraySpec((4,), "int64", high=4), LINEAR.format(4), "MultiLabelMarginLoss"),
        (COUNT, LINEAR.format(9), "CrossEntropyLoss"),
        (COUNT, LINEAR.format(1) + "\n  - Flatten: {start_dim: 0}", "PoissonNLLLoss"),
        (ArraySpec((6,), "int64", high=5), TAGGER + "  - Permute: {dims: [0, 2, 1]}", "CrossEntropyLoss"),
        (ArraySpec((2, 3)), "  - Unflatten: {dim: 1, unflattened_size: [2, 3]}\n" + LINEAR.format(3), "MSELoss"),
    ],
)
def test_what_fits(monkeypatch, target, model, loss):
    made(monkeypatch, NUMBERS, target)
    assert check(load(model, loss)).layers


TAKES = "the model gives {}, {} with Made takes {}"


@pytest.mark.parametrize(
    ("target", "model", "loss", "expected"),
    [
        (PAIR, LINEAR.format(3), "MSELoss",
         ("7:28", "model.0: Linear(out_features=3): " + TAKES.format("[N, 3]", "MSELoss", "[N, 2]"), "write `out_features: 2`")),
        (NUMBER, LINEAR.format(1), "MSELoss",
         ("7:5", "model.0: " + TAKES.format("[N, 1]", "MSELoss", "[N]"), "end the model with `Flatten: {start_dim: 0}`")),
        (NUMBER, LINEAR.format(4), "MSELoss",
         ("7:5", "model.0: " + TAKES.format("[N, 4]", "MSELoss", "[N]"),
          "end the model with `Linear: {out_features: 1}` and `Flatten: {start_dim: 0}`")),
        (BINARY, LINEAR.format(1), "BCEWithLogitsLoss",
         ("3:7", "loss: BCEWithLogitsLoss takes numbers as targets; those of Made are class numbers",
          "write `loss: CrossEntropyLoss` or `loss: MultiMarginLoss` or `loss: NLLLoss`")),
        (PAIR, LINEAR.format(2), "NLLLoss",
         ("3:7", "loss: NLLLoss takes class numbers as targets; those of Made are numbers (float32 [N, 2])",
          "write `loss: MSELoss` or `loss: L1Loss` or `loss: BCEWithLogitsLoss`")),
        (NUMBER, LINEAR.format(2), "CrossEntropyLoss",
         ("3:7", "loss: CrossEntropyLoss takes class numbers as targets; those of Made are numbers (float32 [N])",
          "write `loss: MSELoss` or `loss: L1Loss` or `loss: BCEWithLogitsLoss`")),
        (PAIR, LINEAR.format(2), "MultiLabelMarginLoss",
         ("3:7", "loss: MultiLabelMarginLoss takes lists of class numbers as targets; those of Made are numbers (float32 [N, 2])",
          "write `loss: MSELoss` or `loss: L1Loss` or `loss: BCEWithLogitsLoss`")),
        (ArraySpec((6,), "int64", high=5), TAGGER, "CrossEntropyLoss",
         ("8:5", "model.1: " + TAKES.format("[N, 6, 5]", "CrossEntropyLoss", "[N, 5, 6]"),
          "end the model with `Permute: {dims: [0, 2, 1]}`: the classes are the second dimension")),
        (TOKENS, LINEAR.format(3), "CrossEntropyLoss",
         ("7:5", "model.0: " + TAKES.format("[N, 3]", "CrossEntropyLoss", "[N, 7, 5]"), "the last layers have to make [N, 7, 5] of it")),
        (COUNT, "  - Unflatten: {dim: 1, unflattened_size: [2, 3]}\n" + LINEAR.format(3), "CrossEntropyLoss",
         ("8:5", "model.1: " + TAKES.format("[N, 2, 3]", "CrossEntropyLoss", "[N, C]"),
          "end the model with `Flatten` and `Linear: {out_features: C}`")),
        (ArraySpec((2,), "float64"), LINEAR.format(2) + "\n  - Sigmoid", "BCELoss",
         ("3:7", "loss: BCELoss: Found dtype float64 of the target but expected float32", None)),
        (ArraySpec((2,), "flaot32"), LINEAR.format(2), "MSELoss",
         ("2:17", "data.dataset: Made: there is no dtype 'flaot32'; see trainctl.float32, trainctl.int64", None)),
    ],
)  # fmt: skip
def test_what_does_not_fit(monkeypatch, target, model, loss, expected):
    made(monkeypatch, NUMBERS, target)
    with pytest.raises(ConfigError) as caught:
        check(load(model, loss))
    (problem,) = caught.value.problems
    assert (f"{problem.line}:{problem.column}", problem.message, problem.hint) == expected


def test_inputs_have_the_type_that_the_data_says(monkeypatch):
    made(monkeypatch, ArraySpec((5,), "int64", high=9), ArraySpec((5, 3)))
    model = "  - Embedding: {num_embeddings: 9, embedding_dim: 3}"
    assert check(load(model)).layers[0].output_shape == (5, 3)


def test_a_dataset_that_refuses_its_arguments(monkeypatch):
    made(monkeypatch, NUMBERS, PAIR)
    monkeypatch.setattr("tests.build.made.Made.sample_spec", lambda: int("x"))
    with pytest.raises(ConfigError, match=r"c\.yaml:2:17: data\.dataset: Made: invalid literal for int"):
        check(load(LINEAR.format(2)))
