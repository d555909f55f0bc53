"""Comparisons, logic and choice against PyTorch."""

from __future__ import annotations

from tests.autograd.ops.harness import A, Refusal, Row, case, table, unary_cases

INF, NAN = float("inf"), float("nan")


def ints(*shape, dtype="int64", high=3, **options):
    return A(*shape, dtype=dtype, low=0, high=high, **options)


def mask(*shape, **options):
    return A(*shape, dtype="bool", **options)


EXTREMES = case(A(5, values=[INF, -INF, NAN, 0.0, 1.0]), A(5, values=[INF, INF, NAN, -0.0, 1.0]))
ORDERED = [
    case(A(3, 4), A(3, 4)), case(A(3, 4), A(4)), case(A(3, 1), A(1, 4)), case(A(), A(3)), case(A(0, 3), A(1, 3)), case(A(3, 4, layout="T"), A(3, 4, layout="step")),
    case(ints(3, 4), ints(4)), case(ints(3, 4), 1), case(ints(3, 4), 1.5), case(ints(3), A(3)), case(ints(3, dtype="uint8"), -1), case(ints(3, dtype="int8"), 257),
    case(A(3, dtype="float64"), A(3)), case(mask(3), mask(3)), case(mask(3), 1), case(A(3), True), EXTREMES,
]  # fmt: skip
EQUAL = [
    *ORDERED,
    case(A(3, dtype="complex64"), A(3, dtype="complex64")),
    case(A(3, dtype="complex64"), 1j),
    case(ints(3), 1j),
]
BITS = [
    case(ints(3, 4, high=99), ints(4, high=99)), case(ints(3, high=99), 6), case(6, ints(3, high=99)), case(mask(3, 4), mask(4)), case(mask(3), True),
    case(mask(3), 1), case(ints(3, dtype="uint8", high=99), ints(3, dtype="int8", high=99)), case(ints(3, dtype="int8", high=99), -1), case(ints(0), ints(0)),
]  # fmt: skip
LOGIC = [
    case(A(3, 4), A(4)), case(mask(3, 4), mask(4)), case(ints(3, 4, high=2), A(4)), case(A(3, dtype="complex64"), A(3, dtype="complex64")),
    case(ints(5, high=2), ints(5, high=2, dtype="uint8")), case(mask(), mask(0)), EXTREMES,
]  # fmt: skip
TESTS = [*unary_cases(), case(A(5, values=[INF, -INF, NAN, 0.0, 1.0])), case(mask(3)), case(A(2, 3, dtype="complex64"))]
CLOSE = [
    case(A(3), A(3)), case(A(3, values=[1, 2, 3]), A(3, values=[1, 2.00001, 3.1])), case(A(values=1), A(3, values=[1, 2, 3])), case(ints(3), ints(3)),
    case(A(3, values=[1, NAN, INF]), A(3, values=[1, NAN, INF])), case(A(3, values=[1, NAN, INF]), A(3, values=[1, NAN, INF]), equal_nan=True),
    case(A(2, values=[1, 1]), A(2, values=[1.05, 1.5]), rtol=0.1), case(A(2, values=[1, 1]), A(2, values=[1.05, 1.5]), rtol=0.0, atol=0.2),
    case(A(0), A(0)), case(A(2, dtype="complex64", values=[1j, 1]), A(2, dtype="complex64", values=[1j, 1.1])),
]  # fmt: skip

