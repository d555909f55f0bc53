"""Order along a dim, against PyTorch and against differences.

PyTorch leaves open which of equal elements comes first (but for ``stable=True``, and it is stable for up to 16):
where a case has ties in longer dims, or for ``topk`` and ``kthvalue``, values alone are compared.
"""

from __future__ import annotations

from typing import Any

import pytest

import trainctl
from tests.autograd.ops.harness import A, Case, Refusal, Row, case, table
from trainctl.autograd.gradcheck import gradgradcheck

INF, NAN = float("inf"), float("nan")
INTS = A(3, 4, dtype="int64", low=-3, high=4)
ODD = [
    A(6, values=[2, NAN, -INF, 2, INF, NAN]), A(2, 3, values=[[0, -0.0, 0], [1, 1, 0]]), A(5, dtype="uint8", values=[0, 255, 128, 0, 255]),
    A(4, dtype="int64", values=[-(2**63), 2**63 - 1, 0, -(2**63)]), A(4, dtype="bool", values=[True, False, True, False]),
]  # fmt: skip
DOWN, STABLE = {"descending": True}, {"descending": True, "dim": 0, "stable": True}
SORTED_ODD = [case(each, **options) for each in ODD for options in ({}, DOWN, STABLE)]


def cases() -> list[Case]:
    """Every dim from either end; both directions; scalars, layouts, sizes 0 and 1; other dtypes."""
    return [
        case(A(5)), case(A(2, 3, 4)), case(A(2, 3, 4), 0), case(A(2, 3, 4), 1, True), case(A(2, 3, 4), -2), case(A(2, 3), axis=0), case(A(40), descending=True),
        case(A()), case(A(), 0), case(A(), -1, True), case(A(1)), case(A(0)), case(A(0, 3), 0), case(A(2, 0, 3), -1), case(A(3, 4, layout="T"), 0),
        case(A(3, 4, layout="step"), -1, True), case(A(4, dtype="float64")), case(A(6, dtype="float16")), case(INTS), case(INTS, 0, True),
        case(A(50, dtype="int32", low=0, high=5), stable=True), case(A(50, dtype="float16", low=0, high=2), dim=0, descending=True, stable=True),
    ]  # fmt: skip


