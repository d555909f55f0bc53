"""Fused recurrent layers: the same as a loop of cells, in values, gradients and gradients of gradients."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from tests.backend.standin import DeviceArray, installed
from trainctl.autograd import grad, gradcheck
from trainctl.autograd.ops.recurrent import MODES, _steps, recurrent
from trainctl.autograd.tensor import Tensor

GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}
LENGTHS = [[2, 2, 2], [3, 2, 1, 1], [1], [2, 0], [0, 0]]
X, H = 3, 4

# mode, size of the output (less than H with a projection), bias
KINDS = [
    ("RNN_TANH", H, True),
    ("RNN_RELU", H, False),
    ("LSTM", H, True),
    ("LSTM", 2, True),
    ("LSTM", 2, False),
    ("GRU", H, True),
    ("GRU", H, False),
]


def inputs(mode, output, bias, sizes, seed=0, wrap=np.asarray):
    """Return x, the first states and the weights of one layer in one direction, float64 leaves."""
    draw = np.random.default_rng(seed)
    batch, rows = max(sizes), GATES[mode] * H

    def leaf(*shape):
        return Tensor._wrap(wrap(draw.standard_normal(shape))).requires_grad_()

    states = [leaf(batch, output), *([leaf(batch, H)] if mode == "LSTM" else [])]
    weights = [leaf(rows, X), leaf(rows, output), *([leaf(rows), leaf(rows)] if bias else [None, None])]
    if mode == "LSTM":
        weights.append(leaf(output, H) if output != H else None)
    return leaf(sum(sizes), X), states, weights


def layer(mode, sizes, reverse):
    """Return a function of x, states and weights that gives the op's output and last states."""
    op, options = MODES[mode]
    steps = _steps(sizes)[:: -1 if reverse else 1]
    return lambda *args: op.apply(*args, steps=steps, **options)[: 3 if mode == "LSTM" else 2]


def only_tensors(function, args):
    """Return the tensors among the arguments, and a function of those alone."""
    given = [each for each in args if each is not None]

    def call(*now):
        rest = iter(now)
        return function(*(None if each is None else next(rest) for each in args))

    return given, call


CASES = [pytest.param(*kind, sizes, reverse, id=f"{kind}-{sizes}-{'back' if reverse else 'on'}") for kind in KINDS for sizes in LENGTHS for reverse in (False, True)]  # fmt: skip


@pytest.mark.parametrize(("mode", "output", "bias", "sizes", "reverse"), CASES)
def test_a_layer_is_the_loop_of_its_cell(mode, output, bias, sizes, reverse):
    x, states, weights = inputs(mode, output, bias, sizes)
    fused = layer(mode, sizes, reverse)(x, *states, *weights)
    looped = fused[0].grad_fn.unrolled(x, *states, *weights)
    given, _ = only_tensors(None, [x, *states, *weights])
    draw = np.random.default_rng(1)
    cotangents = [trainctl.from_numpy(draw.standard_normal(tuple(each.shape))) for each in fused]
    for mine, theirs in zip(fused, looped, strict=True):
        np.testing.assert_allclose(mine.detach().numpy(), theirs.detach().numpy(), rtol=1e-12, atol=1e-14)
    grads = [grad(each, given, cotangents) for each in (fused, looped)]
    for mine, theirs in zip(*grads, strict=True):
        np.testing.assert_allclose(mine.numpy(), theirs.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("mode", "output", "bias"), KINDS)
def test_gradients_against_differences(mode, output, bias):
    x, states, weights = inputs(mode, output, bias, [2, 1])
    given, call = only_tensors(layer(mode, [2, 1], False), [x, *states, *weights])
    assert gradcheck(call, given)


@pytest.mark.parametrize("mode", ["RNN_TANH", "LSTM", "GRU"])
def test_complex_gradients_against_differences(mode):
    draw = np.random.default_rng(3)

    def wrap(array):
        return array + 1j * draw.standard_normal(array.shape)

    x, states, weights = inputs(mode, H, False, [1, 1], wrap=wrap)
    run = layer(mode, [1, 1], False)
    assert gradcheck(lambda x, h: run(x, h, *states[1:], *weights), [x, states[0]])


@pytest.mark.parametrize(("mode", "output", "bias"), KINDS)
def test_gradients_of_gradients_along_a_direction(mode, output, bias):
    x, states, weights = inputs(mode, output, bias, [2, 1])
    given, call = only_tensors(layer(mode, [2, 1], True), [x, *states, *weights])
    draw = np.random.default_rng(2)
    along, weighing = ([trainctl.from_numpy(draw.standard_normal(tuple(each.shape))) for each in given] for _ in "ab")

    def slope(step):
        """Return a weighted sum of all gradients at a point a step along the direction, and that point's leaves."""
        leaves = [(each + step * way).detach().requires_grad_() for each, way in zip(given, along, strict=True)]
        gradients = grad(sum(each.square().sum() for each in call(*leaves)), leaves, create_graph=True)
        return sum((g * w).sum() for g, w in zip(gradients, weighing, strict=True)), leaves

    here, leaves = slope(0.0)
    second = sum((g * way).sum() for g, way in zip(grad(here, leaves), along, strict=True))
    difference = (slope(1e-5)[0] - slope(-1e-5)[0]) / 2e-5
    assert second.item() == pytest.approx(difference.item(), rel=1e-6)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("used", [0, 1, -1])
