"""PyTorch's old name for a tensor in a graph."""

from __future__ import annotations

import pytest

import trainctl
from tests.scripts import Scripts
from trainctl.autograd import Variable

scripts = Scripts()


@scripts.gives((True, True, [6.0], False))
def a_variable_is_a_tensor(lib):
    v = lib.autograd.Variable(lib.tensor([3.0]), requires_grad=True)
    (v * v).sum().backward()
    return (
        isinstance(v, lib.Tensor),
        isinstance(v, lib.autograd.Variable),
        v.grad,
        lib.autograd.Variable(v).requires_grad,
    )


@scripts.gives(([9.0, 1.0], True))
def it_shares_memory_with_its_data(lib):
    data = lib.ones(2)
    v = lib.autograd.Variable(data)
    v[0] = 9
    return data, v.data_ptr() == data.data_ptr()


@scripts.gives([True, True])
def any_tensor_is_a_variable(lib):
    return [isinstance(lib.ones(1), lib.autograd.Variable), not isinstance(1, lib.autograd.Variable)]


test_script = scripts.test()


def test_it_has_a_name():
    assert Variable(trainctl.ones(1), name="weight").name == "weight"
    assert trainctl.ones(1).name is None


def test_it_takes_numbers():
    assert Variable([1.0, 2.0]).tolist() == [1.0, 2.0]


def test_integers_cannot_require_gradients():
    with pytest.raises(RuntimeError, match="floating point"):
        Variable(trainctl.tensor([1]), requires_grad=True)
