from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import trainctl
from trainctl.errors import CheckpointError
from trainctl.storage.packing import check_packed, pack, unpack

leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
keys = st.integers() | st.text() | st.tuples(st.integers())
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(keys, inner),
    max_leaves=20,
)


def through_json(value: object) -> tuple[object, dict[str, np.ndarray]]:
    arrays: dict[str, np.ndarray] = {}
    packed = json.loads(json.dumps(pack(value, "tree", arrays), allow_nan=False))
    return unpack(packed, arrays), arrays


@given(trees)
def test_numbers_and_structure_come_back_exactly(tree: object):
    got, arrays = through_json(tree)
    assert repr(got) == repr(tree)
    assert not arrays


@pytest.mark.parametrize("tree", [{"$tensor": 1}, {"$": {}}, {"a": 1, "$b": 2}, {0: {}, "0": []}, {}, [{}], ()])
def test_keys_that_look_like_ours_come_back(tree: object):
    assert through_json(tree) == (tree, {})


def test_infinities_and_nan_come_back():
    got, _ = through_json([math.inf, -math.inf, math.nan])
    assert got[:2] == [math.inf, -math.inf]
    assert math.isnan(got[2])


def test_tensors_and_arrays_come_back_with_their_types():
    state = {
        "state": {0: {"step": trainctl.tensor(3.0), "moment": trainctl.tensor([[1, 2], [3, 4]]).t()}},
        "array": np.arange(3, dtype=np.int16),
        "scalar": np.float32(0.1),
    }
    got, arrays = through_json(state)
    assert set(arrays) == {"tree.state.0.step", "tree.state.0.moment", "tree.array", "tree.scalar"}
    moment = got["state"][0]["moment"]
    assert isinstance(moment, trainctl.Tensor)
    assert moment.tolist() == [[1, 3], [2, 4]]
    assert got["state"][0]["step"].shape == ()
    assert got["array"].dtype == np.int16
    assert type(got["scalar"]) is np.float32
    assert got["scalar"] == np.float32(0.1)


def test_names_that_would_collide_do_not():
    state = {
        1: trainctl.tensor(1),
        "1": trainctl.tensor(2),
        "a": {"b": trainctl.tensor(3)},
        "a.b": trainctl.tensor(4),
    }
    got, arrays = through_json(state)
    assert len(arrays) == 4
    assert [got[1].item(), got["1"].item(), got["a"]["b"].item(), got["a.b"].item()] == [1, 2, 3, 4]


def test_what_was_unpacked_shares_no_memory():
    arrays: dict[str, np.ndarray] = {}
    packed = pack(trainctl.zeros(2), "t", arrays)
    unpack(packed, arrays).add_(1)
    assert arrays["t"].tolist() == [0, 0]


@pytest.mark.parametrize("value", [{1, 2}, object(), b"bytes", 1j, lambda: None])
def test_what_has_no_place_is_named(value: object):
    with pytest.raises(CheckpointError, match=r"cannot save optimizer\.a\.0: a value of type"):
        pack({"a": [value]}, "optimizer", {})


def test_an_unknown_kind_is_an_error():
    with pytest.raises(CheckpointError, match="unknown kind '\\$set'"):
        check_packed({"$set": []}, {})
