"""Elements reversed, rolled and turned, against PyTorch and against differences."""

from __future__ import annotations

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table
from trainctl.autograd.gradcheck import gradgradcheck

ROWS = [
    *(Row(name, [
        case(A(2, 3), (0,)), case(A(2, 3), (-1,)), case(A(2, 3, 4), (0, 2)), case(A(2, 3, 4), [1, -3, 2]), case(A(2, 3), ()), case(A(), (0,)), case(A(), ()), case(A(0, 3), (0, 1)), case(A(1, 1), (0,)),
        case(A(2, 3, layout="T"), (1,)), case(A(2, 3, layout="step"), (1,)), case(A(2, 3, dtype="int64"), dims=(0,)), case(A(2, dtype="complex64"), (0,)),
    ]) for name in ("flip", "Tensor.flip")),
    Row("flip_one_by_one", [case(A(2, 3))], call=lambda lib, x: (x.flip(0), x.flip(0, -1))),
    *(Row(name, [case(A(2, 3)), case(A(2, 3, 4)), case(A(0, 3)), case(A(2, 3, layout="T"))]) for name in ("fliplr", "Tensor.fliplr")),
    *(Row(name, [case(A(2)), case(A(2, 3)), case(A(0, 3)), case(A(2, 3, layout="T"))]) for name in ("flipud", "Tensor.flipud")),
    *(Row(name, [
        case(A(2, 3), 1), case(A(2, 3), -7), case(A(2, 3), 1, 0), case(A(2, 3), 4, -1), case(A(2, 3), (1, -2), (0, 1)), case(A(2, 3), [1, 1], [1, 1]), case(A(2, 3), (0,)), case(A(), 3), case(A(0, 3), 1, 1), case(A(0, 3), 1),
        case(A(2, 3, layout="T"), 1, 1), case(A(2, 3, layout="step"), 2), case(A(2, 3, dtype="bool"), shifts=1, dims=1), case(A(3, dtype="complex64"), 1),
    ]) for name in ("roll", "Tensor.roll")),
    *(Row(name, [
        *(case(A(2, 3), k) for k in (0, 1, 2, 3, -1, 6)), case(A(2, 3)), case(A(2, 3, 4), 1, (1, 2)), case(A(2, 3, 4), 3, [-1, 0]), case(A(0, 3), 1), case(A(1, 1), 2), case(A(2, 3, layout="T"), 1), case(A(2, 3, dtype="int64"), k=1, dims=(1, 0)),
    ]) for name in ("rot90", "Tensor.rot90")),
]  # fmt: skip

REFUSALS = [
    Refusal("flip", case(A(2, 3), (2,)), IndexError, "got 2"),
    Refusal("flip", case(A(), (1,)), IndexError, "got 1"),
    Refusal("flip", case(A(2, 3), (0, -2)), RuntimeError, "dim 0 appears multiple times"),
    Refusal("Tensor.flip", case(A(2, 3)), TypeError, "dims"),
    Refusal("fliplr", case(A(2)), RuntimeError, r"2-d, got shape \[2\]"),
    Refusal("flipud", case(A()), RuntimeError, "1-d"),
    Refusal("roll", case(A(2, 3), ()), RuntimeError, "`shifts` required"),
    Refusal("roll", case(A(2, 3), (1, 2)), RuntimeError, "shifts: 2, dims:0"),
    Refusal("roll", case(A(2, 3), 1, (0, 1)), RuntimeError, "shifts: 1, dims:2"),
    Refusal("roll", case(A(2, 3), 1, 2), IndexError, "got 2"),
    Refusal("roll", case(A(), 1, 0), IndexError, "no dimensions"),
    Refusal("roll", case(A(2, 3), 1.5), TypeError, "float"),
    Refusal("rot90", case(A(2, 3), 1, (0,)), RuntimeError, "dims = 1"),
    Refusal("rot90", case(A(2)), RuntimeError, "total dims = 1"),
    Refusal("rot90", case(A(2, 3), 1, (0, -2)), RuntimeError, "dim0 = 0 and dim1 = -2"),
    Refusal("rot90", case(A(2, 3), 1, (0, 2)), IndexError, "got 2"),
]

test_values, test_gradient, test_refusal = table("flipping", ROWS, REFUSALS)


def test_results_have_memory_of_their_own():
    x = trainctl.zeros(2, 2)
    for changed in (x.flip(()), x.flip(0), x.roll(0), x.roll(1), x.rot90(0), x.rot90(1), x.rot90(2)):
        changed.fill_(1)
    assert x.tolist() == [[0, 0], [0, 0]]


def test_gradients_of_gradients():
    x = trainctl.rand(2, 3, dtype=trainctl.float64).requires_grad_()
    assert gradgradcheck(lambda x: x.flip(0) ** 3, (x,))
    assert gradgradcheck(lambda x: x.roll((1, 1), (0, 1)) ** 3, (x,))
    assert gradgradcheck(lambda x: x.rot90() ** 3, (x,))
