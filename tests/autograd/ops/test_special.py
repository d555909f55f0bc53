"""Exponentials and logarithms against PyTorch and against differences."""

from __future__ import annotations

from tests.autograd.ops.harness import A, Refusal, Row, binary_cases, case, table, unary_cases

INF, NAN = float("inf"), float("nan")
HALF = case(A(3, dtype="float16", low=0.2, high=0.8))
EXTREMES = case(A(6, values=[INF, -INF, NAN, 0.0, 1.0, 1e-30]))
LOGS = ("log2", "log10", "log1p")

ROWS = [
    *(Row(name, [*unary_cases(complex=True), HALF, case(A(3, dtype="bool"))]) for name in ("exp2", "expm1")),
    *(Row(name, [*unary_cases(0.2, 4, complex=True), HALF]) for name in LOGS),
    *(Row(f"Tensor.{name}", [EXTREMES], gradcheck=False) for name in ("exp2", "expm1", *LOGS)),
    *(Row(f"Tensor.{name}_", [case(A(2, 3, low=0.2)), case(A(0))]) for name in ("exp2", "expm1", *LOGS)),
    # The digits of small results count.
    Row("log1p near 0", [case(A(4, values=[1e-12, 1e-12 + 1e-9j, -0.5j, 0], dtype="complex128")), case(A(2, values=[1e-12, -3e-5 + 1e-5j], dtype="complex64")), case(A(2, values=[1e-9, 1e-30]))], atol=0, gradcheck=False, call=lambda t, x: t.log1p(x)),
    Row("logaddexp near 0", [case(A(3, values=[-20, -60, -100], dtype="complex64"), A(3, values=[0, 0, 0], dtype="complex64"))], atol=0, gradcheck=False, call=lambda t, x, y: t.logaddexp(x, y)),
    Row("logit", [*unary_cases(0.1, 0.9), HALF, case(A(5, low=0.3, high=0.7), 0.1), case(A(5, low=0.3, high=0.7), eps=-1.0)]),
    Row("Tensor.logit", [case(A(7, values=[-0.1, 0, 0.05, 0.5, 1, 1.2, 0.9]), eps) for eps in (None, 0.1, 0.0)] + [case(A(values=NAN))], gradcheck=False),
    Row("Tensor.logit_", [case(A(3, low=0.2, high=0.8)), case(A(3, low=0.2, high=0.8), 0.3)]),
    Row("xlogy", [*binary_cases(low=0.3), case(2, A(3, low=0.3)), case(2.5, A(3, low=0.3)), case(A(3, dtype="float16", low=0.3), 2.5), case(A(3, dtype="bool"), A(3, dtype="bool"))]),
    Row("Tensor.xlogy", [case(A(6, values=[0, 0, 0, 1, 2, NAN]), A(6, values=[0, -1, INF, 0, -1, 1])), case(A(2, values=[0, 1]), 0)], gradcheck=False),
    Row("logaddexp", [*binary_cases(-3, 3, ints=False, numbers=False), case(A(2, 3, dtype="complex64"), A(3, dtype="complex64"))]),
    Row("logaddexp2", binary_cases(-3, 3, ints=False, numbers=False)),
    *(Row(f"Tensor.{name}", [case(A(6, values=[INF, -INF, NAN, 500, -500, 0]), A(6, values=[1, 1, 1, 499, -499, -INF]))], gradcheck=False) for name in ("logaddexp", "logaddexp2")),
]  # fmt: skip

REFUSALS = [
    Refusal("log2", case(2.0), TypeError, "log2.*must be Tensor, not float"),
    Refusal("logit", case(A(2, dtype="complex64")), NotImplementedError, "logit.*complex64"),
    Refusal("xlogy", case(A(2, dtype="complex64"), A(2)), NotImplementedError, "xlogy.*complex64"),
    Refusal("xlogy", case(2, 3), TypeError, "tensor"),
    Refusal("logaddexp", case(A(2, dtype="int64"), A(2, dtype="int64")), NotImplementedError, "logaddexp.*int64"),
    Refusal("logaddexp", case(A(2), 2.0), TypeError, "'other' must be Tensor, not float"),
    Refusal("logaddexp2", case(A(2, dtype="complex64"), A(2)), NotImplementedError, "complex64"),
]

test_values, test_gradient, test_refusal = table("special", ROWS, REFUSALS)
