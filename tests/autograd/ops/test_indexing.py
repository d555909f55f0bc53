"""Elements by position, read and written, against PyTorch and against differences."""

from __future__ import annotations

from typing import Any

import pytest

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table

ALL, E = slice(None), Ellipsis


def at(*values, dtype="int64"):
    """An index tensor."""
    return A(values=values[0] if len(values) == 1 else list(values), dtype=dtype)


def mask(*values):
    return at(list(values), dtype="bool")


MASK_2D = at([[True, False, True], [False, False, True]], dtype="bool")

# Every kind of index, for a tensor of shape [2, 3, 4].
INDICES: list[Any] = [
    0, -1, (1, 2), (0, -1, 3), ALL, slice(1, None), slice(None, -1), slice(0, 9), slice(2, 1), (ALL, slice(0, 3, 2)), (ALL, ALL, slice(-3, -1)), slice(-9, 1), (0, slice(1, 3)),
    None, (None, 0), (0, None), (ALL, None, 1), E, (E, 0), (0, E), (E, 1, slice(1, 3)), (E, None), (0, E, None, 2), (), True, False, (ALL, True), (0, False), (True, [0, 1]),
    [0, 1], [1], [0, 0, 1], [-1, 0], [], ([0, 1], [2, 0]), (ALL, [2, 0]), (E, [3, 0]), ([1, 0], ALL, [3, 1]), (0, ALL, [1, 2]), (ALL, 0, [1, 2]), ([0, 1], 1, [2, 3]), (None, [0, 1]), (ALL, [0, 2], None),
    [[0, 1], [2, 0]], [0, slice(1, 3)], [0, None], [True, False], ([True, False], ALL, [0, 1]), range(2), (0, range(1, 3)),
    at([0, 1]), at([[0, 1], [1, 0]]), (ALL, at([2, 0])), (at([1, 0]), at([2, 0])), (at([1, 0]), ALL, at([3, 0])), (at([[0], [1]]), at([0, 2])), (at([0, 1]), slice(1, 3)), (slice(0, 1), at([2, 2, 2])), (at([0, -1]), 1),
    at([1, 0], dtype="int32"), at(1), at(-1), (at(0), at(1, dtype="int8")), (ALL, at(1), at([0, 2])), at([]), (at([0]), None, at([1])), (E, at([[0, 3], [1, 2]])),
    mask(True, False), (ALL, mask(True, False, True)), (E, mask(True, False, True, False)), MASK_2D, (MASK_2D, 1), (0, at([[True] * 4, [False] * 4, [True, False] * 2], dtype="bool")), (mask(False, False)), (mask(True, False), at([0])),
    (at([0, 1]), mask(True, False, True)), at([1, 0], dtype="uint8"), at(True, dtype="bool"), (at(False, dtype="bool"), 0), (ALL, slice(at(1), at(3))),
]  # fmt: skip


def get(lib, x, index):
    return x[index]


def put(lib, x, index, value):
    x = x * 1
    x[index] = value
    return x


def put_into_a_view(lib, x, index, value):
    x = x * 1
    x.transpose(0, 1)[index] = value
    return x


VALUES = [0, 1.5, A(), A(1), A(1, 1, 1)]
PUTS = [
    (0, A(3, 4)), (0, A(4)), (0, A(1, 3, 4)), (0, 7), ((0, 1), A(4)), (slice(0, 1), A(3, 4)), ((ALL, slice(0, 3, 2)), A(2, 2, 4)), ((ALL, slice(0, 3, 2)), A(2, 1)), (E, A(2, 3, 4)), ((E, 0), A(3)), ((ALL, None, 0), A(2, 1, 4)),
    ([0, 1], A(2, 3, 4)), ([1, 0], A(3, 4)), ([1], 2.5), ((ALL, [2, 0]), A(2, 2, 4)), (([0, 1], ALL, [3, 1]), A(2, 3)), ((0, ALL, [1, 2]), A(3, 2)), ([], 1), (at([1, 0]), A(4)), ((at([1, 0]), at([2, 0])), A(2, 4)), ((at([1, 0]), at([2, 0])), A(1, 1, 2, 4)),
    (mask(True, False), A(3, 4)), (mask(True, False), 0.5), (MASK_2D, A(3, 4)), (MASK_2D, A(4)), (MASK_2D, A()), ((ALL, mask(True, False, True)), A(2, 1, 4)), (mask(False, False), 1), (True, A(2, 3, 4)), ((0, at(1)), A(4)), (slice(0, 1), A(3, 4, dtype="float64")),
    (mask(True, False), A(1, dtype="float64")),
]  # fmt: skip

