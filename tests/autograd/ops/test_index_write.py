"""Elements written at index tensors and masks against PyTorch; what is written with brackets is in test_indexing."""

from __future__ import annotations

import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table


def at(*values, dtype="int64"):
    """An index tensor."""
    return A(values=values[0] if len(values) == 1 else list(values), dtype=dtype)


def mask(*values):
    return at(list(values), dtype="bool")


MASK_2D = at([[True, False, True], [False, False, True]], dtype="bool")

PUTS = [
    (A(2, 3, 4), (at([1, 0]),), A(2, 3, 4)), (A(2, 3, 4), (at([1]),), A(4)), (A(2, 3, 4), (at([-1, 0]),), A()), (A(2, 3, 4), (at([1, 0]), at([2, -1])), A(2, 4)), (A(2, 3, 4), (at([[1], [0]]), at([0, 2])), A(2, 2, 4)),
    (A(2, 3, 4), (at([0]), at([1]), at([2])), A(1)), (A(2, 3, 4), (mask(True, False),), A(3, 4)), (A(2, 3, 4), (MASK_2D,), A(3, 4)), (A(2, 3, 4), (MASK_2D,), A(1)), (A(2, 3), (MASK_2D,), A(3)), (A(2, 3), (mask(False, False),), A()),
    (A(2, 3, 4), (at([1, 0], dtype="int32"),), A(4)), (A(2, 3, 4), [at([1])], A(1, 3, 4)), (A(2, 3, 4, layout="T"), (at([1]), at([2])), A(4)), (A(3), (at(1),), A()), (A(3, dtype="int64"), (at([0]),), A(dtype="int64")),
    (A(3, dtype="bool"), (at([0, 2]),), A(2, dtype="bool")), (A(3, dtype="complex64"), (at([0, 2]),), A(2, dtype="complex64")), (A(0, 3), (at([]), ), A(3)), (A(2, 3), (at([]),), A(0, 3)),
]  # fmt: skip
SUMS = [
    (A(2, 3, 4), (at([1, 1, 0]),), A(3, 4)),
    (A(3), (at([0, 0, 0]),), A()),
    (A(2, 3), (at([0, 0]), at([1, 1])), A(2)),
    (A(3, dtype="int64"), (at([0, 0]),), A(2, dtype="int64")),
]

SCATTERS = [
    (A(2, 3), MASK_2D, A(3)), (A(2, 3), MASK_2D, A(2, 4)), (A(2, 3), mask(True, False, True), A(9)), (A(2, 3), at(True, dtype="bool"), A(6)), (A(2, 3), mask(False, False, False), A(2)), (A(2, 3), mask(False, False, False), A(0)),
    (A(2, 3, layout="T"), MASK_2D, A(3, 2, layout="T")), (A(0, 3), mask(True, False, True), A(3)), (A(3, dtype="int64"), mask(True, False, True), A(3, dtype="int64")), (A(3, dtype="complex64"), mask(True, False, True), A(3, dtype="complex64")),
]  # fmt: skip

ROWS = [
    *(Row(name, [case(*each) for each in PUTS] + [case(*each, accumulate=True) for each in [*PUTS, *SUMS]] + [case(A(3), indices=(at([0]),), values=A(1))]) for name in ("index_put", "Tensor.index_put", "Tensor.index_put_")),
    *(Row(name, [case(*each) for each in SCATTERS] + [case(A(3), mask=mask(True, False, True), source=A(2))]) for name in ("masked_scatter", "Tensor.masked_scatter", "Tensor.masked_scatter_")),
    Row("masked_scatter broadcast", [case(A(3), MASK_2D, A(4)), case(A(), MASK_2D, A(3))], call=lambda lib, *args: lib.masked_scatter(*args)),
]  # fmt: skip

REFUSALS = [
    Refusal("index_put", case(A(3), (at([3]),), A()), IndexError, r"index 3.*\[3\]"),
    Refusal("index_put", case(A(3), (at([-4]),), A()), IndexError, "index -4"),
    Refusal("index_put", case(A(3), (at([0]), at([0])), A()), IndexError, "too many indices"),
    Refusal("index_put", case(A(3), (at([0.5], dtype="float32"),), A()), IndexError, "long, int, byte or bool.*float32"),
    Refusal("index_put", case(A(3), at([0]), A()), TypeError, "tuple of Tensors, not Tensor"),
    Refusal("index_put", case(A(3), (0,), A()), TypeError, "element 0 in argument 0, but got int"),
    Refusal("index_put", case(A(3), (at([0]),), 1.0), TypeError, "'values' must be Tensor, not float"),
    Refusal("index_put", case(A(3), (at([0]),), A(dtype="float64")), RuntimeError, "float32 .* and float64"),
    Refusal("index_put", case(A(3), (at([0, 1]),), A(3)), RuntimeError, r"value tensor of shape \[3\] cannot be broadcast"),
    Refusal("index_put", case(A(3), (at([0, 1]),), A(3), True), RuntimeError, r"shape \[3\] cannot be broadcast"),
    Refusal("index_put", case(A(3), (), A()), RuntimeError, "at least one index"),
    Refusal("masked_scatter", case(A(3), at([1, 0, 1]), A(3)), RuntimeError, "boolean masks.*int64"),
    Refusal("masked_scatter", case(A(3), mask(True, True, True), A(2)), RuntimeError, "ones in mask: 2 < 3"),
    Refusal("masked_scatter", case(A(3), mask(True, True, True), A(3, dtype="float64")), RuntimeError, "float32 and float64"),
    Refusal("masked_scatter", case(A(3), mask(True, True), A(3)), RuntimeError, r"\[2\] and \[3\]"),
    Refusal("masked_scatter", case(A(3), mask(True, True, True), 1.0), TypeError, "'source' must be Tensor, not float"),
    Refusal("Tensor.masked_scatter_", case(A(3), MASK_2D, A(3)), RuntimeError, r"shape \[3\].*\[2, 3\]"),
]  # fmt: skip

test_values, test_gradient, test_refusal = table("index_write", ROWS, REFUSALS)


def test_none_stands_for_a_whole_dim():
    x, index, value = trainctl.zeros(2, 3), trainctl.tensor([0, 0]), trainctl.ones(2, 2)
    assert x.index_put((None, index), value, accumulate=True).tolist() == [[2, 0, 0], [2, 0, 0]]


@pytest.mark.parametrize("index", [False, (False, 0), (0, False), (False, True), trainctl.tensor(False)])
@pytest.mark.parametrize("value", [5.0, trainctl.ones(4), trainctl.ones(1, 2, 3)])
def test_false_names_no_element_whatever_is_written(index, value):
    x = trainctl.ones(2, 3)
    x[index] = value
    assert x.tolist() == [[1, 1, 1], [1, 1, 1]]
