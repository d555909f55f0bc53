"""Trigonometric and hyperbolic functions against PyTorch and against differences."""

from __future__ import annotations

from tests.autograd.ops.harness import A, Refusal, Row, binary_cases, case, table, unary_cases

INF, NAN = float("inf"), float("nan")
HALF = case(A(3, dtype="float16", low=0.2, high=0.8))
BOOL = case(A(3, dtype="bool"))
EXTREMES = case(A(6, values=[INF, -INF, NAN, 0.0, -0.0, 1.0]))
RANGES = {
    "acos": (-0.9, 0.9), "asin": (-0.9, 0.9), "atanh": (-0.9, 0.9), "acosh": (1.2, 4.0), "atan": (-3, 3), "asinh": (-3, 3),
    "sinh": (-3, 3), "cosh": (-3, 3), "tan": (-1.2, 1.2), "sinc": (0.2, 3),
}  # fmt: skip
SECOND = {
    "acos": "arccos",
    "acosh": "arccosh",
    "asin": "arcsin",
    "asinh": "arcsinh",
    "atan": "arctan",
    "atanh": "arctanh",
}

ROWS = [
    *(Row(name, [*unary_cases(low, high, complex=True), case(A(3, dtype="float16", low=low, high=high)), BOOL]) for name, (low, high) in RANGES.items()),
    *(Row(name, [*unary_cases(-200, 200, ints=False), HALF, BOOL], gradcheck=False) for name in ("deg2rad", "rad2deg")),
    *(Row(f"Tensor.{name}", [EXTREMES], gradcheck=False) for name in RANGES),
    # PyTorch has no gradient of three of them in place.
    *(Row(f"Tensor.{name}_", [case(A(2, 3, low=low, high=high, grad=name not in ("acosh", "asinh", "atanh"))), case(A(0, grad=False))]) for name, (low, high) in RANGES.items()),
    *(Row(name, [case(A(2, low=RANGES[first][0], high=RANGES[first][1]))]) for first, name in SECOND.items()),
    Row("atan2", [*binary_cases(low=0.3, numbers=False), case(A(3, dtype="bool"), A(3, dtype="int64"))]),
    Row("arctan2", [case(A(3), A(3))]),
    Row("hypot", binary_cases(low=0.3, ints=False, numbers=False)),
    Row("Tensor.atan2", [case(A(4, values=[0, 0, -0.0, INF]), A(4, values=[0, -1, -1, INF]))], gradcheck=False),
    Row("Tensor.hypot", [case(A(3, values=[1e30, 0, INF]), A(3, values=[1e30, 1, NAN]))], gradcheck=False),
    *(Row(f"Tensor.{name}_", [case(A(2, 3, low=0.3), A(3, low=0.3))]) for name in ("atan2", "hypot")),
]  # fmt: skip

REFUSALS = [
    Refusal("tan", case(2.0), TypeError, "tan.*must be Tensor, not float"),
    Refusal("atan2", case(A(2), 2.0), TypeError, "'other' must be Tensor, not float"),
    Refusal("atan2", case(A(2, dtype="complex64"), A(2)), NotImplementedError, "atan2.*complex64"),
    Refusal("hypot", case(A(2, dtype="int64"), A(2, dtype="int64")), NotImplementedError, "hypot.*int64"),
    Refusal("hypot", case(A(2), A(3)), RuntimeError, r"\[2\] and \[3\]"),
    Refusal("deg2rad", case(A(2, dtype="complex64")), RuntimeError, "deg2rad.*complex64"),
    Refusal("Tensor.tan_", case(A(2, dtype="int64")), RuntimeError, "can't be cast.*int64"),
]

test_values, test_gradient, test_refusal = table("trigonometry", ROWS, REFUSALS)
