"""Whole parts, remainders and steps against PyTorch."""

from __future__ import annotations

from tests.autograd.ops.harness import A, Refusal, Row, case, table, unary_cases

INF, NAN = float("inf"), float("nan")
WHOLE = [
    *unary_cases(-9, 9), case(A(8, values=[0.5, 1.5, -0.5, -1.5, 2.5, INF, -INF, NAN])), case(A(3, dtype="float16", low=-9, high=9)),
    case(A(4, dtype="uint8", low=0, high=9)),
]  # fmt: skip
INTS = A(6, dtype="int64", low=-9, high=9)

ROWS = [
    *(Row(name, WHOLE, gradcheck=False) for name in ("ceil", "floor", "trunc", "round")),
    Row("fix", [case(A(3))], gradcheck=False),
    Row("Tensor.round", [case(A(5, low=-99, high=99), decimals=places) for places in (-2, -1, 0, 1, 3)] + [case(A(3, dtype="float64"), decimals=400)], gradcheck=False),
    Row("frac", [each for each in WHOLE if each.args[0].dtype[0] == "f"], gradcheck=False),
    *(Row(f"Tensor.{name}_", [case(A(2, 3, low=-9, high=9)), case(A(0))], gradcheck=False) for name in ("ceil", "floor", "trunc", "round", "frac", "fix")),
    Row("fmod", [
        case(A(6, low=-9, high=9), A(6, low=1, high=3)), case(A(2, 3, low=-9, high=9), A(3, low=-3, high=-1)), case(A(6, low=-9, high=9), -2.5), case(A(3), 0),
        case(INTS, A(6, dtype="int64", low=1, high=4)), case(INTS, -2), case(INTS, 2.5), case(A(3, dtype="uint8", low=0, high=9), -2), case(A(0, 2), A(2, low=1)),
        case(A(3, dtype="bool"), 2), case(A(), A(low=1)),
    ], gradcheck=False),
    Row("heaviside", [
        case(A(5, values=[-1, 0, 1, NAN, -0.0], grad=False), A(5, grad=False)), case(A(2, 3, grad=False), A(grad=False)), case(INTS, A(1, dtype="int64")),
        case(A(3, dtype="bool"), A(3, dtype="bool")), case(A(0, grad=False), A(1, grad=False)),
    ]),
    Row("nextafter", [case(A(3), A(3)), case(A(2, 1), A(3)), case(A(2, values=[1, 2]), A(2, values=[1, 3])), case(A(3), A(3, dtype="float64"))], gradcheck=False),
]  # fmt: skip

REFUSALS = [
    *(Refusal(name, case(A(2, dtype="bool")), NotImplementedError, f"{name}.*bool") for name in ("ceil", "floor", "trunc", "round", "frac")),
    *(Refusal(name, case(A(2, dtype="complex64")), NotImplementedError, f"{name}.*complex64") for name in ("ceil", "floor", "trunc", "round")),
    Refusal("round", case(INTS, decimals=2), NotImplementedError, "round.*int64"),
    Refusal("frac", case(INTS), NotImplementedError, "frac.*int64"),
    Refusal("floor", case(1.5), TypeError, "must be Tensor, not float"),
    Refusal("fmod", case(INTS, 0), RuntimeError, "ZeroDivision"),
    Refusal("fmod", case(3, INTS), TypeError, "must be Tensor, not int"),
    Refusal("fmod", case(A(2, dtype="complex64"), 2), NotImplementedError, "complex64"),
    Refusal("heaviside", case(A(2), A(2, dtype="float64")), RuntimeError, "float32 and float64"),
    Refusal("heaviside", case(A(2), 0.5), TypeError, "'values' must be Tensor, not float"),
    Refusal("nextafter", case(INTS, INTS), NotImplementedError, "int64"),
]  # fmt: skip

test_values, test_gradient, test_refusal = table("rounding", ROWS, REFUSALS)
