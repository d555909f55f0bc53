"""What ops cost, read off their shapes: against counts by hand."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from trainctl import nn
from trainctl.plan.costs import size_of
from trainctl.plan.op_timer import OpTimer


def counted(net, *shape, kind=None):
    """Return what each kind of op took in a forward and a backward pass."""
    x = trainctl.zeros(shape, dtype=kind) if kind else trainctl.randn(*shape)
    timer = OpTimer()
    with timer.watching():
        found = net(x)
        (found[0] if isinstance(found, tuple) else found).sum().backward()
    return timer.times


def test_a_linear_layer():
    times = counted(nn.Linear(784, 128), 64, 784)
    assert times["Linear"].flops == 2 * 64 * 784 * 128
    assert times["Linear"].traffic == 4 * (64 * 784 + 784 * 128 + 128 + 64 * 128)
    assert times["MatMul"].flops == 2 * 64 * 784 * 128  # the weight's gradient; the input needs none


@pytest.mark.parametrize(
    ("options", "places"),
    [({}, 26), ({"padding": 1}, 28), ({"stride": 2, "padding": 1}, 14), ({"groups": 4}, 26), ({"dilation": 2}, 24)],
)
def test_a_convolution(options, places):
    net = nn.Sequential(nn.Identity(), nn.Conv2d(8, 16, 3, **options))
    wanted = 2 * 5 * 16 * places * places * (8 // options.get("groups", 1)) * 9
    x = trainctl.randn(5, 8, 28, 28).requires_grad_()
    timer = OpTimer()
    with timer.watching():
        net(x).sum().backward()
    for name in ("Convolution", "ConvolutionWeightGradient", "ConvolutionInputGradient"):
        assert timer.times[name].flops == wanted


@pytest.mark.parametrize(("kind", "gates"), [(nn.RNN, 1), (nn.GRU, 3), (nn.LSTM, 4)])
def test_layers_over_time(kind, gates):
    times = counted(kind(6, 10), 7, 3, 6)
    assert times[f"{kind.__name__}Layer"].flops == 2 * 21 * gates * 10 * (6 + 10)
    assert times[f"{kind.__name__}LayerGradient"].flops == 2 * 21 * gates * 10 * 10


def test_a_projection_is_one_more_product():
    times = counted(nn.LSTM(6, 10, proj_size=4), 7, 3, 6)
    assert times["LSTMLayer"].flops == 2 * 21 * (40 * (6 + 4) + 4 * 10)
    assert times["LSTMLayerGradient"].flops == 2 * 21 * (40 * 4 + 4 * 10)


def test_a_batch_of_products():
    timer = OpTimer()
    with timer.watching():
        trainctl.ones(3, 4, 5) @ trainctl.ones(3, 5, 6)
    assert timer.times["MatMul"].flops == 2 * 3 * 4 * 5 * 6


def test_a_look_up_reads_its_rows_alone():
    times = counted(nn.Embedding(1000, 8), 16, kind=trainctl.int64)
    assert times["Embedding"].traffic == 16 * 8 + 2 * (16 * 8 * 4)


def test_what_moves_nothing_counts_nothing():
    timer = OpTimer()
    with timer.watching():
        trainctl.ones(4, 6).reshape(6, 4).t()
    assert {each.traffic for each in timer.times.values()} == {0}


def test_what_a_broadcast_repeats_counts_once():
    assert size_of(np.broadcast_to(np.zeros((3, 1), np.float32), (3, 100))) == 12
    assert size_of(np.zeros((0, 3))) == 0
