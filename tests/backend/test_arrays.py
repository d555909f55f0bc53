"""One interface over array libraries."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

from trainctl.backend.arrays import NUMPY, Backend, backend_of


def test_a_backend_is_its_library():
    assert NUMPY.add is np.add
    assert NUMPY.einsum is np.einsum
    assert NUMPY.float32 is np.float32


def test_a_function_is_looked_up_once():
    backend = Backend(np, np.ndarray, "cpu")
    assert "matmul" not in vars(backend)
    assert backend.matmul is np.matmul
    assert vars(backend)["matmul"] is np.matmul


def test_what_the_library_lacks_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_function"):
        _ = NUMPY.no_such_function


def test_scatter_add_adds_repeated_places_twice():
    target = np.zeros((3, 2))
    NUMPY.scatter_add(target, np.array([0, 2, 0]), np.ones((3, 2)))
    assert target.tolist() == [[2, 2], [0, 0], [1, 1]]


@pytest.mark.parametrize("array", [np.arange(6.0), np.arange(12.0)[::2], np.arange(6.0).reshape(3, 2).T], ids=str)
def test_strides_make_a_view_that_can_be_written_to(array):
    step = array.strides[-1]
    view = NUMPY.as_strided(array, (2, 2), (0, step))
    assert view.tolist() == as_strided(array, (2, 2), (0, step)).tolist()
    view[1, 1] = 7
    assert array.flat[1] == 7


def test_strides_keep_what_is_read_only():
    array = np.arange(6.0)
    array.flags.writeable = False
    assert not NUMPY.as_strided(array, (2, 6), (0, 8)).flags.writeable


@pytest.mark.parametrize("function", ["add", "multiply", "maximum"])
@pytest.mark.parametrize(
    "index",
    [
        np.array([0, -1, 0]), np.array([[2, 0], [2, 2]], np.int32), (np.array([0, 0, -1]), np.array([1, 1, -3])),
        (np.array([[0], [1]]), np.array([3, 0, 3])), (slice(None), np.array([0, 0])), np.array([True, False, True]), np.array([], int),
    ],
)  # fmt: skip
def test_scattering_is_what_the_function_s_own_at_does(function, index):
    for target in (np.arange(12.0).reshape(3, 4), np.arange(12.0).reshape(4, 3).T):
        wanted, source = target.copy(), 2 + np.arange(target[index].size).reshape(target[index].shape)
        getattr(np, function).at(wanted, index, source)
        NUMPY.scatter_reduce(function, target, index, source)
        assert target.tolist() == wanted.tolist()


def test_scattering_beyond_the_array_is_an_index_error():
    with pytest.raises(IndexError, match="index 3 is out of bounds"):
        NUMPY.scatter_add(np.zeros((3, 2)), np.array([0, 3]), 1.0)


def test_host_arrays_stay_themselves():
    array = np.ones(2)
    assert NUMPY.from_host(array) is array
    assert NUMPY.to_host(array) is array


def test_an_array_knows_its_backend():
    assert backend_of(np.ones(1)) is NUMPY
    assert backend_of(np.ones((2, 2)).T[::2]) is NUMPY


@pytest.mark.parametrize("value", [[1, 2], 1.0, np.float32(1), np.ma.array([1])])
def test_other_arrays_are_refused_by_name(value):
    with pytest.raises(TypeError, match=f"no backend for arrays of type {type(value).__name__}; known: .*ndarray"):
        backend_of(value)


def test_a_backend_copies_to_itself():
    assert copy.deepcopy(NUMPY) is NUMPY
