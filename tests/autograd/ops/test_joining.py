"""Tensors put together and taken apart, against PyTorch and against differences."""

from __future__ import annotations

from tests.autograd.ops.harness import A, Refusal, Row, case, table

ROWS = [
    Row("cat", [
        case([A(2, 3), A(4, 3)]), case([A(2, 3), A(2, 1), A(2, 2)], 1), case([A(2, 3), A(2, 1)], -1), case([A(2, 3)]), case([A(3), A(0), A(2)]), case([A(0), A(2, 3)], 1), case([A(0), A(0)], 1),
        case([A(2, 3), A(0, 3)]), case((A(2, 3, layout="T"), A(2, 3, layout="step")), 0), case([A(2), A(2, dtype="float64")]), case([A(2), A(3, dtype="int64")]),
        case([A(2, dtype="bool"), A(3, dtype="int8")]), case([A(0, dtype="float64", grad=False), A(2, 3, dtype="int32")], -1), case([A(2, dtype="complex64"), A(2)]), case([A(2, 1), A(2, 2)], dim=1), case([A(2, 1), A(2, 2)], axis=1),
    ]),
    Row("stack", [
        case([A(2, 3), A(2, 3)]), case([A(2, 3), A(2, 3), A(2, 3)], 1), case([A(2, 3), A(2, 3)], -1), case([A(2, 3), A(2, 3)], 2), case([A(), A()]), case([A(0, 2), A(0, 2)], 1), case([A(3)]),
        case([A(2, dtype="int32"), A(2)], dim=-1), case([A(2, 3, layout="T"), A(2, 3)], axis=1),
    ]),
    *(Row(name, [
        case(A(5, 3), 2), case(A(5, 3), 5), case(A(5, 3), 9), case(A(5, 3), 1, 1), case(A(5, 3), [1, 4]), case(A(5, 3), (1, 0, 2), -1), case(A(0, 3), 2), case(A(0), 0), case(A(5, 3, layout="T"), 2), case(A(4, dtype="int64"), 3),
    ]) for name in ("split", "Tensor.split")),
    Row("split_forms", [case(A(4, 3))], call=lambda lib, x: (*lib.split(x, split_size_or_sections=2), *x.split(split_size=3, dim=0))),
    *(Row(name, [case(A(5, 3), 2), case(A(5, 3), 4), case(A(5, 3), 9), case(A(5, 3), 2, 1), case(A(5, 3), 1, -1), case(A(0, 3), 3), case(A(6, 2), chunks=3, dim=0)]) for name in ("chunk", "Tensor.chunk")),
    *(Row(name, [case(A(3, 4)), case(A(3, 4), 1), case(A(3, 4), -1), case(A(0, 2)), case(A(2, 0)), case(A(2, 0), 1), case(A(3, layout="step"))]) for name in ("unbind", "Tensor.unbind")),
    Row("iteration", [case(A(3, 2)), case(A(0, 2))], call=lambda lib, x: list(x)),
]  # fmt: skip

REFUSALS = [
    Refusal("cat", case([]), ValueError, "non-empty list"),
    Refusal("cat", case(A(2, 2)), TypeError, "must be tuple of Tensors, not Tensor"),
    Refusal("cat", case([A(2), 2]), TypeError, "element 1.*int"),
    Refusal("cat", case([A(2), A()]), RuntimeError, "position 1"),
    Refusal("cat", case([A(2), A(1, 2)]), RuntimeError, r"1 and 2.*\[2\] and \[1, 2\]"),
    Refusal(
        "cat",
        case([A(2, 2), A(2, 3)]),
        RuntimeError,
        r"except in dimension 0.*size 2.*size 3.*number 1.*\[2, 2\] and \[2, 3\]",
    ),
    Refusal("cat", case([A(2, 2), A(2, 2)], 2), IndexError, "got 2"),
    Refusal("stack", case([]), RuntimeError, "non-empty"),
    Refusal("stack", case([A(2), A(3)]), RuntimeError, r"\[2\] at entry 0 and \[3\] at entry 1"),
    Refusal("stack", case([A(2), A(2)], 3), IndexError, r"\[-2, 1\], but got 3"),
    Refusal("split", case(A(5), 0), RuntimeError, "size of 5"),
    Refusal("split", case(A(5), -1), RuntimeError, "split_size=-1"),
    Refusal("split", case(A(5), [2, 2]), RuntimeError, r"exactly to 5.*\[2, 2\]"),
    Refusal("split", case(A(5), [6, -1]), RuntimeError, r"non-negative.*\[6, -1\]"),
    Refusal("split", case(A(), 1), RuntimeError, "1-dimensional"),
    Refusal("split", case(A(5), 2.0), TypeError, "float"),
    Refusal("chunk", case(A(5), 0), RuntimeError, "greater than 0, got: 0"),
    Refusal("unbind", case(A()), IndexError, "no dimensions"),
    Refusal("unbind", case(A(2, 3), 2), IndexError, "got 2"),
]

test_values, test_gradient, test_refusal = table("joining", ROWS, REFUSALS)
