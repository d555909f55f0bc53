"""Functions of each element against PyTorch and against differences."""

from __future__ import annotations

from tests.autograd.ops.harness import A, Refusal, Row, case, table, unary_cases

INF, NAN = float("inf"), float("nan")
EXTREMES = case(A(6, values=[INF, -INF, NAN, 0.0, -0.0, 1e-30]))
HALF = case(A(3, dtype="float16", low=0.2, high=2))

ROWS = [
    Row("abs", [*unary_cases(complex=True), case(A(3, dtype="uint8", low=1, high=9)), HALF]),
    Row("exp", [*unary_cases(complex=True), case(A(3, dtype="bool")), HALF]),
    Row("log", [*unary_cases(0.2, 4.0, complex=True), HALF]),
    Row("sqrt", [*unary_cases(0.2, 4.0, complex=True), HALF]),
    Row("rsqrt", [*unary_cases(0.2, 4.0), HALF]),
    Row("reciprocal", [*unary_cases(0.2, 4.0, complex=True), HALF]),
    Row("square", [*unary_cases(complex=True), HALF]),
    Row("sign", [*unary_cases(), case(A(3, dtype="bool")), case(A(3, dtype="uint8", low=0, high=2))], gradcheck=False),
    Row("sgn", unary_cases(low=0.3, complex=True)),
    Row("sin", [*unary_cases(complex=True), HALF]),
    Row("cos", unary_cases(complex=True)),
    Row("tanh", [*unary_cases(complex=True), HALF]),
    Row("sigmoid", [*unary_cases(-20, 20), HALF]),
    # Small values keep their digits, so that their logarithm is right.
    Row("log(sigmoid)", [case(A(5, values=[-20, -60, -80, 5, 80])), case(A(3, values=[-300, -700, 40], dtype="float64")), case(A(2, values=[-9, -12], dtype="float16")), case(A(2, values=[-30 + 1j, 3 - 2j], dtype="complex64"))],
        gradcheck=False, call=lambda t, x: t.log(t.sigmoid(x))),
    # PyTorch's is NaN where a part is infinite, and so are the gradients that it appears in.
    *(Row(f"{name} of infinities", [case(A(4, values=[complex(1, INF), complex(-INF, 2), complex(INF, -INF), 3 + 4j], dtype="complex64"))], gradcheck=False, call=lambda t, x, name=name: getattr(t, name)(x)) for name in ("sgn", "abs", "rsqrt")),
    # Infinities, NaN and zeros, where a difference says nothing about the gradient.
    *(Row(f"Tensor.{name}", [EXTREMES], gradcheck=False) for name in
      ("abs", "exp", "log", "sqrt", "rsqrt", "reciprocal", "square", "sign", "sgn", "tanh", "sigmoid")),
    *(Row(f"Tensor.{name}_", [case(A(2, 3, low=0.2)), case(A(low=0.2)), case(A(0))]) for name in
      ("abs", "exp", "log", "sqrt", "rsqrt", "reciprocal", "square", "sin", "cos", "tanh", "sigmoid")),
]  # fmt: skip

REFUSALS = [
    Refusal("abs", case(A(2, dtype="bool")), NotImplementedError, "abs.*bool"),
    Refusal("Tensor.abs_", case(A(2, dtype="complex64")), RuntimeError, "In-place abs.*complex"),
    Refusal("Tensor.absolute_", case(A(2, dtype="complex64")), RuntimeError, "In-place abs.*complex"),
    Refusal("sign", case(A(2, dtype="complex64")), NotImplementedError, "sign.*complex64"),
    Refusal("Tensor.exp_", case(A(2, dtype="int64")), RuntimeError, "float32 can't be cast.*int64"),
]

test_values, test_gradient, test_refusal = table("elementwise", ROWS, REFUSALS)
