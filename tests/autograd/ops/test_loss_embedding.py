"""Losses of distances and of distributions against PyTorch and against differences."""

from __future__ import annotations

import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table

EACH = ("none", "mean", "sum")
SIGNS = A(3, values=[1, -1, 1], grad=False)
TRIPLE = [A(3, 4), A(3, 4), A(3, 4)]
NO_MEAN = ("none", "sum", "batchmean")


def logs(*shape):
    return A(*shape, low=-3, high=-0.2)


ROWS = [
    Row("nn.functional.cosine_embedding_loss", [*(case(A(3, 4), A(3, 4), SIGNS, 0.2, reduction=each) for each in EACH), case(A(4), A(4), A(values=-1, grad=False)), case(A(1, 4), A(3, 4), SIGNS)]),
    Row("nn.functional.hinge_embedding_loss", [*(case(A(3), SIGNS, reduction=each) for each in EACH), case(A(2, 3), SIGNS, 0.5), case(A(3), A(3, values=[0, 2, -1], grad=False), reduction="none"), case(A(3, dtype="int64"), SIGNS, reduction="none")]),
    Row("nn.functional.margin_ranking_loss", [*(case(A(3), A(3), SIGNS, 0.3, reduction=each) for each in EACH), case(A(3, dtype="int64"), A(3, dtype="int64"), A(3, dtype="int64"))]),
    Row("nn.functional.triplet_margin_loss", [*(case(*TRIPLE, reduction=each) for each in EACH), case(*TRIPLE, 2.0, 1), case(*TRIPLE, swap=True), case(A(4), A(4), A(4)), case(*TRIPLE, p=3.0, eps=1e-3)]),
    Row("nn.functional.triplet_margin_with_distance_loss", [case(*TRIPLE), case(*TRIPLE, swap=True, margin=0.5, reduction="none")]),
    Row("nn.functional.kl_div", [*(case(logs(3, 4), A(3, 4, low=0.1, high=0.9), reduction=each) for each in NO_MEAN), case(logs(3, 4), logs(3, 4), reduction="sum", log_target=True), case(logs(2, 1), A(3, low=0.1), reduction="none"),
        case(logs(3), A(3, values=[0, 1, 0.5], grad=False), reduction="none"), case(logs(), A(low=0.1), reduction="batchmean")]),
]  # fmt: skip

REFUSALS = [
    Refusal("nn.functional.cosine_embedding_loss", case(A(3, 4), A(3, 4), A()), RuntimeError, r"0D target.*\[3, 4\]"),
    Refusal("nn.functional.cosine_embedding_loss", case(A(3, 4), A(3, 4), A(3, 1)), RuntimeError, "multi-target"),
    Refusal("nn.functional.margin_ranking_loss", case(A(3), A(3), A(3, 1)), RuntimeError, "same dimension"),
    Refusal("nn.functional.triplet_margin_loss", case(*TRIPLE, margin=0), ValueError, "got 0"),
    Refusal(
        "nn.functional.triplet_margin_loss",
        case(A(4), A(4), A(1, 4)),
        RuntimeError,
        "anchor 1D, positive 1D, and negative 2D",
    ),
    Refusal(
        "nn.functional.triplet_margin_with_distance_loss", case(*TRIPLE, reduction="average"), ValueError, "average"
    ),
    Refusal("nn.functional.kl_div", case(logs(2), A(2), reduction="average"), ValueError, "average"),
    Refusal("nn.functional.kl_div", case(A(2, dtype="int64"), A(2), reduction="sum"), RuntimeError, "int64"),
]

test_values, test_gradient, test_refusal = table("loss_embedding", ROWS, REFUSALS)


def test_a_mean_over_all_elements_is_warned_of():
    with pytest.warns(UserWarning, match="batchmean"):
        trainctl.nn.functional.kl_div(trainctl.zeros(2, 2), trainctl.ones(2, 2))
