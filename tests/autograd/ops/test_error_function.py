"""The error function, its complement and its inverse: tables against PyTorch, and known values to the last digits."""

from __future__ import annotations

import math

import numpy as np
import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table, unary_cases

INF, NAN = float("inf"), float("nan")
EXTREMES = case(A(7, values=[INF, -INF, NAN, 0.0, -0.0, 1e-30, 9.0]))

ROWS = [
    *(Row(name, [*unary_cases(-4, 4), case(A(5, dtype="float16")), case(A(3, dtype="bool"))]) for name in ("erf", "erfc")),
    Row("erfinv", [*unary_cases(-0.9, 0.9, ints=False), case(A(5, dtype="float16", low=-0.9, high=0.9))]),
    *(Row(f"Tensor.{name}", [EXTREMES], gradcheck=False) for name in ("erf", "erfc")),
    Row("Tensor.erfinv", [case(A(6, values=[1, -1, 1.1, 0, -0.0, NAN]))], gradcheck=False),
    *(Row(f"Tensor.{name}_", [case(A(2, 3, low=-0.9, high=0.9)), case(A(0))]) for name in ("erf", "erfc", "erfinv")),
]  # fmt: skip

REFUSALS = [
    *(Refusal(name, case(A(2, dtype="complex64")), NotImplementedError, f"{name}.*complex64") for name in ("erf", "erfc", "erfinv")),
    Refusal("erf", case(3), TypeError, "must be Tensor, not int"),
]  # fmt: skip

test_values, test_gradient, test_refusal = table("error_function", ROWS, REFUSALS)


@pytest.mark.parametrize(("name", "exact"), [("erf", math.erf), ("erfc", math.erfc)])
def test_float64_is_right_to_the_last_digits(name, exact):
    x = np.concatenate([np.linspace(-6, 6, 2001), np.linspace(-27, 26, 501), 10.0 ** np.arange(-300, 0, 7)])
    got = getattr(trainctl, name)(trainctl.from_numpy(x)).numpy()
    np.testing.assert_allclose(got, [exact(each) for each in x], rtol=2e-15, atol=0)


def test_float32_is_right_to_two_units_in_the_last_place():
    x = np.concatenate([np.linspace(-5, 5, 4001), 10.0 ** np.arange(-35, 0, 1)]).astype(np.float32)
    got, want = trainctl.erf(trainctl.from_numpy(x)).numpy(), np.array([math.erf(each) for each in x.tolist()])
    assert np.max(np.abs(got - want) / np.spacing(np.abs(want).astype(np.float32) + np.float32(1e-37))) <= 2


def test_the_inverse_undoes_the_function():
    x = np.linspace(-5.5, 5.5, 401)
    back = trainctl.erfinv(trainctl.erf(trainctl.from_numpy(x))).numpy()
    slope = 2 / math.sqrt(math.pi) * np.exp(-x * x)
    np.testing.assert_array_less(np.abs(back - x) * slope, 4e-16)
