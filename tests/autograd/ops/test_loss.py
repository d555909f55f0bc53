"""Losses against PyTorch and against differences."""

from __future__ import annotations

import itertools

import pytest

import trainctl
import trainctl.nn.functional as F
from tests.autograd.ops.harness import A, Refusal, Row, case, table

NAN = float("nan")
REDUCTIONS = ("none", "mean", "sum")


def classes(*values, dtype="int64"):
    return A(values=values[0] if len(values) == 1 else list(values), dtype=dtype)


def logs(*shape, **options):
    return A(*shape, low=-3, high=0, **options)


WEIGHT = A(3, values=[0.5, 2.0, 1.5], grad=False)
# (input, target): every layout, with classes that are ignored (-100) and not.
HARD = [
    (A(4, 3), classes([0, 2, 1, 2])), (A(4, 3), classes([0, -100, 1, -100])), (A(3), classes(2)), (A(2, 3, 4), classes([[0, 1, 2, 1], [2, -100, 0, 0]])),
    (A(2, 3, 2, 2), classes([[[0, 1], [2, 2]], [[1, 1], [0, -100]]])), (A(1, 3), classes([1])), (A(2, 3, layout="T"), classes([0, 2])), (A(2, 3, dtype="float64"), classes([0, 2])),
]  # fmt: skip
SOFT = [
    (A(4, 3), A(4, 3, low=0, high=1)),
    (A(3), A(3, low=0, high=1)),
    (A(2, 3, 4), A(2, 3, 4, low=0, high=1)),
    (A(0, 3), A(0, 3)),
    (A(2, 3), A(2, 3, dtype="float64", low=0, high=1)),
]
ALL_IGNORED = (A(2, 3), classes([-100, -100]))

PAIRS = [
    (A(3, 2), A(3, 2)),
    (A(), A()),
    (A(0, 2), A(0, 2)),
    (A(2, 3, layout="T"), A(2, 3, layout="step")),
    (A(2), A(2, dtype="float64")),
    (A(3), A(3, dtype="int64")),
]


def weighted(*, dtype):
    return A(3, values=[0.5, 2.0, 1.5], grad=False, dtype=dtype)


ROWS = [
    Row("nn.functional.nll_loss", [
        *(case(x, t, reduction=r) for (x, t), r in itertools.product(HARD, REDUCTIONS)), *(case(x, t, weighted(dtype=x.dtype), reduction=r) for (x, t), r in itertools.product(HARD, REDUCTIONS)),
        case(A(4, 3), classes([0, 2, 1, 2]), ignore_index=2), case(A(4, 3), classes([0, 2, 1, 2]), weight=WEIGHT, ignore_index=1), case(A(2, 3), classes([-1, 0]), ignore_index=-1),
        case(A(2, 3), classes([1, 2], dtype="uint8")), case(A(2, 3), classes([0, 2]), None, False), case(A(2, 3), classes([0, 2]), reduce=False), case(A(2, 3), classes([0, 2]), size_average=True),
        case(A(4, 3, dtype="float16"), classes([0, 2, 1, 2])),
    ]),
    Row("nn.functional.cross_entropy", [
        *(case(x, t, reduction=r) for (x, t), r in itertools.product(HARD, REDUCTIONS)), *(case(x, t, weighted(dtype=x.dtype), reduction=r, label_smoothing=s) for (x, t), r, s in itertools.product(HARD, REDUCTIONS, (0.0, 0.1))),
        *(case(x, t, reduction=r, label_smoothing=s) for (x, t), r, s in itertools.product(SOFT, REDUCTIONS, (0.0, 0.2)) if x.shape != (0, 3) or r != "mean"), *(case(x, t, WEIGHT, reduction=r, label_smoothing=s) for (x, t), r, s in itertools.product(SOFT[:3], REDUCTIONS, (0.0, 0.2))),
        *(case(x, t, reduction=r, label_smoothing=0.3) for (x, t), r in itertools.product(HARD[:5], REDUCTIONS)), case(A(4, 3), classes([0, 2, 1, 2]), ignore_index=2, label_smoothing=0.1), case(A(4, 3), classes([0, 2, 1, 2]), label_smoothing=1.0),
        case(A(2, 3), classes([0, 2]), None, False), case(A(2, 3), classes([0, 2]), reduce=False), case(A(2, 3, low=-200, high=200), classes([0, 2])), case(A(4, 3, dtype="float16"), classes([0, 2, 1, 2])),
    ]),
    *(Row(f"{name}_of_one", [case(A(3, grad=False), classes([1]), r) for r in REDUCTIONS], call=lambda lib, x, t, r, name=name: getattr(lib.nn.functional, name)(x, t, reduction=r)) for name in ("nll_loss", "cross_entropy")),
    # Nothing to average: NaN, which is no error.
    *(Row(f"{name}_of_nothing", [case(*ALL_IGNORED, r) for r in REDUCTIONS] + [case(A(0, 3), A(0, dtype="int64"), r) for r in REDUCTIONS] + [case(A(2, 3, 0), A(2, 0, dtype="int64"), r) for r in REDUCTIONS],
          gradcheck=False, call=lambda lib, x, t, r, name=name: getattr(lib.nn.functional, name)(x, t, reduction=r)) for name in ("nll_loss", "cross_entropy")),
    Row("nn.functional.mse_loss", [
        *(case(x, y, reduction=r) for (x, y), r in itertools.product(PAIRS, REDUCTIONS) if x.shape != (0, 2) or r != "mean"), case(A(2), A(2), None, False), case(A(2), A(2), size_average=False), case(A(2), A(2), None, None, "sum"),
        *(case(A(2, 3), A(2, 3), reduction=r, weight=A(2, 3, low=0.5, grad=False)) for r in REDUCTIONS), case(A(3, dtype="float16"), A(3, dtype="float16")),
    ]),
]  # fmt: skip

