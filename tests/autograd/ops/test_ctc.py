"""The CTC loss against PyTorch, and against a sum over all alignments."""

from __future__ import annotations

import itertools
import math

import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table


def whole(values, dtype="int64"):
    return A(values=values, dtype=dtype)


PADDED, LOGITS = [[1, 2, 2], [3, 3, 0]], A(6, 2, 4)


def loss(lib, logits, *args, **options):
    """Lists of lengths become tensors, which stay on the host as is usual."""
    args = [lib.tensor(each) if isinstance(each, list) else each for each in args]
    return lib.nn.functional.ctc_loss(logits.log_softmax(-1), *args, **options)


ROWS = [
    Row("softmax.ctc_loss", call=loss, cases=[
        *(case(LOGITS, whole(PADDED), (6, 5), (3, 2), reduction=each) for each in ("none", "mean", "sum")), case(LOGITS, whole([1, 2, 2, 3, 3]), [6, 5], [3, 2]),
        case(LOGITS, whole(PADDED, "int32"), [6, 5], [3, 2]), case(LOGITS, whole([[1, 2], [0, 0]]), (6, 6), (2, 2), blank=3), case(LOGITS, whole(PADDED), (6, 2), (3, 2), zero_infinity=True),
        case(LOGITS, whole(PADDED), (6, 4), (0, 1), reduction="none"), case(A(6, 4), whole([1, 2]), [6], [2], reduction="none"), case(A(1, 2, 4), whole([[1], [2]]), (1, 1), (1, 1)),
        case(A(3, 2, 4), whole([[1], [2]]), (3, 3), (0, 0), reduction="none"), case(A(5, 1, 3), whole([[1, 1, 2]]), (5,), (3,)),
    ]),
    Row("nn.functional.ctc_loss", [case(LOGITS, whole(PADDED), (6, 5), (3, 2), reduction="none"), case(LOGITS, whole(PADDED), (6, 2), (3, 2), reduction="none")], gradcheck=False),
]  # fmt: skip

REFUSALS = [
    Refusal("nn.functional.ctc_loss", case(LOGITS, whole(PADDED), (6, 7), (3, 2)), RuntimeError, "at most 6, but got 7"),
    Refusal("nn.functional.ctc_loss", case(LOGITS, whole(PADDED), (6, -1), (3, 2)), RuntimeError, "but got -1"),
    Refusal("nn.functional.ctc_loss", case(LOGITS, whole(PADDED), (6, 6), (3, 4)), RuntimeError, "at least 4"),
    Refusal("nn.functional.ctc_loss", case(LOGITS, whole([1, 2, 3]), (6, 6), (2, 2)), RuntimeError, "size 4 at dimension 0, but got 3"),
    Refusal("nn.functional.ctc_loss", case(LOGITS, whole(PADDED), (6,), (3, 2)), RuntimeError, r"input_lengths.*\(2\), got 1"),
    Refusal("nn.functional.ctc_loss", case(LOGITS, whole(PADDED), (6, 6), (3, 2), blank=4), RuntimeError, r"\[0, 4\), got 4"),
    Refusal("nn.functional.ctc_loss", case(LOGITS, whole(PADDED), (6, 6), (3, 2), reduction="average"), ValueError, "average"),
    Refusal("nn.functional.ctc_loss", case(A(5, 0, 4), A(0, 2, dtype="int64"), (), ()), RuntimeError, r"\[5, 0, 4\]"),
    Refusal("nn.functional.ctc_loss", case(A(2, 1, 4, dtype="int64"), whole([[1]]), (2,), (1,)), NotImplementedError, "ctc_loss.*int64"),
]  # fmt: skip

test_values, test_gradient, test_refusal = table("ctc", ROWS, REFUSALS)


@pytest.mark.parametrize("target", [[1], [1, 1], [2, 1], []])
def test_it_is_the_sum_over_all_alignments(target):
    log_probs = trainctl.randn(4, 1, 3, dtype=trainctl.float64).log_softmax(2)
    total = 0.0
    for path in itertools.product(range(3), repeat=4):
        if [label for label, _ in itertools.groupby(path) if label] == target:
            total += math.exp(sum(log_probs[t, 0, label].item() for t, label in enumerate(path)))
    padded = trainctl.tensor([target or [0]])
    got = trainctl.nn.functional.ctc_loss(log_probs, padded, [4], [len(target)], reduction="none").item()
    assert got == pytest.approx(-math.log(total), rel=1e-12)


def test_a_class_out_of_range():
    with pytest.raises(RuntimeError, match=r"\[0, 4\), got 4"):
        trainctl.nn.functional.ctc_loss(trainctl.zeros(2, 1, 4), trainctl.tensor([[4]]), [2], [1])
