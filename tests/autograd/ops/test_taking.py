"""Elements by their place in the flattened tensor, and along a dim, against PyTorch and against differences."""

from __future__ import annotations

from tests.autograd.ops.harness import A, Refusal, Row, case, table


def at(*values, dtype="int64"):
    """An index tensor."""
    return A(values=values[0] if len(values) == 1 else list(values), dtype=dtype)


PUTS = [
    (A(2, 3), at([0, -1]), A(2)), (A(2, 3), at([[4, 1]]), A(2)), (A(2, 3), at([0, 1]), A(1, 2)), (A(2, 3), at(5), A()), (A(2, 3), at([]), A(0)), (A(0), at([]), A(0)), (A(), at([0]), A(1)), (A(2, 3, layout="T"), at([1, 4]), A(2)),
    (A(3, dtype="int64"), at([1]), A(1, dtype="int64")), (A(3, dtype="complex64"), at([1]), A(1, dtype="complex64")), (A(3, dtype="bool"), at([1, 2]), A(2, dtype="bool")),
]  # fmt: skip

ROWS = [
    *(Row(name, [
        case(A(2, 3), at([0, -1, 5])), case(A(2, 3), at([[1, 1], [4, -6]])), case(A(2, 3), at(2)), case(A(2, 3), at([])), case(A(0), at([])), case(A(), at([0, -1, 0])), case(A(2, 3, layout="T"), at([1, 2])), case(A(2, 3, layout="step"), at([1, 2])),
        case(A(3, dtype="int64"), at([2])), case(A(3, dtype="complex64"), at([2, 2])), case(A(3), index=at([[0]])),
    ]) for name in ("take", "Tensor.take")),
    *(Row(name, [case(*each) for each in PUTS] + [case(*each, accumulate=True) for each in [*PUTS, (A(3), at([1, 1, -2]), A(3))]] + [case(A(3), index=at([0]), source=A(1))]) for name in ("put", "Tensor.put", "Tensor.put_")),
    *(Row(name, [
        case(A(2, 3), at([[1], [0]]), 1), case(A(2, 3), at([[1], [0]]), dim=-1), case(A(2, 3), at([[2, 0]]), 1), case(A(1, 3), at([[2], [0]]), 1), case(A(2, 3), at([[0, 1, 0]]), 0), case(A(2, 3), at([0, 5, 1])), case(A(2, 3), at([[0, 5]])), case(A(), at([0, 0])),
        case(A(2, 3), at([[-1], [4]]), 1), case(A(2, 3, 4, layout="T"), at([[[0], [2]]]), 1), case(A(2, 0), at([[], []]), 1), case(A(3, dtype="int64"), at([1, 1]), 0), case(A(2, 3), indices=at([[0]]), dim=None),
    ]) for name in ("take_along_dim", "Tensor.take_along_dim")),
]  # fmt: skip

REFUSALS = [
    Refusal("take", case(A(2, 3), at([6])), IndexError, "index 6 on a tensor of 6 elements"),
    Refusal("take", case(A(2, 3), at([-7])), IndexError, "index -7"),
    Refusal("take", case(A(0), at([0])), IndexError, "empty tensor"),
    Refusal("take", case(A(3), at([0], dtype="int32")), RuntimeError, "long tensor for index, but got int32"),
    Refusal("put", case(A(3), at([3]), A(1)), IndexError, "index 3 on a tensor of 3"),
    Refusal("put", case(A(0), at([0]), A(1)), IndexError, "empty tensor"),
    Refusal("put", case(A(3), at([0, 1]), A(1)), IndexError, r"source.numel\(\) = 1, index.numel\(\) = 2"),
    Refusal("put", case(A(3), at([0], dtype="int32"), A(1)), RuntimeError, "long tensor for index, but got int32"),
    Refusal("put", case(A(3), at([0]), A(1, dtype="float64")), RuntimeError, "float32 .*float64"),
    Refusal("take_along_dim", case(A(2, 3), at([0, 1]), 1), RuntimeError, "2 dimensions for input, and 1"),
    Refusal("take_along_dim", case(A(2, 3), at([[0]], dtype="int32"), 1), RuntimeError, "Long but got int32"),
    Refusal("take_along_dim", case(A(2, 3), at([[0], [0], [0]]), 1), RuntimeError, r"\(2\) .* \(3\)"),
    Refusal("take_along_dim", case(A(), at(0), 0), IndexError, "no dimensions"),
    Refusal("take_along_dim", case(A(3), at([3])), RuntimeError, "index 3 is out of bounds"),
    Refusal("take_along_dim", case(A(2, 3), [0], 1), TypeError, "'indices' must be Tensor, not list"),
]

test_values, test_gradient, test_refusal = table("taking", ROWS, REFUSALS)
