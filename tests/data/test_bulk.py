"""A bulk method stands in for the one-by-one method only where it means the same."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from trainctl.data.bulk import as_index_array, bulk_method


class Plain:
    def one(self): ...


class Bulk(Plain):
    def one(self): ...

    def many(self):
        return "many"


class Renamed(Bulk):
    name = "renamed"


class OneChanged(Bulk):
    def one(self): ...


class BothChanged(OneChanged):
    def many(self):
        return "many, changed"


class Forwarding(Plain):
    """Its bulk method is a property that may find nothing to forward to."""

    @property
    def many(self):
        raise AttributeError("the parent has none")


@pytest.mark.parametrize(
    ("cls", "expected"),
    [
        (Plain, None),
        (Bulk, "many"),
        (Renamed, "many"),
        (OneChanged, None),
        (BothChanged, "many, changed"),
        (Forwarding, None),
        (list, None),
    ],
)
def test_the_bulk_method_must_be_as_new_as_the_single_one(cls, expected):
    method = bulk_method(cls(), "many", "one")
    assert (method() if method else None) == expected


@pytest.mark.parametrize(
    "indices",
    [
        [3, -1],
        (3, -1),
        iter([3, -1]),
        np.array([3, -1]),
        np.array([3, -1], np.int8),
        [np.int32(3), trainctl.tensor(-1)],
    ],
    ids=lambda indices: type(indices).__name__,
)
def test_integers_of_any_kind_are_indices(indices):
    array = as_index_array(indices)
    assert (array.dtype, array.tolist()) == (np.int64, [3, -1])


@pytest.mark.parametrize("indices", [[0.0], ["0"], np.array([1.5]), [None]], ids=repr)
def test_nothing_else_is_an_index(indices):
    with pytest.raises(TypeError):
        as_index_array(indices)
