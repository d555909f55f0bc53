"""Combinations of the elements of vectors, against PyTorch and against differences."""

from __future__ import annotations

import warnings

import trainctl
from tests.autograd.ops.harness import A, Refusal, Row, case, table
from tests.scripts import Scripts


def meshgrid(lib, *args, **kwargs):
    with warnings.catch_warnings():  # PyTorch's about a default that is to change
        warnings.simplefilter("ignore")
        return lib.meshgrid(*args, **kwargs)


GRIDS = [
    *(case(A(2), A(3), A(4), indexing=way) for way in ("ij", "xy")), case([A(2), A(3)], indexing="xy"), case(A(2), A()), case((A(3),), indexing="xy"), case(A(0), A(2)), case(A(), A(), indexing="xy"), case(A(2, layout="step"), A(2)),
    case(A(2, dtype="int64"), A(3, dtype="int64"), indexing="ij"),
]  # fmt: skip

ROWS = [
    Row("meshgrid", GRIDS, call=meshgrid),
    Row("cartesian_prod", [case(A(2), A(3)), case(A(2), A(1), A(2)), case(A(3)), case(A(0), A(2)), case(A(2, dtype="int64"), A(2, dtype="int64")), case(A(2, layout="step"), A(2))]),
    Row("combinations", [
        *(case(A(4), r) for r in (0, 1, 2, 3, 4, 5)), case(A(3), 2, True), case(A(2), 3, True), case(A(0)), case(A(0), 1), case(A(4, dtype="int64")), case(A(4, layout="step"), r=2, with_replacement=True), case(A(3)),
    ]),
]  # fmt: skip

REFUSALS = [
    Refusal("meshgrid", case(), RuntimeError, "non-empty"),
    Refusal("meshgrid", case(A(2, 3)), RuntimeError, r"shape \[2, 3\]"),
    Refusal("meshgrid", case(A(2), A(2, dtype="int64")), RuntimeError, "float32 and .*int64"),
    Refusal("meshgrid", case(A(2), indexing="yx"), RuntimeError, "received: yx"),
    Refusal("meshgrid", case(A(2), 2), TypeError, "int"),
    Refusal("cartesian_prod", case(), RuntimeError, "non-empty"),
    Refusal("cartesian_prod", case(A(2), A()), RuntimeError, r"\[\]"),
    Refusal("combinations", case(A(2, 3)), RuntimeError, r"\[2, 3\]"),
    Refusal("combinations", case(A(2), -1), RuntimeError, "got -1"),
]

test_values, test_gradient, test_refusal = table("grid", ROWS, REFUSALS)

scripts = Scripts()


@scripts.gives(((1, 0), (0, 1)))
def a_grid_repeats_without_copying(lib):
    x, y = lib.meshgrid(lib.zeros(2), lib.zeros(3), indexing="ij")
    return x.stride(), y.stride()


@scripts.gives(True)
def one_vector_is_its_own_product(lib):
    x = lib.zeros(2)
    return lib.cartesian_prod(x) is x


test_script = scripts.test()


def test_a_grid_is_returned_as_a_tuple():
    assert type(trainctl.meshgrid(trainctl.zeros(2), trainctl.zeros(3))) is tuple
