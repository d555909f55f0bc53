"""Shifts of bits against PyTorch, beyond the width of the type too."""

from __future__ import annotations

from operator import ilshift, irshift, lshift, rshift

from tests.autograd.ops.harness import A, Refusal, Row, case, table

KINDS = ("uint8", "int8", "int16", "int32", "int64")
COUNTS = [0, 1, 7, 8, 63, 64, 300, -1]
PAIRS = [(a, b) for a in KINDS for b in KINDS]
CASES = [
    *(case(A(2, 5, dtype=kind, low=-128, high=127), count) for kind in KINDS for count in COUNTS),
    *(case(A(2, 5, dtype=a, low=-128, high=127), A(5, dtype=b, low=-2, high=10)) for a, b in PAIRS),
    case(A(3, dtype="int64"), A(dtype="int64", low=0, high=9)), case(A(0, 3, dtype="int64"), A(3, dtype="int64")), case(A(3, 4, dtype="int32", layout="T"), A(3, 4, dtype="int32", layout="step")), case(A(3, dtype="bool"), 2),
]  # fmt: skip

ROWS = [
    *(Row(f"{place}bitwise_{side}_shift", [*CASES, case(A(3, dtype="int64"), other=2)]) for place in ("", "Tensor.") for side in ("left", "right")),
    *(Row(f"Tensor.bitwise_{side}_shift_", [case(A(3, dtype="int64"), 2), case(A(2, 3, dtype="int32"), A(3, dtype="int32", low=0)), case(A(2, dtype="uint8"), A(2, dtype="uint8"))]) for side in ("left", "right")),
    *(Row(f"bitwise_{side}_shift of a number", [case(5, A(3, dtype="int64", low=0, high=9))], call=lambda lib, *args, side=side: getattr(lib, f"bitwise_{side}_shift")(*args)) for side in ("left", "right")),
    *(Row(operator.__name__, [case(A(3, dtype="int64"), 2), case(A(3, dtype="int64"), A(3, dtype="int64", low=0)), case(5, A(3, dtype="int8", low=0))], call=lambda lib, a, b, operator=operator: operator(a, b)) for operator in (lshift, rshift)),
    *(Row(operator.__name__, [case(A(3, dtype="int64"), 2), case(A(3, dtype="int64"), A(3, dtype="int64", low=0))], call=lambda lib, a, b, operator=operator: operator(a.clone(), b)) for operator in (ilshift, irshift)),
]  # fmt: skip

REFUSALS = [
    Refusal("bitwise_left_shift", case(A(2), 1), NotImplementedError, "lshift_cpu.*float32"),
    Refusal("bitwise_left_shift", case(A(2, dtype="int64"), 1.5), NotImplementedError, "lshift_cpu.*float32"),
    Refusal("bitwise_right_shift", case(A(2, dtype="complex64"), 1), NotImplementedError, "rshift_cpu.*complex64"),
    Refusal("bitwise_right_shift", case(A(2, dtype="bool"), True), NotImplementedError, "rshift_cpu.*bool"),
    Refusal("bitwise_left_shift", case(A(2, dtype="int64"), A(3, dtype="int64")), RuntimeError, r"\[2\] and \[3\]"),
    Refusal("bitwise_left_shift", case(1, 2), TypeError, "int, int"),
]

test_values, test_gradient, test_refusal = table("shifts", ROWS, REFUSALS)
