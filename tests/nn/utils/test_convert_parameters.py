"""All parameters as one vector, and back."""

from __future__ import annotations

import pytest

import trainctl
from tests.scripts import Scripts
from trainctl.nn import utils

scripts = Scripts()


@scripts.gives(([1.0, 2.0, 3.0, 4.0], [[5.0, 6.0]], [7.0, 8.0], True))
def parameters_as_one_vector_and_back(lib):
    a, b = lib.tensor([[1.0, 2.0]], requires_grad=True), lib.tensor([3.0, 4.0], requires_grad=True)
    vector = lib.nn.utils.parameters_to_vector([a, b])
    lib.nn.utils.vector_to_parameters(lib.tensor([5.0, 6.0, 7.0, 8.0]), [a, b])
    return vector, a, b, vector.requires_grad


test_script = scripts.test()


@pytest.mark.parametrize("size", [1, 3])
def test_a_vector_of_another_size_is_refused(size):
    a = trainctl.zeros(2, requires_grad=True)
    with pytest.raises(RuntimeError, match=f"vector of {size} elements does not fit parameters of 2"):
        utils.vector_to_parameters(trainctl.ones(size), [a])
    assert a.tolist() == [0.0, 0.0]
