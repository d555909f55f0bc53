"""Running sums, products and extremes, against PyTorch and against differences."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from tests.autograd.ops.harness import A, Case, Refusal, Row, case, table
from trainctl.autograd.gradcheck import gradgradcheck

INF, NAN = float("inf"), float("nan")
INTS = A(3, 4, dtype="int64", low=-4, high=5)


def cases(ints: bool = True) -> list[Case]:
    """Every dim from either end; scalars, layouts, sizes 0 and 1; other dtypes."""
    found = [
        case(A(5), 0), case(A(2, 3, 4), 0), case(A(2, 3, 4), 1), case(A(2, 3, 4), -1), case(A(3, 4), dim=-2), case(A(3, 4), axis=1),
        case(A(), 0), case(A(), -1), case(A(1), 0), case(A(0), 0), case(A(0, 3), 1), case(A(2, 0, 3), 1), case(A(3, 1), 1),
        case(A(3, 4, layout="T"), 0), case(A(3, 4, layout="step"), 1), case(A(9, dtype="float64"), 0), case(A(2, 7, dtype="float16"), 1),
    ]  # fmt: skip
    if ints:
        found += [case(INTS, 0), case(A(4, dtype="uint8", low=0, high=200), 0), case(A(5, dtype="bool"), 0)]
    return found


COMPLEX = [case(A(2, 5, dtype="complex64"), 1), case(A(3, dtype="complex128"), 0)]
CASTS = [
    case(A(2, 3), 1, dtype="dtype:float64"), case(A(3, low=0.5, high=5, grad=False), 0, dtype="dtype:int64"), case(INTS, 1, dtype="dtype:float32"),
    case(A(3, dtype="uint8", low=100, high=200), 0, dtype="dtype:uint8"), case(A(3, dtype="int8", low=3, high=9), 0, dtype="dtype:int16"),
]  # fmt: skip
ZEROS = ([1, 0, 2, 3], [0, 1, 0, 2], [0, 0, 0, 1], [2, 3, 4, 0], [0, 5, 6, 7])
TIED = [
    case(A(6, values=[1, 3, 3, 0, 3, 2]), 0), case(A(2, 3, values=[[2, 1, 1], [2, 0, 1]]), 0), case(A(5, values=[1, NAN, 3, NAN, 0]), 0),
    case(A(3, values=[INF, -INF, INF]), 0), case(A(2, 4, dtype="int64", values=[[1, 1, 0, 2], [0, 0, 0, 0]]), 1),
]  # fmt: skip

ROWS = [
    Row("cumsum", [*cases(), *COMPLEX, *CASTS]),
    Row("Tensor.cumsum_", [case(A(2, 3), 1), case(A(3, dtype="int32"), 0), case(A(3, 4, layout="T"), 0), case(A(), 0)]),
    Row("cumprod", [*cases(), *COMPLEX, *CASTS]),
    Row("Tensor.cumprod", [*(case(A(4, values=each), 0) for each in ZEROS), case(A(2, 3, values=[[0, 1, 2], [3, 0, 0]]), 0)]),
    Row("Tensor.cumprod_", [case(A(2, 3), 1), case(A(3, dtype="int8", low=9, high=99), 0), case(A(4, values=[1, 0, 2, 0]), 0)]),
    *(Row(name, cases()) for name in ("cummax", "cummin")),
    *(Row(f"Tensor.{name}", TIED, gradcheck=False) for name in ("cummax", "cummin")),
    Row("logcumsumexp", [*cases(ints=False), *COMPLEX, case(A(2, 6, low=-300, high=300), 1), case(A(2, 3, low=900, high=901), 0)], rtol=3e-5),
    Row("Tensor.logcumsumexp", [case(A(4, values=each), 0) for each in ([-INF, -INF, 1, 2], [1, INF, 2, -INF], [1, NAN, 2, 3], [-INF] * 4)], gradcheck=False),
]  # fmt: skip

REFUSALS = [
    Refusal("cumsum", case(A(2, 3), 2), IndexError, r"\[-2, 1\], but got 2"),
    Refusal("cumprod", case(A(), 1), IndexError, r"\[-1, 0\], but got 1"),
    Refusal("cumsum", case(A(2), None), TypeError, "NoneType"),
    Refusal("cumsum", case([1.0, 2.0], 0), TypeError, "'input' must be Tensor, not list"),
    Refusal("cumsum", case(INTS, 0, dtype="dtype:bool"), NotImplementedError, "cumsum.*bool"),
    Refusal("cumprod", case(INTS, 0, dtype="dtype:bool"), NotImplementedError, "cumprod.*bool"),
    Refusal("cummax", case(A(3, dtype="complex64"), 0), NotImplementedError, "cummax.*complex64"),
    Refusal("cummin", case(A(3), 1), IndexError, "got 1"),
    Refusal("logcumsumexp", case(INTS, 0), NotImplementedError, "logcumsumexp.*int64"),
    Refusal("logcumsumexp", case(A(3), -2), IndexError, "got -2"),
]

test_values, test_gradient, test_refusal = table("scan", ROWS, REFUSALS)


SMOOTH, WITH_ZEROS = [0.5, -1.0, 2.0, 1.5, 0.25], [2.0, 0.0, 3.0, 0.0, -1.0]


@pytest.mark.parametrize(
    ("function", "values"),
    [
        (lambda x: x.cumsum(0), SMOOTH),
        (lambda x: x.cumprod(0), SMOOTH),
        (lambda x: x.cumprod(0), WITH_ZEROS),
        (lambda x: x.reshape(5, 1).cumprod(0).square(), WITH_ZEROS),
        (lambda x: x.cummax(0).values ** 3, SMOOTH),
        (lambda x: x.cummin(0)[0] ** 3, SMOOTH),
        (lambda x: x.logcumsumexp(0), WITH_ZEROS),
    ],
)
def test_gradients_of_gradients(function, values):
    assert gradgradcheck(function, trainctl.tensor(values, dtype=trainctl.float64, requires_grad=True))


def test_a_long_sum_does_not_drift():
    steps = trainctl.full((1_000_000,), 0.1)
    assert trainctl.cumsum(steps, 0)[-1].item() == pytest.approx(100_000, rel=1e-7)
    assert np.cumsum(steps.numpy())[-1] != pytest.approx(100_000, rel=1e-4)  # as it would in float32


def test_a_scan_of_every_length_is_the_loop_it_stands_for():
    for size in range(1, 19):
        x = trainctl.randn(size, dtype=trainctl.float64)
        best, at = -INF, 0
        for i, value in enumerate(x.tolist()):
            best, at = (value, i) if value >= best else (best, at)
            assert trainctl.cummax(x, 0).values[i].item() == best
            assert trainctl.cummax(x, 0).indices[i].item() == at