def test_one_output_alone_is_enough_for_a_gradient(mode, used):
    x, states, weights = inputs(mode, H, True, [2, 1])
    run = layer(mode, [2, 1], False)
    (gradient,) = grad(run(x, *states, *weights)[used].sum(), x)
    shifted = x.detach().clone()
    shifted[0, 0] += 1e-6
    difference = (run(shifted, *states, *weights)[used].sum() - run(x, *states, *weights)[used].sum()) / 1e-6
    assert gradient[0, 0].item() == pytest.approx(difference.item(), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_what_is_not_asked_for_gets_no_gradient(mode):
    x, states, weights = inputs(mode, H, True, [2, 1])
    for each in (x, *states, weights[2]):
        each.requires_grad_(False)
    layer(mode, [2, 1], False)(x, *states, *weights)[0].sum().backward()
    assert [each.grad is None for each in (x, *states, weights[2])] == [True] * (2 + len(states))
    assert weights[0].grad.abs().sum() > 0
    assert weights[3].grad.abs().sum() > 0


@pytest.mark.parametrize("mode", MODES)
def test_a_state_that_is_given_twice_gets_both_gradients_once(mode):
    def gradient(first, second):
        x, _, weights = inputs(mode, H, True, [2, 2])
        states = [first, second] if mode == "LSTM" else [first]
        outputs = layer(mode, [2, 2], False)(x, *states, *weights)
        (g,) = grad(sum(each.square().sum() for each in outputs), first, create_graph=True)
        return g

    state = trainctl.from_numpy(np.random.default_rng(5).standard_normal((2, H))).requires_grad_()
    other = state.detach().clone().requires_grad_()
    both = gradient(state, state)
    apart = gradient(state, other) + (gradient_of_second(mode, state, other) if mode == "LSTM" else 0)
    np.testing.assert_allclose(both.detach().numpy(), apart.detach().numpy(), rtol=1e-10)


def gradient_of_second(mode, first, second):
    x, _, weights = inputs(mode, H, True, [2, 2])
    outputs = layer(mode, [2, 2], False)(x, first, second, *weights)
    return grad(sum(each.square().sum() for each in outputs), second)[0]


@pytest.mark.parametrize("mode", MODES)
def test_changing_the_output_in_place_does_not_spoil_the_gradient(mode):
    def gradient(change):
        x, states, weights = inputs(mode, H, True, [2, 1])
        output = change(layer(mode, [2, 1], False)(x, *states, *weights)[0])
        return grad(output.sum(), x)[0].tolist()

    assert gradient(lambda y: y.mul_(2)) == gradient(lambda y: y * 2)


@pytest.mark.parametrize("mode", MODES)
def test_first_states_are_left_as_they_were(mode):
    x, states, weights = inputs(mode, H, True, [2, 1])
    before = [each.tolist() for each in states]
    layer(mode, [2, 1], False)(x, *states, *weights)
    assert [each.tolist() for each in states] == before


def network(mode, output, wrap=np.asarray):
    """Return the arguments of two layers in both directions over sequences of 4, 2 and 1 steps."""
    states, weights = [], []
    for number in range(4):
        x, first, own = inputs(mode, output, True, [3, 2, 1, 1], seed=number, wrap=wrap)
        if number >= 2:  # the second layer's inputs are both directions' outputs
            draw = np.random.default_rng(number).standard_normal((own[0].shape[0], 2 * output))
            own[0] = Tensor._wrap(wrap(draw)).requires_grad_()
        states.append(first)
        weights.append(own)
    return x, states, weights


@pytest.mark.parametrize(("mode", "output", "bias"), [kind for kind in KINDS if kind[2]])
def test_on_a_device_the_same_comes_out_and_nothing_is_transferred(mode, output, bias):
    def outcome(wrap):
        x, states, weights = network(mode, output, wrap)
        y, lasts = recurrent(mode, x, [3, 2, 1, 1], states, weights, bidirectional=True)
        sum((each * each).sum() for each in (y, *lasts)).backward()
        leaves = [x, *(leaf for group in (*states, *weights) for leaf in group if leaf is not None)]
        return [y, *lasts, *(leaf.grad for leaf in leaves)]

    here = outcome(np.asarray)
    with installed() as counts:
        there = outcome(DeviceArray)
        assert (counts.to_device, counts.to_host, counts.synchronised) == (0, 0, 0)
    for mine, theirs in zip(here, there, strict=True):
        np.testing.assert_allclose(theirs._array._host, mine._array, rtol=1e-12)


def test_no_steps_are_refused():
    with pytest.raises(RuntimeError, match="Expected sequence length to be larger than 0 in RNN"):
        recurrent("GRU", trainctl.zeros(0, 3), [], [], [])


def test_dropout_comes_between_layers_and_scales_what_is_left():
    one, w = trainctl.zeros(1, 1), trainctl.ones(1, 1)
    weights = [[w, trainctl.zeros(1, 1), None, None]] * 3
    trainctl.manual_seed(0)
    x = trainctl.ones(1000, 1)
    y, _ = recurrent("RNN_RELU", x, [1] * 1000, [[one]] * 3, weights, dropout=0.5)
    values, counts = np.unique(y.numpy(), return_counts=True)
    assert values.tolist() == [0.0, 4.0]  # kept twice, each time doubled
    assert counts[1] == pytest.approx(250, abs=50)
