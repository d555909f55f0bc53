"""Elements written along a dim against PyTorch and against differences."""

from __future__ import annotations

import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table


def at(*values, dtype="int64"):
    """An index tensor."""
    return A(values=values[0] if len(values) == 1 else list(values), dtype=dtype)


# input, dim, index and src, no place named twice: dims, fewer indices than places, larger src, 0-d, size 0, layouts;
# for a src larger than index PyTorch has no gradient, see the last test
PLACES = [
    (A(3, 4), 0, at([[0, 2, 1, 0]]), A(1, 4)), (A(3, 4), 1, at([[3], [0], [2]]), A(3, 1)), (A(3, 4), -1, at([[3, 1]]), A(1, 2)), (A(3, 4), 1, at([[1, 0]]), A(3, 4, grad=False)), (A(2, 3, 2), 1, at([[[2], [0]]]), A(1, 2, 1)),
    (A(3, 4), 0, at([[1]], dtype="int32"), A(1, 1)), (A(3), 0, at([2, 0]), A(2)), (A(3), 0, at(1), A(1, grad=False)), (A(3), 0, at([1]), A()), (A(), 0, at(0), A()), (A(3, 4), 0, at([]), A(2, 2, grad=False)), (A(0, 3), 1, at([[]]), A(1, 0)),
    (A(3, 4, layout="T"), 0, at([[2, 1]]), A(1, 2, layout="T")), (A(3, 4, layout="step"), 0, at([[2, 1]]), A(1, 2, layout="step")),
    (A(3, dtype="int64"), 0, at([2]), A(1, dtype="int64")), (A(3, dtype="bool"), 0, at([2]), A(1, dtype="bool")), (A(3, dtype="complex64"), 0, at([2]), A(1, dtype="complex64")), (A(3, dtype="float16"), 0, at([2]), A(1, dtype="float16")),
]  # fmt: skip
TWICE = [
    (A(3, 4), 0, at([[0, 2, 1, 0], [0, 0, 1, 2], [0, 2, 2, 2]]), A(3, 4)),
    (A(2), 0, at([1] * 6), A(6)),
    (A(), 0, at([0, 0]), A(2)),
    (A(2, 3), 1, at([[1, 1, 1]]), A(2, 3, grad=False)),
]
NUMBERS = [
    (A(3, 4), 0, at([[0, 2, 1]]), 1.5),
    (A(3, 4), 1, at([[0, 0], [3, 2]]), 2),
    (A(3, dtype="int64"), 0, at([1]), 1.7),
    (A(3, dtype="uint8"), 0, at([1]), -1),
    (A(3, dtype="complex64"), 0, at([1]), 2j),
    (A(3, dtype="bool"), 0, at([1]), True),
    (A(), 0, at(0), 3),
]

ROWS = [
    *(Row(name, [case(*each) for each in [*PLACES, *NUMBERS]] + [case(*each[:3], value=each[3]) for each in NUMBERS] + [case(A(3), dim=0, index=at([1]), src=A(1)), case(A(3), 0, at([1]), value=A(grad=False))]) for name in ("scatter", "Tensor.scatter", "Tensor.scatter_")),
    *(Row(name, [case(*each) for each in [*PLACES, *TWICE]] + [case(A(3), dim=0, index=at([1]), src=A(1))]) for name in ("scatter_add", "Tensor.scatter_add", "Tensor.scatter_add_")),
    # PyTorch has no gradient for these
    *(Row(f"{name} {reduce}", [case(name, *each, reduce=reduce) for each in [*PLACES, *TWICE, *NUMBERS]] + [case(name, *each[:3], value=each[3], reduce=reduce) for each in NUMBERS], grad=False, call=lambda lib, name, x, *args, **kwargs: getattr(x.detach().clone(), name)(*args, **kwargs)) for name in ("scatter", "scatter_") for reduce in ("add", "multiply")),
]  # fmt: skip

REFUSALS = [
    Refusal("scatter", case(A(3, 2), 0, at([[3]]), A(1, 1)), RuntimeError, "index 3 is out of bounds .* size 3"),
    Refusal("scatter", case(A(3, 2), 0, at([[-1]]), A(1, 1)), RuntimeError, "index -1"),
    Refusal("scatter", case(A(3, 2), 0, at([1]), A(1)), RuntimeError, r"as self tensor, got \[1\] and \[3, 2\]"),
    Refusal("scatter", case(A(3, 2), 0, at([[1]]), A()), RuntimeError, r"as src tensor, got \[1, 1\] and \[1\]"),
    Refusal(
        "scatter", case(A(3, 2), 0, at([[1] * 3]), A(1, 3)), RuntimeError, r"index \[1, 3\] .* self \[3, 2\] apart"
    ),
    Refusal("scatter", case(A(3, 2), 0, at([[1], [0]]), A(1, 1)), RuntimeError, r"index \[2, 1\] .* src \[1, 1\]"),
    Refusal("scatter", case(A(3, 2), 0, at([[1]]), A(1, 1, dtype="float64")), RuntimeError, "float32 and float64"),
    Refusal("scatter", case(A(3), 0, at([1], dtype="uint8"), A(1)), RuntimeError, "int32/int64.*uint8"),
    Refusal("scatter", case(A(3), 1, at([1]), A(1)), IndexError, "got 1"),
    Refusal("scatter", case(A(3), 0, at([1])), TypeError, "either src .* or value"),
    Refusal("scatter", case(A(3), 0, at([1]), A(1), value=1), TypeError, "either src .* or value"),
    Refusal("scatter", case(A(3), 0, at([1]), "1"), TypeError, "number, not str"),
    Refusal("scatter", case(A(3), 0, at([1]), 1j), RuntimeError, "without overflow: 1j"),
    Refusal("scatter", case(A(3), 0, at([1]), 1.0, reduce="mean"), RuntimeError, "add or multiply, got mean"),
    Refusal("scatter_add", case(A(3), 0, at([1]), 1.0), TypeError, "'src' must be Tensor, not float"),
    Refusal("scatter_add", case(A(3), 0, at([3]), A(1)), RuntimeError, "index 3"),
    Refusal("Tensor.scatter_", case(A(3), 0, at([3]), 1.0), RuntimeError, "index 3"),
]

test_values, test_gradient, test_refusal = table("scatter", ROWS, REFUSALS)


@pytest.mark.parametrize("name", ["scatter", "scatter_add"])
def test_what_is_left_over_of_a_larger_src_has_the_gradient_zero(name):
    x, src = trainctl.zeros(2, 3), trainctl.ones(2, 3, requires_grad=True)
    getattr(x, name)(1, trainctl.tensor([[2, 0]]), src).sum().backward()
    assert src.grad.tolist() == [[1, 1, 0], [0, 0, 0]]
