"""Limits, replacements and signs against PyTorch and against differences."""

from __future__ import annotations

from tests.autograd.ops.harness import A, Refusal, Row, binary_cases, case, table, unary_cases

INF, NAN = float("inf"), float("nan")
SPECIAL = A(6, values=[INF, -INF, NAN, 0.0, -0.0, -1.0])
INTS = A(3, dtype="int64", low=-3, high=4)

ROWS = [
    Row("clamp_max", [case(A(3, 4), 0.5), case(A(3, 4), A(4)), case(A(0), 1), case(A(), max=1), case(INTS, 1), case(INTS, 1.5), case(INTS, A())]),
    Row("clamp_min", [case(A(3, 4), 0.5), case(A(3, 4), A(3, 1)), case(A(0), 1), case(A(), min=1), case(INTS, 1.5), case(A(2, dtype="bool"), 1)]),
    Row("clip", [case(A(3), -0.5, 0.5), case(A(3), max=0.5)]),
    *(Row(f"Tensor.{name}_", [case(A(2, 3), 0.5)]) for name in ("clamp_max", "clamp_min", "clip")),
    Row("copysign", [*binary_cases(low=0.3, numbers=False), case(A(3), -1), case(A(3), -0.0), case(INTS, 2.5), case(A(3, dtype="float16"), -2), case(A(2, dtype="bool"), A(2))]),
    Row("Tensor.copysign", [case(SPECIAL, A(6)), case(A(2, values=[0, 1]), A(2, values=[-0.0, NAN]))], gradcheck=False),
    Row("Tensor.copysign_", [case(A(2, 3), A(3)), case(A(3), -1)]),
    Row("signbit", [*unary_cases(), case(SPECIAL), case(A(3, dtype="bool")), case(A(3, dtype="uint8")), case(INTS)]),
    *(Row(name, [*unary_cases(), case(SPECIAL), case(A(3, dtype="bool")), case(INTS)]) for name in ("isposinf", "isneginf")),
    *(Row(name, [*binary_cases(numbers=False), case(A(3, dtype="bool"), A(3, dtype="bool"))]) for name in ("fmax", "fmin")),
    *(Row(f"Tensor.{name}", [case(A(6, values=[1, 1, 0, 0, NAN, NAN]), A(6, values=[NAN, 1, NAN, -1, 0, NAN]))], gradcheck=False) for name in ("fmax", "fmin")),
    Row("nan_to_num", [case(SPECIAL), case(SPECIAL, 2.0), case(SPECIAL, 1, 2, 3), case(SPECIAL, posinf=9.0), case(INTS), case(A(2, dtype="bool")),
        case(A(3, dtype="float16", values=[NAN, INF, -INF])), case(A(0)), case(A(2, dtype="complex64", grad=False, values=[complex(NAN, INF), 1j]))], gradcheck=False),
    Row("Tensor.nan_to_num_", [case(SPECIAL), case(A(0))], gradcheck=False),
    Row("positive", [case(A(2, 3)), case(INTS), case(A(2, dtype="complex64"))]),
]  # fmt: skip

REFUSALS = [
    Refusal("clamp_min", case(A(2), None), TypeError, "clamp_min.*'min'.*NoneType"),
    Refusal("clamp_max", case(A(2, dtype="complex64"), 1), NotImplementedError, "complex"),
    Refusal("copysign", case(2.0, A(2)), TypeError, "'input' must be Tensor, not float"),
    Refusal("copysign", case(A(2, dtype="complex64"), 1), NotImplementedError, "complex64"),
    Refusal("signbit", case(A(2, dtype="complex64")), NotImplementedError, "signbit.*complex64"),
    Refusal("isposinf", case(A(2, dtype="complex64")), RuntimeError, "isposinf.*complex64"),
    Refusal("fmax", case(A(2), 2.0), TypeError, "'other' must be Tensor, not float"),
    Refusal("fmin", case(A(2, dtype="complex64"), A(2)), RuntimeError, "fmin.*complex64"),
    Refusal("nan_to_num", case(A(2), nan=1j), TypeError, "'nan' must be float, not complex"),
    Refusal("positive", case(A(2, dtype="bool")), RuntimeError, "bool tensor"),
]

test_values, test_gradient, test_refusal = table("selection", ROWS, REFUSALS)
