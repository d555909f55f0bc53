"""Recurrent layers step by step without the interpreter are what the ops give."""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np
import pytest

from tests.plan.kernels import harness
from tests.plan.kernels.harness import forward, like, run, uniform
from trainctl.autograd.ops.recurrent_gru import GRULayer, GRULayerGradient
from trainctl.autograd.ops.recurrent_lstm import LSTMLayer, LSTMLayerGradient

check = partial(harness.check, always=True)

LAYERS = {"lstm": (LSTMLayer, LSTMLayerGradient, 4, 2), "gru": (GRULayer, GRULayerGradient, 3, 1)}
# rows of each step, size of the input, size of the state
CASES = [([20] * 5, 6, 24), ([1], 1, 1), ([33, 33, 17, 16, 2], 3, 40), ([2] * 3, 5, 130)]
layers = pytest.mark.parametrize("layer", LAYERS)
cases = pytest.mark.parametrize(("counts", "inputs", "size"), CASES)
directions = pytest.mark.parametrize("reverse", [False, True])


def steps_of(counts, reverse):
    ends = np.cumsum([0, *counts]).tolist()
    steps = tuple(slice(start, end) for start, end in itertools.pairwise(ends))
    return {"steps": steps[::-1] if reverse else steps}


def given(layer, counts, inputs, size, biases=(True, True)):
    """Return what the layer is given."""
    _, _, gates, kinds = LAYERS[layer]
    states = [uniform(counts[0], size, seed=number) for number in range(kinds)]
    weights = [uniform(gates * size, width, seed=3 + width) for width in (inputs, size)]
    bias = [uniform(gates * size, seed=5 + number) if there else None for number, there in enumerate(biases)]
    return [uniform(sum(counts), inputs), *states, *weights, *bias, *([None] if layer == "lstm" else [])]


@layers
@cases
@directions
def test_forward(layer, counts, inputs, size, reverse):
    op, params, arrays = LAYERS[layer][0], steps_of(counts, reverse), given(layer, counts, inputs, size)
    outs = [like(each) for each in forward(op, params, arrays)]
    check(op, params, arrays, outs, rtol=1e-4)


@layers
@pytest.mark.parametrize("biases", [(False, False), (True, False), (False, True)])
def test_biases_that_are_not_there(layer, biases):
    op, params, arrays = LAYERS[layer][0], steps_of([4, 4], False), given(layer, [4, 4], 3, 5, biases)
    check(op, params, arrays, [like(each) for each in forward(op, params, arrays)], rtol=1e-4)


@layers
@cases
@directions
@pytest.mark.parametrize("absent", [(), (0,), (1,), (2,), (1, 2)])
def test_gradient(layer, counts, inputs, size, reverse, absent):
    op, gradient, _, kinds = LAYERS[layer]
    params, arrays = steps_of(counts, reverse), given(layer, counts, inputs, size)
    _, *outputs = forward(op, params, arrays)
    kept = outputs[kinds:]
    if layer == "lstm":
        gates, _, cells, tanhs = kept
        saved = [gates, cells, tanhs, arrays[4], None]
    else:
        saved = [*kept, arrays[3]]
    shapes = [(sum(counts), size), *[(counts[0], size)] * kinds]
    gys = [None if number in absent else uniform(*shape, seed=number) for number, shape in enumerate(shapes)]
    results = forward(gradient, params, [*saved, *gys])
    outs = [like(each) for each in results[: 1 + kinds]] + [None] * (layer == "lstm")
    check(gradient, params, [*saved, *gys], outs, rtol=1e-3)


@layers
def test_a_nan_stays_in_its_sequence(layer):
    op, params, arrays = LAYERS[layer][0], steps_of([20] * 3, False), given(layer, [20] * 3, 4, 8)
    arrays[0][7] = np.nan
    y, *_ = run(op, params, arrays, [like(each) for each in forward(op, params, arrays)], 2)
    assert np.isnan(y).all(1).tolist() == [row % 20 == 7 for row in range(60)]


def test_saturated_gates():
    op, params, arrays = LSTMLayer, steps_of([3, 3], False), given("lstm", [3, 3], 4, 8)
    arrays[0] *= 1e4
    check(op, params, arrays, [like(each) for each in forward(op, params, arrays)], rtol=1e-4)


def test_projections_are_left_to_the_op():
    arrays = given("lstm", [3, 3], 4, 8)
    arrays[1], arrays[4], arrays[7] = uniform(3, 5), uniform(32, 5), uniform(5, 8)
    params = steps_of([3, 3], False)
    assert run(LSTMLayer, params, arrays, [like(each) for each in forward(LSTMLayer, params, arrays)], 1) is None