REFUSALS = [
    Refusal("nn.functional.nll_loss", case(A(), classes(0)), ValueError, "1 or more dimensions"),
    Refusal("nn.functional.nll_loss", case(A(3), classes([1, 0, 1])), ValueError, r"\[3\]"),
    Refusal(
        "nn.functional.nll_loss", case(A(2, 3), classes([1, 0, 1])), ValueError, r"batch_size \(2\).*batch_size \(3\)"
    ),
    Refusal("nn.functional.nll_loss", case(A(2, 3), classes(1)), ValueError, r"batch_size \(2\)"),
    Refusal(
        "nn.functional.nll_loss",
        case(A(2, 3, 4), A(2, 3, dtype="int64", low=0, high=3)),
        RuntimeError,
        r"\[2, 4\], got \[2, 3\]",
    ),
    Refusal(
        "nn.functional.nll_loss", case(A(2, 3), classes([1, 3])), IndexError, r"Target 3 is out of bounds.*\[0, 3\)"
    ),
    Refusal("nn.functional.nll_loss", case(A(2, 3), classes([1, -1])), IndexError, "Target -1"),
    Refusal("nn.functional.nll_loss", case(A(2, 3), classes([1, 2], dtype="int32")), RuntimeError, "int32"),
    Refusal("nn.functional.nll_loss", case(A(2, 3), A(2)), RuntimeError, "float32"),
    Refusal("nn.functional.nll_loss", case(A(2, 3), classes([1, 2]), A(2)), RuntimeError, r"all 3 classes.*\[2\]"),
    Refusal(
        "nn.functional.nll_loss",
        case(A(2, 3), classes([1, 2]), A(3, dtype="float64")),
        RuntimeError,
        "float32.*float64",
    ),
    Refusal("nn.functional.nll_loss", case(A(2, 3, dtype="int64"), classes([1, 2])), NotImplementedError, "int64"),
    Refusal(
        "nn.functional.nll_loss",
        case(A(2, 3), classes([1, 2]), reduction="avg"),
        ValueError,
        "avg is not a valid.*none, mean, sum",
    ),
    Refusal("nn.functional.cross_entropy", case(A(2, 3), classes([1, 0, 1])), ValueError, r"batch_size \(2\).*\(3\)"),
    Refusal("nn.functional.cross_entropy", case(A(2, 3), classes([1, 3])), IndexError, "Target 3"),
    Refusal("nn.functional.cross_entropy", case(A(2, 3), A(2, 3), ignore_index=1), RuntimeError, "ignore_index"),
    Refusal("nn.functional.cross_entropy", case(A(2, 3), A(2)), RuntimeError, "float32"),
    Refusal(
        "nn.functional.cross_entropy",
        case(A(2, 3), A(2, 3, dtype="int64")),
        RuntimeError,
        "class probabilities, got int64",
    ),
    Refusal(
        "nn.functional.cross_entropy",
        case(A(2, 3), classes([0, 1]), label_smoothing=2.0),
        RuntimeError,
        "between 0.0 and 1.0. Got: 2",
    ),
    Refusal("nn.functional.cross_entropy", case(A(2, 3), A(2, 3), weight=A(2)), RuntimeError, r"all 3 classes.*\[2\]"),
    Refusal(
        "nn.functional.cross_entropy",
        case(A(2, 3), classes([0, 1]), weight=A(2), label_smoothing=0.1),
        RuntimeError,
        r"\[2\]",
    ),
    Refusal("nn.functional.cross_entropy", case(A(2, 3), classes([0, 1]), reduction="avg"), ValueError, "avg"),
    Refusal("nn.functional.cross_entropy", case(A(2, 3, dtype="int64"), classes([0, 1])), NotImplementedError, "int64"),
    Refusal("nn.functional.cross_entropy", case(A(), classes(0)), RuntimeError, "int64"),
    Refusal("nn.functional.mse_loss", case(A(2), A(2), reduction="avg"), ValueError, "avg"),
    Refusal(
        "nn.functional.mse_loss", case(A(2, dtype="int64"), A(2, dtype="int64")), NotImplementedError, "mse.*int64"
    ),
    Refusal("nn.functional.mse_loss", case(A(2, dtype="complex64"), A(2)), NotImplementedError, "complex64"),
    Refusal("nn.functional.mse_loss", case(A(2), A(2), weight=A(3)), ValueError, r"\[3\] and \[2\]"),
]

test_values, test_gradient, test_refusal = table("loss", ROWS, REFUSALS)


def test_a_target_of_another_shape_is_broadcast_with_a_warning():
    with pytest.warns(UserWarning, match=r"\[3\].*\[2, 1\].*same size"):
        loss = F.mse_loss(trainctl.zeros(2, 1), trainctl.ones(3), reduction="none")
    assert loss.tolist() == [[1, 1, 1], [1, 1, 1]]
