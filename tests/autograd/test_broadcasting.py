"""The gradient of an operand that was broadcast is summed back to its shape, for every pair of shapes."""

from __future__ import annotations

import operator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes

import trainctl

PARTIALS = {
    operator.add: (lambda x, y: 1 + 0 * x * y, lambda x, y: 1 + 0 * x * y),
    operator.sub: (lambda x, y: 1 + 0 * x * y, lambda x, y: -1 + 0 * x * y),
    operator.mul: (lambda x, y: y + 0 * x, lambda x, y: x + 0 * y),
    operator.truediv: (lambda x, y: 1 / y + 0 * x, lambda x, y: -x / y**2),
}

PAIRS = mutually_broadcastable_shapes(num_shapes=2, max_dims=4, min_side=0, max_side=4)


def summed_to(gradient, shape):
    """Return a gradient summed over the places that one element of ``shape`` was stretched to."""
    total = np.zeros(shape)
    stretched = np.broadcast_to(np.arange(total.size).reshape(shape), gradient.shape)
    np.add.at(total.reshape(-1), stretched.ravel(), gradient.ravel())
    return total


@pytest.mark.parametrize("operation", PARTIALS)
@settings(max_examples=40)
@given(shapes=PAIRS, seed=st.integers(0, 99))
def test_gradients_have_their_operand_s_shape_and_sum(operation, shapes, seed):
    draw = np.random.RandomState(seed)
    arrays = [np.asarray(draw.uniform(0.5, 1.5, shape)) for shape in shapes.input_shapes]
    leaves = [trainctl.tensor(each, requires_grad=True) for each in arrays]
    weight = np.asarray(draw.rand(*shapes.result_shape))
    output = operation(*leaves)
    assert output.shape == shapes.result_shape
    output.backward(trainctl.tensor(weight))
    for leaf, partial in zip(leaves, PARTIALS[operation], strict=True):
        want = summed_to(np.asarray(weight * partial(*arrays)), leaf.shape)
        np.testing.assert_allclose(leaf.grad.numpy(), want, rtol=1e-9)


@settings(max_examples=40)
@given(shapes=PAIRS)
def test_shapes_broadcast_as_numpy_s_do(shapes):
    assert trainctl.broadcast_shapes(*shapes.input_shapes) == shapes.result_shape
    x = trainctl.ones(shapes.input_shapes[0], requires_grad=True)
    x.expand(shapes.result_shape).sum().backward()
    stretched = np.prod(shapes.result_shape, dtype=int) / max(x.numel(), 1)
    assert x.grad.tolist() == np.full(x.shape, stretched).tolist()


@given(st.lists(st.integers(2, 5), min_size=1, max_size=3), st.data())
def test_shapes_that_do_not_broadcast_are_named(shape, data):
    place = data.draw(st.integers(0, len(shape) - 1))
    other = [size + (i == place) for i, size in enumerate(shape)]
    with pytest.raises(RuntimeError, match=rf"The size of tensor a \({shape[place]}\) must match the size of tensor b"):
        trainctl.ones(shape) + trainctl.ones(other)
