"""Products of matrices and vectors against PyTorch and against differences."""

from __future__ import annotations

from tests.autograd.ops.harness import A, Refusal, Row, case, table

NAN = float("nan")


def ints(*shape, dtype="int64", **options):
    return A(*shape, dtype=dtype, low=-4, high=5, **options)


def mixed(*shape):
    return A(*shape, dtype="complex64")


PRODUCTS = [
    case(A(3), A(3)), case(A(2, 3), A(3)), case(A(3), A(3, 2)), case(A(2, 3), A(3, 4)), case(A(5, 2, 3), A(3, 4)), case(A(2, 3), A(5, 3, 4)), case(A(5, 2, 3), A(5, 3, 4)),
    case(A(5, 1, 2, 3), A(4, 3, 2)), case(A(3), A(5, 3, 2)), case(A(5, 2, 3), A(3)), case(A(4, 5, 2, 3), A(3)), case(A(0, 3), A(3, 2)), case(A(2, 0), A(0, 3)), case(A(0), A(0)),
    case(A(0, 2, 3), A(3, 2)), case(A(2, 3, layout="T"), A(3, 4, layout="step")), case(A(2, 3, dtype="float64"), A(3, 2, dtype="float64")), case(A(2, 3, dtype="float16"), A(3, 2, dtype="float16")),
    case(mixed(2, 3), mixed(3, 2)), case(mixed(3), mixed(3)), case(ints(2, 3), ints(3, 2)), case(ints(3, dtype="uint8"), ints(3, dtype="uint8")),
]  # fmt: skip

ROWS = [
    Row("matmul", PRODUCTS),
    *(Row(f"Tensor.__{name}__", PRODUCTS[:4]) for name in ("matmul",)),
    Row("mm", [case(A(2, 3), A(3, 4)), case(A(0, 3), A(3, 2)), case(ints(2, 3), ints(3, 2)), case(mixed(2, 3), mixed(3, 2))]),
    Row("bmm", [case(A(5, 2, 3), A(5, 3, 4)), case(A(0, 2, 3), A(0, 3, 4)), case(A(2, 3, 1), A(2, 1, 3)), case(mixed(2, 2, 3), mixed(2, 3, 2))]),
    Row("mv", [case(A(2, 3), A(3)), case(A(2, 0), A(0)), case(ints(2, 3), ints(3))]),
    Row("dot", [case(A(4), A(4)), case(A(0), A(0)), case(mixed(3), mixed(3)), *(case(ints(3, dtype=kind), ints(3, dtype=kind)) for kind in ("uint8", "int8", "int64"))]),
    Row("outer", [case(A(3), A(2)), case(A(0), A(2)), case(A(2), ints(3)), case(mixed(2), mixed(3))]),
    Row("addmm", [
        case(A(2, 4), A(2, 3), A(3, 4)), case(A(4), A(2, 3), A(3, 4)), case(A(), A(2, 3), A(3, 4)), case(A(2, 1), A(2, 3), A(3, 4), beta=0.5, alpha=2), case(A(4), A(2, 3), A(3, 4), beta=0),
        case(A(4, values=[NAN] * 4, grad=False), A(2, 3), A(3, 4), beta=0), case(ints(4), ints(2, 3), ints(3, 4), beta=0.5, alpha=2), case(A(2), A(0, 3), A(3, 2)), case(mixed(2), mixed(2, 3), mixed(3, 2), alpha=1j),
    ]),
    Row("baddbmm", [
        case(A(5, 2, 4), A(5, 2, 3), A(5, 3, 4)), case(A(4), A(5, 2, 3), A(5, 3, 4), beta=2, alpha=0.5), case(A(1), A(5, 2, 3), A(5, 3, 4), beta=0),
        case(ints(1), ints(2, 2, 3), ints(2, 3, 2), beta=0.2, alpha=1), case(A(1), A(0, 2, 3), A(0, 3, 2)),
    ]),
    *(Row(f"Tensor.{name}_", [case(A(*b, 2, 4), A(*b, 2, 3), A(*b, 3, 4), beta=0.5)]) for name, b in (("addmm", ()), ("baddbmm", (3,)))),
    Row("nn.functional.linear", [
        case(A(2, 3), A(4, 3), A(4)), case(A(2, 3), A(4, 3)), case(A(3), A(4, 3), A(4)), case(A(5, 2, 3), A(4, 3), A(4)), case(A(0, 3), A(4, 3), A(4)), case(A(2, 0, 3), A(4, 3)), case(A(2, 0), A(4, 0), A(4)),
        case(A(2, 3), A(3)), case(A(3), A(3)), case(A(5, 2, 3), A(3), A()), case(A(2, 3), A(4, 3), A(1)), case(A(2, 3), A(4, 3), A()), case(A(2, 3), A(4, 3), A(2, 4)), case(A(2, 3), A(0, 3)),
        case(A(2, 3, layout="T"), A(4, 3, layout="step"), A(4)), case(A(2, 3, dtype="float64"), A(4, 3, dtype="float64"), bias=A(4, dtype="float64")), case(ints(2, 3), ints(4, 3)), case(mixed(2, 3), mixed(4, 3), mixed(4)),
    ]),
]  # fmt: skip