ROWS = [
    Row("getitem", [case(A(2, 3, 4), index) for index in INDICES] + [case(A(2, 3, 4, layout="T"), index) for index in (0, (ALL, [2, 0]), MASK_2D, (0, ALL, [1, 2]))], call=get),
    Row("getitem_whole", [case(A(2, 3, dtype="int64"), index) for index in (0, [1], mask(True, False), E)], call=get),
    Row("getitem_scalar", [case(A(), index) for index in (E, None, (), True, False, at(True, dtype="bool"), (E, None))], call=get),
    Row("getitem_empty", [case(A(0, 3), index) for index in (ALL, [], (ALL, 1), (ALL, [0, 2]), E, at([]), (ALL, mask(True, False, True)))], call=get),
    Row("setitem", [case(A(2, 3, 4), index, value) for index, value in PUTS] + [case(A(2, 3, 4), index, value) for index in (0, (ALL, [2, 0]), MASK_2D) for value in VALUES[:4]], call=put),
    Row("setitem_view", [case(A(3, 2, 4), index, value) for index, value in (PUTS[0], PUTS[6], PUTS[14], PUTS[21], PUTS[23])], call=put_into_a_view),
    Row("setitem_whole", [case(A(4, dtype="int64"), 1, 1.7), case(A(4, dtype="int64"), [0, 1], 5), case(A(4, dtype="uint8"), 0, -1), case(A(4, dtype="bool"), 0, 3), case(A(4, dtype="int64"), slice(0, 2), A(2, grad=False))], call=put),
    Row("setitem_scalar", [case(A(), E, 2), case(A(), (), A()), case(A(), True, 3)], call=put),
    *(Row(name, [case(A(2, 3), 0, 1), case(A(2, 3), 1, -1), case(A(2, 3), -1, 0), case(A(2, 3, layout="T"), 0, 1), case(A(2, 3), dim=0, index=at(1)), case(A(2, dtype="int64"), 0, 1)]) for name in ("select", "Tensor.select")),
    *(Row(name, [
        case(A(3, 4), 0, at([[0, 2, 1, 0]])), case(A(3, 4), 1, at([[3, 3], [0, 1], [2, 2]])), case(A(3, 4), -1, at([[3], [0]])), case(A(3), 0, at([0, 0, 2])), case(A(2, 3, 4), 1, at([[[2]], [[0]]])),
        case(A(3, 4), 0, at([[0, 1]], dtype="int32")), case(A(), 0, at(0)), case(A(), 0, at([0, 0])), case(A(3), 0, at(1)), case(A(3), 0, at([])), case(A(3, 4, layout="T"), 0, at([[2, 1]])),
        case(A(3, dtype="int64"), 0, at([2])), case(A(3, 4), dim=0, index=at([[1]]), sparse_grad=False),
    ]) for name in ("gather", "Tensor.gather")),
    *(Row(name, [
        case(A(3, 4), 0, at([2, 0, 2])), case(A(3, 4), 1, at([1])), case(A(3, 4), -1, at([3, 0], dtype="int32")), case(A(3, 4), 0, at(1)), case(A(3, 4), 0, at([])), case(A(), 0, at([0])), case(A(), 0, at(0)),
        case(A(0, 2), 1, at([1])), case(A(3, 4, layout="T"), 1, at([0, 1])), case(A(3, dtype="bool"), dim=0, index=at([1, 1])),
    ]) for name in ("index_select", "Tensor.index_select")),
    *(Row(name, [
        case(A(2, 3), MASK_2D, 1.5), case(A(2, 3), mask(True, False, True), 0), case(A(2, 3), at(True, dtype="bool"), 2), case(A(2, 3), MASK_2D, A()), case(A(2, 3), MASK_2D, A(dtype="float64")), case(A(2, 3, dtype="int64"), MASK_2D, 1.7),
        case(A(3, dtype="uint8"), mask(True, False, True), -1), case(A(3, dtype="bool"), mask(True, False, True), 2), case(A(0, 3), mask(True, False, True), 1),
    ]) for name in ("masked_fill", "Tensor.masked_fill", "Tensor.masked_fill_")),
    Row("masked_fill_broadcast", [case(A(3), MASK_2D), case(A(), MASK_2D)], call=lambda lib, x, m: x.masked_fill(m, 2)),
    *(Row(name, [case(A(2, 3), MASK_2D), case(A(2, 3), mask(True, False, True)), case(A(3), MASK_2D), case(A(2, 3), at(True, dtype="bool")), case(A(2, 3), mask(False, False, False)), case(A(2, 3, dtype="int64"), MASK_2D)]) for name in ("masked_select", "Tensor.masked_select")),
    Row("nn.functional.one_hot", [case(at([0, 2, 1])), case(at([0, 2, 1]), 5), case(at([[0, 1], [2, 0]]), 3), case(at(1), 3), case(at([]), 3), case(at([0]), num_classes=-1)]),
]  # fmt: skip

