"""Samples become batches as PyTorch's ``default_collate`` makes them."""

from __future__ import annotations

from collections import OrderedDict, UserList, defaultdict, namedtuple
from types import MappingProxyType

import numpy as np
import pytest

import trainctl
from trainctl.data.collate import UnequalShapesError, default_collate, default_convert

Point = namedtuple("Point", ["x", "y"])


def plain(value):
    """The value without its tensors: types, dtypes and numbers, comparable between libraries."""
    if hasattr(value, "numpy"):
        return str(value.dtype).rpartition(".")[2], tuple(value.shape), value.tolist()
    if isinstance(value, dict | MappingProxyType):
        return type(value), {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | UserList):
        return type(value), [plain(each) for each in value]
    return value


BATCHES = {
    "int": lambda lib: [1, 2],
    "bool": lambda lib: [True, False],
    "float": lambda lib: [1.5, 2.0],
    "int, then float": lambda lib: [1, 2.5],
    "str": lambda lib: ["a", "b"],
    "bytes": lambda lib: (b"a", b"b"),
    "tensor": lambda lib: [lib.zeros(2, 3), lib.ones(2, 3)],
    "0-d tensor": lambda lib: [lib.tensor(1), lib.tensor(2)],
    "bool tensor": lambda lib: [lib.tensor([True]), lib.tensor([False])],
    "empty tensor": lambda lib: [lib.zeros(0, 3), lib.zeros(0, 3)],
    "array": lambda lib: [np.arange(3, dtype=np.int16), np.ones(3, np.int16)],
    "0-d array": lambda lib: [np.array(1.0), np.array(2.0)],
    "float32 scalar": lambda lib: [np.float32(1), np.float32(2)],
    "float64 scalar": lambda lib: [np.float64(1), np.float64(2)],
    "int8 scalar": lambda lib: [np.int8(1), np.int8(2)],
    "bool scalar": lambda lib: [np.bool_(True), np.bool_(False)],
    "tuple": lambda lib: [(1, "a"), (2, "b")],
    "list": lambda lib: [[1, 2.0], [3, 4.0]],
    "empty tuple": lambda lib: [(), ()],
    "named tuple": lambda lib: [Point(1, lib.ones(2)), Point(2, lib.ones(2))],
    "dict": lambda lib: [{"a": 1, "b": [1, 2]}, {"b": [3, 4], "a": 2}],
    "ordered dict": lambda lib: [OrderedDict(b=1, a=2), OrderedDict(b=3, a=4)],
    "default dict": lambda lib: [defaultdict(int, a=1), defaultdict(int, a=2)],
    "read-only mapping": lambda lib: [MappingProxyType({"a": 1}), MappingProxyType({"a": 2})],
    "user's list": lambda lib: [UserList([1, 2]), UserList([3, 4])],
    "range": lambda lib: [range(2), range(2, 4)],
    "nested": lambda lib: [{"x": (lib.ones(2), [Point(1, "a")])}, {"x": (lib.ones(2), [Point(2, "b")])}],
    "one sample": lambda lib: [(1, 2.0)],
}


@pytest.mark.parametrize("make", BATCHES.values(), ids=BATCHES.keys())
@pytest.mark.parametrize("name", ["default_collate", "default_convert"])
def test_batches_are_pytorch_s(name, make):
    torch = pytest.importorskip("torch", reason="agreement with PyTorch")
    expected = getattr(torch.utils.data, name)(make(torch))
    actual = {"default_collate": default_collate, "default_convert": default_convert}[name](make(trainctl))
    assert plain(actual) == plain(expected)


@pytest.mark.parametrize(
    ("batch", "error", "message"),
    [
        ([None, None], TypeError, "found <class 'NoneType'>"),
        ([{1}, {2}], TypeError, "found <class 'set'>"),
        ([(1, None)], TypeError, "found <class 'NoneType'>"),
        ([np.array(["a"])], TypeError, "found <U1"),
        ([np.array([None])], TypeError, "found object"),
        ([(1, 2), (3,)], RuntimeError, r"equal size, but got sizes \[2, 1\]"),
        ([{"a": 1}, {"b": 1}], KeyError, "a"),
        ([np.zeros(2), np.zeros(2), np.zeros((2, 1))], UnequalShapesError, r"\[2\] at entry 0 and \[2, 1\] at entry 2"),
        ([[np.zeros(0)], [np.zeros(1)]], UnequalShapesError, r"\[0\] at entry 0 and \[1\] at entry 1"),
    ],
)
def test_what_makes_no_batch_is_refused(batch, error, message):
    with pytest.raises(error, match=message):
        default_collate(batch)


def test_a_batch_holds_no_memory_of_its_samples():
    sample = np.zeros(2)
    batch = default_collate([sample, sample])
    sample += 1
    assert batch.tolist() == [[0, 0], [0, 0]]


def test_gradients_flow_through_a_batch():
    weight = trainctl.ones(2, requires_grad=True)
    default_collate([weight, 2 * weight]).sum().backward()
    assert weight.grad.tolist() == [3, 3]


def test_arrays_of_text_stay_as_they_are_without_batches():
    text = np.array(["a"])
    assert default_convert({"text": text})["text"] is text