REFUSALS = [
    Refusal("matmul", case(A(2, 3), A(2, 3)), RuntimeError, r"\(2x3 and 2x3\)"),
    Refusal("matmul", case(A(3), A(2)), RuntimeError, r"\(3 and 2\)"),
    Refusal("matmul", case(A(2, 2, 3), A(3, 3, 2)), RuntimeError, r"tensor a \(2\).*tensor b \(3\)"),
    Refusal("matmul", case(A(3), A()), RuntimeError, "1D and 0D"),
    Refusal("matmul", case(A(3), A(3, dtype="int64")), RuntimeError, "float32 != int64"),
    Refusal("matmul", case(A(3), 2), TypeError, "must be Tensor, not int"),
    Refusal("matmul", case(A(2, 2, dtype="bool"), A(2, 2, dtype="bool")), NotImplementedError, "bool"),
    Refusal("mm", case(A(2), A(2, 2)), RuntimeError, r"1D and 2D.*\[2\] and \[2, 2\]"),
    Refusal("mm", case(A(2, 3), A(2, 3)), RuntimeError, r"\(2x3 and 2x3\)"),
    Refusal("bmm", case(A(2, 3, 4), A(3, 4, 2)), RuntimeError, r"\[2, 4\] but got: \[3, 4\]"),
    Refusal("bmm", case(A(2, 3), A(3, 2)), RuntimeError, "2D and 2D"),
    Refusal("mv", case(A(2, 3), A(2)), RuntimeError, r"2x3 and 2"),
    Refusal("mv", case(A(3), A(3)), RuntimeError, "1D and 1D"),
    Refusal("dot", case(A(2), A(3)), RuntimeError, "2 and 3 elements"),
    Refusal("dot", case(A(2, 2), A(2)), RuntimeError, "2D and 1D"),
    Refusal("dot", case(A(2), A(2, dtype="float64")), RuntimeError, "float32 != float64"),
    Refusal("outer", case(A(2, 2), A(2)), RuntimeError, "2D and 1D"),
    Refusal("outer", case(A(2), 2), TypeError, "vec2"),
    Refusal("addmm", case(A(3), A(2, 3), A(3, 2)), RuntimeError, r"\[2, 2\].*\[3\]"),
    Refusal("addmm", case(A(2, dtype="float64"), A(2, 3), A(3, 2)), RuntimeError, "float64 != float32"),
    Refusal("baddbmm", case(A(3), A(1, 2, 3), A(1, 3, 2)), RuntimeError, r"\[1, 2, 2\].*\[3\]"),
    Refusal("nn.functional.linear", case(A(2, 3), A(4, 2)), RuntimeError, r"\(2x3 and 2x4\).*\[2, 3\].*\[4, 2\]"),
    Refusal("nn.functional.linear", case(A(2, 3), A(4, 3), A(3)), RuntimeError, r"bias of shape \[3\].*\[2, 4\]"),
    Refusal("nn.functional.linear", case(A(), A(3, 1)), RuntimeError, "0D and 2D"),
    Refusal("nn.functional.linear", case(A(2, 3), A(2, 2, 3)), RuntimeError, r"\[2, 2, 3\]"),
    Refusal("nn.functional.linear", case(A(2, 3), A(4, 3, dtype="float64")), RuntimeError, "float32 != float64"),
    Refusal("nn.functional.linear", case(A(2, 3), A(4, 3), A(4, dtype="float64")), RuntimeError, "float64 != float32"),
]

test_values, test_gradient, test_refusal = table("linalg", ROWS, REFUSALS)
