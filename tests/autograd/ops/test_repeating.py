"""Tensors repeated, against PyTorch and against differences."""

from __future__ import annotations

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table
from trainctl.autograd.gradcheck import gradgradcheck


def counts(*values, dtype="int64"):
    return A(len(values), dtype=dtype, values=values)


REPEATS = [
    case(A(2, 3), 2), case(A(2, 3), 2, 0), case(A(2, 3), 2, -1), case(A(2, 3), 0, 1), case(A(2, 3), 1), case(A(), 3), case(A(0, 3), 2, 0), case(A(0, 3), 2, 1), case(A(2, 3, layout="T"), 2, 1), case(A(2, 3, dtype="bool"), 2),
    case(A(2, 3), counts(1, 2), 0), case(A(2, 3), counts(0, 3, 1), -1), case(A(2, 3), counts(1, 0, 2, 0, 1, 3)), case(A(2, 3), counts(2), 1), case(A(2, 3), A(dtype="int64", values=2)), case(A(2, 3), counts(0, 0), dim=0),
    case(A(0, 3), counts(), 0), case(A(), counts(3)), case(A(2, 3, layout="step"), counts(2, 1, 1, dtype="int32"), 1), case(A(2, 3, dtype="int64"), counts(1, 2), dim=0), case(A(2, 3), counts(1, 2), dim=0, output_size=3), case(A(2, 3), repeats=2, dim=0, output_size=4),
]  # fmt: skip

ROWS = [
    Row("Tensor.repeat", [
        case(A(2, 3), 2, 3), case(A(2, 3), (2, 1, 2)), case(A(3), 0), case(A(), 3), case(A(), ()), case(A(2, 3, layout="T"), 1, 2), case(A(0, 2), 2, 2), case(A(2), repeats=(2, 2)), case(A(2, dtype="int64"), 2), case(A(2, 3), 1, 1), case(A(2, dtype="complex64"), 2),
    ]),
    *(Row(name, [
        case(A(2, 3), (2, 3)), case(A(2, 3), (2,)), case(A(2, 3), [2, 1, 2]), case(A(2, 3), ()), case(A(), (2, 2)), case(A(), ()), case(A(0, 2), (2,)), case(A(2, 3), (0, 1)), case(A(2, 3, layout="T"), (2, 1)), case(A(2, dtype="int64"), dims=(3,)),
    ]) for name in ("tile", "Tensor.tile")),
    Row("tile_one_by_one", [case(A(2, 3))], call=lambda lib, x: (x.tile(2), x.tile(2, 3), x.tile(2, 1, 2))),
    *(Row(name, REPEATS) for name in ("repeat_interleave", "Tensor.repeat_interleave")),
    Row("repeat_interleave_indices", [case(counts(1, 0, 2)), case(counts()), case(counts(2, 1, dtype="int32")), case(counts(1, 2), output_size=3), case(repeats=counts(2, 2))], call=lambda lib, *args, **kwargs: lib.repeat_interleave(*args, **kwargs)),
]  # fmt: skip

REFUSALS = [
    Refusal("Tensor.repeat", case(A(2, 3), 2), RuntimeError, r"\[2\] for shape \[2, 3\]"),
    Refusal("Tensor.repeat", case(A(2, 3), 2, -1), RuntimeError, "negative"),
    Refusal("Tensor.repeat", case(A(2, 3)), TypeError, "repeats"),
    Refusal("Tensor.tile", case(A(2, 3)), TypeError, "dims"),
    Refusal("tile", case(A(2, 3), (-1,)), RuntimeError, r"\[1, -1\]"),
    Refusal("repeat_interleave", case(A(2, 3), -1), RuntimeError, "non-negative, got -1"),
    Refusal("repeat_interleave", case(A(2, 3), 2, 2), IndexError, "got 2"),
    Refusal("repeat_interleave", case(A(), counts(2), 0), IndexError, "no dimensions"),
    Refusal("repeat_interleave", case(A(2, 3), 2.0), TypeError, "float"),
    Refusal("repeat_interleave", case(A(2, 3), True), TypeError, "bool"),
    Refusal("repeat_interleave", case(A(2, 3), [1, 2], 0), TypeError, "list"),
    Refusal("repeat_interleave", case(A(2, 3), counts(1, 2), 1), RuntimeError, r"repeats.size\(0\) = 2 and input.size\(1\) = 3"),
    Refusal("repeat_interleave", case(A(2, 3), A(1, 2, dtype="int64"), 0), RuntimeError, r"0-dim or 1-dim tensor, got shape \[1, 2\]"),
    Refusal("repeat_interleave", case(A(2, 3), counts(1, -2), 0), RuntimeError, "can not be negative"),
    Refusal("repeat_interleave", case(A(2, 3), counts(1, 2, dtype="int8"), 0), NotImplementedError, "int8"),
    Refusal("repeat_interleave", case(A(2, 3), counts(1, 2), 0, output_size=4), RuntimeError, "output_size 4, sum 3"),
    Refusal("repeat_interleave", case(A(2, 3), 2, 0, output_size=5), RuntimeError, "expected 4 but got 5"),
    Refusal("repeat_interleave", case(A(2, 3)), RuntimeError, r"1D vector as repeat, got shape \[2, 3\]", call=lambda lib, x: lib.repeat_interleave(x.long())),
    Refusal("repeat_interleave", case(counts(1, 2), dim=0), TypeError, "dim"),
]  # fmt: skip

test_values, test_gradient, test_refusal = table("repeating", ROWS, REFUSALS)


def test_results_have_memory_of_their_own():
    x = trainctl.zeros(1, 2)
    for changed in (x.repeat(1, 1), x.repeat(1, 1, 1), x.tile(()), x.repeat_interleave(1), x.repeat_interleave(1, 0)):
        changed.fill_(1)
    assert x.tolist() == [[0, 0]]


def test_gradients_of_gradients():
    x = trainctl.rand(2, 3, dtype=trainctl.float64).requires_grad_()
    assert gradgradcheck(lambda x: x.tile(2, 2, 1) ** 3, (x,))
    assert gradgradcheck(lambda x: x.repeat_interleave(2, 1) ** 3, (x,))
    assert gradgradcheck(lambda x: x.repeat_interleave(trainctl.tensor([2, 1]), 0) ** 3, (x,))
