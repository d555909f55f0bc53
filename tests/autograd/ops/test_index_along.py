"""Entries of a dim written at indices against PyTorch and against differences."""

from __future__ import annotations

import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table


def at(*values, dtype="int64"):
    """An index tensor."""
    return A(values=values[0] if len(values) == 1 else list(values), dtype=dtype)


# input, dim, index and source: each dim, from the end, repeats, no entry, a vector, size 0, layouts
PLACES = [
    (A(3, 4), 0, at([2, 0]), A(2, 4)), (A(3, 4), 1, at([3]), A(3, 1)), (A(3, 4), -1, at([1, 0, 2]), A(3, 3)), (A(2, 3, 2), 1, at([2, 0]), A(2, 2, 2)),
    (A(3, 4), 0, at([]), A(0, 4)), (A(5), 0, at([4, 1]), A(2)), (A(0, 3), 1, at([2]), A(0, 1)), (A(3, 4, layout="T"), 0, at([1]), A(1, 4, layout="T")), (A(3, 4, layout="step"), 1, at([3, 1]), A(3, 2, layout="step")),
    (A(), 0, at(0), A()), (A(3, dtype="int64"), 0, at([1]), A(1, dtype="int64")), (A(3, dtype="bool"), 0, at([1, 2]), A(2, dtype="bool")), (A(3, dtype="complex64"), 0, at([1, 2]), A(2, dtype="complex64")), (A(3, dtype="float16"), 0, at([0]), A(1, dtype="float16")),
]  # fmt: skip
TWICE = [
    (A(3, 4), 0, at([2, 0, 2]), A(3, 4)),
    (A(2, 3), 1, at([1, 1]), A(2, 2)),
    (A(4), 0, at([1, 1, 1], dtype="int32"), A(3)),
]
FILLS = [
    *((x, dim, index) for x, dim, index, _ in PLACES),
    (A(3, 4), 0, at([2, 0, 2])),
    (A(3, 4), 0, at([-1])),
    (A(3), 0, at(-3)),
]

ROWS = [
    *(Row(name, [case(*each) for each in [*PLACES, *TWICE]] + [case(A(3), dim=0, index=at([0, 0]), source=A(2), alpha=2.5), case(A(3, dtype="int64"), 0, at([0]), A(1, dtype="int64"), alpha=-3), case(A(3, dtype="int64"), 0, at([0]), A(1, dtype="int64"), alpha=1.7), case(A(3, dtype="complex64"), 0, at([0]), A(1, dtype="complex64", grad=False), alpha=2j)]) for name in ("index_add", "Tensor.index_add", "Tensor.index_add_")),
    *(Row(name, [case(*each) for each in PLACES] + [case(A(3), 0, at([1]), A()), case(A(3), 0, at(1), A(1)), case(A(), 0, at([0]), A(1)), case(A(3), dim=0, index=at([0]), source=A(1))]) for name in ("index_copy", "Tensor.index_copy", "Tensor.index_copy_")),
    *(Row(name, [case(*each, value) for each in FILLS for value in (2,)] + [case(A(3, 4), 0, at([1]), 0.5), case(A(3, 4), 1, at([1, 1]), A()), case(A(3), 0, at([1]), A(dtype="float64")), case(A(3, dtype="int64"), 0, at([1]), 1.7), case(A(3, dtype="complex64"), 0, at([1]), 2j), case(A(3), dim=0, index=at([0]), value=1.0)]) for name in ("index_fill", "Tensor.index_fill", "Tensor.index_fill_")),
]  # fmt: skip