def values_of(name: str) -> Any:
    """Return a call that keeps the values, and of the indices that they name these values."""

    def call(library: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        values, indices = getattr(library, name)(x, *args, **kwargs)
        dim = kwargs.get("dim", args[1] if len(args) > 1 else -1)
        kept = kwargs.get("keepdim", name == "topk") or x.ndim == 0
        named = x.gather(dim, indices if kept else indices.unsqueeze(dim))
        assert indices.dtype == library.int64
        return values, named if kept else named.squeeze(dim)

    return call


TOPK = [
    case(A(7), 3), case(A(2, 6), 2), case(A(2, 6), k=2, dim=0), case(A(2, 6), 3, -1, False), case(A(2, 3, 4), 2, 1, True, False), case(A(5), 5), case(A(5), 0),
    case(A(), 1), case(A(), 0), case(A(0), 0), case(A(2, 0), 1, 0), case(A(3, 4, layout="T"), 2, 0), case(A(3, 4, layout="step"), 2, dim=-1, largest=False),
    case(A(9, dtype="float16"), 4), case(INTS, 2), case(A(30, dtype="int32", low=0, high=4), 7, largest=False), case(A(1000), 3),
    *(case(each, 2, 0, up) for each in ODD[2:4] for up in (True, False)),
]  # fmt: skip
KTH = [
    case(A(7), 3), case(A(2, 6), 2), case(A(2, 6), 2, 0), case(A(2, 6), 1, dim=-2, keepdim=True), case(A(2, 3, 4), 3, dim=1, keepdim=True), case(A(), 1), case(A(1), 1),
    case(A(0, 3), 2), case(A(3, 4, layout="T"), 2, 0), case(INTS, 4), case(A(9, dtype="float16"), 9), *(case(each, 3, 0) for each in ODD[2:4]),
]  # fmt: skip

ROWS = [
    Row("sort", cases()),
    Row("argsort", cases()),
    Row("Tensor.sort", [*SORTED_ODD, case(A(2, 3), 0), case(A(4), stable=None, dim=0)], gradcheck=False),
    Row("Tensor.argsort", SORTED_ODD, grad=False),
    Row("msort", [case(A(5)), case(A(4, 2)), case(A()), case(A(0, 2)), case(A(3, 2, layout="T"))]),
    Row("Tensor.msort", [*map(case, ODD)], gradcheck=False),
    Row("topk", TOPK, call=values_of("topk")),
    Row("Tensor.topk", [case(A(2, 6, values=[[4, 1, 5, 2, 0, 3], [-4, 4, -INF, 3, NAN, INF]]), k, 1, up) for k in (1, 3, 6) for up in (True, False)], gradcheck=False),
    Row("kthvalue", KTH, call=values_of("kthvalue")),
    Row("Tensor.kthvalue", [case(A(2, 4, values=[[4, 1, 5, 2], [-4, NAN, -INF, 3]]), k, 1) for k in (1, 2, 4)], gradcheck=False),
]  # fmt: skip

REFUSALS = [
    Refusal("sort", case(A(2, 3), 2), IndexError, r"\[-2, 1\], but got 2"),
    Refusal("sort", case(A(), 1), IndexError, "got 1"),
    Refusal("sort", case(A(3, dtype="complex64")), RuntimeError, "sort.*complex64"),
    Refusal("argsort", case(A(3, dtype="complex64")), RuntimeError, "argsort.*complex64"),
    Refusal("msort", case([1, 2]), TypeError, "'input' must be Tensor, not list"),
    Refusal("topk", case(A(3), 4), RuntimeError, r"topk\(4\) of 3 elements, shape \[3\]"),
    Refusal("topk", case(A(3), -1), RuntimeError, "out of range"),
    Refusal("topk", case(A(), 2), RuntimeError, "out of range"),
    Refusal("topk", case(A(3), 2.0), TypeError, "float"),
    Refusal("topk", case(A(3), 1, 1), IndexError, "got 1"),
    Refusal("topk", case(A(3, dtype="bool"), 1), RuntimeError, "bool"),
    Refusal("topk", case(A(3, dtype="complex64"), 1), RuntimeError, "complex64"),
    Refusal("kthvalue", case(A(3), 1.0), TypeError, "float"),
    Refusal("kthvalue", case(A(3), 0), RuntimeError, "0 of 3 elements"),
    Refusal("kthvalue", case(A(3), 4), RuntimeError, "4 of 3 elements"),
    Refusal("kthvalue", case(A(0), 1), IndexError, r"non-zero size.*\[0\]"),
    Refusal("kthvalue", case(A(3, dtype="bool"), 1), NotImplementedError, "bool"),
]  # fmt: skip

test_values, test_gradient, test_refusal = table("sorting", ROWS, REFUSALS)


@pytest.mark.parametrize("size", [17, 100, 3000])
@pytest.mark.parametrize("descending", [False, True])
def test_equal_elements_keep_their_order_in_dims_of_any_size(size, descending):
    x = trainctl.randint(0, 4, (size,))
    values, indices = x.sort(descending=descending)
    for value in range(4):
        where = indices[values == value]
        assert where.equal(trainctl.nonzero(x == value).flatten())


def test_topk_names_equal_elements_in_their_order():
    x = trainctl.tensor([1, 5, 3, 5, 5, 0, 3])
    assert x.topk(5).indices.tolist() == [1, 3, 4, 2, 6]
    assert x.topk(4, largest=False).indices.tolist() == [5, 0, 2, 6]


def test_gradients_of_gradients():
    x = trainctl.tensor([0.5, -1.0, 2.0, 1.5], dtype=trainctl.float64, requires_grad=True)
    for function in (
        lambda x: x.sort().values,
        lambda x: x.topk(2)[0],
        lambda x: x.kthvalue(3)[0],
        lambda x: x.msort(),
    ):
        assert gradgradcheck(lambda x, function=function: function(x * x) ** 2, x)