REFUSALS = [
    Refusal(
        "get", case(A(2, 3), 2), IndexError, r"index 2 is out of bounds for dimension 0 with size 2.*\[2, 3\]", get
    ),
    Refusal("get", case(A(2, 3), (0, -4)), IndexError, "index -4.*dimension 1 with size 3", get),
    Refusal("get", case(A(2, 3), (0, 0, 0)), IndexError, r"too many indices for tensor of dimension 2.*\[2, 3\]", get),
    Refusal("get", case(A(2, 3), (MASK_2D, 0)), IndexError, "too many", get),
    Refusal("get", case(A(), 0), IndexError, "too many", get),
    Refusal("get", case(A(), ALL), IndexError, "too many", get),
    Refusal("get", case(A(2, 3), slice(None, None, -1)), ValueError, "step must be greater than zero.*flip", get),
    Refusal("get", case(A(2, 3), slice(None, None, 0)), ValueError, "step", get),
    Refusal("get", case(A(2, 3), 1.0), IndexError, r"\(got float\)", get),
    Refusal("get", case(A(2, 3), {1}), IndexError, r"\(got set\)", get),
    Refusal("get", case(A(2, 3), at([0.0, 1.0], dtype="float32")), IndexError, "long, int, byte or bool.*float32", get),
    Refusal("get", case(A(2, 3), at([0, 1], dtype="int8")), IndexError, "int8", get),
    Refusal("get", case(A(2, 3), [0, 2]), IndexError, r"index 2.*size 2.*\[2, 3\]", get),
    Refusal("get", case(A(2, 3), at([0, -3])), IndexError, "index -3", get),
    Refusal("get", case(A(2, 3), (at([0, 1]), at([0, 1, 2]))), IndexError, r"\[2, 3\]", get),
    Refusal("get", case(A(2, 3), mask(True, False, True)), IndexError, r"mask \[3\] at index 0.*\[2, 3\]", get),
    Refusal("set", case(A(3), 5, 1), IndexError, "index 5", put),
    Refusal("set", case(A(3), [5], 1), IndexError, "index 5", put),
    Refusal("set", case(A(3), 0, [1.0]), TypeError, "can't assign a list", put),
    Refusal("set", case(A(3), 0, "a"), TypeError, "can't assign a str", put),
    Refusal("set", case(A(3), 0, None), TypeError, "can't assign a NoneType", put),
    Refusal("set", case(A(3), 0, 1j), RuntimeError, "float32 without overflow", put),
    Refusal("set", case(A(3, dtype="uint8"), 0, 300), RuntimeError, "uint8 without overflow: 300", put),
    Refusal("set", case(A(3), slice(0, 2), A(3)), RuntimeError, r"\(2\).*\(3\).*\[2\].*\[3\]", put),
    Refusal("set", case(A(3), 0, A(2)), RuntimeError, r"\[2\]", put),
    Refusal("set", case(A(3), [0, 1], A(3)), RuntimeError, r"value tensor of shape \[3\] cannot be broadcast", put),
    Refusal(
        "set", case(A(3), [0], A(1, dtype="float64")), RuntimeError, "dtypes match, got float32 .* and float64", put
    ),
    Refusal(
        "select", case(A(2, 3), 0, 2), IndexError, r"index 2 out of range for tensor of size \[2, 3\] at dimension 0"
    ),
    Refusal("select", case(A(), 0, 0), IndexError, "0-dim"),
    Refusal("gather", case(A(3), 0, at([1], dtype="uint8")), RuntimeError, "int32/int64.*uint8"),
    Refusal("gather", case(A(3, 2), 0, at([1])), RuntimeError, r"\[1\] and \[3, 2\]"),
    Refusal(
        "gather", case(A(3, 2), 0, at([[1, 1, 1]])), RuntimeError, r"dimension 1 expected index \[1, 3\].*\[3, 2\]"
    ),
    Refusal(
        "gather", case(A(3, 2), 0, at([[3]])), RuntimeError, "index 3 is out of bounds for dimension 0 with size 3"
    ),
    Refusal("gather", case(A(3, 2), 0, at([[-1]])), RuntimeError, "index -1"),
    Refusal("gather", case(A(3, 2), 2, at([[0]])), IndexError, "got 2"),
    Refusal("index_select", case(A(3, 2), 0, at([[1]])), IndexError, r"vector, got shape \[1, 1\]"),
    Refusal("index_select", case(A(3, 2), 0, at([1.0], dtype="float32")), RuntimeError, "int32 or int64.*float32"),
    Refusal("index_select", case(A(3, 2), 0, at([3])), IndexError, "index 3.*size 3"),
    Refusal("index_select", case(A(3, 2), 0, at([-1])), IndexError, "index -1"),
    Refusal("index_select", case(A(), 0, at([0, 0])), RuntimeError, "only 1 value, got 2"),
    Refusal("masked_fill", case(A(2), at([1, 0]), 1), RuntimeError, "boolean masks.*int64"),
    Refusal("masked_fill", case(A(2), mask(True, False), A(1)), RuntimeError, "0-dimensional.*1 dim"),
    Refusal("masked_fill", case(A(2), mask(True, False), 1j), RuntimeError, "float32 without overflow"),
    Refusal(
        "masked_fill",
        case(A(2, dtype="int64"), mask(True, False), A(dtype="complex64")),
        RuntimeError,
        "int64 without overflow",
    ),
    Refusal("Tensor.masked_fill_", case(A(3), MASK_2D, 1), RuntimeError, r"shape \[3\].*\[2, 3\]"),
    Refusal("masked_select", case(A(3), at([1, 0, 1])), RuntimeError, "BoolTensor.*int64"),
    Refusal("masked_select", case(A(3), mask(True, False)), RuntimeError, r"\[2\] and \[3\]"),
    Refusal("nn.functional.one_hot", case(at([])), RuntimeError, "empty tensor"),
    Refusal("nn.functional.one_hot", case(at([-1])), RuntimeError, "non-negative, got -1"),
    Refusal("nn.functional.one_hot", case(at([3]), 3), RuntimeError, "smaller than num_classes, got 3 and 3"),
    Refusal("nn.functional.one_hot", case(at([0], dtype="int32")), RuntimeError, "LongTensor, got int32"),
]

test_values, test_gradient, test_refusal = table("indexing", ROWS, REFUSALS)


def test_integers_and_slices_give_views_and_lists_give_copies():
    x = trainctl.zeros(3, 4)
    x[1][2] = 1.0
    x[:, 1:][0].fill_(2.0)
    x[[2]].fill_(9.0)
    assert x.tolist() == [[0, 2, 2, 2], [0, 0, 1, 0], [0, 0, 0, 0]]


def test_an_index_changed_between_forward_and_backward_is_found():
    x, index = trainctl.ones(3, requires_grad=True), trainctl.tensor([0, 2])
    y = x[index].sum()
    index.add_(-1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()