REFUSALS = [
    Refusal("index_add", case(A(3, 2), 0, at([3]), A(1, 2)), RuntimeError, "index 3.*dimension 0 with size 3"),
    Refusal("index_add", case(A(3, 2), 0, at([-1]), A(1, 2)), RuntimeError, "index -1"),
    Refusal("index_add", case(A(3, 2), 0, at([[0]]), A(1, 2)), IndexError, r"vector, but got shape \[1, 1\]"),
    Refusal("index_add", case(A(3, 2), 0, at([0.0], dtype="float32"), A(1, 2)), RuntimeError, "int32/int64.*float32"),
    Refusal("index_add", case(A(3, 2), 0, at([0]), A(1, 2, dtype="float64")), RuntimeError, "float32.*float64"),
    Refusal("index_add", case(A(3, 2), 0, at([0]), A(2, 2)), RuntimeError, r"indices \(1\).*\(2\), for dim: 0"),
    Refusal("index_add", case(A(3, 2), 0, at([0]), A(1, 1)), RuntimeError, r"self.shape = \[3, 2\] .* = \[1, 1\]"),
    Refusal("index_add", case(A(), 0, at([0]), A(1)), RuntimeError, r"self.shape = \[\] source.shape = \[1\]"),
    Refusal("index_add", case(A(3), 1, at([0]), A(1)), IndexError, "got 1"),
    Refusal("index_add", case(A(3), 0, at([0]), 1.0), TypeError, "'source' must be Tensor, not float"),
    Refusal("index_add", case(A(3), 0, at([0]), A(1), alpha=1j), RuntimeError, "without overflow: 1j"),
    Refusal("index_copy", case(A(3, 2), 0, at([3]), A(1, 2)), IndexError, "index 3"),
    Refusal("index_copy", case(A(3, 2), 0, at([[0]]), A(1, 2)), IndexError, r"dimension 1 or 0 \(got 2\)"),
    Refusal("index_copy", case(A(3, 2), 0, at([0], dtype="int32"), A(1, 2)), RuntimeError, "long tensor.*int32"),
    Refusal("index_copy", case(A(3, 2), 0, at([0]), A(1, 2, dtype="float64")), RuntimeError, "float32 .*float64"),
    Refusal("index_copy", case(A(3, 2), 0, at([0]), A(2)), IndexError, r"\(1\), destination dimensionality \(2\)"),
    Refusal("index_copy", case(A(3, 2), 0, at([0]), A(2, 2)), IndexError, r"indices \(1\).*\(2\)"),
    Refusal("index_copy", case(A(3, 2), 0, at([0]), A(1, 1)), RuntimeError, r"\[1, 1\] for \[3, 2\] at dimension 0"),
    Refusal("index_copy", case(A(3, 2), 0, at([0, 1]), A()), IndexError, r"indices \(2\).*\(1\)"),
    Refusal("index_fill", case(A(3, 2), 0, at([3]), 1), IndexError, "index 3"),
    Refusal("index_fill", case(A(3, 2), 0, at([-4]), 1), IndexError, "index -4"),
    Refusal("index_fill", case(A(3, 2), 0, at([[0]]), 1), RuntimeError, r"vector/scalar, got shape \[1, 1\]"),
    Refusal("index_fill", case(A(3, 2), 0, at([0], dtype="int32"), 1), IndexError, "int64 for index, got int32"),
    Refusal("index_fill", case(A(3, 2), 0, at([0]), A(1)), RuntimeError, "0-dimensional.*1 dim"),
    Refusal("index_fill", case(A(3, 2), 0, at([0]), 1j), RuntimeError, "without overflow: 1j"),
]

test_values, test_gradient, test_refusal = table("index_along", ROWS, REFUSALS)


def test_an_entry_filled_twice_gives_the_value_its_gradient_once():
    value = trainctl.tensor(0.0, requires_grad=True)
    trainctl.zeros(3, 2).index_fill(0, trainctl.tensor([1, 1, -2]), value).sum().backward()
    assert value.grad.item() == 2


def test_a_place_changed_between_forward_and_backward_is_found():
    x, index = trainctl.ones(3, requires_grad=True), trainctl.tensor([0, 2])
    y = trainctl.zeros(3).index_add(0, index, x[:2]).sum()
    index.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()