ROWS = [
    *(Row(name, EQUAL) for name in ("eq", "ne")),
    *(Row(name, ORDERED) for name in ("lt", "le", "gt", "ge")),
    *(Row(name, LOGIC) for name in ("logical_and", "logical_or", "logical_xor")),
    *(Row(name, BITS) for name in ("bitwise_and", "bitwise_or", "bitwise_xor")),
    *(Row(f"Tensor.__{name}__", BITS[:2] + BITS[3:6]) for name in ("and", "or", "xor", "rand", "ror", "rxor")),
    *(Row(f"Tensor.__{name}__", [case(A(3), A(3)), case(ints(3), 1), case(A(2, 3), A(3))]) for name in ("eq", "ne", "lt", "le", "gt", "ge")),
    *(Row(f"Tensor.{name}_", [case(A(3, grad=False), A(3, grad=False)), case(ints(3), 1)]) for name in ("eq", "ne", "lt", "le", "gt", "ge")),
    *(Row(f"Tensor.logical_{name}_", [case(A(3, grad=False), A(3, grad=False)), case(mask(3), mask(3))]) for name in ("and", "or", "xor")),
    *(Row(f"Tensor.bitwise_{name}_", [case(ints(3), ints(3)), case(mask(3), mask(3))]) for name in ("and", "or", "xor")),
    Row("logical_not", TESTS),
    Row("bitwise_not", [case(ints(3, high=9)), case(mask(3, 4)), case(ints(3, dtype="uint8", high=9)), case(ints(0))]),
    Row("Tensor.__invert__", [case(mask(3)), case(ints(3))]),
    *(Row(name, TESTS) for name in ("isnan", "isinf", "isfinite")),
    *(Row(name, CLOSE) for name in ("isclose", "allclose")),
    Row("equal", [case(A(3, values=[1, 2, 3]), A(3, values=[1, 2, 3])), case(A(3), A(3)), case(A(3), A(2)), case(A(0), A(0)), case(ints(2, high=1), A(2, values=[0, 0]))]),
    Row("where", [
        case(mask(3, 4), A(3, 4), A(3, 4)), case(mask(3, 1), A(4), A(3, 4)), case(mask(4), A(), A(3, 4)), case(mask(), A(3), A(3)), case(mask(0, 3), A(3), A(1, 3)),
        case(mask(3), A(3), 2), case(mask(3), 0.5, A(3)), case(mask(3), 1, 2), case(mask(3), 1.0, 2), case(mask(3), 1, 2.5), case(mask(3), A(3), 1j),
        case(mask(3), ints(3), 2.5), case(mask(3), ints(3), A(3)), case(mask(3), A(3, dtype="float64"), A(3)), case(mask(3), mask(3), 1),
        case(ints(3, dtype="uint8", high=2), A(3), A(3)), case(mask(3, 4, layout="T"), A(3, 4), A(3, 4, layout="step")),
        case(mask(2, 3), A(2, 3, dtype="complex64"), A(3, dtype="complex64")),
    ]),
    Row("Tensor.where", [case(A(3, 4), mask(4), A(3, 1)), case(A(3), mask(3), 0)]),
    Row("nonzero", [
        case(A(3, 4, values=[[0, 1, 0, 2], [0, 0, 0, 0], [3, 0, 0, 4]], grad=False)), case(A(grad=False)), case(A(values=0, grad=False)), case(A(2, 0, grad=False)),
        case(mask(2, 3)), case(mask(2, 3), as_tuple=True), case(A(grad=False), as_tuple=True),
    ]),
    Row("where_alone", [case(mask(3, 4)), case(A(values=0, grad=False)), case(mask(5))], call=lambda lib, x: lib.where(x)),
]  # fmt: skip

REFUSALS = [
    Refusal("eq", case(A(2), A(3)), RuntimeError, r"\[2\] and \[3\]"),
    Refusal("eq", case(2, A(3)), TypeError, "'input' must be Tensor, not int"),
    Refusal("lt", case(A(2, dtype="complex64"), 1), NotImplementedError, "less.*complex64"),
    Refusal("ge", case(A(2), 1j), NotImplementedError, "complex"),
    Refusal("logical_and", case(A(2), 1), TypeError, "'other' must be Tensor, not int"),
    Refusal("bitwise_or", case(A(2), 1), NotImplementedError, "bitwise_or.*float32"),
    Refusal("bitwise_or", case(ints(2), 1.5), NotImplementedError, "float"),
    Refusal("bitwise_and", case(2, 3), TypeError, "tensor"),
    Refusal("bitwise_not", case(A(2)), NotImplementedError, "float32"),
    Refusal("equal", case(A(2), 1), TypeError, "must be Tensor"),
    Refusal("isclose", case(A(2), A(2, dtype="float64")), RuntimeError, "float32 and .*float64"),
    Refusal("isclose", case(A(2), A(2), rtol=-1.0), RuntimeError, "rtol.*-1.0"),
    Refusal("isclose", case(A(2), A(2), atol=-1.0), RuntimeError, "atol.*-1.0"),
    Refusal("allclose", case(A(2), A(3)), RuntimeError, r"\[2\] and \[3\]"),
    Refusal("where", case(ints(2), A(2), A(2)), RuntimeError, "boolean tensor.*int64"),
    Refusal("where", case(mask(2), A(2)), TypeError, "condition alone or with both"),
    Refusal("where", case(True, A(2), A(2)), TypeError, "'condition' must be Tensor, not bool"),
    Refusal("where", case(mask(2), A(3), A(3)), RuntimeError, r"\[2\] and \[3\]"),
    Refusal("where", case(mask(2), A(2), A(3)), RuntimeError, r"\[2\] and \[3\]"),
]

test_values, test_gradient, test_refusal = table("comparison", ROWS, REFUSALS)
